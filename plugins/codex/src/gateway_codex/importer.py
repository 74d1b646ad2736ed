"""The login that Codex CLI keeps in its `auth.json`: taken over on request, then shared.

Refresh tokens work once, so two programs with one login must agree on it: before a refresh
`gateway_codex.login` reads the file again, afterwards it writes the outcome back. Everything in the
file that is not ours stays as it was. Without an import nothing here looks at the file.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from gateway_codex.identity import (
    is_same_account,
    parse_time,
    read_identity,
    token_end,
    workspace_of,
)
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, JsonObject, LoginRequired
from gateway_core.json import dumps, loads_object
from gateway_core.private_files import write_private

__all__ = ["import_login", "is_newer", "owner_file", "read_owner", "write_back"]

_log = logging.getLogger(__name__)
_OWNER = "imported_from"
_INSTEAD = "or run `gateway login codex`"


def import_login(source: Path | None, settings: CodexSettings) -> Credential:
    """Codex CLI's login. source: its `auth.json`, or the folder with it; None is `$CODEX_HOME`,
    else `~/.codex`.

    Raises `LoginRequired` that says what to do when there is no ChatGPT login in it.
    """
    path = _auth_file(source)
    return _read_login(path, _read_document(path))


def owner_file(credential: Credential) -> Path | None:
    """The file a credential was imported from; None for one of our own logins."""
    path = credential.extra.get(_OWNER)
    return Path(path) if path else None


def read_owner(path: Path, ours: Credential) -> Credential | None:
    """What the owner's file holds for the account of our login by now; None when it is another
    one's.
    """
    try:
        credential = _read_login(path, _read_document(path))
    except LoginRequired as error:
        _log.info("the shared login is not read again: %s", error.message)
        return None
    if not is_same_account(credential, ours):
        return None
    return credential.model_copy(update={"account": ours.account})


def is_newer(theirs: Credential, ours: Credential) -> bool:
    """Whether the owner has other tokens that are younger than ours; a file that could not be
    written holds older ones, which we have used up.
    """
    if theirs.access_token == ours.access_token and theirs.refresh_token == ours.refresh_token:
        return False
    ends = theirs.expires_at, ours.expires_at
    return ends[0] is None or ends[1] is None or ends[0] >= ends[1]


def write_back(path: Path, before: Credential, after: Credential) -> None:
    """Give the owner the tokens that a refresh of `before` brought.

    Leaves the file alone when it moved on to another login since. A file that cannot be written is
    logged: our own login is good all the same.
    """
    try:
        document = _read_document(path)
        owned = _read_login(path, document)
    except LoginRequired:
        return
    if not is_same_account(owned, before) or is_newer(owned, before):
        return
    try:
        tokens = document["tokens"]
        tokens["access_token"] = after.access_token.get_secret_value()
        if after.refresh_token is not None:
            tokens["refresh_token"] = after.refresh_token.get_secret_value()
        if (id_token := after.secrets.get("id_token")) is not None:
            tokens["id_token"] = id_token.get_secret_value()
        tokens["account_id"] = workspace_of(after)
        document["last_refresh"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        write_private(path, dumps(document) + b"\n")
    except OSError as error:
        _log.warning(
            "the renewed login was not written to %s (%s): Codex CLI will have to log in again",
            path,
            error.strerror,
        )


def _auth_file(source: Path | None) -> Path:
    if source is None:
        source = Path(os.environ.get("CODEX_HOME") or "~/.codex")
    path = source.expanduser().absolute()
    # Of what is closed to us these say no, unlike a `Path`; reading it tells why.
    is_folder = os.path.isdir(path) or not (path.suffix or os.path.exists(path))
    return path / "auth.json" if is_folder else path


def _read_document(path: Path) -> JsonObject:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        problem = (
            f"there is no {path}: log in with `codex login` first, {_INSTEAD}; if Codex CLI keeps "
            'its login in the keyring, set cli_auth_credentials_store = "file" in its config.toml '
            "and log in there again"
        )
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
    else:
        try:
            return loads_object(data)
        except ValueError:
            problem = f"{path} is not Codex CLI's auth.json: it holds no JSON object"
    # Raised out here, so that nothing of the file hangs on as context.
    raise LoginRequired(problem)


def _read_login(path: Path, document: JsonObject) -> Credential:
    mode = document.get("auth_mode")
    if mode is None:  # older versions did not say
        mode = "apikey" if document.get("OPENAI_API_KEY") else "chatgpt"
    if mode == "apikey":
        raise LoginRequired(
            f"{path} holds an API key, no ChatGPT login: choose ChatGPT at `codex login`, "
            f"{_INSTEAD}"
        )
    if mode != "chatgpt":
        raise LoginRequired(
            f"{path} holds a login of the kind {mode!r}, which cannot be shared; "
            "run `gateway login codex`"
        )
    tokens = document.get("tokens")
    if not isinstance(tokens, dict):
        tokens = {}
    access, refresh, id_token = (
        _secret(tokens.get(name)) for name in ("access_token", "refresh_token", "id_token")
    )
    if access is None:
        raise LoginRequired(f"{path} holds no login: run `codex login` first, {_INSTEAD}")
    identity = read_identity(id_token, access)
    workspace = tokens.get("account_id") or identity.account_id
    if not isinstance(workspace, str):
        raise LoginRequired(f"{path} names no ChatGPT account: run `codex login` again, {_INSTEAD}")
    refreshed_at = parse_time(document.get("last_refresh")) or datetime.now(UTC)
    return Credential(
        provider="codex",
        account=identity.account_in(workspace),
        label=identity.email,
        access_token=access,
        refresh_token=refresh,
        expires_at=token_end(access, refreshed_at),
        extra={_OWNER: str(path)},
        secrets={"id_token": id_token} if id_token else {},
    )


def _secret(value: object) -> SecretStr | None:
    return SecretStr(value) if isinstance(value, str) and value else None
