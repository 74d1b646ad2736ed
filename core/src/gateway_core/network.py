"""Connections to other machines: names, addresses, proxies and TLS, and nothing of what is said.

Everything that holds for each connection of the gateway is decided here: one time limit for name
lookup, TCP, proxy and TLS together; addresses tried as RFC 8305 says; proxies from the environment,
except for loopback; TLS verified as httpx does it. Failures come in the gateway's own words.
"""

import asyncio
import ipaddress
import os
import socket
import sys
from base64 import b64encode
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

from gateway_core.errors import GatewayError, Internal, UpstreamFailed
from gateway_core.http_errors import connecting_took_too_long, tls_failure

if TYPE_CHECKING:
    import ssl

__all__ = ["Network", "NoConnection", "Place", "Proxy", "place_of", "unsupported_proxy"]

P = TypeVar("P", bound=asyncio.Protocol)
_Address: TypeAlias = tuple[int, int, int, str, tuple[object, ...]]

ATTEMPT_SECONDS = 0.25  # RFC 8305, section 8
LONGEST_PROXY_ANSWER = 64 * 1024
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True, frozen=True)
class Place:
    """Where a URL leads. `name` is its host and port as written, `host` fit for a lookup."""

    secure: bool
    host: str
    port: int
    name: str


@dataclass(slots=True, frozen=True)
class Proxy:
    """An HTTP proxy, and what it wants to hear in `Proxy-Authorization`."""

    place: Place
    authorization: str | None

    def __repr__(self) -> str:
        return f"Proxy({self.place.name})"


class NoConnection(UpstreamFailed):
    """There was no way to the place, so nothing was asked of it."""


class Network:
    """What all connections share. `connect_timeout` in seconds. Use it on one event loop."""

    def __init__(self, connect_timeout: float) -> None:
        self.connect_timeout = connect_timeout
        self._tls: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._proxies: dict[str, str] | None = None

    async def connect(
        self, place: Place, protocol: Callable[[], P], alpn: Sequence[str] = ()
    ) -> tuple[asyncio.Transport, P]:
        """A connection to a place, through the environment's proxy if there is one for it.

        alpn: what TLS offers as the next protocol. Raises `NoConnection` when there is no way to
        the place, and `UpstreamTimeout` after the time limit.
        """
        return await self._in_time(place, self._connect(place, protocol, tuple(alpn)))

    async def connect_to_proxy(
        self, proxy: Proxy, place: Place, protocol: Callable[[], P]
    ) -> tuple[asyncio.Transport, P]:
        """A connection to the proxy itself, which is asked for `place` by whole URLs.

        Raises as `connect` does.
        """
        return await self._in_time(place, self._reach_proxy(proxy, place, protocol))

    def tls(self, alpn: Sequence[str] = ()) -> "ssl.SSLContext":
        """The context that offers these protocols; building it reads the whole certificate store.

        Contexts are shared, so nobody may change one.
        """
        key = tuple(alpn)
        context = self._tls.get(key)
        if context is None:
            import httpx

            context = httpx.create_ssl_context()
            if key:
                context.set_alpn_protocols(list(key))
            self._tls[key] = context
        return context

    async def tls_in_thread(self, alpn: Sequence[str] = ()) -> "ssl.SSLContext":
        """The same without holding up the loop."""
        context = self._tls.get(tuple(alpn))
        return await asyncio.to_thread(self.tls, alpn) if context is None else context

    def proxy_for(self, place: Place) -> Proxy | None:
        """The proxy that `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name for a place, or None.

        Raises `NoConnection` when it is no HTTP proxy.
        """
        from urllib.request import getproxies, proxy_bypass

        if self._proxies is None:
            self._proxies = getproxies()
        scheme = "https" if place.secure else "http"
        url = self._proxies.get(scheme) or self._proxies.get("all")
        if not url or _is_loopback(place.host) or proxy_bypass(place.host):
            return None
        if "://" not in url:
            url = f"http://{url}"
        if not url.lower().startswith(("http://", "https://")):
            raise unsupported_proxy(url.partition(":")[0])
        return _proxy_of(url)

    async def _in_time(
        self, place: Place, connecting: Coroutine[object, object, tuple[asyncio.Transport, P]]
    ) -> tuple[asyncio.Transport, P]:
        try:
            async with asyncio.timeout(self.connect_timeout):
                return await connecting
        except TimeoutError as error:
            raise connecting_took_too_long(place.name, self.connect_timeout) from error

    async def _connect(
        self, place: Place, protocol: Callable[[], P], alpn: tuple[str, ...]
    ) -> tuple[asyncio.Transport, P]:
        loop = asyncio.get_running_loop()
        proxy = self.proxy_for(place)
        tls = await self.tls_in_thread(alpn) if place.secure else None
        if proxy is not None:
            tunnel = await self._tunnel(proxy, place)
            spoken = protocol()
            if tls is None:
                tunnel.set_protocol(spoken)
            else:
                tunnel = await _start_tls(loop, tunnel, spoken, tls, place)
            spoken.connection_made(tunnel)
            return tunnel, spoken
        connection = await _dial(place)
        if tls is None:
            return await loop.create_connection(protocol, sock=connection)
        try:
            return await loop.create_connection(
                protocol, sock=connection, ssl=tls, server_hostname=place.host
            )
        except OSError as error:
            raise NoConnection(tls_failure(error, place.name)) from error

    async def _reach_proxy(
        self, proxy: Proxy, place: Place, protocol: Callable[[], P]
    ) -> tuple[asyncio.Transport, P]:
        loop = asyncio.get_running_loop()
        try:
            connection = await _dial(proxy.place)
            if not proxy.place.secure:
                return await loop.create_connection(protocol, sock=connection)
            tls = await self.tls_in_thread(())
            return await loop.create_connection(
                protocol, sock=connection, ssl=tls, server_hostname=proxy.place.host
            )
        except (OSError, GatewayError) as error:
            raise NoConnection(f"cannot connect to the proxy in front of {place.name}") from error

    async def _tunnel(self, proxy: Proxy, place: Place) -> asyncio.Transport:
        transport, asking = await self._reach_proxy(proxy, place, _ProxyAnswer)
        try:
            transport.write(_connect_request(proxy, place))
            head = await asking.head
            status = _status_of(head)
        except (OSError, ValueError) as error:
            transport.abort()
            raise NoConnection(f"the proxy in front of {place.name} {error}") from error
        except BaseException:
            transport.abort()
            raise
        if not 200 <= status < 300:
            transport.abort()
            raise NoConnection(f"the proxy refused {place.name}: HTTP status {status}")
        return transport


