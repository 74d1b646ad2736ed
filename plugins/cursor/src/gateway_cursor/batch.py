"""When the calls that a model makes at once are all there, so that the client's turn can end.

Cursor asks for the calls of one step one by one and does not say which is the last. Public clients
take different signs for it; these are all of them. A call that comes later is not lost, it makes a
turn of its own. Knows neither clock nor stream: it is told the time, in seconds.
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["Batch"]

_QUIET: Final = 0.2
"""Seconds without a further call after which those that were announced are all."""
_UNANNOUNCED: Final = 1.0
"""The same when none was announced."""
_LACKING: Final = 30.0
"""The same while one that was announced has not come, nor grown."""


class Batch:
    """The calls of one step: some announced, some here. Empty until the first is here."""

    __slots__ = ("_announced", "_any", "_here", "_last", "_seen")

    def __init__(self) -> None:
        self._announced: list[tuple[frozenset[str], str]] = []
        self._any = False
        self._here = 0
        self._last = 0.0
        self._seen: set[str] = set()

    def announce(self, ids: Iterable[str], tool: str, now: float) -> None:
        """A call is on its way, or its arguments grow. ids: all names it has. tool: what it calls.

        One that is here already is not announced again.
        """
        names = frozenset(ids)
        if not names or names & self._seen:
            return
        self._any = True
        self._last = now
        if not any(known & names for known, _ in self._announced):
            self._announced.append((names, tool))

    def withdraw(self, ids: Iterable[str]) -> None:
        """An announced call will not come: the server was done with it by itself."""
        names = frozenset(ids)
        self._seen |= names
        self._announced = [entry for entry in self._announced if not entry[0] & names]

    def arrive(self, id: str, tool: str, now: float) -> None:
        """A call is here. Where its id was not announced, another of the same tool is taken for
        it, lest everything waits for that one.
        """
        self._here += 1
        self._last = now
        self._settle(id, tool)

    def refuse(self, id: str, tool: str) -> None:
        """A call came that the client is not asked to run, so nothing is to wait for it."""
        self._settle(id, tool)

    def drop(self) -> None:
        """One that was here was withdrawn."""
        self._here -= 1

    def clear(self) -> None:
        """The calls were handed on; the next is the first of another batch."""
        self._here = 0
        self._any = bool(self._announced)

    @property
    def deadline(self) -> float | None:
        """When the calls are taken for all, if nothing else comes; None when there is none yet."""
        if not self._here:
            return None
        if self._announced:
            return self._last + _LACKING
        return self._last + (_QUIET if self._any else _UNANNOUNCED)

    def _settle(self, id: str, tool: str) -> None:
        for entry in self._announced:
            if id in entry[0]:
                break
        else:
            entry = next((entry for entry in self._announced if entry[1] == tool), _NONE)
        self._seen.add(id)
        self._seen |= entry[0]
        if entry is not _NONE:
            self._announced.remove(entry)


_NONE: Final[tuple[frozenset[str], str]] = (frozenset(), "")
