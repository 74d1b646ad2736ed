"""HTTP/2 that is written and read at the same time, on real sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    PingAckReceived,
    PingReceived,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from gateway_core import UpstreamProtocol
from gateway_core.http import Transport
from gateway_cursor import h2
from gateway_cursor.h2 import Duplex
from support.cursor_h2 import failure, received, talking
from support.h2_peer import H2Listener, H2Peer, listening


@pytest.fixture
async def listener() -> AsyncIterator[H2Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
async def ends(listener: H2Listener, transport: Transport) -> AsyncIterator[tuple[Duplex, H2Peer]]:
    async with talking(listener, transport) as ends:
        yield ends


class TestConversation:
    async def test_the_head_is_sent_at_once(
        self, listener: H2Listener, transport: Transport
    ) -> None:
        async with talking(listener, transport, "/agent.v1.AgentService/Run?a=1") as (_, peer):
            request = await peer.until(RequestReceived)
        headers = {str(name): str(value) for name, value in request.headers}
        assert headers == {
            ":method": "POST",
            ":scheme": "http",
            ":authority": listener.url.removeprefix("http://"),
            ":path": "/agent.v1.AgentService/Run?a=1",
            "authorization": "Bearer a",
            "te": "trailers",
        }

    async def test_both_sides_talk_while_the_other_does(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        duplex.send(b"one")
        assert await peer.until_body(3) == b"one"
        await peer.head(200, {"Content-Type": "application/connect+proto"})
        await peer.send(b"two")
        assert await duplex.receive() == b"two"
        assert (duplex.status, duplex.headers) == (
            200,
            {"content-type": "application/connect+proto"},
        )
        duplex.send(b"three")
        assert await peer.until_body(8) == b"onethree"

    async def test_a_complete_answer_ends_with_none(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        await peer.send(b"all", last=True)
        assert await duplex.receive() == b"all"
        assert await duplex.receive() is None
        assert await duplex.receive() is None

    async def test_the_request_is_completed_behind_what_was_sent(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        duplex.send(b"x" * 100_000)
        duplex.half_close()
        await peer.until(StreamEnded)
        assert len(peer.body) == 100_000
        await peer.head()
        await peer.send(b"still", last=True)
        assert await duplex.receive() == b"still"

    async def test_what_http_puts_around_an_answer_is_passed_over(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head(103, {"link": "x"})
        await peer.head(200, {"x-a": "1"})
        await peer.send(b"body")
        peer.h2.send_headers(1, [("trailer", "1")], end_stream=True)
        await peer.flush()
        assert await duplex.receive() == b"body"
        assert await duplex.receive() is None
        assert (duplex.status, duplex.headers) == (200, {"x-a": "1"})

    async def test_pings_and_settings_are_answered(self, ends: tuple[Duplex, H2Peer]) -> None:
        _, peer = ends
        peer.h2.ping(b"12345678")
        await peer.flush()
        assert (await peer.until(PingAckReceived)).ping_data == b"12345678"
        await peer.until(SettingsAcknowledged)


class TestFlowControl:
    async def test_a_large_first_message_passes_a_small_window(self, transport: Transport) -> None:
        settings = {SettingCodes.INITIAL_WINDOW_SIZE: 30_000}
        async with listening(settings) as listener, talking(listener, transport) as (duplex, peer):
            await peer.until(SettingsAcknowledged)
            duplex.send(b"x" * 1_000_000)
            assert len(await peer.until_body(1_000_000)) == 1_000_000

    async def test_reading_goes_on_while_the_server_takes_nothing(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        peer.acknowledges = False
        duplex.send(b"x" * 200_000)
        await peer.until_body(65_535)
        await peer.head()
        await peer.send(b"read this first")
        assert await duplex.receive() == b"read this first"
        peer.h2.increment_flow_control_window(200_000)
        peer.h2.increment_flow_control_window(200_000, 1)
        await peer.flush()
        assert len(await peer.until_body(200_000)) == 200_000

    async def test_no_more_is_written_than_the_socket_takes(self, transport: Transport) -> None:
        """Windows that are larger than all buffers on the way."""
        size = 16_000_000
        settings = {SettingCodes.INITIAL_WINDOW_SIZE: size}
        async with listening(settings) as listener, talking(listener, transport) as (duplex, peer):
            peer.h2.increment_flow_control_window(size)
            await peer.until(SettingsAcknowledged)
            duplex.send(b"x" * size)
            assert len(await peer.until_body(size)) == size

    async def test_the_window_is_opened_as_the_answer_is_read(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        while room := min(peer.h2.local_flow_control_window(1), 16_384):
            await peer.send(b"x" * room)
        assert peer.h2.local_flow_control_window(1) == 0
        await received(duplex, h2.WINDOW)
        while peer.h2.local_flow_control_window(1) == 0:
            await peer.read()

    async def test_much_is_read_in_pieces(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        for _ in range(10):
            await peer.send(b"x" * 16_000)
        await peer.send(b"", last=True)
        sizes = []
        while data := await duplex.receive():
            sizes.append(len(data))
        assert sum(sizes) == 160_000
        assert max(sizes) < h2.PIECE + 16_384

    async def test_padding_that_nobody_reads_keeps_no_window_closed(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        while peer.h2.local_flow_control_window(1) > 256:
            peer.h2.send_data(1, b"", pad_length=255)
        await peer.flush()
        while peer.h2.local_flow_control_window(1) <= 256:
            await peer.read()
        await peer.send(b"x")
        assert await duplex.receive() == b"x"

    async def test_a_server_that_takes_nothing_is_given_up(
        self, ends: tuple[Duplex, H2Peer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        duplex, _ = ends
        monkeypatch.setattr(h2, "LARGEST_BACKLOG", 100_000)
        duplex.send(b"x" * 200_000)
        error = await failure(duplex)
        assert type(error) is UpstreamProtocol
        assert "does not take it" in error.message

    async def test_one_that_floods_us_with_pings_and_takes_no_answer_is_given_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(h2, "LARGEST_BACKLOG", 10_000)
        duplex, stuck = Duplex("here"), Stuck()
        duplex.begin(stuck, "http://here/", {})
        duplex.pause_writing()
        ping = b"\x00\x00\x08\x06" + bytes(13)
        duplex.data_received(ping * 100)
        assert not stuck.is_closing()
        for _ in range(6):
            duplex.data_received(ping * 100)
        assert stuck.is_closing()
        assert "does not take the answers" in (await failure(duplex)).message


class Stuck(asyncio.Transport):
    """A socket whose peer reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._size = 0
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._size += len(data)

    def get_write_buffer_size(self) -> int:
        return self._size

    def is_closing(self) -> bool:
        return self._closing

    def abort(self) -> None:
        self._closing = True


