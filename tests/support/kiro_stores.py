"""The stores of Kiro's own programs, made for tests."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from gateway_core import JsonObject

__all__ = ["cli_store", "ide_store", "rows_of"]


def cli_store(path: Path, variant: JsonObject) -> Path:
    """A database of the command line with the rows of `auth_kv` and `state`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE auth_kv (key TEXT PRIMARY KEY, value TEXT)")
        database.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB)")
        for key, value in variant["auth_kv"].items():
            row = (key, json.dumps(value))
            database.execute("INSERT INTO auth_kv VALUES (?, ?)", row)
        for key, value in variant.get("state", {}).items():
            blob = json.dumps(value).encode()
            database.execute("INSERT INTO state VALUES (?, ?)", (key, blob))
    database.close()
    return path


def rows_of(path: Path) -> dict[str, Any]:
    """What the command line's table of tokens holds."""
    database = sqlite3.connect(path)
    rows = database.execute("SELECT key, value FROM auth_kv").fetchall()
    database.close()
    return {key: json.loads(value) for key, value in rows}


def ide_store(folder: Path, token: JsonObject, registration: JsonObject | None = None) -> Path:
    """The IDE's token file, with a registration beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    if registration is not None:
        beside = folder / registration["file_name"]
        beside.write_text(json.dumps(registration["content"]))
    path = folder / "kiro-auth-token.json"
    path.write_text(json.dumps(token))
    return path
