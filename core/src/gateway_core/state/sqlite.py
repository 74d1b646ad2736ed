"""The built-in store: one SQLite file that only its owner can read.

All calls of a process run in one thread of the store's own, so that there is one writer and the
event loop never waits for a disk. Several processes may share the file: it is in WAL mode, a writer
waits a moment for another, and a killed process loses nothing that was put. What is deleted is
overwritten, in steps that let others pass.

The file is opened when it is first needed, and again after a failure or when it is another one.
"""

import asyncio
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway_core.private_files import make_private_folder
from gateway_core.state.store import StateError, StoredResponse

__all__ = ["SqliteStore"]

T = TypeVar("T")

BUSY_SECONDS = 2.0
"""How long a call waits for another process, from when it was made: calls behind one another do not
add up.
"""
STEP_BYTES = 8_000_000
"""How much is removed at once: other calls, and other processes, come in between."""
USE_SECONDS = 3600.0
"""How exactly the time of the last use is known: a write for every use would be too many."""

# Each entry takes the file to the version of its place. Entries are never changed, only added.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # The small columns apart from the large ones, which pruning then need not read.
        """CREATE TABLE response (
            id TEXT PRIMARY KEY,
            previous TEXT,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            created INTEGER NOT NULL,
            used REAL NOT NULL,
            size INTEGER NOT NULL
        )""",
        """CREATE TABLE response_body (
            id TEXT PRIMARY KEY REFERENCES response (id) ON DELETE CASCADE,
            response BLOB NOT NULL,
            input BLOB NOT NULL
        )""",
        "CREATE INDEX response_by_use ON response (used, size)",
    ),
)

_SELECT = """SELECT id, previous, provider, model, created, response, input
    FROM response JOIN response_body USING (id) WHERE id = ?"""
_TOO_MUCH = """SELECT id, size FROM (
    SELECT id, size, used, SUM(size) OVER (ORDER BY used DESC, rowid DESC) AS total FROM response
) WHERE used < ? OR total > ?"""
_STEP_ROWS = 500
_POLL_SECONDS = 0.02


class SqliteStore:
    """A `StateStore` in one file, which is made when something is to be kept for the first time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._closed = threading.Event()

    async def open(self) -> None:
        """See `StateStore`."""
        await self._run(lambda connection: None)

    async def put_response(self, stored: StoredResponse) -> None:
        """See `StateStore`."""
        facts = (stored.id, stored.previous, stored.provider, stored.model, stored.created)
        size = len(stored.response) + len(stored.input)

        def put(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute(
                    "INSERT INTO response VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*facts, time.time(), size),
                )
                connection.execute(
                    "INSERT INTO response_body VALUES (?, ?, ?)",
                    (stored.id, stored.response, stored.input),
                )

        await self._run(put)

    async def response(self, id: str) -> StoredResponse | None:
        """See `StateStore`."""
        return await self._run_if_there(lambda connection: _find(connection, id), None)

    async def conversation(self, id: str, limit: int, max_bytes: int) -> list[StoredResponse]:
        """See `StateStore`."""

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

        return await self._run_if_there(walk, [])

    async def delete_response(self, id: str) -> bool:
        """See `StateStore`."""

        def delete(connection: sqlite3.Connection) -> bool:
            with _transaction(connection):
                return connection.execute("DELETE FROM response WHERE id = ?", (id,)).rowcount > 0

        deleted = await self._run_if_there(delete, False)
        if deleted:
            await self._shrink()
        return deleted

    async def prune_responses(self, before: float, max_bytes: int) -> int:
        """See `StateStore`."""

        def find(connection: sqlite3.Connection) -> list[tuple[str, int]]:
            return connection.execute(_TOO_MUCH, (before, max_bytes)).fetchall()

        removed = 0
        for ids in _steps(await self._run_if_there(find, [])):
            removed += await self._run_if_there(partial(_delete, ids), 0)
            await self._shrink()
        return removed

    async def aclose(self) -> None:
        """See `StateStore`."""
        self._closed.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
            thread.shutdown()

    async def _shrink(self) -> None:
        """Give free pages back, and empty the log, where deleted rows would still be."""
        with suppress(StateError):  # what is deleted is so all the same; the next time will do it
            while await self._run_if_there(_free_some, False):
                pass

    async def _run_if_there(self, job: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        return await self._run(lambda connection: job(connection), create=False) or otherwise

    async def _run(
        self, job: Callable[[sqlite3.Connection], T], *, create: bool = True
    ) -> T | None:
        """What a job gives, run in the store's thread; None when there is no file and none is to be
        made. Raises `StateError`.
        """
        if self._closed.is_set():
            raise StateError(f"{self._file} is closed")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "gateway-state")
        deadline = time.monotonic() + BUSY_SECONDS

        def run() -> T | None:
            while True:
                try:
                    if self._connection is not None and _identity(self._file) != self._opened:
                        self._disconnect()  # somebody has removed it, and means it
                    if self._connection is None:
                        if not create and not self._file.exists():
                            return None
                        self._connection = _connect(self._file)
                        self._opened = _identity(self._file)
                    return job(self._connection)
                except (sqlite3.Error, OSError) as error:
                    # SQLite's own waiting could not be ended.
                    may_wait = _is_busy(error) and time.monotonic() < deadline
                    if may_wait and not self._closed.wait(_POLL_SECONDS):
                        continue
                    self._disconnect()
                    raise StateError(f"{self._file}: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _is_busy(error: Exception) -> bool:
    """Whether another process was in the way of a job, which then has changed nothing."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _identity(file: Path) -> tuple[int, int] | None:
    """What tells the file from another one of its name; None when there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _connect(file: Path) -> sqlite3.Connection:
    """Open or make the file. Raises `sqlite3.Error`, `OSError`, `StateError`."""
    make_private_folder(file.parent)
    # Before SQLite makes it: the files beside it take their mode from this one.
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.chmod(f"{file}{suffix}", 0o600)
    connection = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        _set_up(connection, file)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, file: Path) -> None:
    for pragma in (
        "auto_vacuum = INCREMENTAL",  # of effect only while the file is empty
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    if _version(connection, file) == len(_MIGRATIONS):
        return
    with _transaction(connection):
        # Another process may have been first.
        for statements in _MIGRATIONS[_version(connection, file) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _version(connection: sqlite3.Connection, file: Path) -> int:
    version = _pragma(connection, "user_version")
    if version > len(_MIGRATIONS):
        raise StateError(f"{file} was made by a newer version of the gateway; update this one")
    return version


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; fails at its start when another process writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


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
        with _transaction(connection):
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
    with _transaction(connection):
        return connection.executemany("DELETE FROM response WHERE id = ?", ids).rowcount


def _free_some(connection: sqlite3.Connection) -> bool:
    """A step of shrinking the file; whether there is more to do."""
    before = _pragma(connection, "freelist_count")
    # `execute` would free a single page.
    pages = STEP_BYTES // _pragma(connection, "page_size")
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")
    if 0 < _pragma(connection, "freelist_count") < before:
        return True
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return False


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
