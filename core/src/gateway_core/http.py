"""HTTP to upstreams behind one seam: a `Transport` for each provider and account.

Answers are streamed by aiohttp, which hands on everything that has arrived in one read and costs a
fraction of httpx for it (docs/decisions/2026-11-21-upstream-transport.md has the figures). Plugins
see httpx, for login, refresh, models and account. Both libraries are imported on first use.

What holds for both: redirects are not followed, so a credential goes only where the call says;
cookies are neither kept nor sent; TLS is verified as httpx does it; proxies come from the
environment, except for loopback. Idle and total timeouts of a stream are not known here.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from gateway_core.errors import (
    GatewayError,
    Internal,
    UpstreamFailed,
)
from gateway_core.http_errors import failure_of
from gateway_core.provider import UpstreamCall, UpstreamStream

if TYPE_CHECKING:
    import ssl

    import aiohttp
    import httpx

__all__ = [
    "Timeouts",
    "Transport",
    "Transports",
    "read_body",
]

USER_AGENT = "gateway-core"
PLAIN_SECONDS = 60.0  # each phase of a plugin's own httpx call
KEEP_ALIVE_SECONDS = 60.0
DRAIN_SECONDS = 1.0
_BYTES_AT_ONCE = 1 << 20


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
        self._network = _Network(timeouts.connect)
        self._transports: dict[tuple[str, str | None], Transport] = {}

    def get(self, provider: str, account: str | None = None) -> "Transport":
        """The transport of a provider's account; None when there is no account to tell apart."""
        key = (provider, account)
        transport = self._transports.get(key)
        if transport is None:
            transport = self._transports[key] = Transport(self._network)
        return transport

    @staticmethod
    def warm_up() -> None:
        """Import what the first stream needs (a tenth of a second); a worker thread may do it."""
        import aiohttp  # noqa: F401  # for its time, not its names

    async def aclose(self) -> None:
        """Close every connection. The next `get` starts afresh."""
        transports = list(self._transports.values())
        self._transports.clear()
        for transport in transports:
            await transport.aclose()


class Transport:
    """Connections to the upstream of one provider and account."""

    def __init__(self, network: "_Network") -> None:
        self._network = network
        self._http: httpx.AsyncClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self._draining: set[asyncio.Task[None]] = set()

    @property
    def http(self) -> "httpx.AsyncClient":
        """What plugins use for everything that is no stream; made on first use."""
        if self._http is None or self._http.is_closed:
            self._http = self._network.http_client()
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
        url = urlsplit(call.url)
        place = url.netloc.rpartition("@")[2] or "the upstream"
        try:
            response = await self._request(call, url.scheme, url.hostname or "")
        except GatewayError:
            raise
        except Exception as error:
            raise failure_of(error, place, self._network.connect_timeout) from error
        try:
            with _woken_when_closed(response):
                yield _HTTPStream(response, place)
        except BaseException:
            response.close()
            raise
        if not response.content.is_eof():
            self._drain(response)

    async def aclose(self) -> None:
        """Close every connection."""
        for task in self._draining:
            task.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _request(
        self, call: UpstreamCall, scheme: str, host: str
    ) -> "aiohttp.ClientResponse":
        import aiohttp
        from yarl import URL

        session = self._session
        if session is None or session.closed:
            session = self._session = self._network.session()
        tls = await self._network.tls_in_thread() if scheme == "https" else True
        proxy = self._network.proxy_for(scheme, host)
        url = URL(call.url, encoded=True)
        while True:
            connection = SimpleNamespace(reused=False)
            try:
                return await session.request(
                    call.method,
                    url,
                    headers=call.headers,
                    data=_payload(call.body),
                    allow_redirects=False,
                    ssl=tls,
                    proxy=proxy,
                    trace_request_ctx=connection,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # The upstream closed an idle connection just when we took it from the pool. It is
                # out of the pool now, so this ends at the latest with a fresh connection.
                answered = not isinstance(getattr(error, "message", ""), str)
                if answered or not connection.reused:
                    raise

    def _drain(self, response: "aiohttp.ClientResponse") -> None:
        """Take the end marker of an answer whose last event was read, to keep the connection."""
        task = asyncio.get_running_loop().create_task(_read_to_end(response))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)


