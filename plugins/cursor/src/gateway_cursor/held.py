"""Runs that wait for the results of a client's tools, between two of its turns.

They are few, and none waits for ever: each has its time, and when there are too many the oldest is
lost. A lost run costs the next turn no more than time, as the whole conversation is in its request.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from gateway_cursor.live import LiveRun

__all__ = ["HeldRun", "HeldRuns"]

_log = logging.getLogger(__name__)
_UNIQUE: Final = 16
"""Characters from which on an id is taken for one that no other conversation has."""


@dataclass(slots=True, eq=False)
class HeldRun:
    """A run that waits.

    account, login and fingerprint: as in the plan it serves; one of another does not go on with it.
    conversation: the client's. claimed: the id that it keeps in use at Cursor. calls: the client's
    ids of those it waits for.
    """

    live: LiveRun
    account: str
    login: str
    fingerprint: str
    conversation: str
    claimed: str
    calls: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.calls = self.live.calls


class HeldRuns:
    """All runs that wait. Use it on one event loop; no method lets another task in between.

    lost: called with each that nobody can take any more.
    """

    def __init__(self, lost: Callable[[HeldRun], None]) -> None:
        self._lost = lost
        self._timers: dict[HeldRun, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def hold(self, held: HeldRun, *, seconds: float, most: int) -> None:
        """Keep a run for so long, with at most so many in all."""
        if held.live.over or most <= 0:
            held.live.abort()
            self._lost(held)
            return
        while len(self._timers) >= most:
            self._lose(next(iter(self._timers)), "there are too many")
        loop = asyncio.get_running_loop()
        self._timers[held] = loop.call_later(seconds, self._lose, held, "its time is up")

    def take(
        self, account: str, fingerprint: str, conversation: str, answered: Collection[str]
    ) -> HeldRun | None:
        """The run that waits for just these calls, or for more; it is the caller's then.

        Some models count their calls (`call_0`): one of those is of this conversation or another.
        One that waits for them and cannot go on, as something else has changed, is dropped.
        """
        wanted = frozenset(answered)
        is_unique = all(len(id) >= _UNIQUE for id in wanted)
        for held in list(self._timers):
            if not is_unique and held.conversation != conversation:
                continue
            if wanted and held.account == account and wanted <= held.calls:
                if held.live.over:
                    self._lose(held, "it broke off")
                elif held.fingerprint != fingerprint:
                    self._lose(held, "the client changed its model, tools or instructions")
                else:
                    self._timers.pop(held).cancel()
                    return held
        return None

    def drop(self, conversation: str, fingerprint: str) -> None:
        """Drop what waits in a conversation that goes on otherwise.

        What is asked with other tools or instructions need not be its next turn: agents ask for
        searches and have helpers of their own while they wait. Those runs are left alone.
        """
        for held in list(self._timers):
            if (held.conversation, held.fingerprint) == (conversation, fingerprint):
                self._lose(held, "the conversation went on without it")

    def drop_logins(self, account: str, but: str | None = None) -> None:
        """Drop what waits with a login of the account. but: the login that still serves it."""
        for held in list(self._timers):
            if held.account == account and held.login != but:
                self._lose(held, "its login is over")

    def forget(self, live: LiveRun, why: str = "it broke off") -> None:
        """Drop a run if it waits: it has ended by itself, or may not go on."""
        for held in list(self._timers):
            if held.live is live:
                self._lose(held, why)

    def _lose(self, held: HeldRun, why: str) -> None:
        self._timers.pop(held).cancel()
        held.live.abort()
        self._lost(held)
        _log.info("a run of Cursor that waited for tools is given up: %s", why)
