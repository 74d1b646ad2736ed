"""An HTTP proxy on a real socket that leads every CONNECT to one port of this machine."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """`requests` are the heads that it was sent. `answer` is what it says to a CONNECT; only after
    a 200 it passes bytes on.
    """

    leads_to: int
    port: int = 0
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    requests: list[bytes] = field(default_factory=list)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        writers = [writer]
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
                if self.answer.startswith(b"HTTP/1.1 200"):
                    there, back = await asyncio.open_connection("127.0.0.1", self.leads_to)
                    writers.append(back)
                    await asyncio.gather(_pass(reader, back), _pass(there, writer))
        finally:
            for each in writers:
                each.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()  # so that the other direction ends too


@asynccontextmanager
async def running_proxy(
    leads_to: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ConnectProxy]:
    """A proxy on a free port."""
    proxy = ConnectProxy(leads_to)
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(proxy.connected(reader, writer))
        connections.add(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # for the connections that they closed
