"""An ASGI application on a real socket of this machine, served from a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from gateway_core.cli.server import Server

__all__ = ["ThreadServer", "listening", "serving"]

_PATIENCE_SECONDS = 10.0


def listening() -> socket.socket:
    """A socket that listens on a free port of this machine.

    What is written to its connections goes out at once. Event loops see to that only where the
    socket names its protocol; without it each answer in two pieces takes 40 ms.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class ThreadServer:
    """Serves from `start` to `stop`, on a socket that listens already.

    http: uvicorn's name, or the class, of the HTTP protocol.
    """

    def __init__(
        self, app: ASGIApp, listener: socket.socket, http: str | type[asyncio.Protocol] = "h11"
    ) -> None:
        self._server = Server(app, signals=False)
        self._server.config.http = http
        self._server.config.timeout_graceful_shutdown = 1
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        """Serve; connections that come before wait."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no longer."""
        self._server.stop()
        self._thread.join(_PATIENCE_SECONDS)
        self._listener.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve([self._listener]))


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The application's base URL while the block runs."""
    listener = listening()
    server = ThreadServer(app, listener)
    server.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()
