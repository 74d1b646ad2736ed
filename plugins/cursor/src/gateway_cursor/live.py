"""A run on the wire: one stream with Cursor, kept alive from its first message to its end.

A task of its own reads, answers and beats through all turns of the client that the run serves, also
between them, while it waits for the results of the client's tools. What `Run` says is sent; what it
shows is queued for the turn that reads. When a run is held and when it is dropped is decided
elsewhere.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway_core import GatewayError, UpstreamTimeout
from gateway_cursor.connect import TURN_OVER, EndOfStream
from gateway_cursor.plan import CallResult
from gateway_cursor.run import Run

__all__ = ["LiveRun", "Pace", "Wire"]

_log = logging.getLogger(__name__)
_LONGEST_BODY: Final = 1_000_000
_PIECE: Final = 32 * 1024
_NEVER: Final = float("inf")


@dataclass(slots=True, frozen=True)
class Pace:
    """How long what may take, in seconds, and how many bytes may wait for the client.

    heartbeat: between two of ours. answer: until the server begins to. echo: until a connection
    that was held gives a sign of life. silence: without a word of the server. progress: with
    nothing but its heartbeats. goodbye: from the end of the turn to that of the stream. patience:
    until a run counts as settled, see there; with more of it than of the silence, a run that the
    server has forgotten while it was held is replaced before the client hears of it. queue: when
    it is full, the run is read no further until the client has read.
    """

    heartbeat: float = 5.0
    answer: float = 60.0
    echo: float = 5.0
    silence: float = 30.0
    progress: float = 90.0
    goodbye: float = 2.0
    patience: float = 35.0
    queue: int = 4 * 1024 * 1024


class Wire(Protocol):
    """The part of `h2.Duplex` that is needed here, see there."""

    status: int | None
    headers: Mapping[str, str]
    unechoed: bool

    def ping(self) -> None: ...
    def send(self, data: bytes) -> None: ...
    def half_close(self) -> None: ...
    async def receive(self) -> bytes | None: ...
    def close(self) -> None: ...
    async def wait_closed(self) -> None: ...


class LiveRun:
    """A run that begins when this is made. Use it on one event loop.

    over: nothing more will be shown. error: what broke it off, if something did. body: of an answer
    with another status than 200. at_end: called when the stream is gone.
    """

    def __init__(self, run: Run, wire: Wire, pace: Pace, at_end: Callable[[], None]) -> None:
        self.over = False
        self.error: Exception | None = None
        self.body = b""
        self._run = run
        self._wire = wire
        self._pace = pace
        self._reported: Mapping[str, str] = {}
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._waits = False
        self._unread = False
        self._half_closed = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self._begun = self._heard = self._moved = loop.time()
        self._next_heartbeat = self._begun + pace.heartbeat
        self._goodbye = _NEVER
        self._reading: asyncio.Timeout | None = None
        wire.send(run.first())
        self._task = loop.create_task(self._live())
        self._task.add_done_callback(lambda _: at_end())

    @property
    def status(self) -> int | None:
        """Of the answer, once it has begun."""
        return self._wire.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the answer, with what the decoder must know of earlier turns of the run."""
        return {**self._wire.headers, **self._reported}

    @property
    def visible(self) -> bool:
        """Whether the turn has something for people to see."""
        return self._run.visible

    @property
    def verdict(self) -> EndOfStream | None:
        """The error that the server ended the stream with."""
        return self._run.failure

    @property
    def turn_ended(self) -> bool:
        """Whether the server said that the turn is complete."""
        return self._run.turn_ended

    @property
    def calls(self) -> frozenset[str]:
        """The client's ids of the calls whose results the run waits for."""
        return frozenset(self._run.pending)

    async def settled(self) -> None:
        """Wait until there is something to see or the run is over, but not for long once the server
        works on it: who waits for the display has patience of his own.
        """
        try:
            async with asyncio.timeout(self._pace.patience):
                while not (self.over or self._run.visible or self._waits or self._is_full):
                    await self._change()
        except TimeoutError:
            while self.status is None and not self.over:
                await self._change()

    async def display(self) -> tuple[bytes, bool] | None:
        """What there is to show since the last call, or some of it, and whether the client's turn
        ends with it; None when the run is over. Raises what broke the run off.
        """
        while not self._queue:
            if self.error is not None:
                raise self.error
            if self.over:
                return None
            await self._change()
        queue, pieces, size = self._queue, [], 0
        while queue and size < _PIECE:
            pieces.append(queue.popleft())
            size += len(pieces[-1])
        if self._is_full:  # the server was not listened to
            self._heard = self._moved = self._now()
        self._queued -= size
        self._room.set()
        if queue:
            await asyncio.sleep(0)  # others have their turns, too
        return b"".join(pieces), self._waits and not queue

    def resume(self, results: Sequence[CallResult]) -> None:
        """Go on with the results that the run waits for, in the client's next turn."""
        self._reported = self._run.reported
        self._waits = False
        self._run.answer(results)
        now = self._now()
        self._heard = self._moved = now
        self._exchange(now)
        self._wire.ping()
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(self._next_time())

    def leave(self) -> None:
        """Nobody reads any more: what the server completed is brought to its end, the rest
        dropped.
        """
        if not self._run.turn_ended and not self.over:
            self.abort()
        self._unread = True
        self._queue.clear()
        self._queued = 0
        self._room.set()

    def abort(self) -> None:
        """Drop the run at once."""
        self._end()
        self._wire.close()
        self._task.cancel()

    async def aclose(self) -> None:
        """Drop the run and wait until its connection is gone."""
        self.abort()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._wire.wait_closed()

    async def _change(self) -> None:
        self._news.clear()
        await self._news.wait()

    @property
    def _is_full(self) -> bool:
        return self._queued > self._pace.queue

    async def _live(self) -> None:
        try:
            await self._converse()
            self._end()
            if not self._run.gave_up:
                await self._part()
        except GatewayError as error:
            if not self._run.turn_ended:  # else nothing is missing
                self.error = error
        except Exception as error:
            self.error = error
            if self._waits or self._unread:
                _log.exception("a run of Cursor failed while nobody read it")
        finally:
            self._end()
            self._wire.close()

    def _end(self) -> None:
        self.over = True
        self._news.set()

    async def _converse(self) -> None:
        run, wire = self._run, self._wire
        started = False
        while True:
            data = await self._read()
            now = self._now()
            if wire.status is not None and not started:
                started = True
                if wire.status != 200:
                    await self._read_body(data)
                    return
                self._news.set()
                run.started(wire.headers)
                self._heard = self._moved = now
            if data is None:
                run.closed()
            elif data:
                self._heard = now
                run.feed(data, now)
            else:
                self._check(now)
            if run.deadline is not None and now >= run.deadline:
                run.tick(now)
            if now >= self._goodbye:
                run.closed()
            self._exchange(now)
            if run.state == "over":  # before anyone else can think that it waits
                return
            if data:
                await asyncio.sleep(0)  # there may be much more, and others have their turns

    async def _read(self) -> bytes | None:
        """What came, None at the end, and nothing when there is something else to do."""
        try:
            async with asyncio.timeout_at(self._next_time()) as self._reading:
                while self._is_full and not self._unread:
                    self._room.clear()
                    await self._room.wait()
                return await self._wire.receive()
        except TimeoutError:
            return b""
        finally:
            self._reading = None

    def _next_time(self) -> float:
        deadline = self._run.deadline
        times = [self._limit[0], self._goodbye, _NEVER if deadline is None else deadline]
        if not self._half_closed:
            times.append(self._next_heartbeat)
        return min(times)

    @property
    def _limit(self) -> tuple[float, str]:
        """When the server has been silent for too long, and how that is told."""
        pace = self._pace
        if self._wire.status is None:
            return self._begun + pace.answer, f"did not begin to answer for {pace.answer:g} s"
        if self._waits or self._half_closed or self._is_full:
            return _NEVER, ""
        if self._wire.unechoed:
            return self._heard + pace.echo, "is not there any more"
        return min(
            (self._heard + pace.silence, f"sent nothing for {pace.silence:g} s"),
            (self._moved + pace.progress, f"sent only heartbeats for {pace.progress:g} s"),
        )

    def _check(self, now: float) -> None:
        limit, what = self._limit
        if now >= limit:
            raise UpstreamTimeout(f"Cursor {what}, so the run was given up; try again")

    def _exchange(self, now: float) -> None:
        """Hand over what the run has to say, to the server and to the client."""
        run, wire = self._run, self._wire
        reply = run.data_to_send()
        if self._collect() or reply:
            self._moved = now
        if now >= self._next_heartbeat and not self._half_closed:
            self._next_heartbeat = now + self._pace.heartbeat
            reply += run.heartbeat()
        if reply:
            wire.send(reply)
        if run.turn_ended and not self._half_closed:
            self._half_closed = True
            self._goodbye = now + self._pace.goodbye
            wire.half_close()

    def _collect(self) -> bool:
        data = self._run.take_display()
        if data and not self._unread:
            self._waits = self._run.state != "streaming" and data.endswith(TURN_OVER)
            self._queued += len(data)
            self._queue.append(data)
            self._news.set()
        return bool(data)

    async def _read_body(self, data: bytes | None) -> None:
        """Read the words of an error, as far as they come."""
        try:
            async with asyncio.timeout(self._pace.silence):
                while data is not None and len(self.body) < _LONGEST_BODY:
                    self.body += data
                    data = await self._wire.receive()
        except (TimeoutError, GatewayError):
            pass  # the status is known and tells more than the end of its explanation

    async def _part(self) -> None:
        """Let the server close the stream, so that it need not be reset."""
        self._wire.half_close()
        latest = min(self._goodbye, self._now() + self._pace.goodbye)
        try:
            async with asyncio.timeout_at(latest):
                while await self._wire.receive() is not None:
                    pass
        except (TimeoutError, GatewayError):
            pass  # all that matters is there
