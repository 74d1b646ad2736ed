"""The server's side of a run for tests of one process: over a socket, and without one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway_core.testing.upstream_h2 import H2Request, H2Upstream, running_h2_upstream
from gateway_cursor.connect import END, EnvelopeReader, frame
from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["FakeWire", "RunServer", "ServedRun", "running_run_server"]


class FakeWire:
    """What a `LiveRun` takes for a stream. sent: messages of the client so far. dead: nobody hears
    them, and nothing tells so.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.unechoed = False
        self.dead = False
        self.sent: list[pb.AgentClientMessage] = []
        self.half_closed = asyncio.Event()
        self.closed = asyncio.Event()
        self.reads = 0
        self._reader = EnvelopeReader()
        self._news = asyncio.Event()
        self._read = asyncio.Event()
        self._arriving: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def send(self, data: bytes) -> None:
        """The client says something."""
        for _, payload in self._reader.feed(data):
            self.sent.append(pb.AgentClientMessage.FromString(payload))
        self._news.set()

    def ping(self) -> None:
        """The client asks for a sign of life."""
        self.unechoed = self.dead

    def half_close(self) -> None:
        """The client has said all."""
        self.half_closed.set()

    async def receive(self) -> bytes | None:
        """What the client gets to read."""
        item = await self._arriving.get()
        self.reads += 1
        self._read.set()
        if item is None:
            self.end()  # it stays at its end
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """The client leaves."""
        self.closed.set()

    async def wait_closed(self) -> None:
        """Nothing to wait for."""

    def answer(self, *data: bytes, status: int = 200) -> None:
        """The server says something, each in a read of its own."""
        self.status = status
        for item in data:
            self._arriving.put_nowait(item)

    def end(self, error: Exception | None = None) -> None:
        """The server says nothing more."""
        self._arriving.put_nowait(error)

    def heartbeats(self) -> int:
        """How many came so far."""
        return sum(one.WhichOneof("message") == "client_heartbeat" for one in self.sent)

    async def until_read(self, count: int) -> None:
        """Wait until the client has read so often."""
        while self.reads < count:
            self._read.clear()
            await self._read.wait()

    async def until_heartbeats(self, count: int) -> None:
        """Wait for so many more of them."""
        goal = self.heartbeats() + count
        while self.heartbeats() < goal:
            self._news.clear()
            await self._news.wait()


class ServedRun:
    """A run as its server sees it."""

    def __init__(self, request: H2Request) -> None:
        self.request = request
        self._reader = EnvelopeReader()
        self._heard: list[pb.AgentClientMessage] = []

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the request."""
        return self.request.headers

    async def next(self) -> pb.AgentClientMessage | None:
        """What the client says next, heartbeats aside; None when it has said all or left."""
        while True:
            while self._heard:
                message = self._heard.pop(0)
                if message.WhichOneof("message") != "client_heartbeat":
                    return message
            data = await self.request.next_data()
            if not data:
                return None
            for _, payload in self._reader.feed(data):
                self._heard.append(pb.AgentClientMessage.FromString(payload))

    async def first(self) -> pb.AgentRunRequest:
        """How it begins."""
        message = await self.next()
        assert message is not None
        return message.run_request

    async def result(self) -> pb.ExecClientMessage:
        """The next answer to a call, whose end comes right behind it."""
        message, close = await self.next(), await self.next()
        assert message is not None
        assert close is not None
        assert close.exec_client_control_message.HasField("stream_close")
        return message.exec_client_message

    async def answer(self, *envelopes: bytes) -> None:
        """Begin to answer."""
        await self.request.head(200, {"content-type": "application/connect+proto"})
        await self.send(*envelopes)

    async def send(self, *envelopes: bytes) -> None:
        """Say something, in one piece."""
        await self.request.send(b"".join(envelopes))

    async def end(self, json: bytes = b"{}") -> None:
        """End the stream."""
        await self.request.send(frame(json, END))
        await self.request.finish()

    async def refuse(self, json: bytes) -> None:
        """Take the request, and end the stream with an error."""
        await self.answer()
        await self.end(json)

    async def left(self) -> int | None:
        """Wait until the client left: how it reset the stream."""
        await self.request.left.wait()
        self.request.done.set()
        return self.request.reset_code


class RunServer:
    """Where runs arrive."""

    def __init__(self, upstream: H2Upstream) -> None:
        self._upstream = upstream
        self.url = f"{upstream.url}/agent.v1.AgentService/Run"

    @property
    def count(self) -> int:
        """How many runs there were."""
        return len(self._upstream.requests)

    async def next(self) -> ServedRun:
        """The next run."""
        return ServedRun(await self._upstream.next_request())


@asynccontextmanager
async def running_run_server() -> AsyncIterator[RunServer]:
    """A server on a free port, which does as it is told."""
    async with running_h2_upstream(duplex=True) as upstream:
        yield RunServer(upstream)
