"""Server-sent events as bytes: a reader for upstreams and a frame writer for clients.

Sans-IO. The reader takes any split of the bytes, LF, CRLF or CR line ends, comments, a byte order
mark and several data lines per event; it never decodes the data.
"""

from typing import NamedTuple

from gateway_core.errors import UpstreamProtocol

__all__ = ["COMMENT_PING", "SSEEvent", "SSEReader", "frame"]

COMMENT_PING = b": ping\n\n"
MAX_EVENT_BYTES = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class SSEEvent(NamedTuple):
    """One event: its `event:` name (empty when absent) and the joined data lines."""

    event: bytes
    data: bytes


class SSEReader:
    """Splits a byte stream into events.

    `saw_comment` tells that the last `feed` held a comment line, which upstreams use as a
    keep-alive.
    """

    __slots__ = ("_buffer", "_carriage", "_started", "saw_comment")

    def __init__(self) -> None:
        self._buffer = b""
        self._started = False
        self._carriage = False
        self.saw_comment = False

    def feed(self, data: bytes) -> list[SSEEvent]:
        """The events completed by these bytes. Raises `UpstreamProtocol` on an endless event."""
        if b"\r" in data or self._carriage:
            data = self._normalise(data)
        buffer = self._buffer + data if self._buffer else data
        if not self._started:
            if len(buffer) < 3 and _BOM.startswith(buffer):
                self._buffer = buffer
                return []
            buffer = buffer.removeprefix(_BOM)
            self._started = True
        self.saw_comment = False
        *blocks, self._buffer = buffer.split(b"\n\n")
        if len(self._buffer) > MAX_EVENT_BYTES:
            raise UpstreamProtocol(f"an event is larger than {MAX_EVENT_BYTES} bytes")
        events = []
        for block in blocks:
            event = self._parse(block)
            if event is not None:
                events.append(event)
        return events

    def end(self) -> list[SSEEvent]:
        """The event that the stream's end completes, if its blank line was missing."""
        block, self._buffer = self._buffer, b""
        event = self._parse(block)
        return [] if event is None else [event]

    def _normalise(self, data: bytes) -> bytes:
        """CRLF and CR become LF, also when CR and LF come in different reads."""
        if self._carriage and data.startswith(b"\n"):
            data = data[1:]
        if data:
            self._carriage = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _parse(self, block: bytes) -> SSEEvent | None:
        # The common shapes first: one data line, alone or after one event line.
        if block.startswith(b"data: ") and b"\n" not in block:
            return SSEEvent(b"", block[6:])
        name = b""
        lines: list[bytes] = []
        for line in block.split(b"\n"):
            field, colon, value = line.partition(b":")
            if not field and colon:
                self.saw_comment = True
                continue
            value = value.removeprefix(b" ")
            if field == b"data":
                lines.append(value)
            elif field == b"event":
                name = value
        return SSEEvent(name, b"\n".join(lines)) if lines else None


def frame(event: str, data: bytes) -> bytes:
    """One event as bytes; `data` must be a single line, as our JSON encoder makes it."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)
