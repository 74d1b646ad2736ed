"""HTTP to upstreams behind one seam: a `Transport` for each provider and account.

Answers are streamed by a client of our own (`http1`, `http_connections`), which hands on all that
has arrived in one read and costs a fraction of httpx for it: the figures are in
docs/decisions/2026-11-21-own-http-client.md. Plugins see httpx, imported on first use, for login,
refresh, models and account, and plain connections for protocols that are not HTTP/1.1.

What holds for both: redirects are not followed, so a credential goes only where the call says;
cookies are neither kept nor sent; TLS is verified as httpx does it; proxies come from the
environment, except for loopback. Idle and total timeouts of a stream are not known here.
"""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from gateway_core.errors import Internal, UpstreamFailed
from gateway_core.http1 import AnswerReader, MalformedAnswer, UnfitRequest, request_head
from gateway_core.http_connections import HTTPConnection, Pool
from gateway_core.http_errors import failure_of
from gateway_core.network import Network, Place, Proxy, place_of, unsupported_proxy
from gateway_core.provider import UpstreamCall, UpstreamStream

if TYPE_CHECKING:
    import httpx

__all__ = [
    "Timeouts",
    "Transport",
    "Transports",
    "read_body",
]

log = logging.getLogger(__name__)

P = TypeVar("P", bound=asyncio.Protocol)

USER_AGENT = "gateway-core"
PLAIN_SECONDS = 60.0  # each phase of a plugin's own httpx call
KEEP_ALIVE_SECONDS = 60.0
DRAIN_SECONDS = 1.0
CLOSING_SECONDS = 5.0  # for everything that is to be done when a transport is closed
ALPN = ("http/1.1",)


class Timeouts(Protocol):
    """The part of the settings that is needed here, in seconds."""

    @property
    def connect(self) -> float:
        """For name lookup, TCP and TLS together."""
        ...


class Transports:
    """Hands out one `Transport` for each provider and account, and closes them all.

    Use it on one event loop.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._network = Network(timeouts.connect)
        self._transports: dict[tuple[str, str | None], Transport] = {}

    def get(self, provider: str, account: str | None = None) -> "Transport":
        """The transport of a provider's account; None when there is no account to tell apart."""
        key = (provider, account)
        transport = self._transports.get(key)
        if transport is None:
            transport = self._transports[key] = Transport(self._network)
        return transport

    def log_out(self, provider: str, account: str) -> None:
        """The login of an account is gone: plugins drop what they keep for its next turn. Turns
        under way go on.
        """
        transport = self._transports.get((provider, account))
        if transport is not None:
            transport.log_out()

    def warm_up(self) -> None:
        """Read the certificates that the first stream needs; a worker thread may do it."""
        self._network.tls(ALPN)

    async def aclose(self) -> None:
        """Close every connection. The next `get` starts afresh."""
        transports = list(self._transports.values())
        self._transports.clear()
        await asyncio.gather(*(transport.aclose() for transport in transports))


