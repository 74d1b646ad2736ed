"""Responses that are still being made, in the built-in store."""

import sqlite3
import time

from gateway_core.state.sqlite_file import SqliteFile, transaction
from gateway_core.state.sqlite_responses import insert_response
from gateway_core.state.store import ResponseRun, StoredResponse

__all__ = ["SqliteRuns"]

_UPDATE = "UPDATE response_body SET response = ? WHERE id = ?"
_RESIZE = """UPDATE response SET used = ?, size = ? + (
    SELECT LENGTH(response) + LENGTH(input) FROM response_body WHERE response_body.id = response.id
) WHERE id = ?"""


class SqliteRuns:
    """A `RunStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def begin(self, stored: StoredResponse, owner: str, request: bytes) -> None:
        """See `RunStore`."""

        def begin(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                insert_response(connection, stored)
                connection.execute(
                    "INSERT INTO response_run VALUES (?, ?, 0, ?)", (stored.id, owner, request)
                )

        await self._file.run(begin)

    async def all(self) -> list[ResponseRun]:
        """See `RunStore`."""

        def find(connection: sqlite3.Connection) -> list[ResponseRun]:
            rows = connection.execute("SELECT id, owner, started FROM response_run ORDER BY rowid")
            return [ResponseRun(id, owner, bool(started)) for id, owner, started in rows]

        return await self._file.run_if_there(find, [])

    async def get(self, id: str) -> ResponseRun | None:
        """See `RunStore`."""

        def find(connection: sqlite3.Connection) -> ResponseRun | None:
            query = "SELECT id, owner, started FROM response_run WHERE id = ?"
            row = connection.execute(query, (id,)).fetchone()
            return None if row is None else ResponseRun(row[0], row[1], bool(row[2]))

        return await self._file.run_if_there(find, None)

    async def take(self, run: ResponseRun, owner: str) -> bool:
        """See `RunStore`."""

        def take(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                changed = connection.execute(
                    "UPDATE response_run SET owner = ? WHERE id = ? AND owner = ? AND NOT started",
                    (owner, run.id, run.owner),
                )
                return changed.rowcount > 0

        return await self._file.run_if_there(take, False)

    async def request(self, id: str) -> bytes:
        """See `RunStore`."""

        def find(connection: sqlite3.Connection) -> bytes:
            query = "SELECT request FROM response_run WHERE id = ?"
            row = connection.execute(query, (id,)).fetchone()
            return b"" if row is None else bytes(row[0])

        return await self._file.run_if_there(find, b"")

    async def start(self, id: str, owner: str, response: bytes) -> bool:
        """See `RunStore`."""

        def start(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                changed = connection.execute(
                    "UPDATE response_run SET started = 1, request = x'' "
                    "WHERE id = ? AND owner = ? AND NOT started",
                    (id, owner),
                )
                if changed.rowcount:
                    connection.execute(_UPDATE, (response, id))
                return changed.rowcount > 0

        return await self._file.run_if_there(start, False)

    async def finish(self, id: str, owner: str, response: bytes, pieces: bytes = b"") -> bool:
        """See `RunStore`."""

        def finish(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                removed = connection.execute(
                    "DELETE FROM response_run WHERE id = ? AND owner = ?", (id, owner)
                )
                if not removed.rowcount:
                    return False
                connection.execute(_UPDATE, (response, id))
                connection.execute(_RESIZE, (time.time(), len(pieces), id))
                if pieces:
                    connection.execute("INSERT INTO response_pieces VALUES (?, ?)", (id, pieces))
                return True

        return await self._file.run_if_there(finish, False)

    async def pieces(self, id: str) -> bytes:
        """See `RunStore`."""

        def find(connection: sqlite3.Connection) -> bytes:
            query = "SELECT pieces FROM response_pieces WHERE id = ?"
            row = connection.execute(query, (id,)).fetchone()
            return b"" if row is None else bytes(row[0])

        return await self._file.run_if_there(find, b"")
