"""The built-in store: every kind of state in one SQLite file."""

from pathlib import Path

from gateway_core.state.presence import FilePresence
from gateway_core.state.sqlite_batches import SqliteBatches
from gateway_core.state.sqlite_file import SqliteFile
from gateway_core.state.sqlite_responses import SqliteResponses
from gateway_core.state.sqlite_runs import SqliteRuns
from gateway_core.state.sqlite_usage import SqliteUsage

__all__ = ["SqliteStore"]


class SqliteStore:
    """A `StateStore` in one file, which is made when something is to be kept for the first time.
    The processes that share it are those of one machine: they are told by locks on files beside it.
    """

    def __init__(self, file: Path) -> None:
        self._file = SqliteFile(file)
        self.responses = SqliteResponses(self._file)
        self.batches = SqliteBatches(self._file)
        self.runs = SqliteRuns(self._file)
        self.usage = SqliteUsage(self._file)
        self.presence = FilePresence(file.parent / "alive")

    async def open(self) -> None:
        """See `StateStore`."""
        await self._file.run(lambda connection: None)

    async def aclose(self) -> None:
        """See `StateStore`."""
        try:
            await self._file.aclose()
        finally:
            await self.presence.aclose()
