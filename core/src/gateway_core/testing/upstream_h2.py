"""A scripted upstream over HTTP/2, for providers with a transport of their own.

It needs the library `h2`, which is imported when an upstream is started: `pip install h2`. Answers
are those of `gateway_core.testing.upstream`; `reset` resets the stream, `cut` the connection.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

__all__ = ["H2Answer", "H2Request", "H2Upstream", "running_h2_upstream", "serve_h2"]

_READ_BYTES = 65_536


class H2Request:
    """One stream: what came on it, and the answer being given. Header names are lower case.

    body: what came so far. complete: set when nothing more will come. left: set when the client
    resets the stream or closes the connection; reset_code: the HTTP/2 error code of its reset.
    """

    def __init__(self, connection: "_Connection", stream: int, headers: dict[str, str]) -> None:
        self.target = headers.get(":path", "")
        self.headers = headers
        self.body = b""
        self.complete = asyncio.Event()
        self.left = asyncio.Event()
        self.reset_code: int | None = None
        self.done = asyncio.Event()
        self.window = asyncio.Event()
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self._connection = connection
        self._stream = stream

    def arrive(self, data: bytes) -> None:
        """Take in more of the body."""
        if data:
            self.body += data
            self._arrived.put_nowait(data)

    def stop(self, reset_code: int | None = None, *, complete: bool = False) -> None:
        """Take in that nothing more will come: it is complete, or the client left."""
        if complete:
            self.complete.set()
        else:
            self.reset_code = self.reset_code if self.left.is_set() else reset_code
            self.left.set()
        self._arrived.put_nowait(b"")

    async def next_data(self) -> bytes:
        """The next piece of the body, for protocols that talk both ways; nothing at its end."""
        return await self._arrived.get()

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send status and headers."""
        fields = [(":status", str(status)), *(headers or {}).items()]
        await self._connection.tell(lambda h2: h2.send_headers(self._stream, fields))

    async def send(self, data: bytes) -> None:
        """Send some of the body, as fast as the client takes it."""
        h2 = self._connection.h2
        while data and not self.left.is_set():
            self.window.clear()
            room = min(h2.local_flow_control_window(self._stream), h2.max_outbound_frame_size)
            if room <= 0:
                await self.window.wait()
                continue
            piece, data = data[:room], data[room:]
            await self._connection.tell(partial(_send_data, self._stream, piece))

    async def finish(self, trailers: Mapping[str, str] | None = None) -> None:
        """Complete the answer."""
        if trailers:
            fields = list(trailers.items())
            await self._connection.tell(
                lambda h2: h2.send_headers(self._stream, fields, end_stream=True)
            )
        else:
            await self._connection.tell(lambda h2: h2.end_stream(self._stream))
        self.done.set()

    async def reset(self, code: int = 2) -> None:
        """Reset the stream (code 2 is an internal error); the connection goes on."""
        await self._connection.tell(lambda h2: h2.reset_stream(self._stream, error_code=code))
        self.done.set()

    async def go_away(self, code: int = 0, last_stream: int = 0) -> None:
        """Take no more streams, and leave alone those after `last_stream`; then hang up."""
        await self._connection.tell(lambda h2: h2.close_connection(code, None, last_stream))
        await self.cut()

    async def cut(self) -> None:
        """Close the connection without completing the answer."""
        self._connection.close()
        self.done.set()


H2Answer: TypeAlias = Callable[[H2Request], Awaitable[None]]


class H2Upstream:
    """Listens on `url`; `requests` are those received so far, `script` the answers to come.

    duplex: requests are answered when their headers are in; otherwise when they are complete.
    """

    def __init__(self, *script: H2Answer, duplex: bool = False) -> None:
        self.url = ""
        self.script = list(script)
        self.requests: list[H2Request] = []
        self.duplex = duplex
        self._by_hand: asyncio.Queue[H2Request] = asyncio.Queue()

    async def next_request(self) -> H2Request:
        """The next request that no scripted answer was left for, to be answered by hand."""
        return await self._by_hand.get()

    async def serve(self, request: H2Request) -> None:
        """Answer one request."""
        if not self.duplex:
            await request.complete.wait()
        self.requests.append(request)
        if self.script:
            await self.script.pop(0)(request)
        else:
            self._by_hand.put_nowait(request)
        await request.done.wait()


def _send_data(stream: int, data: bytes, h2: Any) -> None:
    h2.send_data(stream, data)


class _Connection:
    """One connection with any number of streams."""

    def __init__(
        self, upstream: H2Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        settings = import_module("h2.config").H2Configuration(
            client_side=False, header_encoding="utf-8"
        )
        self.h2 = import_module("h2.connection").H2Connection(settings)
        self._events = import_module("h2.events")
        self._too_late: type[Exception] = import_module("h2.exceptions").ProtocolError
        self._upstream = upstream
        self._reader = reader
        self._writer = writer
        self._requests: dict[int, H2Request] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self, begun: bytes = b"") -> None:
        """Serve until the client leaves. begun: what was read already."""
        await self.tell(lambda h2: h2.initiate_connection())
        try:
            with suppress(ConnectionError):
                data = begun or await self._reader.read(_READ_BYTES)
                while data:
                    for event in self.h2.receive_data(data):
                        self._take(event)
                    await self._flush()
                    data = await self._reader.read(_READ_BYTES)
        finally:
            for request in self._requests.values():
                request.stop()
                request.window.set()
            for task in self._answering:
                task.cancel()
            await asyncio.gather(*self._answering, return_exceptions=True)
            self._writer.close()

    async def tell(self, doing: Callable[[Any], object]) -> None:
        """Send what `doing` puts into the connection; nothing when the client is gone."""
        with suppress(ConnectionError, self._too_late):
            doing(self.h2)
            await self._flush()

    def close(self) -> None:
        """Close the connection as it is."""
        self._writer.close()

    async def _flush(self) -> None:
        self._writer.write(self.h2.data_to_send())
        await self._writer.drain()

    def _take(self, event: Any) -> None:
        events = self._events
        stream = getattr(event, "stream_id", None) or 0
        if isinstance(event, events.RequestReceived):
            headers = {str(name): str(value) for name, value in event.headers}
            request = self._requests[stream] = H2Request(self, stream, headers)
            task = asyncio.get_running_loop().create_task(self._upstream.serve(request))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif isinstance(event, events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            self._requests[stream].arrive(event.data)
        elif isinstance(event, events.StreamEnded):
            self._requests[stream].stop(complete=True)
        elif isinstance(event, events.StreamReset):
            self._requests[stream].stop(event.error_code)
        for request in self._requests.values():
            request.window.set()


async def serve_h2(
    upstream: H2Upstream,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    begun: bytes = b"",
) -> None:
    """Serve one connection to its end, for a server that also speaks something else.

    begun: what it read to find that out.
    """
    await _Connection(upstream, reader, writer).run(begun)


@asynccontextmanager
async def running_h2_upstream(
    *script: H2Answer, duplex: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[H2Upstream]:
    """A scripted upstream on a free port: over TLS with this context, which must offer `h2` by
    ALPN, or in the clear for clients that know that it speaks HTTP/2.
    """
    upstream = H2Upstream(*script, duplex=duplex)
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = serve_h2(upstream, reader, writer)
        task = asyncio.get_running_loop().create_task(serving)
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    upstream.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
