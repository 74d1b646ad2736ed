"""Connections for plugins that speak a protocol of their own, on real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway_core.errors import Internal, UpstreamFailed, UpstreamTimeout
from gateway_core.http import Transport, Transports
from gateway_core.settings import TimeoutSettings
from support.certificates import Authority
from support.proxy import ConnectProxy, running_proxy
from support.raw_upstream import Start, whole

pytestmark = pytest.mark.usefixtures("trusting")


@dataclass
class Listener(asyncio.Protocol):
    """Remembers what it hears."""

    heard: bytes = b""
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    made: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made += 1

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.told.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()


@asynccontextmanager
async def echo(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that sends everything back; gives its port."""

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def ask(transport: Transport, url: str, alpn: tuple[str, ...] = ()) -> str | None:
    """Talk to an echo server at a URL; gives the protocol that TLS chose."""
    connection, listener = await transport.connect(url, Listener, alpn=alpn)
    assert listener.made == 1
    connection.write(b"hello")
    await listener.told.wait()
    assert listener.heard == b"hello"
    tls = connection.get_extra_info("ssl_object")
    connection.abort()
    await listener.lost.wait()
    return None if tls is None else str(tls.selected_alpn_protocol())


async def test_a_plain_connection_carries_bytes_both_ways(transport: Transport) -> None:
    async with echo() as port:
        assert await ask(transport, f"http://127.0.0.1:{port}/whatever") is None


@pytest.mark.parametrize(
    ("offered", "chosen"), [((), "None"), (("h2",), "h2"), (("http/1.1",), "http/1.1")]
)
async def test_https_is_tls_with_the_protocols_asked_for(
    transport: Transport, authority: Authority, offered: tuple[str, ...], chosen: str
) -> None:
    async with echo(authority.server(["h2", "http/1.1"])) as port:
        assert await ask(transport, f"https://localhost:{port}", offered) == chosen
        assert await ask(transport, f"https://127.0.0.1:{port}", offered) == chosen


async def test_a_certificate_of_nobody_known_is_refused(
    transport: Transport, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    async with echo(stranger.server()) as port:
        with pytest.raises(UpstreamFailed, match=f"certificate of localhost:{port} is not trusted"):
            await transport.connect(f"https://localhost:{port}", Listener)


async def test_a_host_that_speaks_no_tls_is_named(transport: Transport, start: Start) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(b"plain"))

    upstream = await start(answer)
    with pytest.raises(UpstreamFailed, match=f"no TLS connection with 127.0.0.1:{upstream.port}"):
        await transport.connect(f"https://127.0.0.1:{upstream.port}", Listener)


async def test_a_closed_port_is_named(transport: Transport, closed_port: int) -> None:
    with pytest.raises(UpstreamFailed, match=f"cannot connect to 127.0.0.1:{closed_port}: .*ref"):
        await transport.connect(f"http://127.0.0.1:{closed_port}", Listener)


@pytest.mark.parametrize(
    "url",
    ["ftp://model.test/", "http://", "model.test", "http://a:b/", "http://a..b/", "http://a\n/"],
)
async def test_what_is_no_url_is_our_fault(transport: Transport, url: str) -> None:
    with pytest.raises(Internal, match="no http or https URL"):
        await transport.connect(url, Listener)


async def test_tls_that_never_begins_takes_no_longer_than_connecting_may(start: Start) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    upstream = await start(silent)
    transports = Transports(TimeoutSettings(connect=0.1))
    with pytest.raises(UpstreamTimeout, match=r"no connection to 127.*within 0\.1 s"):
        await transports.get("test").connect(f"https://127.0.0.1:{upstream.port}", Listener)


