"""The login that Grok's own CLI keeps in its `auth.json`: read on request, and never renewed by us.

Its refresh token works once, so a second program that uses it would log the first one out. An
imported login is therefore read again when it nears its end, and the CLI renews it. Without an
import nothing here looks at the file.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from gateway_core import Credential, JsonObject, LoginRequired, UpstreamFailed
from gateway_core.json import loads_object
from gateway_grok.identity import UNNAMED, parse_time, read_identity
from gateway_grok.login import CLIENT_ID

__all__ = ["import_login", "owner_file", "read_again"]

_OWNER: Final = "imported_from"
_INSTEAD: Final = "or run `gateway login grok`"


def import_login(source: Path | None) -> Credential:
    """The CLI's login. source: its `auth.json`, or the folder with it; None is `$GROK_HOME`, else
    `~/.grok`.

    Raises `LoginRequired` that says what to do when there is no login of a subscription in it.
    """
    path = _auth_file(source)
    return _read_login(path)


def owner_file(credential: Credential) -> Path | None:
    """The file a credential was imported from; None for one of our own logins."""
    path = credential.extra.get(_OWNER)
    return Path(path) if path else None


async def read_again(credential: Credential) -> Credential:
    """What the CLI has by now in place of an imported credential.

    Raises `UpstreamFailed` when it has none for the account, or has not renewed it yet. Never
    `LoginRequired`, which is final: the CLI may write another login at any time.
    """
    path = owner_file(credential)
    assert path is not None
    try:
        theirs = await asyncio.to_thread(_read_login, path)
    except LoginRequired as error:
        raise UpstreamFailed(error.message) from error
    if theirs.account != credential.account:
        raise UpstreamFailed(f"{path} holds the login of another account by now; {_INSTEAD[3:]}")
    if theirs.access_token == credential.access_token:
        raise UpstreamFailed(
            "this login belongs to Grok's CLI, which has not renewed it: run `grok` once, "
            f"{_INSTEAD}"
        )
    return theirs.model_copy(update={"label": credential.label})


def _auth_file(source: Path | None) -> Path:
    if source is None:
        source = Path(os.environ.get("GROK_HOME") or "~/.grok")
    path = source.expanduser().absolute()
    # Of what is closed to us these say no, unlike a `Path`; reading it tells why.
    is_folder = os.path.isdir(path) or not (path.suffix or os.path.exists(path))
    return path / "auth.json" if is_folder else path


def _read_login(path: Path) -> Credential:
    entry = _entry(path)
    access, refresh = entry.get("key"), entry.get("refresh_token")
    if not isinstance(access, str) or not access:
        raise LoginRequired(f"the login in {path} has no access token: log in there, {_INSTEAD}")
    token = SecretStr(access)
    identity = read_identity(token)
    account = identity.account or _text(entry.get("user_id")) or UNNAMED
    return Credential(
        provider="grok",
        account=account,
        label=_text(entry.get("email")) or identity.email,
        access_token=token,
        # Never sent: that there is one has the core ask us when the access token nears its end.
        refresh_token=SecretStr(refresh) if isinstance(refresh, str) and refresh else token,
        expires_at=parse_time(entry.get("expires_at")),
        extra={_OWNER: str(path)},
    )


def _entry(path: Path) -> JsonObject:
    """The entry of a login through our common client. Raises `LoginRequired`."""
    try:
        document = loads_object(path.read_bytes())
    except FileNotFoundError:
        problem = f"there is no {path}: log in with `grok login` first, {_INSTEAD}"
    except OSError as error:
        problem = f"{path} cannot be read ({error.strerror}); {_INSTEAD[3:]}"
    except ValueError:
        problem = f"{path} is no JSON; {_INSTEAD[3:]}"
    else:
        for name, entry in document.items():
            if name.endswith(f"::{CLIENT_ID}") and isinstance(entry, dict):
                return entry
        found = "only an API key" if "xai::api_key" in document else "no login of a subscription"
        problem = f"{found} is in {path}: log in with `grok login` first, {_INSTEAD}"
    raise LoginRequired(problem)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
