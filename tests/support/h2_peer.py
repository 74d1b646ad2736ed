"""A server of one HTTP/2 connection that does nothing by itself: each test says what it does."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event
from h2.settings import SettingCodes, Settings

E = TypeVar("E", bound=Event)


@dataclass
class H2Peer:
    """The server's side. events: what came so far. body: the data among it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    h2: H2Connection
    acknowledges: bool = True
    events: list[Event] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def until(self, kind: type[E], fits: Callable[[E], bool] = lambda _: True) -> E:
        """Read until such an event is there; one that is there already counts."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and fits(event):
                    return event
            await self.read()

    async def until_body(self, size: int) -> bytes:
        """Read until so many bytes of data are there."""
        while len(self.body) < size:
            await self.read()
        return bytes(self.body)

    async def read(self) -> None:
        """Read once, and answer what HTTP/2 itself wants answered."""
        data = await self.reader.read(65_536)
        if not data:
            raise ConnectionError("the client hung up")
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, DataReceived):
                self.body += event.data
                if self.acknowledges and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, 1)
        await self.flush()

    async def read_to_end(self) -> None:
        """Read until the client hangs up."""
        with suppress(ConnectionError):
            while True:
                await self.read()

    async def flush(self) -> None:
        """Send what the library has to say."""
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send status and headers."""
        self.h2.send_headers(1, [(":status", str(status)), *(headers or {}).items()])
        await self.flush()

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """Send data that fits into the windows."""
        self.h2.send_data(1, data, end_stream=last)
        await self.flush()

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class H2Listener:
    """Where a peer waits for its connection."""

    url: str
    _connected: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"
    _settings: Mapping[SettingCodes, int]

    async def accept(self) -> H2Peer:
        """The peer of the next connection, when it has sent its settings."""
        reader, writer = await self._connected.get()
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        initial = {**_DEFAULTS, **self._settings}
        connection.local_settings = Settings(client=False, initial_values=initial)
        connection.initiate_connection()
        peer = H2Peer(reader, writer, connection)
        await peer.flush()
        return peer


_DEFAULTS = {SettingCodes.MAX_CONCURRENT_STREAMS: 100}


@asynccontextmanager
async def listening(
    settings: Mapping[SettingCodes, int] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[H2Listener]:
    """A port that takes connections; `settings` are those of the peers."""
    connected: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    writers: list[asyncio.StreamWriter] = []

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        connected.put_nowait((reader, writer))

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scheme = "http" if tls is None else "https"
    try:
        yield H2Listener(f"{scheme}://127.0.0.1:{port}", connected, settings or {})
    finally:
        server.close()
        for writer in writers:
            writer.close()
