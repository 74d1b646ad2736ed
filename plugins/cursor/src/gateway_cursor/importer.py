"""The logins that Cursor's command line and IDE keep: copied on request, never written.

Their owners renew them too, so before a refresh `gateway_cursor.refresh` looks whether the owner
has a newer one. Without an import nothing here looks at any of it.
"""

import logging
import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr

from gateway_core import Credential, LoginRequired
from gateway_core.credentials.oauth import TokenResponse
from gateway_core.json import loads, loads_object
from gateway_core.lookups import text_at
from gateway_cursor.tokens import new_credential

__all__ = ["cli_places", "ide_place", "import_login", "is_imported", "read_again"]

_log = logging.getLogger(__name__)
_OWNER: Final = "imported_from"
_INSTEAD: Final = "or run `gateway login cursor`"
_MAGIC: Final = b"SQLite format 3\0"
_PATIENCE: Final = 5.0  # seconds, while the IDE itself writes
_LARGEST: Final = 1 << 20  # bytes; the command line's file has about a thousand
_PREFIX: Final = "cursorAuth/"
_QUERY: Final = (
    "SELECT key, value FROM ItemTable WHERE key IN "
    "('cursorAuth/accessToken', 'cursorAuth/refreshToken', 'cursorAuth/cachedEmail')"
)


def import_login(source: Path | None) -> Credential:
    """A login of Cursor's own programs. source: `cli`, `desktop`, `auto` (the first of these that
    has one), or the path of a store of either; None is `cli`.

    Raises `LoginRequired` that says what to do when there is no login.
    """
    match str(source or "cli"):
        case "cli":
            return _from_cli()
        case "desktop" | "ide":
            return _read(ide_place())
        case "auto":
            try:
                return _from_cli()
            except LoginRequired as error:
                _log.info("no login of the command line: %s", error.message)
            return _read(ide_place())
        case path:
            return _read(Path(path).expanduser().absolute())


def is_imported(credential: Credential) -> bool:
    """Whether a credential was copied from another program; one of our own logins was not."""
    return _OWNER in credential.extra


def read_again(credential: Credential) -> Credential | None:
    """What the owner's store has for this account by now, if it is newer than what we have."""
    try:
        theirs = _read(Path(credential.extra[_OWNER]))
    except LoginRequired as error:
        _log.info("the imported login is not read again: %s", error.message)
        return None
    if theirs.account != credential.account:
        return None
    if theirs.access_token == credential.access_token or not _outlasts(theirs, credential):
        return None
    return theirs.model_copy(update={"label": credential.label or theirs.label})


def cli_places(platform: str = sys.platform) -> list[Path]:
    """Where the command line keeps its file, the likeliest first."""
    if folder := os.environ.get("CURSOR_CONFIG_DIR"):
        return [Path(folder).expanduser() / "auth.json"]
    home = Path.home()
    if platform == "darwin":
        folders = [home / ".cursor", home / "Library" / "Application Support" / "cursor"]
    elif platform == "win32":
        folders = [Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming") / "Cursor"]
    else:
        folders = [Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "cursor"]
    return [folder / "auth.json" for folder in folders]


def ide_place(platform: str = sys.platform) -> Path:
    """Where the IDE keeps its database."""
    home = Path.home()
    if platform == "darwin":
        folder = home / "Library" / "Application Support"
    elif platform == "win32":
        folder = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return folder / "Cursor" / "User" / "globalStorage" / "state.vscdb"


def _from_cli() -> Credential:
    places = cli_places()
    for path in places:
        if os.path.exists(path):  # of a folder that is closed to us it says no, unlike a `Path`
            return _read(path)
    keychain = (
        "; if it keeps its login in the keychain, log in there again with "
        "AGENT_CLI_CREDENTIAL_STORE=file in the environment"
        if sys.platform == "darwin"
        else ""
    )
    raise LoginRequired(
        f"there is no {places[0]}: log in with `cursor-agent login` first, {_INSTEAD}; a login of "
        f"the IDE is imported with `gateway import cursor --from desktop`{keychain}"
    )


def _read(path: Path) -> Credential:
    """The login in a store of either kind. Raises `LoginRequired`."""
    try:
        if path.is_dir():
            inside = (path / name for name in ("auth.json", "state.vscdb"))
            path = next((place for place in inside if place.exists()), path / "auth.json")
        with path.open("rb") as file:
            is_database = file.read(len(_MAGIC)) == _MAGIC
        document = _read_database(path) if is_database else _read_file(path)
    except FileNotFoundError:
        problem = f"there is no {path}: log in with Cursor first, {_INSTEAD}"
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror or type(error).__name__}"
    except ValueError:
        problem = f"{path} is neither the command line's auth.json nor the IDE's database"
    else:
        return _login(path, document)
    # Raised out here, so that nothing of the file hangs on as context.
    raise LoginRequired(problem)


def _login(path: Path, document: dict[str, Any]) -> Credential:
    access, refresh, key = (
        text_at(document, name) for name in ("accessToken", "refreshToken", "apiKey")
    )
    if access is None and key is None:
        raise LoginRequired(f"{path} holds no login: log in with Cursor first, {_INSTEAD}")
    tokens = TokenResponse.model_validate({"access_token": access or key, "refresh_token": refresh})
    if key is not None and (access is None or key.startswith("crsr_")):
        credential = new_credential(tokens, "key", key=SecretStr(key))
    else:
        credential = new_credential(tokens)
    update: dict[str, object] = {"extra": {**credential.extra, _OWNER: str(path)}}
    if access is None:
        # A key is sent to no service before it was exchanged, which a refresh does.
        update["expires_at"] = datetime.fromtimestamp(0, UTC)
    if email := text_at(document, "cachedEmail"):
        update["label"] = email
    return credential.model_copy(update=update)


def _outlasts(theirs: Credential, ours: Credential) -> bool:
    if theirs.expires_at is None or ours.expires_at is None:
        return True
    return theirs.expires_at > ours.expires_at and theirs.expires_at > datetime.now(UTC)


def _read_file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError("no login is that large")
    return loads_object(data)


def _read_database(path: Path) -> dict[str, Any]:
    """What the IDE keeps. Its latest writes lie in a file beside the database, and are read too."""
    logs = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-journal")]
    # Without these files nobody writes; SQLite would then make one here if it were not told so.
    mode = "mode=ro" if any(log.exists() for log in logs) else "mode=ro&immutable=1"
    uri = f"file:{quote(str(path))}?{mode}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as database:
            rows = database.execute(_QUERY).fetchall()
    except sqlite3.Error as error:
        raise OSError(None, f"the database cannot be read ({error})") from error
    return {str(key).removeprefix(_PREFIX): _plain(value) for key, value in rows}


def _plain(value: object) -> object:
    """A text, which may be stored as bytes, or as JSON."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and value.startswith('"'):
        try:
            return loads(value.encode())
        except ValueError:
            return None
    return value
