"""The usage ledger in the built-in store."""

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Final

from gateway_core.state.sqlite_file import SqliteFile, transaction
from gateway_core.state.store import UsageGroup, UsageRecord, UsageSum

__all__ = ["SqliteUsage"]

_GROUPS: Final[dict[UsageGroup, str]] = {
    "model": "provider || '/' || model",
    "provider": "provider",
    "account": "provider || ' ' || COALESCE(account, '-')",
    "day": "date(at, 'unixepoch', 'localtime')",
}
_SUMS = """SELECT {group} AS name, COUNT(*), SUM(error IS NOT NULL), SUM(input), SUM(cache_read),
        SUM(cache_write), SUM(output), SUM(reasoning), AVG(first_event), AVG(duration)
    FROM usage WHERE at >= ? GROUP BY name ORDER BY {order}"""
_PUT = "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS: Final = attrgetter(*(field.name for field in fields(UsageRecord)))


class SqliteUsage:
    """A `UsageStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def add(self, records: Sequence[UsageRecord]) -> None:
        """See `UsageStore`."""
        rows = [_COLUMNS(record) for record in records]

        def put(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(_PUT, rows)

        await self._file.run(put)

    async def sums(self, by: UsageGroup, since: float) -> list[UsageSum]:
        """See `UsageStore`."""
        order = "name" if by == "day" else "SUM(output) DESC, COUNT(*) DESC, name"
        query = _SUMS.format(group=_GROUPS[by], order=order)

        def find(connection: sqlite3.Connection) -> list[UsageSum]:
            return [UsageSum(*row) for row in connection.execute(query, (since,))]

        return await self._file.run_if_there(find, [])

    async def prune(self, before: float) -> int:
        """See `UsageStore`."""

        def remove(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                return connection.execute("DELETE FROM usage WHERE at < ?", (before,)).rowcount

        removed = await self._file.run_if_there(remove, 0)
        if removed:
            await self._file.shrink()
        return removed