class _ProxyAnswer(asyncio.Protocol):
    """Waits for the head of the answer to a CONNECT."""

    def __init__(self) -> None:
        self.head: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self.head.done():
            return
        if b"\r\n\r\n" in self._received:
            self.head.set_result(self._received)
        elif len(self._received) > LONGEST_PROXY_ANSWER:
            self.head.set_exception(ValueError("sent no end of its answer"))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.head.done():
            self.head.set_exception(ConnectionError("closed the connection"))


def place_of(url: str) -> Place:
    """Where an http or https URL leads. Raises `Internal` when it is none."""
    try:
        parts = urlsplit(url)
        name = parts.netloc.rpartition("@")[2]
        port = parts.port or _PORTS[parts.scheme]
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, KeyError):
        name = host = ""
        port = 0
    if not host or any(character <= " " or character == "\x7f" for character in url):
        raise Internal(f"the upstream address ({name or 'of the call'}) is no http or https URL")
    return Place(parts.scheme == "https", host, port, name)


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unsupported_proxy(scheme: str) -> GatewayError:
    """The environment names a proxy that nobody here can talk to."""
    return NoConnection(
        f"the environment asks for a {scheme} proxy, which is not supported:"
        " set HTTPS_PROXY to an http:// proxy, or exempt the host with NO_PROXY"
    )


def _proxy_of(url: str) -> Proxy:
    parts = urlsplit(url)
    try:
        place = place_of(url)
    except Internal as error:
        raise NoConnection("the environment's proxy is no http or https URL") from error
    if parts.username is None:
        return Proxy(place, None)
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(place, f"Basic {b64encode(user.encode()).decode()}")


def _connect_request(proxy: Proxy, place: Place) -> bytes:
    host = f"[{place.host}]" if ":" in place.host else place.host
    lines = [f"CONNECT {host}:{place.port} HTTP/1.1", f"Host: {host}:{place.port}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode()


def _status_of(head: bytes) -> int:
    version, _, rest = head.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise ValueError("does not speak HTTP")
    if not head.endswith(b"\r\n\r\n") and rest.startswith(b"2"):
        raise ValueError("sent more than it was asked for")
    return int(rest[:3])


async def _start_tls(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    tls: "ssl.SSLContext",
    place: Place,
) -> asyncio.Transport:
    try:
        secured = await loop.start_tls(transport, protocol, tls, server_hostname=place.host)
    except OSError as error:
        transport.abort()
        raise NoConnection(tls_failure(error, place.name)) from error
    except BaseException:
        transport.abort()
        raise
    assert secured is not None  # only a server's can be
    return secured


async def _dial(place: Place) -> socket.socket:
    """A TCP connection to the first of the place's addresses that answers."""
    try:
        addresses = await _look_up(place.host, place.port)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise NoConnection(f"cannot find {place.name}: {why}") from error
    try:
        return await _first_of(addresses)
    except OSError as error:
        raise NoConnection(f"cannot connect to {place.name}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """Why a connection was not made."""
    if sys.platform == "win32":  # whose sockets have numbers that C does not know
        return error.strerror or str(error)
    # asyncio puts the address into the error's own text
    return os.strerror(error.errno) if error.errno else str(error)


async def _look_up(host: str, port: int) -> list[_Address]:
    """The addresses of a host, its families in turns."""
    loop = asyncio.get_running_loop()
    found: list[_Address] = list(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    if not found:
        raise OSError("it has no address")
    preferred = [address for address in found if address[0] == found[0][0]]
    others = [address for address in found if address[0] != found[0][0]]
    in_turns = [address for pair in zip(preferred, others, strict=False) for address in pair]
    shorter = len(in_turns) // 2
    return in_turns + preferred[shorter:] + others[shorter:]


async def _first_of(addresses: Sequence[_Address]) -> socket.socket:
    """Try the next address when the last one failed or has not answered yet for a moment.

    Raises the first address's `OSError` when none answers.
    """
    if len(addresses) == 1:
        return await _try(addresses[0])
    waiting = list(addresses)
    attempts: set[asyncio.Task[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(_try(waiting.pop(0))))
            done, _ = await asyncio.wait(
                attempts,
                timeout=ATTEMPT_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                attempts.discard(task)
                error = task.exception()
                if error is None:
                    attempts |= done - {task}
                    return task.result()
                failures.append(error)
    finally:
        for task in attempts:
            task.cancel()
            task.add_done_callback(_close_unwanted)
    raise failures[0]


async def _try(address: _Address) -> socket.socket:
    family, kind, number, _, where = address
    connection = socket.socket(family, kind, number)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, where)
    except BaseException:
        connection.close()
        raise
    return connection


def _close_unwanted(task: "asyncio.Task[socket.socket]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