class Transport:
    """Connections to the upstream of one provider and account."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._http: httpx.AsyncClient | None = None
        self._pool = Pool(KEEP_ALIVE_SECONDS)
        self._draining: set[asyncio.Task[None]] = set()
        self._at_close: dict[object, Callable[[], Awaitable[None]]] = {}
        self._at_logout: dict[object, Callable[[], None]] = {}

    @property
    def http(self) -> "httpx.AsyncClient":
        """What plugins use for everything that is no stream; made on first use."""
        if self._http is None or self._http.is_closed:
            self._http = _http_client(self._network)
        return self._http

    @asynccontextmanager
    async def stream(self, call: UpstreamCall) -> AsyncIterator[UpstreamStream]:
        """Send the call as one HTTP request and stream the answer, whatever its status.

        Entering raises `UpstreamFailed` when the upstream cannot be reached or hangs up without an
        answer, and `UpstreamTimeout` when connecting takes too long; reading raises
        `UpstreamFailed` when the connection breaks off. A connection from the pool that turns out
        to be dead before anything came back is replaced silently. Leaving with an exception
        (cancellation too) closes the connection at once.
        """
        target = _target_of(call.url)
        connection, answer = await self._ask(call, target)
        try:
            yield _HTTPStream(connection, answer, target.place.name)
        except BaseException:
            connection.abort()
            raise
        if answer.complete:
            self._pool.put_back(target.place, connection)
        else:
            self._drain(target.place, connection, answer)

    async def connect(
        self, url: str, protocol: Callable[[], P], *, alpn: Sequence[str] = ()
    ) -> tuple[asyncio.Transport, P]:
        """A connection to an http or https URL's host, for plugins that speak a protocol of
        their own: HTTP/2, WebSocket. It is theirs to close, see `at_close`.

        Goes through the environment's proxy (CONNECT) except to loopback. TLS for https, verified,
        offers the protocols in `alpn`; what was chosen is the transport's `ssl_object`'s to tell.
        Name lookup, TCP, proxy and TLS together have [timeouts] connect.

        Raises `UpstreamFailed` when the host cannot be reached or is not trusted,
        `UpstreamTimeout` when that takes too long.
        """
        return await self._network.connect(place_of(url), protocol, alpn)

    def at_close(self, callback: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Have `callback` awaited when this transport is closed, before its own connections are.

        Returns what takes that back. All callbacks run at once and have five seconds together;
        what they raise is logged.
        """
        key = object()
        self._at_close[key] = callback

        def forget() -> None:
            self._at_close.pop(key, None)

        return forget

    def at_logout(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called when the account's login is found to be gone, which may be some
        seconds after a logout in another process. What it raises is logged.

        Returns what takes that back. It may be called again: the account may log in anew.
        """
        key = object()
        self._at_logout[key] = callback

        def forget() -> None:
            self._at_logout.pop(key, None)

        return forget

    def log_out(self) -> None:
        """Call what is to be called when the login is gone."""
        for callback in list(self._at_logout.values()):
            try:
                callback()
            except Exception:
                log.exception("what was to be done when a login is gone failed")

    async def aclose(self) -> None:
        """Close every connection."""
        callbacks = list(self._at_close.values())
        self._at_close.clear()
        if callbacks:
            await _run_all(callbacks)
        for task in self._draining:
            task.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        await self._pool.aclose()
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _ask(
        self, call: UpstreamCall, target: "_Target"
    ) -> tuple[HTTPConnection, AnswerReader]:
        place = target.place
        proxy = None if place.secure else self._network.proxy_for(place)
        headers: Mapping[str, str] = call.headers
        path = target.path
        if proxy is not None:  # it is asked for the whole URL, and leads there itself
            path = f"http://{place.name}{path}"
            if proxy.authorization is not None:
                headers = {**headers, "proxy-authorization": proxy.authorization}
        body = call.body
        try:
            head = request_head(call.method, path, place.name, headers, len(body), USER_AGENT)
        except UnfitRequest as error:
            raise Internal(f"the call to {place.name} could not be made: {error}") from error
        while True:
            connection = self._pool.take(place)
            reused = connection is not None
            if connection is None:
                connection = await self._connection(place, proxy)
            try:
                return connection, await connection.ask(call.method, head, body)
            except (OSError, MalformedAnswer) as error:
                connection.abort()
                # An idle connection may be closed just when it is taken from the pool. It is out
                # of the pool now, so this ends at the latest with a fresh connection.
                if not reused or connection.heard:
                    raise failure_of(error, place.name) from error
            except BaseException:
                connection.abort()
                raise

    async def _connection(self, place: Place, proxy: Proxy | None) -> HTTPConnection:
        if proxy is None:
            _, connection = await self._network.connect(place, self._pool.new, ALPN)
        else:
            _, connection = await self._network.connect_to_proxy(proxy, place, self._pool.new)
        return connection

    def _drain(self, place: Place, connection: HTTPConnection, answer: AnswerReader) -> None:
        """Take the end marker of an answer whose last event was read, to keep the connection."""
        task = asyncio.get_running_loop().create_task(_read_to_end(connection, answer))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)
        task.add_done_callback(lambda _: self._pool.put_back(place, connection))


class _HTTPStream:
    """An `UpstreamStream` over one HTTP answer. Compressed bodies are decoded."""

    __slots__ = ("_answer", "_place", "_read", "headers", "status")

    def __init__(self, connection: HTTPConnection, answer: AnswerReader, place: str) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer
        self._read = connection.read
        self._place = place

    def __aiter__(self) -> "_HTTPStream":
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._read(self._answer)
        except (OSError, MalformedAnswer) as error:
            raise UpstreamFailed(
                f"the connection to {self._place} broke off in the middle of the answer"
            ) from error
        if not data:
            raise StopAsyncIteration
        return data

    async def send(self, data: bytes) -> None:
        raise Internal("an HTTP upstream takes no bytes while it answers")


def _http_client(network: Network) -> "httpx.AsyncClient":
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    try:
        return httpx.AsyncClient(
            verify=network.tls(ALPN),
            timeout=httpx.Timeout(PLAIN_SECONDS, connect=network.connect_timeout),
            headers={"User-Agent": USER_AGENT},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
        )
    except ImportError as error:
        raise unsupported_proxy("socks") from error


async def _run_all(callbacks: Sequence[Callable[[], Awaitable[None]]]) -> None:
    async def run(callback: Callable[[], Awaitable[None]]) -> None:
        try:
            await callback()
        except Exception:
            log.exception("what was to be done when a transport closes failed")

    try:
        async with asyncio.timeout(CLOSING_SECONDS):
            await asyncio.gather(*map(run, callbacks))
    except TimeoutError:
        log.warning("connections of plugins were not closed within %g s", CLOSING_SECONDS)


async def read_body(stream: UpstreamStream, limit: int = 1_000_000) -> bytes:
    """The first `limit` bytes of a body, for error answers; what came when it broke off."""
    gathered = bytearray()
    try:
        async for data in stream:
            gathered += data
            if len(gathered) >= limit:
                break
    except UpstreamFailed:
        pass  # the status is known and tells more than the end of its explanation
    return bytes(gathered[:limit])


async def _read_to_end(connection: HTTPConnection, answer: AnswerReader) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while await connection.read(answer):
                pass
    except (OSError, MalformedAnswer):  # the time limit too
        connection.abort()


@dataclass(slots=True, frozen=True)
class _Target:
    """A URL taken apart: where to connect, and what to ask for there."""

    place: Place
    path: str


@functools.lru_cache(maxsize=64)
def _target_of(url: str) -> _Target:
    place = place_of(url)
    _, _, path = url.partition("://")[2].partition(place.name)
    path = path.partition("#")[0]
    return _Target(place, path if path.startswith("/") else f"/{path}")
