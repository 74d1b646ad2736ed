"""Opening a turn: the run that waits for its results goes on, or a new one begins.

A run that the server refuses before it showed anything is tried again in another form, where that
may help. A turn counts as open when there is something to see, so that the client notices nothing
of all this. When it is left, its run is held, brought to its end or dropped.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from gateway_core import UpstreamCall, UpstreamStream
from gateway_core.errors import Internal
from gateway_cursor.connect import EndOfStream, read_end
from gateway_cursor.held import HeldRun, HeldRuns
from gateway_cursor.live import LiveRun, Pace
from gateway_cursor.retries import Attempts, Conversations, under_id
from gateway_cursor.run import Run

if TYPE_CHECKING:
    from gateway_core.http import Transport
    from gateway_cursor.plan import RunPlan, RunStart

__all__ = ["Opener"]

_SAME_AGAIN: Final = frozenset({"permission_denied", "resource_exhausted", "unauthenticated"})
"""What a server would answer to the same turn in a new run, too."""


@dataclass(slots=True)
class _Turn:
    """A client's turn: its run, and the id that the conversation has at Cursor."""

    live: LiveRun
    claimed: str


class Opener:
    """Opens turns, and keeps the runs that wait for the next one. Use it on one event loop."""

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._conversations = Conversations()
        self._held = HeldRuns(lambda held: self._conversations.release(held.claimed))
        self._gone: WeakSet[LiveRun] = WeakSet()

    @property
    def held(self) -> HeldRuns:
        """The runs that wait."""
        return self._held

    @asynccontextmanager
    async def open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AsyncIterator[UpstreamStream]:
        """The stream of one turn: what `stream.CursorDecoder` reads.

        No run goes on with another login than it was begun with: those of an earlier login of the
        account are dropped.

        Entering and reading raise `UpstreamFailed` when Cursor cannot be reached or the connection
        breaks off, and `UpstreamTimeout` when it is silent for too long.
        """
        plan: RunPlan = call.state
        self._held.drop_logins(plan.account, but=plan.login)
        turn = await self._resumed(plan) or await self._begun(call, plan, transport)
        stream = _TurnStream(turn.live, partial(self._hold, turn, plan))
        try:
            yield stream
        finally:
            if not stream.turn_over:
                self._leave(turn)

    def logged_out(self, account: str) -> None:
        """The login of an account is over: drop the runs that wait with it."""
        self._held.drop_logins(account)

    async def _resumed(self, plan: "RunPlan") -> _Turn | None:
        """The turn of the run that waits for these results; None when there is none, or when it is
        lost just now: then a new one replays the conversation.
        """
        answered = [result.call_id for result in plan.results]
        held = self._held.take(plan.account, plan.fingerprint, plan.conversation, answered)
        if held is None:
            return None
        turn = _Turn(held.live, held.claimed)
        try:
            turn.live.resume(plan.results)
            await turn.live.settled()
        except BaseException:
            self._leave(turn)
            raise
        if _is_lost(turn.live):
            self._leave(turn)
            return None
        return turn

    async def _begun(self, call: UpstreamCall, plan: "RunPlan", transport: "Transport") -> _Turn:
        """The turn of a new run, in the first form that the server does not refuse."""
        self._held.drop(plan.conversation, plan.fingerprint)
        attempts = Attempts(plan, self._conversations)
        first_id = str(uuid.uuid4())
        while True:
            claimed = self._conversations.claim(plan.conversation)
            ids = {"x-request-id": str(uuid.uuid4()), "x-original-request-id": first_id}
            headers = {**call.headers, **ids}
            try:
                start = under_id(attempts.start, claimed)
                live = await self._launch(call.url, headers, plan, start, transport)
            except BaseException:
                self._conversations.release(claimed)
                raise
            turn = _Turn(live, claimed)
            try:
                await live.settled()
            except BaseException:
                self._leave(turn)
                raise
            if live.visible:
                return turn
            refusal = _refusal(live)
            mended = refusal is not None and attempts.mend(refusal)
            if live.error is None and not mended:
                return turn
            self._leave(turn)
            if live.error is not None:
                raise live.error

    async def _launch(
        self,
        url: str,
        headers: Mapping[str, str],
        plan: "RunPlan",
        start: "RunStart",
        transport: "Transport",
    ) -> LiveRun:
        from gateway_cursor.h2 import open_h2  # here, as it takes long to load

        def at_end() -> None:
            for forget in forgets:
                forget()
            self._held.forget(live)

        def logged_out() -> None:
            self._gone.add(live)  # a turn under way is brought to its end, and not held then
            self._held.forget(live, "its login is gone")

        run = Run(plan, start)
        live = LiveRun(run, await open_h2(url, headers, transport), self._pace, at_end)
        forgets = (
            transport.at_close(live.aclose),
            transport.at_logout(logged_out),
        )
        return live

    def _hold(self, turn: _Turn, plan: "RunPlan") -> None:
        """Keep the run for the results of the calls that the client is being shown."""
        held = HeldRun(
            turn.live,
            plan.account,
            plan.login,
            plan.fingerprint,
            plan.conversation,
            turn.claimed,
        )
        limits = plan.limits
        if turn.live in self._gone:
            self._conversations.release(turn.claimed)
            turn.live.abort()
            return
        self._held.hold(held, seconds=limits.held_seconds, most=limits.held_runs)

    def _leave(self, turn: _Turn) -> None:
        self._conversations.release(turn.claimed)
        turn.live.leave()


class _TurnStream:
    """An `UpstreamStream` of what one turn shows. turn_over: it ended with calls, and the run is
    not its any more.
    """

    def __init__(self, live: LiveRun, hold: Callable[[], None]) -> None:
        self.status = 200 if live.status is None else live.status
        self.headers: Mapping[str, str] = live.headers
        self.turn_over = False
        self._live = live
        self._hold = hold
        self._body = live.body

    def __aiter__(self) -> "_TurnStream":
        return self

    async def __anext__(self) -> bytes:
        if self.turn_over:
            raise StopAsyncIteration
        if self._body:
            body, self._body = self._body, b""
            return body
        shown = await self._live.display()
        if shown is None:
            raise StopAsyncIteration
        data, self.turn_over = shown
        if self.turn_over:
            # Before the client knows, or its next request could be here first.
            self._hold()
        return data

    async def send(self, data: bytes) -> None:
        raise Internal("a run answers Cursor by itself")


def _refusal(live: LiveRun) -> EndOfStream | None:
    """Why the server did not take the run, when it said so."""
    if live.status is not None and live.status != 200:
        return read_end(b'{"error":%b}' % live.body)
    return live.verdict


def _is_lost(live: LiveRun) -> bool:
    """Whether a run that went on is over with nothing to see, and a new one may do better."""
    if not live.over or live.visible or live.turn_ended:
        return False
    verdict = live.verdict
    return verdict is None or not (verdict.retryable is False or verdict.code in _SAME_AGAIN)
