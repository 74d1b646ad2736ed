"""An upstream that answers byte by byte on a real socket, and the HTTP it writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from gateway_core.http import Transport
from gateway_core.provider import UpstreamCall

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK_HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED_HEAD = OK_HEAD + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(body: bytes, *headers: bytes) -> bytes:
    lines = [*headers, b"Content-Length: %d" % len(body)]
    return OK_HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


@dataclass
class Upstream:
    """A server that hands each connection to `answer`; remembers what it was sent."""

    answer: Answer
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    def call(self, path: str = "/answer", body: bytes = b"{}", **headers: str) -> UpstreamCall:
        url = f"http://127.0.0.1:{self.port}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return UpstreamCall("POST", url, named, body)

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request; returns its head in lower case."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        self.requests.append(head)
        self.bodies.append(await reader.readexactly(length))
        return head


Start = Callable[[Answer], Awaitable[Upstream]]


Serve = Callable[[bytes], Awaitable[Upstream]]


@asynccontextmanager
async def upstreams() -> AsyncIterator[Start]:
    """Starts upstreams around functions that answer one connection; ends them all on leaving."""
    servers: list[asyncio.Server] = []
    connections: set[asyncio.Task[None]] = set()

    async def start(answer: Answer) -> Upstream:
        upstream = Upstream(answer)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            upstream.connections += 1
            try:
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    await upstream.answer(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        servers.append(server)
        upstream.port = server.sockets[0].getsockname()[1]
        return upstream

    yield start
    for server in servers:
        server.close()
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def read(transport: Transport, call: UpstreamCall) -> bytes:
    async with transport.stream(call) as stream:
        return b"".join([data async for data in stream])
