"""What a server is busy with while it shows nothing: tools of its own, shortening the conversation.

Nothing but heartbeats may come for long then, and yet the run is not stuck. Knows no clock: it is
told the time, in seconds.
"""

from typing import Final

__all__ = ["LONGEST_WORK", "Work"]

LONGEST_WORK: Final = 600.0
"""Seconds after which a piece of work is no excuse for silence any more."""
_MOST: Final = 64


class Work:
    """The pieces of work that have begun and not ended, by any name."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}

    def begin(self, what: str, now: float) -> None:
        """The server is at it."""
        if len(self._begun) < _MOST:
            self._begun.setdefault(what, now)

    def end(self, what: str) -> None:
        """It is done with it."""
        self._begun.pop(what, None)

    def clear(self) -> None:
        """It went on to something else."""
        self._begun.clear()

    def goes_on(self, now: float) -> bool:
        """Whether the server is at work on something, and not for too long."""
        return any(now < begun + LONGEST_WORK for begun in self._begun.values())