class TestPing:
    async def test_a_peer_that_is_there_gives_a_sign_of_life(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        await peer.send(b"a")
        await duplex.receive()
        duplex.ping()
        assert duplex.unechoed
        await peer.until(PingReceived)
        await peer.send(b"b")
        await duplex.receive()
        assert not duplex.unechoed

    async def test_a_connection_that_is_closed_takes_no_harm(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        peer.writer.close()
        await failure(duplex)
        duplex.ping()
        assert duplex.unechoed


class TestLeaving:
    @pytest.mark.parametrize("completed", [False, True])
    async def test_what_is_not_complete_is_reset_with_cancel(
        self, ends: tuple[Duplex, H2Peer], completed: bool
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        if completed:
            duplex.half_close()
        duplex.close()
        assert (await peer.until(StreamReset)).error_code == ErrorCodes.CANCEL
        await peer.until(ConnectionTerminated)

    async def test_the_reset_arrives_although_the_server_is_talking(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        for _ in range(10):
            await peer.send(b"x" * 10_000)
        duplex.close()
        await peer.send(b"x" * 10_000)
        assert (await peer.until(StreamReset)).error_code == ErrorCodes.CANCEL

    async def test_a_complete_answer_is_not_reset(self, ends: tuple[Duplex, H2Peer]) -> None:
        duplex, peer = ends
        await peer.until(RequestReceived)
        await peer.head()
        await peer.send(b"all", last=True)
        while await duplex.receive() is not None:
            pass
        duplex.close()
        await peer.read_to_end()
        assert not any(isinstance(event, StreamReset) for event in peer.events)
        assert any(isinstance(event, StreamEnded) for event in peer.events)

    async def test_closing_again_and_sending_afterwards_do_nothing(
        self, ends: tuple[Duplex, H2Peer]
    ) -> None:
        duplex, peer = ends
        duplex.close()
        duplex.close()
        duplex.send(b"late")
        duplex.half_close()
        await peer.read_to_end()
        assert peer.body == b""

    async def test_a_connection_that_the_server_keeps_open_is_dropped(
        self, ends: tuple[Duplex, H2Peer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        duplex, peer = ends
        monkeypatch.setattr(h2, "LINGER_SECONDS", 0.01)
        duplex.close()
        await duplex.wait_closed()
        with pytest.raises(ConnectionError):
            while True:
                await peer.read()


async def test_waiting_for_data_can_be_given_up_without_loss(
    ends: tuple[Duplex, H2Peer],
) -> None:
    duplex, peer = ends
    await peer.until(RequestReceived)
    waiting = asyncio.ensure_future(duplex.receive())
    await asyncio.wait([waiting], timeout=0)
    waiting.cancel()
    await peer.head()
    await peer.send(b"still there", last=True)
    assert await duplex.receive() == b"still there"
    assert waiting.cancelled()
