"""One request over HTTP/2 that is written and read at the same time, on a connection of its own.

The library `h2` knows the protocol; here are the socket, both directions of flow control, and what
the ways to end mean. What is sent and received is not known here. A connection serves one request,
so that no failure of one run reaches another.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from gateway_core import GatewayError, Overloaded, UpstreamFailed, UpstreamProtocol
from gateway_cursor.errors import HTTP2_NEEDED
from gateway_cursor.goaway import GoAwayFilter

if TYPE_CHECKING:
    from gateway_core.http import Transport

__all__ = ["CANCEL", "Duplex", "Http2Needed", "open_h2"]

CANCEL: Final = int(ErrorCodes.CANCEL)
"""What a client that does not want the answer any more resets its stream with."""
WINDOW: Final = 1024 * 1024
"""How many bytes the server may be ahead of who reads."""
LARGEST_BACKLOG: Final = 64 * 1024 * 1024
"""How many bytes may wait for the server to take them."""
LINGER_SECONDS: Final = 1.0
"""How long a closed connection may take to say goodbye."""
PIECE: Final = 32 * 1024
"""About how many bytes are given to who reads at once, so that others get their turn."""
_STREAM: Final = 1  # the first and only one
_ECHO: Final = b"gateway!"
_SETTINGS: Final = {
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
    SettingCodes.MAX_HEADER_LIST_SIZE: 64 * 1024,
}


class Http2Needed(UpstreamFailed):
    """There is no HTTP/2 on the way to the upstream; another try would not change that."""

    retryable: ClassVar[bool] = False


async def open_h2(url: str, headers: Mapping[str, str], transport: "Transport") -> "Duplex":
    """Send the head of a POST request on a new connection; the body is still to be written.

    http means HTTP/2 without TLS, which the server must know. Raises as `Transport.connect` does,
    and `Http2Needed` when the server agrees to no HTTP/2. Whoever has the result must `close` it.
    """
    place = urlsplit(url).netloc.rpartition("@")[2]
    try:
        connection, duplex = await transport.connect(url, lambda: Duplex(place), alpn=("h2",))
    except UpstreamFailed as error:
        if _is_about_protocols(error.__cause__):
            raise _no_http2(place, "refuses HTTP/2") from error
        raise
    tls = connection.get_extra_info("ssl_object")
    if tls is not None and tls.selected_alpn_protocol() != "h2":
        connection.abort()
        raise _no_http2(place, "offers no HTTP/2")
    duplex.begin(connection, url, headers)
    return duplex


class Duplex(asyncio.Protocol):
    """A request and its answer. Use it on one event loop.

    status: None until the head of the answer is there. headers: of the answer, names in lower case.
    unechoed: nothing has come since the last `ping`.
    """

    def __init__(self, place: str) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.unechoed = False
        self._place = place
        self._h2 = _connection()
        self._frames = GoAwayFilter()
        self._transport: asyncio.Transport | None = None
        self._outgoing = bytearray()
        self._received: deque[tuple[bytes, int]] = deque()  # with what it took of the window
        self._news = asyncio.Event()
        self._lost = asyncio.Event()
        self._failure: GatewayError | None = None
        self._farewell = ""
        self._answered = False  # the server completed its side
        self._ending = False  # our side is to be completed when all is sent
        self._silenced = False  # nothing more may be sent on the stream
        self._closed = False
        self._paused = False
        self._aborting: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport, url: str, headers: Mapping[str, str]) -> None:
        """Send the head of the request. Called once."""
        self._transport = transport
        parts = urlsplit(url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        fields = [
            (":method", "POST"),
            (":scheme", parts.scheme),
            (":authority", self._place),
            (":path", path),
            *((name.lower(), value) for name, value in headers.items()),
        ]
        with suppress(ProtocolError):  # the connection failed already; reading tells why
            self._h2.send_headers(_STREAM, fields)
        self._flush()

    def send(self, data: bytes) -> None:
        """Have bytes sent as soon as the server takes them. Who sends must keep reading: a server
        may well wait for that before it takes more. Nothing happens when the stream is gone.
        """
        if self._ending or self._silenced or self._closed:
            return
        self._outgoing += data
        if len(self._outgoing) > LARGEST_BACKLOG:
            self._fail(UpstreamProtocol(f"{self._place} asks for data and does not take it"))
            return
        self._pump()

    def ping(self) -> None:
        """Ask the peer for a sign of life: until one comes, `unechoed` holds."""
        self.unechoed = True
        with suppress(ProtocolError):  # the connection failed already; reading tells why
            self._h2.ping(_ECHO)
        self._flush()

    def half_close(self) -> None:
        """Complete the request after what was given to `send`. The answer may go on."""
        if not (self._ending or self._silenced or self._closed):
            self._ending = True
            self._pump()

    async def receive(self) -> bytes | None:
        """The next of the answer's body, None when it is complete: what has come since the last
        call, or a `PIECE` of it.

        Being cancelled loses nothing. Raises `Overloaded` when the server takes no requests now,
        `UpstreamFailed` when the stream is reset or the connection breaks off, `UpstreamProtocol`
        when it makes no sense; what came before is given first.
        """
        while True:
            if self._received:
                return self._take_received()
            if self._failure is not None:
                raise self._failure
            if self._answered:
                return None
            self._news.clear()
            await self._news.wait()

    def close(self, code: int = CANCEL) -> None:
        """Leave: what is not complete is reset with `code`, and the connection is closed."""
        if self._closed:
            return
        self._closed = True
        self._outgoing.clear()
        self._received.clear()
        if self._failure is None:
            self._failure = UpstreamFailed(f"the connection to {self._place} was closed")
        self._news.set()
        with suppress(ProtocolError):
            if not self._answered:
                self._h2.reset_stream(_STREAM, code)
            elif not self._silenced:
                self._h2.end_stream(_STREAM)
        with suppress(ProtocolError):
            self._h2.close_connection()
        self._hang_up()

    async def wait_closed(self) -> None:
        """Wait until the closed connection is gone, a second at most."""
        await self._lost.wait()

    def data_received(self, data: bytes) -> None:
        """asyncio's: bytes from the server."""
        self.unechoed = False
        if self._closed or self._failure is not None:
            return
        if self.status is None and data.startswith(b"HTTP/1."):
            status = data[9:12].decode("ascii", "replace")
            self._fail(_no_http2(self._place, f"answered in HTTP/1.1 with status {status}"))
            return
        try:
            for event in self._h2.receive_data(self._frames.feed(data)):
                self._take(event)
        except ProtocolError as error:
            failure = UpstreamProtocol(f"{self._place} sent what is no valid HTTP/2: {error}")
            failure.__cause__ = error
            self._fail(failure)
            return
        if self._frames.heard:
            self._take_goodbyes()
        self._pump()

    def pause_writing(self) -> None:
        """asyncio's: the socket takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """asyncio's: the socket takes more."""
        self._paused = False
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: the connection is gone."""
        if self._aborting is not None:
            self._aborting.cancel()
        self._silenced = True
        if not self._answered and self._failure is None:
            how = "broke off in the middle of the answer"
            if self.status is None:
                how = "was closed without an answer"
            failure = UpstreamFailed(f"the connection to {self._place} {how}{self._farewell}")
            failure.__cause__ = exc
            self._failure = failure
        self._lost.set()
        self._news.set()

    def _take(self, event: Event) -> None:
        kind = type(event)
        if kind is DataReceived:
            assert isinstance(event, DataReceived)
            if event.data:
                self._received.append((event.data, event.flow_controlled_length))
                self._news.set()
            else:  # nothing but padding, which nobody will read
                self._acknowledge(event.flow_controlled_length)
        elif kind is ResponseReceived:
            assert isinstance(event, ResponseReceived)
            self._take_head(event)
        elif kind is StreamEnded:
            self._answered = True
            self._news.set()
        elif kind is StreamReset:
            assert isinstance(event, StreamReset)
            self._silenced = True
            self._outgoing.clear()
            if not self._answered:  # else it only says that the rest of the request is not needed
                self._fail(_reset(self._place, event.error_code))

    def _take_head(self, event: ResponseReceived) -> None:
        headers: dict[str, str] = {}
        for raw_name, raw_value in event.headers:
            name, value = _text(raw_name).lower(), _text(raw_value)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        status = headers.pop(":status", "")
        if not status.isdecimal():
            self._fail(UpstreamProtocol(f"{self._place} answered without a status"))
            return
        self.status, self.headers = int(status), headers
        self._news.set()

    def _take_goodbyes(self) -> None:
        """A server that goes away still completes the streams up to the last that it names."""
        for last, code in self._frames.heard:
            self._farewell = f" (the server went away: {_code_name(code)})"
            if last < _STREAM:
                self._fail(Overloaded(f"{self._place} refused the request{self._farewell}"))
            elif code and not self._answered:
                words = f"the connection to {self._place} was given up{self._farewell}"
                self._fail(UpstreamFailed(words))
        self._frames.heard.clear()

    def _take_received(self) -> bytes:
        received = self._received
        data, length = received.popleft()
        if received and len(data) < PIECE:
            pieces, size = [data], len(data)
            while received and size < PIECE:
                more, taken = received.popleft()
                pieces.append(more)
                size += len(more)
                length += taken
            data = b"".join(pieces)
        self._acknowledge(length)
        self._flush()
        return data

    def _acknowledge(self, length: int) -> None:
        """Let the server send as much again."""
        if length and self._failure is None and not self._closed:
            with suppress(ProtocolError):
                self._h2.acknowledge_received_data(length, _STREAM)

    def _pump(self) -> None:
        """Send what the server's windows and the socket take, in one write."""
        if not self._silenced and not self._closed:
            outgoing, h2 = self._outgoing, self._h2
            while outgoing and not self._paused:
                room = min(h2.local_flow_control_window(_STREAM), h2.max_outbound_frame_size)
                if room <= 0:
                    break
                h2.send_data(_STREAM, bytes(outgoing[:room]))
                del outgoing[:room]
            if self._ending and not outgoing:
                self._silenced = True
                h2.end_stream(_STREAM)
        self._flush()

    def _flush(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            data = self._h2.data_to_send()
            if data:
                transport.write(data)
            if self._paused and transport.get_write_buffer_size() > LARGEST_BACKLOG:
                # A flood of frames that the protocol has to answer.
                self._fail(UpstreamProtocol(f"{self._place} does not take the answers it asks for"))
                transport.abort()

    def _fail(self, failure: GatewayError) -> None:
        if self._failure is None:
            self._failure = failure
        self._silenced = True
        self._news.set()

    def _hang_up(self) -> None:
        """Close the connection behind what is still to be sent.

        Bytes that arrive at a closed socket would reset it and take our last words with them, so in
        the clear only our side is closed at first; TLS says goodbye in the same way.
        """
        self._flush()
        transport = self._transport
        if transport is None or self._aborting is not None or self._lost.is_set():
            return
        loop = asyncio.get_running_loop()
        self._aborting = loop.call_later(LINGER_SECONDS, transport.abort)
        if transport.is_closing():
            return
        if transport.can_write_eof():
            with suppress(OSError):  # the peer was faster, which the loop has yet to tell
                transport.write_eof()
        else:
            transport.close()


def _connection() -> H2Connection:
    config = H2Configuration(client_side=True, header_encoding=None, validate_inbound_headers=False)
    connection = H2Connection(config)
    # Given as initial values they hold before the server has confirmed them, as ours must: changed
    # one by one the library would send small windows and count large ones, and both sides wait.
    connection.local_settings = Settings(client=True, initial_values=_SETTINGS)
    connection.initiate_connection()
    connection.increment_flow_control_window(WINDOW - 65_535)
    return connection


def _reset(place: str, code: int) -> GatewayError:
    if code == ErrorCodes.REFUSED_STREAM:
        return Overloaded(f"{place} refused the request (REFUSED_STREAM)")
    return UpstreamFailed(f"{place} broke off the answer ({_code_name(code)})")


def _code_name(code: int) -> str:
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"error {code:#x}"


def _is_about_protocols(error: BaseException | None) -> bool:
    """Whether TLS failed because the peer speaks none of what was offered (RFC 7301, section 3.2);
    Python has no code for that.
    """
    return isinstance(error, OSError) and "no application protocol" in str(error)


def _no_http2(place: str, how: str) -> Http2Needed:
    return Http2Needed(f"{place} {how}, {HTTP2_NEEDED}")


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
