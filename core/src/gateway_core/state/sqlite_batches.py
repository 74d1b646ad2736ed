"""Batches of requests in the built-in store.

A request is begun in one transaction that leaves it to one owner, and what is begun or finished is
on the disk before anybody acts on it: neither a killed process nor a lost supply of power makes one
run twice.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from gateway_core.json import dumps_text
from gateway_core.state.sqlite_file import SqliteFile, transaction
from gateway_core.state.store import BatchRequest, BatchResult, ClaimedRequest, StoredBatch

__all__ = ["SqliteBatches"]

STEP_BYTES = 8_000_000
"""How much is removed at once: other calls, and other processes, come in between."""
_STEP_ROWS = 500
_LAST_ID = "\U0010ffff"

_BATCH = """SELECT id, created, expires, requests, cancel_initiated, ended, archived,
    succeeded, errored, canceled, expired FROM batch WHERE NOT deleted"""
_NEXT = """SELECT number, batch FROM batch_item WHERE state = 'waiting' AND batch > ?
    AND model NOT IN (SELECT value FROM json_each(?)) ORDER BY batch, tries, place LIMIT 1"""
_CLAIMED = """SELECT batch_item.number, batch.id, place, tries, request FROM batch_item
    JOIN batch ON batch.number = batch_item.batch JOIN batch_body ON item = batch_item.number
    WHERE batch_item.number = ?"""
_DUE = """SELECT number FROM batch WHERE ended IS NULL AND expires <= ? AND EXISTS (
    SELECT 1 FROM batch_item WHERE batch = batch.number AND state = 'waiting')"""
_WAITING = "SELECT number FROM batch_item WHERE batch = ? AND state = 'waiting'"
_OPEN = (_WAITING, "SELECT number FROM batch_item WHERE batch = ? AND state = 'running'")
_DROP = f"DELETE FROM batch_body WHERE item IN ({_WAITING})"  # noqa: S608  # from constants
_LESS = f"""UPDATE batch SET size = size - (
    SELECT IFNULL(SUM(LENGTH(request)), 0) FROM batch_body WHERE item IN ({_WAITING})
) WHERE number = ?"""  # noqa: S608  # from constants
_RESULTS = """SELECT place, custom_id, state, result FROM batch_item
    JOIN batch ON batch.number = batch_item.batch
    LEFT JOIN batch_body ON item = batch_item.number
    WHERE batch.id = ? AND place > ? AND archived IS NULL AND NOT deleted ORDER BY place"""
_LEFT_OVER = """SELECT batch_item.number, IFNULL(LENGTH(request), 0) + IFNULL(LENGTH(result), 0)
    FROM batch JOIN batch_item ON batch = batch.number
    LEFT JOIN batch_body ON item = batch_item.number
    WHERE deleted OR archived IS NOT NULL LIMIT ?"""


class SqliteBatches:
    """A `BatchStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._last_served = 0

    async def put(
        self, batch: StoredBatch, requests: Sequence[BatchRequest], max_bytes: int
    ) -> bool:
        """See `BatchStore`."""
        size = sum(len(each.request) for each in requests)

        def put(connection: sqlite3.Connection) -> bool:
            with _lasting(connection):
                taken = connection.execute("SELECT IFNULL(SUM(size), 0) FROM batch").fetchone()[0]
                if taken + size > max_bytes:
                    return False
                made = connection.execute(
                    "INSERT INTO batch (id, created, expires, requests, size) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (batch.id, batch.created, batch.expires, len(requests), size),
                )
                for place, each in enumerate(requests):
                    item = connection.execute(
                        "INSERT INTO batch_item (batch, place, custom_id, model) "
                        "VALUES (?, ?, ?, ?)",
                        (made.lastrowid, place, each.custom_id, each.model),
                    )
                    connection.execute(
                        "INSERT INTO batch_body (item, request) VALUES (?, ?)",
                        (item.lastrowid, each.request),
                    )
                return True

        return await self._file.run(put) or False

    async def get(self, id: str) -> StoredBatch | None:
        """See `BatchStore`."""
        return await self._file.run_if_there(lambda connection: _find(connection, id), None)

    async def page(
        self, limit: int, *, after: str | None = None, before: str | None = None
    ) -> list[StoredBatch]:
        """See `BatchStore`."""

        def find(connection: sqlite3.Connection) -> list[StoredBatch]:
            if before is not None:
                query = f"{_BATCH} AND id > ? ORDER BY id LIMIT ?"
                rows = connection.execute(query, (before, limit)).fetchall()[::-1]
            else:
                query = f"{_BATCH} AND id < ? ORDER BY id DESC LIMIT ?"
                rows = connection.execute(query, (after or _LAST_ID, limit)).fetchall()
            return [StoredBatch(*row) for row in rows]

        return await self._file.run_if_there(find, [])

    async def cancel(self, id: str, now: float) -> StoredBatch | None:
        """See `BatchStore`."""

        def cancel(connection: sqlite3.Connection) -> StoredBatch | None:
            with _lasting(connection):
                row = connection.execute(
                    "SELECT number FROM batch WHERE id = ? AND NOT deleted "
                    "AND ended IS NULL AND cancel_initiated IS NULL",
                    (id,),
                ).fetchone()
                if row is not None:
                    connection.execute(
                        "UPDATE batch SET cancel_initiated = ? WHERE number = ?", (now, *row)
                    )
                    _drop_waiting(connection, row[0], "canceled", now)
            return _find(connection, id)

        batch = await self._file.run_if_there(cancel, None)
        if batch is not None:
            await self._file.shrink()
        return batch

    async def delete(self, id: str) -> bool:
        """See `BatchStore`."""

        def delete(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                changed = connection.execute(
                    "UPDATE batch SET deleted = 1 "
                    "WHERE id = ? AND NOT deleted AND ended IS NOT NULL",
                    (id,),
                )
                return changed.rowcount > 0

        deleted = await self._file.run_if_there(delete, False)
        if deleted:
            await self._sweep()
        return deleted

    async def results(self, id: str, after: int, max_bytes: int) -> list[BatchResult]:
        """See `BatchStore`."""

        def read(connection: sqlite3.Connection) -> list[BatchResult]:
            found: list[BatchResult] = []
            left = max_bytes
            for row in connection.execute(_RESULTS, (id, after)):
                left -= len(row[3] or b"") + len(row[1])
                if found and left < 0:
                    break
                found.append(BatchResult(*row))
            return found

        return await self._file.run_if_there(read, [])

    async def models(self) -> list[str]:
        """See `BatchStore`."""

        def find(connection: sqlite3.Connection) -> list[str]:
            query = "SELECT DISTINCT model FROM batch_item WHERE state = 'waiting'"
            return [model for (model,) in connection.execute(query)]

        return await self._file.run_if_there(find, [])

    async def claim(
        self, owner: str, held_models: Sequence[str], now: float
    ) -> ClaimedRequest | None:
        """See `BatchStore`."""
        held = dumps_text(held_models)

        def claim(connection: sqlite3.Connection) -> ClaimedRequest | None:
            if self._next(connection, held) is None:
                return None
            with _lasting(connection):
                _expire(connection, now)
                found = self._next(connection, held)
                if found is None:
                    return None
                number, batch = found
                connection.execute(
                    "UPDATE batch_item SET state = 'running', owner = ? WHERE number = ?",
                    (owner, number),
                )
                row = connection.execute(_CLAIMED, (number,)).fetchone()
            self._last_served = batch
            return ClaimedRequest(*row)

        return await self._file.run_if_there(claim, None)

    async def release(self, claimed: ClaimedRequest, owner: str, now: float) -> None:
        """See `BatchStore`."""

        def release(connection: sqlite3.Connection) -> None:
            with _lasting(connection):
                batch = _running(connection, claimed, owner)
                if batch is None:
                    return
                connection.execute(
                    "UPDATE batch_item SET state = 'waiting', owner = NULL, tries = tries + 1 "
                    "WHERE number = ?",
                    (claimed.number,),
                )
                facts = "SELECT cancel_initiated, expires FROM batch WHERE number = ?"
                canceled, expires = connection.execute(facts, (batch,)).fetchone()
                if canceled is not None:
                    _drop_waiting(connection, batch, "canceled", now)
                elif expires <= now:
                    _drop_waiting(connection, batch, "expired", now)

        await self._file.run(release, create=False)

    async def finish(
        self,
        claimed: ClaimedRequest,
        owner: str,
        state: Literal["succeeded", "errored"],
        result: bytes,
        now: float,
    ) -> None:
        """See `BatchStore`."""

        def finish(connection: sqlite3.Connection) -> bool:
            with _lasting(connection):
                batch = _running(connection, claimed, owner)
                if batch is None:
                    return False
                _put_result(connection, batch, claimed.number, state, result)
                return _end(connection, batch, now)

        if await self._file.run_if_there(finish, False):
            await self._file.shrink()

    async def owners(self) -> list[str]:
        """See `BatchStore`."""

        def find(connection: sqlite3.Connection) -> list[str]:
            query = "SELECT DISTINCT owner FROM batch_item WHERE state = 'running'"
            return [owner for (owner,) in connection.execute(query)]

        return await self._file.run_if_there(find, [])

    async def abandon(self, owner: str, result: bytes, now: float) -> int:
        """See `BatchStore`."""

        def abandon(connection: sqlite3.Connection) -> int:
            with _lasting(connection):
                items = connection.execute(
                    "SELECT batch, number FROM batch_item WHERE state = 'running' AND owner = ?",
                    (owner,),
                ).fetchall()
                for batch, number in items:
                    _put_result(connection, batch, number, "errored", result)
                for batch in {batch for batch, _ in items}:
                    _end(connection, batch, now)
            return len(items)

        abandoned = await self._file.run_if_there(abandon, 0)
        if abandoned:
            await self._file.shrink()
        return abandoned

    async def expire(self, now: float) -> None:
        """See `BatchStore`."""

        def expire(connection: sqlite3.Connection) -> None:
            if connection.execute(_DUE, (now,)).fetchone() is not None:
                with _lasting(connection):
                    _expire(connection, now)

        await self._file.run(expire, create=False)

    async def prune(self, before: float, forget: float, now: float) -> int:
        """See `BatchStore`."""

        def mark(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                archived = connection.execute(
                    "UPDATE batch SET archived = ?, size = 0 "
                    "WHERE ended IS NOT NULL AND archived IS NULL AND created < ?",
                    (now, before),
                )
                connection.execute(
                    "UPDATE batch SET deleted = 1 WHERE archived IS NOT NULL AND created < ?",
                    (forget,),
                )
            return archived.rowcount

        archived = await self._file.run_if_there(mark, 0)
        await self._sweep()
        return archived

    async def _sweep(self) -> None:
        """Remove what belongs to batches that are deleted or archived, also if it is left over from
        a process that was killed at it.
        """
        while await self._file.run_if_there(_remove_some, False):
            await self._file.shrink()

    def _next(self, connection: sqlite3.Connection, held: str) -> tuple[int, int] | None:
        """The number of the request that comes next, and that of its batch."""
        for after in (self._last_served, 0):
            row: tuple[int, int] | None = connection.execute(_NEXT, (after, held)).fetchone()
            if row is not None:
                return row
        return None


@contextmanager
def _lasting(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that is on the disk when the block is left."""
    connection.execute("PRAGMA synchronous = FULL")
    try:
        with transaction(connection):
            yield
    finally:
        connection.execute("PRAGMA synchronous = NORMAL")


def _find(connection: sqlite3.Connection, id: str) -> StoredBatch | None:
    row = connection.execute(f"{_BATCH} AND id = ?", (id,)).fetchone()
    return None if row is None else StoredBatch(*row)


def _expire(connection: sqlite3.Connection, now: float) -> None:
    for (batch,) in connection.execute(_DUE, (now,)).fetchall():
        _drop_waiting(connection, batch, "expired", now)


def _drop_waiting(
    connection: sqlite3.Connection, batch: int, state: Literal["canceled", "expired"], now: float
) -> None:
    """Give up what has not begun of a batch, and what was to be asked with it."""
    connection.execute(_LESS, (batch, batch))
    connection.execute(_DROP, (batch,))
    connection.execute(
        "UPDATE batch_item SET state = ? WHERE batch = ? AND state = 'waiting'", (state, batch)
    )
    _end(connection, batch, now)


def _running(connection: sqlite3.Connection, claimed: ClaimedRequest, owner: str) -> int | None:
    """The number of the batch of a request, if this owner still runs it."""
    query = "SELECT batch FROM batch_item WHERE number = ? AND state = 'running' AND owner = ?"
    row: tuple[int] | None = connection.execute(query, (claimed.number, owner)).fetchone()
    return None if row is None else row[0]


def _put_result(
    connection: sqlite3.Connection,
    batch: int,
    item: int,
    state: Literal["succeeded", "errored"],
    result: bytes,
) -> None:
    """A result in the place of its request."""
    connection.execute(
        "UPDATE batch SET size = size + ? - "
        "(SELECT LENGTH(request) FROM batch_body WHERE item = ?) WHERE number = ?",
        (len(result), item, batch),
    )
    connection.execute(
        "UPDATE batch_body SET request = NULL, result = ? WHERE item = ?", (result, item)
    )
    connection.execute(
        "UPDATE batch_item SET state = ?, owner = NULL WHERE number = ?", (state, item)
    )


def _end(connection: sqlite3.Connection, batch: int, now: float) -> bool:
    """End a batch of which nothing waits or runs; whether that is so."""
    for query in _OPEN:
        if connection.execute(query, (batch,)).fetchone() is not None:
            return False
    by_state = "SELECT state, COUNT(*) FROM batch_item WHERE batch = ? GROUP BY state"
    numbers = dict(connection.execute(by_state, (batch,)).fetchall())
    outcomes = [numbers.get(state, 0) for state in ("succeeded", "errored", "canceled", "expired")]
    connection.execute(
        "UPDATE batch SET ended = ?, succeeded = ?, errored = ?, canceled = ?, expired = ? "
        "WHERE number = ?",
        (now, *outcomes, batch),
    )
    return True


def _remove_some(connection: sqlite3.Connection) -> bool:
    """A step of sweeping; whether there is more to do."""
    with transaction(connection):
        found = connection.execute(_LEFT_OVER, (_STEP_ROWS,)).fetchall()
        if not found:
            connection.execute("DELETE FROM batch WHERE deleted")
            return False
        items, size = [], 0
        for number, length in found:
            items.append((number,))
            size += length
            if size >= STEP_BYTES:
                break
        connection.executemany("DELETE FROM batch_item WHERE number = ?", items)
    return True
