"""Which of the processes that share a file of state are alive.

Each process whose work outlives a request holds the lock on a file of its own; the operating system
drops it when the process dies, however it dies.
"""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from gateway_core.credentials.lock import FileLock
from gateway_core.credentials.store import StoreUnavailable
from gateway_core.state.store import StateError

__all__ = ["FilePresence"]

_LEFT_SECONDS = 3600.0
"""How old a file is that may have been left: a new one's lock may not be held yet."""


class FilePresence:
    """A `Presence` among the processes of one machine. folder: where their files are."""

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(8)
        self._folder = folder
        self._held = AsyncExitStack()
        self._announced = self._closed = False
        self._announcing = asyncio.Lock()

    async def announce(self) -> None:
        """See `Presence`. Raises `StateError` when the folder cannot be used."""
        async with self._announcing:
            if self._announced:
                return
            if self._closed:
                raise StateError(f"{self._folder} is closed")
            try:
                await self._held.enter_async_context(FileLock(self._file(self.id), timeout=0))
            except (StoreUnavailable, OSError) as error:
                raise StateError(str(error)) from error
            self._announced = True
            with suppress(StateError, OSError):
                await self._forget_the_dead()

    async def is_alive(self, id: str) -> bool:
        """See `Presence`. Forgets one that is not."""
        if self._closed:
            raise StateError(f"{self._folder} is closed")
        if id == self.id:
            return True
        file = self._file(id)
        if not file.exists():
            return False
        try:
            async with FileLock(file, timeout=0):
                file.unlink(missing_ok=True)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, OSError):
                raise StateError(str(error)) from error
            return True
        except OSError:
            pass  # Windows removes no file that is open; its name is of no use to anybody
        return False

    async def aclose(self) -> None:
        """Be alive no longer."""
        async with self._announcing:
            self._closed = True
            await self._held.aclose()
            if self._announced:
                self._announced = False
                with suppress(OSError):  # without its lock it says that nobody is there
                    self._file(self.id).unlink(missing_ok=True)

    async def _forget_the_dead(self) -> None:
        """Remove what killed processes have left that had no work."""
        before = time.time() - _LEFT_SECONDS
        for file in list(self._folder.iterdir()):
            if file.stat().st_mtime < before:
                await self.is_alive(file.stem)

    def _file(self, id: str) -> Path:
        return self._folder / f"{id}.lock"
