"""The connections of a simulated server, for answers that break off or never end."""

import asyncio
import socket
import struct
import threading

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["PIECE_BYTES", "Connections"]

PIECE_BYTES = 7
"""What a stream in the shape `split` has in one piece; each costs the whole way to the client."""


class Connections:
    """Finds the transport behind a request. hung_up: set when a client leaves an answer that
    stalls. stalls: set when an answer has begun to.
    """

    def __init__(self) -> None:
        self.hung_up = threading.Event()
        self._transports: dict[object, asyncio.Transport] = {}
        self.stalls = threading.Event()
        self._stalled: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def protocol(self) -> type[H11Protocol]:
        """The protocol for a server whose connections these are."""
        transports = self._transports

        class Findable(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                transports[transport.get_extra_info("peername")] = transport

        return Findable

    def hang_up(self, request: Request, *, reset: bool = False) -> None:
        """End the connection of a request, whatever it still waits for."""
        transport = self._transports[request.client]
        if reset:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.close()

    async def stall(self) -> None:
        """Wait until `release`, or until the client leaves and this task is cancelled."""
        event = asyncio.Event()
        self._stalled.append((asyncio.get_running_loop(), event))
        self.stalls.set()
        try:
            await event.wait()
        except asyncio.CancelledError:
            self.hung_up.set()
            raise

    def forget(self) -> None:
        """Begin anew: no client has left, and nothing stalls."""
        self.hung_up.clear()
        self.stalls.clear()

    def release(self) -> None:
        """Let answers that stall come to their end."""
        while self._stalled:
            loop, event = self._stalled.pop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
