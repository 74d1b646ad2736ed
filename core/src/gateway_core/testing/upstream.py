"""A scripted HTTP upstream, written byte by byte so that it can misbehave.

Each request is answered by the next of the scripted answers; when there is none, the test answers
by hand. Nothing waits for a clock unless `chunks` is told to: an answer waits for the test, or for
the gateway to leave. `running_upstream` is for asynchronous tests, `threaded_upstream` for others;
`gateway_core.testing.upstream_h2` speaks HTTP/2.
"""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol, TypeAlias, TypeVar

__all__ = [
    "Answer",
    "Answering",
    "AnyAnswer",
    "ReceivedRequest",
    "RequestInHand",
    "ScriptedUpstream",
    "ThreadedUpstream",
    "chunks",
    "hang_up",
    "json_answer",
    "reset_after",
    "running_upstream",
    "threaded_upstream",
    "truncated",
]

T = TypeVar("T")

_CLOSING_SECONDS = 1.0
_PATIENCE_SECONDS = 15
_REASONS = {200: "OK", 401: "Unauthorized", 429: "Too Many Requests", 503: "Unavailable"}


class ReceivedRequest:
    """One request and the answer being given to it. Header names are lower case.

    `left` is set when the gateway closes the connection before the answer is complete.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        target: str,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        self.target = target
        self.headers = headers
        self.body = body
        self.left = asyncio.Event()
        self.done = asyncio.Event()
        self._writer = writer
        self._watcher = asyncio.create_task(self._watch(reader))

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send status and headers of a chunked answer."""
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
        fields = {"transfer-encoding": "chunked", "connection": "close", **(headers or {})}
        lines += [f"{name}: {value}" for name, value in fields.items()]
        await self._send("\r\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes) -> None:
        """Send one chunk of the body."""
        await self._send(b"%x\r\n%b\r\n" % (len(data), data))

    async def finish(self) -> None:
        """Complete the answer."""
        await self._send(b"0\r\n\r\n")
        self._close()

    async def garbage(self) -> None:
        """Send what is no chunk."""
        await self._send(b"this is no chunk\r\n")

    async def cut(self) -> None:
        """Close the connection without completing the answer."""
        self._close()

    async def reset(self) -> None:
        """Close the connection with a TCP reset."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    def _close(self) -> None:
        self._watcher.cancel()
        self._writer.close()
        self.done.set()

    async def _send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            await reader.read(1)
        self.left.set()
        self.done.set()


Answer: TypeAlias = Callable[[ReceivedRequest], Awaitable[None]]


class Answering(Protocol):
    """A request that can be answered, over whichever HTTP."""

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None: ...
    async def send(self, data: bytes) -> None: ...
    async def finish(self) -> None: ...
    async def cut(self) -> None: ...
    async def reset(self) -> None: ...


AnyAnswer: TypeAlias = Callable[[Answering], Awaitable[None]]


class ScriptedUpstream:
    """Listens on `url`; `requests` are those received so far, `script` the answers to come."""

    def __init__(self, *script: Answer) -> None:
        self.url = ""
        self.script = list(script)
        self.requests: list[ReceivedRequest] = []
        self._by_hand: asyncio.Queue[ReceivedRequest] = asyncio.Queue()

    async def next_request(self) -> ReceivedRequest:
        """The next request that no scripted answer was left for, to be answered by hand."""
        return await self._by_hand.get()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one request."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            request = await _read_request(reader, writer)
            self.requests.append(request)
            if self.script:
                await self.script.pop(0)(request)
            else:
                self._by_hand.put_nowait(request)
            await request.done.wait()
        writer.close()


async def _read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> ReceivedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return ReceivedRequest(reader, writer, first.split(" ")[1], headers, body)


@asynccontextmanager
async def running_upstream(*script: Answer) -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream on a free port."""
    upstream = ScriptedUpstream(*script)
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        await upstream.connected(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
        for request in upstream.requests:
            await request.cut()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():
            await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Wait for the end of a connection, which the end of the event loop would leave half open."""
    writer.close()
    try:
        async with asyncio.timeout(_CLOSING_SECONDS):
            await writer.wait_closed()
    except OSError:  # also a `TimeoutError`, of a peer that does not read
        writer.transport.abort()
        await asyncio.sleep(0)


def chunks(*data: bytes, headers: Mapping[str, str] | None = None, delay: float = 0.0) -> AnyAnswer:
    """A complete answer in these chunks, with so many seconds before each."""

    async def answer(request: Answering) -> None:
        await request.head(headers=headers)
        for piece in data:
            await asyncio.sleep(delay)
            await request.send(piece)
        await request.finish()

    return answer


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> AnyAnswer:
    """A complete JSON answer, for errors above all."""

    async def answer(request: Answering) -> None:
        await request.head(status, {"content-type": "application/json", **(headers or {})})
        await request.send(json.dumps(value).encode())
        await request.finish()

    return answer


def truncated(*data: bytes) -> AnyAnswer:
    """These chunks, then an orderly end of the connection without the last chunk."""

    async def answer(request: Answering) -> None:
        await request.head()
        for piece in data:
            await request.send(piece)
        await request.cut()

    return answer


def reset_after(*data: bytes) -> AnyAnswer:
    """These chunks, then a TCP reset."""

    async def answer(request: Answering) -> None:
        await request.head()
        for piece in data:
            await request.send(piece)
        await request.reset()

    return answer


async def hang_up(request: Answering) -> None:
    """No answer at all: the connection is closed."""
    await request.cut()


class RequestInHand:
    """A `ReceivedRequest` for tests without an event loop: each call waits until it is done."""

    def __init__(self, request: ReceivedRequest, upstream: "ThreadedUpstream") -> None:
        self.target = request.target
        self.headers = request.headers
        self.body = request.body
        self._request = request
        self._upstream = upstream

    def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send status and headers of a chunked answer."""
        self._upstream.run(self._request.head(status, headers))

    def send(self, data: bytes) -> None:
        """Send one chunk of the body."""
        self._upstream.run(self._request.send(data))

    def finish(self) -> None:
        """Complete the answer."""
        self._upstream.run(self._request.finish())

    def garbage(self) -> None:
        """Send what is no chunk."""
        self._upstream.run(self._request.garbage())

    def cut(self) -> None:
        """Close the connection without completing the answer."""
        self._upstream.run(self._request.cut())

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        self._upstream.run(self._request.reset())

    def wait_until_left(self) -> None:
        """Wait until the gateway closed the connection. Raises `TimeoutError`."""
        self._upstream.run(self._request.left.wait())


class ThreadedUpstream:
    """A scripted upstream with an event loop in a thread of its own; see `ScriptedUpstream`."""

    def __init__(self, scripted: ScriptedUpstream, loop: asyncio.AbstractEventLoop) -> None:
        self._scripted = scripted
        self._loop = loop

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return self._scripted.url

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Those received so far; read their `target`, `headers` and `body`."""
        return list(self._scripted.requests)

    def answer(self, *script: Answer) -> None:
        """Answer the next requests so."""
        self._loop.call_soon_threadsafe(self._scripted.script.extend, script)

    def next_request(self) -> RequestInHand:
        """The next request that no scripted answer was left for, to be answered by hand. Raises
        `TimeoutError` when none comes.
        """
        return RequestInHand(self.run(self._scripted.next_request()), self)

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do something on the upstream's loop and wait for it. Raises `TimeoutError`."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(_PATIENCE_SECONDS)


@contextmanager
def threaded_upstream(*script: Answer) -> Iterator[ThreadedUpstream]:
    """A scripted upstream on a free port, for tests without an event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="upstream", daemon=True)
    thread.start()
    running = running_upstream(*script)
    try:
        entering = asyncio.run_coroutine_threadsafe(running.__aenter__(), loop)
        yield ThreadedUpstream(entering.result(_PATIENCE_SECONDS), loop)
        leaving = asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop)
        leaving.result(_PATIENCE_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE_SECONDS)
        loop.close()