class TestSeveralAddresses:
    """RFC 8305: who answers first is taken."""

    @pytest.fixture
    def resolve(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        def resolve(*ports: int) -> None:
            async def addresses(*args: object, **kwargs: object) -> list[object]:
                return [(2, 1, 6, "", ("127.0.0.1", port)) for port in ports]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)

        return resolve

    async def test_one_that_refuses_is_passed_over(
        self, transport: Transport, resolve: Callable[..., None], closed_port: int
    ) -> None:
        async with echo() as port:
            resolve(closed_port, port)
            assert await ask(transport, "http://model.test") is None

    async def test_one_that_is_silent_is_overtaken(
        self,
        transport: Transport,
        resolve: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        closed_port: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect
        abandoned = asyncio.Event()

        async def sometimes(connection: object, address: tuple[str, int]) -> None:
            if address[1] != closed_port:
                return await connect(connection, address)  # type: ignore[arg-type]  # a part of it
            try:
                await asyncio.Event().wait()
            finally:
                abandoned.set()

        monkeypatch.setattr(loop, "sock_connect", sometimes)
        monkeypatch.setattr("gateway_core.network.ATTEMPT_SECONDS", 0.01)
        async with echo() as port:
            resolve(closed_port, port)
            assert await ask(transport, "http://model.test") is None
        assert abandoned.is_set()

    async def test_when_none_answers_the_first_is_told(
        self, transport: Transport, resolve: Callable[..., None], closed_port: int
    ) -> None:
        resolve(closed_port, closed_port)
        with pytest.raises(UpstreamFailed, match=r"cannot connect to model\.test: .*refused"):
            await transport.connect("http://model.test", Listener)


class TestProxies:
    """The environment's proxy is asked to lead to the host."""

    @pytest.fixture
    async def proxy(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[ConnectProxy]:
        async with echo(authority.server(["h2"])) as port, running_proxy(port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
            yield proxy

    async def test_the_proxy_is_told_where_to_and_who_asks(
        self, transport: Transport, proxy: ConnectProxy
    ) -> None:
        assert await ask(transport, "https://model.test/x", ("h2",)) == "h2"
        assert proxy.requests == [
            b"CONNECT model.test:443 HTTP/1.1\r\nHost: model.test:443\r\n"
            b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n"
        ]

    async def test_a_plain_connection_can_go_through_a_proxy(
        self, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with echo() as port, running_proxy(port) as proxy:
            monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{proxy.port}")
            assert await ask(transport, "http://model.test:81/x") is None
        assert proxy.requests == [b"CONNECT model.test:81 HTTP/1.1\r\nHost: model.test:81\r\n\r\n"]

    async def test_a_proxy_may_itself_be_asked_over_tls(
        self, transport: Transport, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tls = authority.server()
        async with echo(authority.server(["h2"])) as port, running_proxy(port, tls) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
            assert await ask(transport, "https://model.test/x", ("h2",)) == "h2"

    async def test_loopback_and_exempted_hosts_are_asked_directly(
        self, transport: Transport, proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_PROXY", "model.test")

        async def nobody(*args: object, **kwargs: object) -> list[object]:
            raise OSError("no such name")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
        for host in ("model.test", "localhost"):
            with pytest.raises(UpstreamFailed, match=f"cannot find {host}"):
                await transport.connect(f"https://{host}", Listener)
        assert proxy.requests == []

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"HTTP/1.1 407 Who are you\r\n\r\n", "the proxy refused model.test: HTTP status 407"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "in front of model.test does not speak HTTP"),
            (b"HTTP/1.0 200 OK\r\n\r\nsurprise", "sent more than it was asked for"),
            (b"HTTP/1.0 204 ", "in front of model.test closed the connection"),
            (b"x" * 70_000, "sent no end of its answer"),
        ],
        ids=["refused", "no http", "more than the head", "half a head", "endless"],
    )
    async def test_a_proxy_that_does_not_lead_there_is_named(
        self, transport: Transport, proxy: ConnectProxy, answer: bytes, words: str
    ) -> None:
        proxy.answer = answer
        with pytest.raises(UpstreamFailed, match=words) as caught:
            await transport.connect("https://model.test", Listener)
        assert "p@ss" not in repr(caught.value) + repr(caught.value.__cause__)

    async def test_a_proxy_that_is_not_there_is_named(
        self, transport: Transport, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
        with pytest.raises(UpstreamFailed, match=r"connect to the proxy in front of model\.test"):
            await transport.connect("https://model.test", Listener)

    @pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "http://", "http://a:b"])
    async def test_a_proxy_that_cannot_be_one_is_refused(
        self, transport: Transport, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(UpstreamFailed, match="the environment"):
            await transport.connect("https://model.test", Listener)

    async def test_a_proxy_that_says_nothing_takes_no_longer_than_connecting_may(
        self, proxy: ConnectProxy
    ) -> None:
        proxy.answer = b"HTTP/1.1 200 OK\r\n"
        transports = Transports(TimeoutSettings(connect=0.1))
        with pytest.raises(UpstreamTimeout, match=r"no connection to model\.test within 0\.1 s"):
            await transports.get("test").connect("https://model.test", Listener)


class TestClosing:
    """What plugins want done when their transport is closed."""

    async def test_callbacks_are_awaited(self, transports: Transports) -> None:
        done: list[str] = []

        async def close() -> None:
            done.append("closed")

        async def fail() -> None:
            done.append("failed")
            raise RuntimeError("a bug")

        async def never() -> None:
            raise AssertionError("it was taken back")

        transport = transports.get("test", "someone")
        transport.at_close(fail)
        transport.at_close(close)
        forget = transport.at_close(never)
        forget()
        forget()
        await transports.aclose()
        assert done == ["failed", "closed"]
        await transport.aclose()
        assert done == ["failed", "closed"]

    async def test_a_login_that_is_gone_is_told_to_its_own_transport(
        self, transports: Transports, caplog: pytest.LogCaptureFixture
    ) -> None:
        told: list[str] = []

        def fail() -> None:
            told.append("failed")
            raise RuntimeError("a bug")

        transport, other = transports.get("test", "someone"), transports.get("test", "other")
        transport.at_logout(fail)
        transport.at_logout(lambda: told.append("gone"))
        forget = transport.at_logout(lambda: told.append("taken back"))
        forget()
        forget()
        other.at_logout(lambda: told.append("of another"))
        transports.log_out("test", "nobody")
        transports.log_out("test", "someone")
        assert told == ["failed", "gone"]
        assert "what was to be done when a login is gone failed" in caplog.text
        transports.log_out("test", "someone")  # it may have come back meanwhile
        assert told == ["failed", "gone"] * 2

    async def test_one_that_hangs_is_given_up(
        self, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given_up = asyncio.Event()

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()

        monkeypatch.setattr("gateway_core.http.CLOSING_SECONDS", 0.01)
        transport.at_close(hang)
        await transport.aclose()
        assert given_up.is_set()
