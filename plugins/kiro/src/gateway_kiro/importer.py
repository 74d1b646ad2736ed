"""The logins that Kiro's command line and IDE keep: taken over on request, then shared.

Refresh tokens may work once, so two programs with one login must agree on it: before a refresh
`gateway_kiro.refresh` reads the store again, afterwards it writes the outcome back. Without an
import nothing here looks at any of it.
"""

import hashlib
import logging
from pathlib import Path
from typing import Final

from gateway_core import Credential, LoginRequired
from gateway_kiro.cli_store import cli_places, is_cli_store, read_cli, write_cli
from gateway_kiro.documents import same_login
from gateway_kiro.ide_store import ide_place, read_ide, write_ide
from gateway_kiro.identity import credential_kind, is_builder

__all__ = ["import_login", "is_shared", "read_owner", "write_back"]

_log = logging.getLogger(__name__)
_OWNER: Final = "imported_from"
_KEY: Final = "token_key"
_INSTEAD: Final = "or run `gateway login kiro`"


def import_login(source: Path | None) -> Credential:
    """A login of Kiro's own programs. source: `cli`, `desktop`, `auto` (the first of these that has
    one), or the path of a store of either; None is `cli`.

    Raises `LoginRequired` that says what to do when there is no login.
    """
    match str(source or "cli"):
        case "cli":
            return _from_cli()
        case "desktop" | "ide":
            return _from_file(ide_place())
        case "auto":
            try:
                return _from_cli()
            except LoginRequired as error:
                _log.info("no login of the command line: %s", error.message)
            return _from_file(ide_place())
        case path:
            return _from_file(Path(path).expanduser().absolute())


def is_shared(credential: Credential) -> bool:
    """Whether a credential was imported; one of our own logins is not."""
    return _OWNER in credential.extra


def read_owner(credential: Credential) -> Credential | None:
    """What the owner's store holds for this login by now; None when it holds none for it."""
    try:
        theirs = _read(Path(credential.extra[_OWNER]), credential.extra.get(_KEY))
    except (LoginRequired, OSError) as error:
        _log.info("the shared login is not read again: %s", _told(error))
        return None
    return theirs if same_login(theirs, credential) else None


def write_back(before: Credential, after: Credential) -> None:
    """Give the owner the tokens that a refresh of `before` brought.

    A store that cannot be written is logged: our own login is good all the same.
    """
    path = Path(before.extra[_OWNER])
    try:
        if _KEY in before.extra:
            write_cli(path, before, after)
        else:
            write_ide(path, before, after)
    except (OSError, ValueError) as error:  # texts that cannot be encoded are the latter
        _log.warning(
            "the renewed login was not written to %s (%s): the Kiro program it belongs to may have "
            "to log in again",
            path,
            getattr(error, "strerror", None) or type(error).__name__,
        )


def _from_cli() -> Credential:
    places = cli_places()
    for path in places:
        if _may_be_there(path):
            return _from_file(path)
    raise LoginRequired(
        f"there is no {places[0]}: log in with `kiro-cli login` first, {_INSTEAD}; a login of the "
        "IDE is imported with `gateway import kiro --from desktop`"
    )


def _may_be_there(path: Path) -> bool:
    """Whether there is something to read, or to say why it cannot be read."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _from_file(path: Path) -> Credential:
    try:
        credential = _read(path.absolute(), None)
    except FileNotFoundError:
        problem = f"there is no {path}: log in with Kiro first, {_INSTEAD}"
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
    else:
        return credential.model_copy(update={"label": _label(credential)})
    raise LoginRequired(problem)


def _read(path: Path, key: str | None) -> Credential:
    """Raises `OSError` when there is no file, `LoginRequired` when there is no login in it."""
    if path.is_dir():
        inside = [path / place.name for place in (*cli_places(), ide_place())]
        path = next((place for place in inside if place.exists()), path)
    credential = read_cli(path, key, "") if is_cli_store(path) else read_ide(path, "")
    used = credential.extra.get(_KEY, "")
    digest = hashlib.sha256(f"{path}\n{used}".encode()).hexdigest()[:8]
    program = "cli" if used else "ide"
    return credential.model_copy(
        update={
            "account": f"{program}-{credential_kind(credential)}-{digest}",
            "extra": {**credential.extra, _OWNER: str(path)},
        }
    )


def _label(credential: Credential) -> str:
    """What to call a login whose owner is not known without asking the service."""
    program = "Kiro CLI" if _KEY in credential.extra else "Kiro IDE"
    if is_builder(credential):
        return f"{program} (AWS Builder ID)"
    names = {"idc": "IAM Identity Center", "external_idp": "organisation", "api_key": "API key"}
    provider = credential.extra.get("provider", "social").capitalize()
    return f"{program} ({names.get(credential_kind(credential), provider)})"


def _told(error: Exception) -> str:
    return error.message if isinstance(error, LoginRequired) else type(error).__name__
