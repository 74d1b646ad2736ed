"""The file behind the built-in store: SQLite, readable by its owner alone.

All calls of a process run in one thread of the file's own, so that there is one writer and the
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from gateway_core.private_files import make_private_folder
from gateway_core.state.migrations import MIGRATIONS
from gateway_core.state.store import StateError

__all__ = ["SqliteFile", "transaction"]

T = TypeVar("T")

BUSY_SECONDS = 2.0
"""How long a call waits for another process, from when it was made: calls behind one another do not
add up.
"""
STEP_BYTES = 8_000_000
"""How much of the file is given back at once: other calls, and other processes, come in between."""
_POLL_SECONDS = 0.02
_INCREMENTAL = 2


class SqliteFile:
    """One SQLite file, which is made when something is to be kept for the first time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._closed = threading.Event()

    async def run(self, job: Callable[[sqlite3.Connection], T], *, create: bool = True) -> T | None:
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
                    if not _is_busy(error):
                        self._disconnect()
                    raise StateError(f"{self._file}: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def run_if_there(self, job: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What a job gives; `otherwise` when there is no file or nothing is there."""
        return await self.run(lambda connection: job(connection), create=False) or otherwise

    async def shrink(self) -> None:
        """Give free pages back, and empty the log, where deleted rows would still be."""
        with suppress(StateError):  # what is deleted is so all the same; the next time will do it
            while await self.run_if_there(_free_some, False):
                pass

    async def aclose(self) -> None:
        """Finish what was asked and let go; nothing can be asked afterwards."""
        self._closed.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
            thread.shutdown()

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
    if _pragma(connection, "auto_vacuum") != _INCREMENTAL and not _pragma(connection, "page_count"):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # later it would wait for writers
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    if _version(connection, file) == len(MIGRATIONS):
        return
    with transaction(connection):
        # Another process may have been first.
        for statements in MIGRATIONS[_version(connection, file) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(connection: sqlite3.Connection, file: Path) -> int:
    version = _pragma(connection, "user_version")
    if version > len(MIGRATIONS):
        raise StateError(f"{file} was made by a newer version of the gateway; update this one")
    return version


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; fails at its start when another process writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


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
