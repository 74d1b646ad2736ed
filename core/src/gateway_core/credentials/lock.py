"""A lock that processes share through a file.

The operating system holds it and drops it when its holder dies, so there are no stale locks and
nothing to clean up. The file stays: removing it would let two holders lock two files of one name.
"""

import asyncio
import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from gateway_core.credentials.store import StoreUnavailable
from gateway_core.private_files import make_private_folder

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock"]

_BUSY = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK}
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.2


class FileLock:
    """`async with FileLock(path):` holds the lock; safe against cancellation at any point.

    Waits up to `timeout` seconds without blocking the event loop, then raises `StoreUnavailable`
    naming the file. A folder or file system that cannot lock raises the same: without a lock
    nothing may be refreshed. One object is for one holder; within a process make one for each.
    """

    def __init__(self, path: Path, *, timeout: float = 60.0) -> None:
        self.path = path
        self.timeout = timeout
        self._descriptor: int | None = None

    async def __aenter__(self) -> "FileLock":
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        pause = _FIRST_PAUSE
        while not await self._attempt():
            if loop.time() >= deadline:
                raise StoreUnavailable(
                    f"another process has held {self.path} for {self.timeout:g} seconds; "
                    "try again, or stop the other gateway"
                )
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()

    async def _attempt(self) -> bool:
        # In a thread, because on a network home even opening a file can take its time.
        attempt = asyncio.ensure_future(asyncio.to_thread(self._acquire))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            attempt.add_done_callback(self._release_late)
            raise

    def _acquire(self) -> bool:
        try:
            make_private_folder(self.path.parent)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            if sys.platform == "win32":
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _BUSY:
                return False
            raise self._unusable(error) from error
        self._descriptor = descriptor
        return True

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # which unlocks

    def _release_late(self, attempt: "asyncio.Future[bool]") -> None:
        if not attempt.cancelled():
            attempt.exception()  # seen: the one who waited was told something else
        self._release()

    def _unusable(self, error: OSError) -> StoreUnavailable:
        reason = error.strerror or type(error).__name__
        return StoreUnavailable(f"cannot lock {self.path}: {reason}")
