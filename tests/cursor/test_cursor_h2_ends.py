"""How a request over HTTP/2 ends when it does not end well, and what TLS has to do with it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from h2.errors import ErrorCodes
from h2.events import RequestReceived

from gateway_core import GatewayError, Overloaded, UpstreamFailed, UpstreamProtocol
from gateway_core.http import Transport
from gateway_cursor.goaway import GoAwayFilter
from gateway_cursor.h2 import Duplex, Http2Needed, open_h2
from support.about import about
from support.certificates import Authority
from support.cursor_h2 import failure, goaway, received, talking
from support.h2_peer import H2Listener, H2Peer, listening


@pytest.fixture
async def listener() -> AsyncIterator[H2Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
async def ends(listener: H2Listener, transport: Transport) -> AsyncIterator[tuple[Duplex, H2Peer]]:
    async with talking(listener, transport) as ends:
        yield ends


class TestFailures:
    async def test_what_came_before_is_given_first(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        await peer.send(b"half")
        peer.writer.close()
        assert await received(duplex, 4) == b"half"
        error = await failure(duplex)
        assert type(error) is UpstreamFailed
        assert "broke off in the middle of the answer" in error.message

    async def test_hanging_up_without_an_answer(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        peer.writer.close()
        assert "was closed without an answer" in (await failure(duplex)).message

    @pytest.mark.parametrize(
        ("code", "kind", "words"),
        [
            (ErrorCodes.REFUSED_STREAM, Overloaded, "refused the request (REFUSED_STREAM)"),
            (ErrorCodes.CANCEL, UpstreamFailed, "broke off the answer (CANCEL)"),
            (0x99, UpstreamFailed, "broke off the answer (error 0x99)"),
        ],
        ids=["refused", "cancelled", "unknown"],
    )
    async def test_a_reset_says_why(
        self, ends: tuple[Duplex, H2Peer], code: int, kind: type[GatewayError], words: str
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        peer.h2.reset_stream(1, code)
        await peer.flush()
        error = await failure(duplex)
        assert (type(error), error.retryable) == (kind, True)
        assert words in error.message

    async def test_a_reset_behind_the_answer_only_stops_the_request(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        peer.h2.send_data(1, b"all", end_stream=True)
        peer.h2.reset_stream(1, ErrorCodes.NO_ERROR)
        await peer.flush()
        assert await duplex.receive() == b"all"
        assert await duplex.receive() is None
        duplex.send(b"late")
        assert await duplex.receive() is None

    async def test_nonsense_is_told_as_such(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.raw(b"\x00\x00\x01\x00\x00\x00\x00\x00\x07x")  # data on a stream nobody opened
        error = await failure(duplex)
        assert type(error) is UpstreamProtocol
        assert "no valid HTTP/2" in error.message

    async def test_an_answer_in_http_1_asks_for_http_2(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.raw(b"HTTP/1.1 464 \r\n\r\n")
        error = await failure(duplex)
        assert (type(error), error.retryable, error.status) == (Http2Needed, False, 502)
        assert "in HTTP/1.1 with status 464" in error.message


class TestGoingAway:
    """RFC 9113, section 6.8."""

    async def test_a_request_that_was_begun_is_completed(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        # Behind it the library would send nothing more, so it is written by hand.
        await peer.raw(goaway(last=2**31 - 1) + goaway(last=1))
        await peer.send(b"more")
        assert await duplex.receive() == b"more"
        duplex.send(b"answer")
        assert await peer.until_body(6) == b"answer"
        await peer.send(b"last", last=True)
        assert await duplex.receive() == b"last"
        assert await duplex.receive() is None

    async def test_one_that_was_not_begun_is_refused(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.raw(goaway(last=0))
        error = await failure(duplex)
        assert (type(error), error.retryable) == (Overloaded, True)
        assert "refused the request (the server went away: NO_ERROR)" in error.message

    async def test_an_error_ends_it_at_once(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.raw(goaway(last=1, code=ErrorCodes.ENHANCE_YOUR_CALM))
        assert "ENHANCE_YOUR_CALM" in (await failure(duplex)).message

    async def test_a_connection_that_closes_after_it_says_so(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        await peer.raw(goaway(last=1))
        peer.writer.close()
        assert "(the server went away: NO_ERROR)" in (await failure(duplex)).message

    def test_the_frame_is_found_however_the_bytes_are_split(self) -> None:
        for size in [1, 2, 9, 10, 17, 1000]:
            with about(size):
                data = b"\x00\x00\x03\x00\x00\x00\x00\x00\x01abc"
                ping = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00\x07\x07\x07\x07\x07\x07\x07\x07"
                wire = data + goaway(last=3, code=2) + ping + goaway(last=1) + data
                reader = GoAwayFilter()
                passed = [
                    reader.feed(wire[start : start + size]) for start in range(0, len(wire), size)
                ]
                assert b"".join(passed) == data + ping + data
                assert reader.heard == [(3, 2), (1, 0)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class TestTls:
    @pytest.fixture(autouse=True)
    def trusted(self, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.trust))

    async def test_http_2_is_agreed_on(self, authority: Authority, transport: Transport) -> None:
        tls = authority.server(["h2"])
        async with (
            listening(tls=tls) as listener,
            talking(listener, transport) as (duplex, peer),
        ):
            await peer.until(RequestReceived)
            await peer.head()
            await peer.send(b"hello", last=True)
            assert await duplex.receive() == b"hello"

    @pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
    async def test_a_server_without_it_is_told_from_one_that_is_away(
        self, authority: Authority, transport: Transport, alpn: tuple[str, ...]
    ) -> None:
        async with listening(tls=authority.server(alpn)) as listener:
            with pytest.raises(Http2Needed, match=r"offers no HTTP/2.* a proxy in between"):
                await open_h2(listener.url + "/run", {}, transport)

    async def test_nor_one_that_refuses_what_it_does_not_speak(self, transport: Transport) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"\x15\x03\x03\x00\x02\x02\x78")  # a fatal alert, no_application_protocol
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Http2Needed, match=r"refuses HTTP/2.* a proxy in between"):
                await open_h2(f"https://127.0.0.1:{port}/run", {}, transport)