@contextmanager
def _woken_when_closed(response: "aiohttp.ClientResponse") -> Iterator[None]:
    """End a read when the connection goes: aiohttp 3.14 closes it on a malformed chunk without
    waking who waits for the body.
    """
    connection = response.connection
    protocol = None if connection is None else connection.protocol
    closed = None if protocol is None else protocol.closed
    if closed is None:
        yield
        return

    def wake(closed: "asyncio.Future[None]") -> None:
        # Asking for the error also keeps asyncio from reporting it as never retrieved.
        cause = None if closed.cancelled() else closed.exception()
        content = response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(cause or ConnectionError("the connection was closed"))

    closed.add_done_callback(wake)
    try:
        yield
    finally:
        if not closed.done():
            closed.remove_done_callback(wake)
            closed.remove_done_callback(_retrieve)  # the one of an earlier answer
            closed.add_done_callback(_retrieve)


def _retrieve(closed: "asyncio.Future[None]") -> None:
    """Take note of why an idle connection closed, or asyncio reports it as never retrieved."""
    if not closed.cancelled():
        closed.exception()


class _HTTPStream:
    """An `UpstreamStream` over one HTTP answer. Compressed bodies are decoded."""

    __slots__ = ("_place", "_read", "headers", "status")

    def __init__(self, response: "aiohttp.ClientResponse", place: str) -> None:
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        self.status = response.status
        self.headers: Mapping[str, str] = headers
        self._read = response.content.readany
        self._place = place

    def __aiter__(self) -> "_HTTPStream":
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._read()
        except Exception as error:
            raise UpstreamFailed(
                f"the connection to {self._place} broke off in the middle of the answer"
            ) from error
        if not data:
            raise StopAsyncIteration
        return data

    async def send(self, data: bytes) -> None:
        raise Internal("an HTTP upstream takes no bytes while it answers")


class _Network:
    """What all transports share: timeouts, the TLS context and the environment's proxies."""

    def __init__(self, connect_timeout: float) -> None:
        self.connect_timeout = connect_timeout
        self._tls: ssl.SSLContext | None = None
        self._proxies: dict[str, str] | None = None

    def session(self) -> "aiohttp.ClientSession":
        import aiohttp

        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.connect_timeout),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            skip_auto_headers=("Content-Type",),
            trace_configs=[trace],
        )

    def http_client(self) -> "httpx.AsyncClient":
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        import httpx

        try:
            return httpx.AsyncClient(
                verify=self.tls(),
                timeout=httpx.Timeout(PLAIN_SECONDS, connect=self.connect_timeout),
                headers={"User-Agent": USER_AGENT},
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
            )
        except ImportError as error:
            raise _unsupported_proxy("socks") from error

    def tls(self) -> "ssl.SSLContext":
        """The shared TLS context; building it reads the whole certificate store."""
        context = self._tls
        if context is None:
            import httpx

            context = self._tls = httpx.create_ssl_context()
        return context

    async def tls_in_thread(self) -> "ssl.SSLContext":
        return self._tls if self._tls is not None else await asyncio.to_thread(self.tls)

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """The proxy that `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name for a host, or None."""
        from urllib.request import getproxies, proxy_bypass

        if self._proxies is None:
            self._proxies = getproxies()
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if not proxy or _is_loopback(host) or proxy_bypass(host):
            return None
        if "://" not in proxy:
            return f"http://{proxy}"
        if not proxy.startswith(("http://", "https://")):
            raise _unsupported_proxy(proxy.partition(":")[0])
        return proxy


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


async def _note_reuse(
    session: "aiohttp.ClientSession",
    context: SimpleNamespace,
    params: "aiohttp.TraceConnectionReuseconnParams",
) -> None:
    context.trace_request_ctx.reused = True


async def _read_to_end(response: "aiohttp.ClientResponse") -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while await response.content.readany():
                pass
    except Exception:
        pass  # nobody waits for what comes here
    finally:
        response.close()


def _payload(body: bytes) -> object:
    """aiohttp warns about large bodies in one piece; as a file they go out in slices."""
    if len(body) <= _BYTES_AT_ONCE:
        return body or None
    from io import BytesIO

    return BytesIO(body)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unsupported_proxy(scheme: str) -> GatewayError:
    return UpstreamFailed(
        f"the environment asks for a {scheme} proxy, which is not supported:"
        " set HTTPS_PROXY to an http:// proxy, or exempt the host with NO_PROXY"
    )
