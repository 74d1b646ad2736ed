"""Stored responses in the built-in store."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from gateway_core.state.sqlite_file import SqliteFile, transaction
from gateway_core.state.store import StoredResponse

__all__ = ["SqliteResponses", "insert_response"]

STEP_BYTES = 8_000_000
"""How much is removed at once: other calls, and other processes, come in between."""
USE_SECONDS = 3600.0
"""How exactly the time of the last use is known: a write for every use would be too many."""

_SELECT = """SELECT id, previous, provider, model, created, response, input
    FROM response JOIN response_body USING (id) WHERE id = ?"""
_TOO_MUCH = """SELECT id, size FROM (
    SELECT id, size, used, SUM(size) OVER (ORDER BY used DESC, rowid DESC) AS total FROM response
) WHERE (used < ? OR total > ?) AND id NOT IN (SELECT id FROM response_run)"""
_STEP_ROWS = 500
_TOUCH = """WITH RECURSIVE earlier (id) AS (
    VALUES (?1) UNION
    SELECT previous FROM response JOIN earlier USING (id) WHERE previous IS NOT NULL LIMIT 1000
) UPDATE response SET used = ?2 WHERE used < ?3 AND id IN earlier"""


class SqliteResponses:
    """A `ResponseStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def put(self, stored: StoredResponse) -> None:
        """See `ResponseStore`."""

        def put(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                insert_response(connection, stored)

        await self._file.run(put)

    async def get(self, id: str) -> StoredResponse | None:
        """See `ResponseStore`."""
        return await self._file.run_if_there(lambda connection: _find(connection, id), None)

    async def conversation(self, id: str, limit: int, max_bytes: int) -> list[StoredResponse]:
        """See `ResponseStore`."""

        def walk(connection: sqlite3.Connection) -> list[StoredResponse]:
            found: dict[str, StoredResponse] = {}
            next_id: str | None = id
            left = max_bytes
            # Ids are never reused, so a circle can only be the work of somebody else.
            while next_id is not None and next_id not in found and len(found) < limit and left >= 0:
                stored = _find(connection, next_id)
                if stored is None:
                    break
                found[next_id] = stored
                left -= len(stored.response) + len(stored.input)
                next_id = stored.previous
            with suppress(sqlite3.OperationalError):  # found all the same, and at once
                _touch(connection, found)
            return list(found.values())

        return await self._file.run_if_there(walk, [])

    async def delete(self, id: str) -> bool:
        """See `ResponseStore`."""

        def delete(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                return connection.execute("DELETE FROM response WHERE id = ?", (id,)).rowcount > 0

        deleted = await self._file.run_if_there(delete, False)
        if deleted:
            await self._file.shrink()
        return deleted

    async def prune(self, before: float, max_bytes: int) -> int:
        """See `ResponseStore`."""

        def find(connection: sqlite3.Connection) -> list[tuple[str, int]]:
            return connection.execute(_TOO_MUCH, (before, max_bytes)).fetchall()

        removed = 0
        for ids in _steps(await self._file.run_if_there(find, [])):
            removed += await self._file.run_if_there(partial(_delete, ids), 0)
            await self._file.shrink()
        return removed


def insert_response(connection: sqlite3.Connection, stored: StoredResponse) -> None:
    """Put a response; to be called in a transaction."""
    facts = (stored.id, stored.previous, stored.provider, stored.model, stored.created)
    size = len(stored.response) + len(stored.input)
    now = time.time()
    connection.execute("INSERT INTO response VALUES (?, ?, ?, ?, ?, ?, ?)", (*facts, now, size))
    if stored.previous is not None:  # a conversation may go on without ever being read here
        connection.execute(_TOUCH, (stored.previous, now, now - USE_SECONDS))
    connection.execute(
        "INSERT INTO response_body VALUES (?, ?, ?)", (stored.id, stored.response, stored.input)
    )


def _find(connection: sqlite3.Connection, id: str) -> StoredResponse | None:
    row = connection.execute(_SELECT, (id,)).fetchone()
    return None if row is None else StoredResponse(*row)


def _touch(connection: sqlite3.Connection, ids: dict[str, StoredResponse]) -> None:
    """A conversation that goes on must not lose its first turns to old age."""
    now = time.time()
    aged = [
        (now, id)
        for id in ids
        if connection.execute(
            "SELECT 1 FROM response WHERE id = ? AND used < ?", (id, now - USE_SECONDS)
        ).fetchone()
    ]
    if aged:
        with transaction(connection):
            connection.executemany("UPDATE response SET used = ? WHERE id = ?", aged)


def _steps(rows: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str]]]:
    """The ids of rows, in pieces that do not take long to remove."""
    ids: list[tuple[str]] = []
    total = 0
    for id, size in rows:
        ids.append((id,))
        total += size
        if total >= STEP_BYTES or len(ids) == _STEP_ROWS:
            yield ids
            ids, total = [], 0
    if ids:
        yield ids


def _delete(ids: list[tuple[str]], connection: sqlite3.Connection) -> int:
    with transaction(connection):
        return connection.executemany("DELETE FROM response WHERE id = ?", ids).rowcount
