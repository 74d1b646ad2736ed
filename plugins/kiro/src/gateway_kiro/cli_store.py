"""The login that Kiro's command line keeps in SQLite: `auth_kv` for tokens, `state` for choices.

Read without locking it, written in one transaction, one row at a time. Its other tables are its own
business.
"""

import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway_core import Credential, JsonObject, LoginRequired
from gateway_kiro.documents import read_token, text_of, updated

__all__ = ["cli_places", "is_cli_store", "read_cli", "write_cli"]

TOKEN_KEYS: Final = (
    "kirocli:social:token",
    "kirocli:odic:token",  # spelled so in the program
    "kirocli:oidc:token",
    "kirocli:external-idp:token",
    "codewhisperer:odic:token",
)
_REGISTRATION: Final = "device-registration"
_PROFILE: Final = "api.codewhisperer.profile"
_START_URL: Final = "auth.idc.start-url"
_REGION: Final = "auth.idc.region"
_MAGIC: Final = b"SQLite format 3\0"
_PATIENCE: Final = 5.0  # seconds, while the program itself writes
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_OVERRIDES: Final = ("KIROCLI_DB_PATH", "KIRO_CLI_DB_FILE")


def cli_places(platform: str = sys.platform) -> list[Path]:
    """Where the program keeps its store, the likeliest first; the one of its predecessor last."""
    for name in _OVERRIDES:
        if override := os.environ.get(name):
            return [Path(override).expanduser()]
    home = Path.home()
    if platform == "darwin":
        folders = [home / "Library" / "Application Support"]
    elif platform == "win32":
        named = [os.environ.get(name) for name in ("LOCALAPPDATA", "APPDATA")]
        folders = [Path(folder) for folder in named if folder]
    else:
        data = os.environ.get("XDG_DATA_HOME")
        folders = [Path(data)] if data else []
        folders.append(home / ".local" / "share")
    names = ("Kiro-Cli", "kiro-cli") if platform == "win32" else ("kiro-cli",)
    return [folder / name / "data.sqlite3" for name in (*names, "amazon-q") for folder in folders]


def is_cli_store(path: Path) -> bool:
    """Whether a file is such a store, by its first bytes. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_cli(path: Path, key: str | None, account: str) -> Credential:
    """The login in a store: the one under a key, else the one that lasts longest.

    Its `extra` notes the key. Raises `LoginRequired` that says what to do when there is none.
    """
    with _opened(path, "ro") as database:
        tokens = _rows(database, "auth_kv")
        state = _rows(database, "state")
    key = key or os.environ.get("KIROCLI_TOKEN_KEY")
    if key is not None:
        if key not in tokens:
            raise LoginRequired(f"{path} holds no login under {key!r}; run `kiro-cli login`")
        return _login(path, key, tokens, state, account)
    found: list[Credential] = []
    problem: LoginRequired | None = None
    for known in TOKEN_KEYS:
        if known in tokens:
            try:
                found.append(_login(path, known, tokens, state, account))
            except LoginRequired as error:
                problem = error
    if not found:
        raise problem or LoginRequired(
            f"{path} holds no login: run `kiro-cli login` first, or run `gateway login kiro`"
        )
    # Of equals the first of the list counts.
    return max(found, key=lambda login: login.expires_at or _EPOCH)


def write_cli(path: Path, before: Credential, after: Credential) -> None:
    """Give the store the tokens that a refresh of `before` brought.

    Leaves it alone when it moved on to another login since. Raises `OSError` when it cannot be
    written.
    """
    key = before.extra.get("token_key", "")
    try:
        with _opened(path, "rw") as database:
            database.execute("BEGIN IMMEDIATE")
            row = database.execute("SELECT value FROM auth_kv WHERE key = ?", (key,)).fetchone()
            document = _decode(row[0]) if row else None
            if not isinstance(document, dict) or not _is_before(document, before):
                database.execute("ROLLBACK")
                return
            text = json.dumps(updated(document, after), separators=(",", ":"), ensure_ascii=False)
            database.execute("UPDATE auth_kv SET value = ? WHERE key = ?", (text, key))
            database.execute("COMMIT")
    except (sqlite3.Error, LoginRequired) as error:
        raise OSError(
            None, f"the database could not be written ({type(error).__name__})"
        ) from error


def _is_before(document: JsonObject, before: Credential) -> bool:
    """Whether the tokens are still those that were renewed."""
    token = before.refresh_token or before.access_token
    name = "refresh_token" if before.refresh_token is not None else "access_token"
    return text_of(document, name) == token.get_secret_value()


def _login(
    path: Path,
    key: str,
    tokens: Mapping[str, Any],
    state: Mapping[str, Any],
    account: str,
) -> Credential:
    document = tokens[key]
    if not isinstance(document, dict):
        raise LoginRequired(f"the login {key!r} in {path} cannot be read: run `kiro-cli login`")
    # A registration belongs to the tokens of its own kind only.
    prefix = key.rpartition(":")[0]
    registration = tokens.get(f"{prefix}:{_REGISTRATION}")
    is_oidc = prefix.endswith(("odic", "oidc"))
    if not is_oidc or not isinstance(registration, dict):
        registration = {}
    known = {"token_key": key}
    profile = state.get(_PROFILE)
    chosen = profile.get("arn") if isinstance(profile, dict) else None
    if isinstance(chosen, str) and not prefix.endswith("social"):
        known["profile_arn"] = chosen
    if is_oidc:
        if isinstance(start_url := state.get(_START_URL), str):
            known["start_url"] = start_url
        if isinstance(region := state.get(_REGION), str):
            known["sso_region"] = region
    return read_token(document, registration, str(path), account, **known)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """The database, never created. Raises `LoginRequired` when it cannot be used."""
    uri = f"file:{quote(str(path))}?mode={mode}"
    try:
        database = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)
    except sqlite3.Error as error:
        raise LoginRequired(f"cannot open {path}: {error}") from error
    try:
        yield database
    finally:
        database.close()


def _rows(database: sqlite3.Connection, table: str) -> dict[str, Any]:
    """A table of keys and JSON; one that is not there is empty."""
    queries = {
        "auth_kv": "SELECT key, value FROM auth_kv",
        "state": "SELECT key, value FROM state",
    }
    try:
        rows = database.execute(queries[table]).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return {}
        problem = str(error)
    except sqlite3.Error as error:
        problem = str(error)
    else:
        return {str(key): _decode(value) for key, value in rows}
    raise LoginRequired(f"the store of Kiro's command line cannot be read: {problem}")


def _decode(value: object) -> Any:
    """JSON text, as text or bytes; None when it is none."""
    try:
        return json.loads(value) if isinstance(value, str | bytes) else None
    except ValueError:
        return None
