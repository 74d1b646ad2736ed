"""Kept HTTP/1.1 connections to upstreams, one request on each at a time.

What is said is `http1`'s to write and read, and how to get there `network`'s. Here are the bytes on
their way: large bodies in slices, reading no faster than somebody takes, and connections that wait
for their next request.
"""

import asyncio
from collections.abc import Hashable
from typing import cast
from weakref import WeakSet

from gateway_core.http1 import AnswerReader

__all__ = ["ConnectionLost", "HTTPConnection", "Pool"]

SLICE = 256 * 1024
"""Bytes of a request body that are handed over at once."""
HIGH_WATER = 512 * 1024
"""Bytes of an answer that may wait to be taken before reading stops."""


class ConnectionLost(ConnectionError):
    """The upstream closed the connection before its answer was complete."""


class HTTPConnection(asyncio.Protocol):
    """One connection, for one request after the other.

    `heard` tells whether anything came since the last request was sent; `idle_since` is the loop's
    time at which the connection began to wait for another.
    """

    def __init__(self) -> None:
        self.heard = False
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: AnswerReader | None = None  # None: nothing was asked
        self._waiter: asyncio.Future[None] | None = None
        self._received: list[bytes] = []
        self._size = 0
        self._sent = True
        self._full = False  # the transport takes no more for now
        self._paused = False  # the transport reads no more for now
        self._broken: Exception | None = None

    async def ask(self, method: str, head: bytes, body: bytes) -> AnswerReader:
        """Send a request and wait for the head of its answer, which may come before all is sent.

        Raises `ConnectionLost`, the `OSError` that broke the connection, or `MalformedAnswer`.
        """
        assert self._transport is not None
        self._answer = answer = AnswerReader(method)
        self.heard = False
        if len(body) <= SLICE:
            self._transport.writelines((head, body) if body else (head,))
        else:
            await self._send(head, body, answer)
        while not answer.status:
            if self._broken is not None:
                raise self._broken
            await self._news()
        return answer

    async def read(self, answer: AnswerReader) -> bytes:
        """What has arrived of an answer's body since the last time; nothing at its end.

        Raises as `ask` does, once everything from before the break was given, and `ConnectionLost`
        when the connection has gone on to another request.
        """
        received = self._received
        while not received or answer is not self._answer:
            if answer is not self._answer:
                raise ConnectionLost("the answer was left")
            if answer.complete:
                return b""
            if self._broken is not None:
                raise self._broken
            await self._news()
        data = received[0] if len(received) == 1 else b"".join(received)
        received.clear()
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def finish(self) -> bool:
        """Get ready for the next request; False when the connection cannot carry another."""
        answer, transport = self._answer, self._transport
        if (
            answer is None
            or not (answer.complete and answer.keeps and self._sent)
            or self._received
            or transport is None
            or transport.get_write_buffer_size()
            or not self.is_open
        ):
            return False
        self._answer = None
        self.idle_since = self._loop.time()
        return True

    @property
    def is_open(self) -> bool:
        """Whether both sides may still send, as far as is known."""
        transport = self._transport
        return self._broken is None and transport is not None and not transport.is_closing()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _send(self, head: bytes, body: bytes, answer: AnswerReader) -> None:
        assert self._transport is not None
        self._sent = False
        self._transport.write(head)
        rest = memoryview(body)
        while rest:
            while self._full and not answer.status and self._broken is None:
                await self._news()
            if answer.status or self._broken is not None:
                return  # who has answered already does not want the rest
            self._transport.write(rest[:SLICE])
            rest = rest[SLICE:]
        self._sent = True

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        answer = self._answer
        if answer is None:
            self.abort()  # nobody asked: the next answer could be taken for another's
            return
        self.heard = True
        body = answer.feed(data)
        if body:
            self._received.append(body)
            self._size += len(body)
            if self._size > HIGH_WATER and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
        if answer.error is not None and self._broken is None:
            self._broken = answer.error
            self.abort()
        self._wake()

    def eof_received(self) -> None:
        """The upstream sends no more, and the connection is closed."""
        self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._end(error)

    def pause_writing(self) -> None:
        """The upstream takes bytes more slowly than they are sent."""
        self._full = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._full = False
        self._wake()

    def _end(self, error: Exception | None) -> None:
        if self._broken is not None:
            return
        if self._answer is not None and error is None:
            self._answer.end()  # may be how the body was meant to end
        self._broken = error if isinstance(error, OSError) else ConnectionLost("it was closed")
        self._wake()


class Pool:
    """All connections of one transport, and those that wait for their next request."""

    def __init__(self, keep_seconds: float) -> None:
        self._keep_seconds = keep_seconds
        self._idle: dict[Hashable, list[HTTPConnection]] = {}
        self._all: WeakSet[HTTPConnection] = WeakSet()
        self._sweeping: asyncio.TimerHandle | None = None

    def new(self) -> HTTPConnection:
        """A connection to be made."""
        connection = HTTPConnection()
        self._all.add(connection)
        return connection

    def take(self, key: Hashable) -> HTTPConnection | None:
        """An open connection that was put back under this key, the latest first."""
        idle = self._idle.get(key)
        oldest = asyncio.get_running_loop().time() - self._keep_seconds
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    def put_back(self, key: Hashable, connection: HTTPConnection) -> None:
        """Keep a connection for the next request to the same place, or close it."""
        if not connection.finish():
            connection.abort()
            return
        self._idle.setdefault(key, []).append(connection)
        if self._sweeping is None:
            self._sweep_in(self._keep_seconds)

    async def aclose(self) -> None:
        """Close every connection, used ones too."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)  # asyncio closes their sockets in its next round

    def _sweep_in(self, seconds: float) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what waited too long, so that no upstream has to."""
        self._sweeping = None
        oldest = asyncio.get_running_loop().time() - self._keep_seconds
        for key, idle in list(self._idle.items()):
            kept = [one for one in idle if one.is_open and one.idle_since > oldest]
            for connection in idle:
                if connection not in kept:
                    connection.abort()
            self._idle[key] = kept
            if not kept:
                del self._idle[key]
        if self._idle:
            first = min(one.idle_since for idle in self._idle.values() for one in idle)
            self._sweep_in(max(first - oldest, 1.0))
