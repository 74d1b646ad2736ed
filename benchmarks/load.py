"""The clients of the benchmarks: raw sockets, so that what is measured is not the client."""

import asyncio
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

__all__ = ["Connection", "Delays", "Target", "stream_paced"]

END = b"0\r\n\r\n"
_TIME = re.compile(rb"@(\d{19})@")


@dataclass(frozen=True)
class Target:
    """Who is asked, and the bytes by which its first delta is recognised."""

    port: int
    path: str
    marker: bytes

    def request(self, body: bytes) -> bytes:
        """A whole HTTP request."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n"
            "content-type: application/json\r\nanthropic-version: 2023-06-01\r\n"
            f"accept: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Connection:
    """One keep-alive connection with one request at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket = socket.create_connection(("127.0.0.1", target.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 18)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def exchange(self, request: bytes) -> tuple[float, float]:
        """Send a request, read the answer: seconds to its first delta and to its end.

        Raises `RuntimeError` with what came instead of a streamed answer.
        """
        marker = self._target.marker
        first = 0.0
        seen = b""
        began = time.perf_counter()
        self._socket.sendall(request)
        while True:
            size = self._socket.recv_into(self._buffer)
            data = bytes(memoryview(self._buffer)[:size])
            if not data:
                raise RuntimeError(f"the connection was closed after {seen!r}")
            if not first:
                seen += data
                if marker in seen:
                    first = time.perf_counter() - began
                elif not seen.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"no answer: {seen[:2000]!r}")
            seen = (seen + data)[-5:] if first else seen
            if seen.endswith(END):
                if not first:
                    raise RuntimeError(f"no delta in the answer: {seen[-2000:]!r}")
                return first, time.perf_counter() - began


@dataclass
class Delays:
    """Seconds from an event's sending to its arrival, of all streams together, from the moment on
    at which every stream has begun; `on_all_begun` is called then.
    """

    streams: int
    on_all_begun: Callable[[], None]
    seconds: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """A stream had its first event."""
        self.streams -= 1
        if self.streams == 0:
            self.seconds.clear()
            self.on_all_begun()

    def percentile(self, percent: float) -> float:
        """A percentile of the delays."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class _Stream(asyncio.Protocol):
    def __init__(self, request: bytes, delays: Delays, done: asyncio.Future[None]) -> None:
        self._request = request
        self._delays = delays
        self._done = done
        self._begun = False
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]  # a write transport
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self._tail + data
        end = 0
        for match in _TIME.finditer(data):
            self._delays.seconds.append((now - int(match[1])) / 1e9)
            end = match.end()
        self._tail = data[max(end, len(data) - 24) :]
        if end and not self._begun:
            self._begun = True
            self._delays.begin()
        if data.endswith(END) and not self._done.done():
            self._done.set_result(None)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(f"the stream broke off: {self._tail!r}"))


async def stream_paced(target: Target, body: bytes, delays: Delays) -> None:
    """Run all streams of `delays` at once, to their ends."""
    loop = asyncio.get_running_loop()
    request = target.request(body)
    waiting = []
    for _ in range(delays.streams):
        done = loop.create_future()
        waiting.append(done)
        await loop.create_connection(
            partial(_Stream, request, delays, done),
            "127.0.0.1",
            target.port,
        )
    await asyncio.gather(*waiting)
