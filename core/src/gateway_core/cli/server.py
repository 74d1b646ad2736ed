"""Listening sockets and the uvicorn server on them, for `serve` and for the private one of `ask`.

Knows nothing of settings; who listens where is decided by the callers.
"""

import asyncio
import ctypes
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import uvicorn

from gateway_core.addresses import Address
from gateway_core.cli.group import Failure

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["Server", "listen", "loop_factory", "probe", "settle"]

Probe: TypeAlias = Literal["ours", "wrong key", "other", "nothing"]

_BACKLOG = 2048
_GRACE_SECONDS = 2
_LAST_WORDS_SECONDS = 0.5
_LOOK_SECONDS = 0.01
_TICKS_A_SECOND = 10  # as uvicorn counts them
_KEEP_ALIVE_SECONDS = 75  # longer than clients keep idle connections, so that they close first
_PROBE_SECONDS = 2.0
_LARGEST_MESSAGE = 64 * 1024 * 1024
_KEPT_BYTES = 16 * 1024 * 1024
_NO_NEWS = ("Unsupported upgrade request", "ASGI callable returned without completing handshake")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h has them


def listen(address: Address) -> socket.socket:
    """A socket that already listens, so that two servers cannot share a port by accident.

    Raises `Failure` that says what to do.
    """
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise Failure(
            f"{address.host!r} is no address of this machine ({error.strerror})"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(target)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise Failure(_no_listener(address, error)) from error
    return listener


class Server(uvicorn.Server):
    """uvicorn with our choices: quiet, no server header, and a signal that only ends it.

    on_ready: awaited once every socket accepts connections. signals: whether Ctrl-C and SIGTERM
    stop it; a second Ctrl-C cuts open answers. largest_message: of a WebSocket client, in bytes.
    """

    def __init__(
        self,
        app: "ASGIApp",
        *,
        on_ready: Callable[[], Awaitable[None]] | None = None,
        signals: bool = True,
        largest_message: int = _LARGEST_MESSAGE,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                lifespan="off",
                ws=_websocket_protocol,  # type: ignore[arg-type]  # what uvicorn calls, class or not
                ws_max_size=largest_message,
                ws_per_message_deflate=False,  # a picture would hold up everybody
                # A client that is busy with an event, or reads slowly, may not answer for minutes.
                ws_ping_timeout=None,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._on_ready = on_ready
        self._signals = signals
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_wanted = asyncio.Event()
        logging.getLogger("uvicorn.error").addFilter(_is_news)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell `on_ready`."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            await self._on_ready()

    async def main_loop(self) -> None:
        """Until told to stop, which wakes it: uvicorn would look ten times a second."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += _TICKS_A_SECOND
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stop_wanted.wait()

    def stop(self, *, at_once: bool = False) -> None:
        """Have the server stop; `at_once` cuts open answers. Any thread may call it."""
        self.should_exit = True
        self.force_exit = self.force_exit or at_once
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop_wanted.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at a signal; a second Ctrl-C cuts open answers."""
        self.stop(at_once=self.should_exit and sig == signal.SIGINT)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let open answers end for a while, and those that are cut then say so. What is left is
        aborted: to a client that does not read, a connection would never be closed, and the event
        loop not either.
        """
        state = self.server_state
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(state.connections):
            connection.shutdown()
        await self._idle_within(self.config.timeout_graceful_shutdown or 0)
        for task in list(state.tasks):
            task.cancel()
        await self._idle_within(_LAST_WORDS_SECONDS)
        for connection in list(state.connections):
            connection.transport.abort()

    async def _idle_within(self, seconds: float) -> None:
        """Wait until nothing is open any more, for as long as this."""
        state = self.server_state
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (state.connections or state.tasks) and not self.force_exit:
            if loop.time() >= until:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals without raising them again afterwards, as uvicorn would: a stop that was
        asked for is a success.
        """
        if not self._signals:
            yield
            return
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _websocket_protocol(**arguments: Any) -> asyncio.Protocol:
    """The WebSocket side of a connection; imported with the first one, as few clients use it."""
    from gateway_core.cli.upgraded import UpgradedConnection

    return UpgradedConnection(**arguments)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop uvicorn would take: uvloop where it is installed."""
    return uvicorn.Config("gateway_core:app", log_config=None).get_loop_factory()


def probe(address: Address, key: str | None = None) -> Probe:
    """Who answers at an address: our gateway (which takes the key), something else, or nobody."""
    host = address.url.removeprefix("http://").rpartition(":")[0].strip("[]")
    connection = HTTPConnection(host, address.port, timeout=_PROBE_SECONDS)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request("GET", "/healthz")
        health = connection.getresponse()
        text = health.read(1000)
        if health.status != 200 or b'"status"' not in text:
            return "other"
        connection.request("GET", "/v1/models?limit=1", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return "wrong key" if answer.status == 401 else "ours"
    except HTTPException:
        return "other"
    except OSError:
        return "nothing"
    finally:
        connection.close()


def _no_listener(address: Address, error: OSError) -> str:
    other = f"gateway serve --bind {Address(address.host, _next_port(address.port))}"
    if error.errno == errno.EADDRINUSE:
        if probe(address) in ("ours", "wrong key"):
            return f"a gateway is already running on {address}; use it, or start one more: {other}"
        return f"{address} is in use by another program; stop it, or take another port: {other}"
    if error.errno == errno.EACCES:
        return f"the system does not let you listen on {address}; take another port: {other}"
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{address.host} is no address of this machine; "
            "try gateway serve --bind 127.0.0.1:14550"
        )
    return f"cannot listen on {address}: {error.strerror}; try {other}"


def _next_port(port: int) -> int:
    return 14551 if port < 1024 else port + 1 if port < 65535 else port - 1


def settle() -> None:
    """Set memory up for a process that only serves.

    What is loaded by now stays, and the garbage collector looks less often: a turn makes thousands
    of small objects and no cycles worth looking for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have the C library keep the memory that one turn frees for the next: a large body is copied a
    dozen times, and getting fresh pages costs more than the copies. Where the library is not
    glibc, nothing happens.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
        set_option(option, _KEPT_BYTES)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that an upgrade was asked for or refused: we answer that ourselves."""
    return not record.getMessage().startswith(_NO_NEWS)
