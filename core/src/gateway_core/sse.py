"""Server-sent events as bytes: a reader for upstreams and a frame writer for clients.

Sans-IO. The reader takes any split of the bytes, LF, CRLF or CR line ends, comments, a byte order
mark and several data lines per event; it never decodes the data.
"""

import re
from itertools import chain
from typing import NamedTuple

from gateway_core.errors import UpstreamProtocol

__all__ = ["COMMENT_PING", "SSEEvent", "SSEReader", "frame"]

COMMENT_PING = b": ping\n\n"
MAX_EVENT_BYTES = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_LF = ord("\n")
# What many upstreams send and nothing else: found in one pass, half the time of taking lines apart.
_PLAIN_EVENT = re.compile(rb"^event: ([^\n]*+)\ndata: ([^\n]*+)\n\n", re.MULTILINE)
_PLAIN_FRAME = len("event: \ndata: \n\n")


class SSEEvent(NamedTuple):
    """One event: its `event:` name (empty when absent) and the joined data lines."""

    event: bytes
    data: bytes


class SSEReader:
    """Splits a byte stream into events, in time that grows linearly with the bytes.

    `saw_comment` tells that the last `feed` held a comment line, which upstreams use as a
    keep-alive. `unframed` holds the first thing that came instead of an event and looks like JSON:
    some upstreams tell an error this way.
    """

    __slots__ = ("_carriage", "_pieces", "_size", "_started", "saw_comment", "unframed")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the event that is not complete yet
        self._size = 0
        self._started = False
        self._carriage = False
        self.saw_comment = False
        self.unframed = b""

    def feed(self, data: bytes) -> list[SSEEvent]:
        """The events completed by these bytes. Raises `UpstreamProtocol` on an endless event."""
        self.saw_comment = False
        if b"\r" in data or self._carriage:
            data = self._normalise(data)
        if not self._started:
            data = self._after_mark(data)
        if not data:
            return []
        pieces = self._pieces
        if pieces:
            # Joined only when an event is complete, so that a huge one in small reads stays cheap.
            joins = data[0] == _LF and pieces[-1][-1] == _LF
            pieces.append(data)
            self._size += len(data)
            if not joins and b"\n\n" not in data:
                if self._size > MAX_EVENT_BYTES:
                    raise UpstreamProtocol(f"an event is larger than {MAX_EVENT_BYTES} bytes")
                return []
            data = b"".join(pieces)
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            self._pieces = [data]
            self._size = len(data)
            return []
        rest = data[end:]
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        if data.startswith(b"event: "):
            plain = _PLAIN_EVENT.findall(data, 0, end)
            if sum(map(len, chain.from_iterable(plain))) + _PLAIN_FRAME * len(plain) == end:
                # The plain events fill all the bytes, so there is nothing else between them.
                return [tuple.__new__(SSEEvent, fields) for fields in plain]
        events = []
        for block in data[: end - 2].split(b"\n\n"):
            event = self._parse(block)
            if event is not None:
                events.append(event)
        return events

    def end(self) -> list[SSEEvent]:
        """The event that the stream's end completes, if its blank line was missing."""
        block = b"".join(self._pieces)
        self._pieces = []
        self._size = 0
        event = self._parse(block)
        return [] if event is None else [event]

    def _normalise(self, data: bytes) -> bytes:
        """CRLF and CR become LF, also when CR and LF come in different reads."""
        if not data:
            return data
        ends_in_carriage = data.endswith(b"\r")
        if self._carriage and data.startswith(b"\n"):
            data = data[1:]
        self._carriage = ends_in_carriage
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _after_mark(self, data: bytes) -> bytes:
        """The bytes without a byte order mark; nothing while it may still be one."""
        data = b"".join((*self._pieces, data))
        self._pieces = []
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._pieces = [data] if data else []
            return b""
        self._started = True
        return data.removeprefix(_BOM)

    def _parse(self, block: bytes) -> SSEEvent | None:
        if block.startswith(b"data: ") and b"\n" not in block:
            return SSEEvent(b"", block[6:])
        name = b""
        data: list[bytes] = []
        for line in block.split(b"\n"):
            field, colon, value = line.partition(b":")
            if not field and colon:
                self.saw_comment = True
                continue
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value
        if data:
            return SSEEvent(name, b"\n".join(data))
        if block.startswith(b"{"):
            self.unframed = self.unframed or block
        return None


def frame(event: str, data: bytes) -> bytes:
    """One event as bytes; `data` must be a single line, as our JSON encoder makes it."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)
