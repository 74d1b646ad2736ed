"""The login that the Kiro IDE keeps in `~/.aws/sso/cache`: a token file, and a registration beside
it for logins of AWS.
"""

import os
import re
import sys
from pathlib import Path
from typing import Final

from gateway_core import Credential, JsonObject, LoginRequired
from gateway_core.json import dumps, loads_object
from gateway_core.private_files import write_private
from gateway_kiro.documents import read_token, text_of, updated

__all__ = ["ide_place", "read_ide", "write_ide"]

_HASH: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")  # it becomes part of a path
_FILE: Final = "kiro-auth-token.json"


def ide_place() -> Path:
    """Where the IDE keeps its token file."""
    override = os.environ.get("KIRO_AUTH_FILE")
    if override:
        return Path(override).expanduser()
    return Path.home() / ".aws" / "sso" / "cache" / _FILE


def read_ide(path: Path, account: str) -> Credential:
    """The login in a token file. Raises `LoginRequired` that says what to do when there is none."""
    document = _read(path)
    known: dict[str, str] = {}
    registration: JsonObject = {}
    client = text_of(document, "client_id_hash")
    if client is not None:
        if not _HASH.fullmatch(client):
            raise LoginRequired(f"{path} names a strange registration; log in with Kiro again")
        beside = path.with_name(f"{client}.json")
        if beside.exists():
            registration = _read(beside)
    if not text_of(document, "profile_arn") and path == ide_place():
        known = _chosen_profile()
    return read_token(document, registration, str(path), account, **known)


def write_ide(path: Path, before: Credential, after: Credential) -> None:
    """Give the file the tokens that a refresh of `before` brought.

    Leaves it alone when it moved on to another login since. Raises `OSError` when it cannot be
    written.
    """
    try:
        document = _read(path)
    except LoginRequired:
        return
    renewed = before.refresh_token or before.access_token
    name = "refresh_token" if before.refresh_token is not None else "access_token"
    if text_of(document, name) == renewed.get_secret_value():
        write_private(path, dumps(updated(document, after)) + b"\n")


def _chosen_profile() -> dict[str, str]:
    """The profile that was chosen in the IDE, which it keeps among its own settings."""
    path = _settings_folder() / "User" / "globalStorage" / "kiro.kiroagent" / "profile.json"
    try:
        arn = loads_object(path.read_bytes()).get("arn")
    except (OSError, ValueError):
        return {}
    return {"profile_arn": arn} if isinstance(arn, str) else {}


def _settings_folder() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Kiro"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", "~")).expanduser() / "Kiro"
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "Kiro"


def _read(path: Path) -> JsonObject:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        problem = f"there is no {path}: log in with the Kiro IDE first, or run `gateway login kiro`"
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
    else:
        try:
            return loads_object(data)
        except ValueError:
            problem = f"{path} holds no JSON object, so it is none of the Kiro IDE's files"
    # Raised out here, so that nothing of the file hangs on as context.
    raise LoginRequired(problem)
