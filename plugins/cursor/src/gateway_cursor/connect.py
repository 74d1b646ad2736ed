"""The Connect protocol's streams, sans-IO: envelopes to and from bytes, and how a stream ends.

An envelope is a byte of flags, the length of its payload as four bytes, big endian, and the
payload. A stream ends with an envelope of JSON, which alone tells whether the call went well; the
HTTP status does not. Knows nothing of what messages say. Source: connectrpc.com/docs/protocol, and
for the details of errors public clients of Cursor.
"""

import struct
import zlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import DecodeError

from gateway_core import UpstreamProtocol
from gateway_core.json import dumps, dumps_text, loads
from gateway_cursor.causes import CAUSES, NUMBERS
from gateway_cursor.proto import agent_pb2 as pb

__all__ = [
    "COMPRESSED",
    "END",
    "TURN_OVER",
    "EndOfStream",
    "EnvelopeReader",
    "frame",
    "read_end",
    "write_end",
]

COMPRESSED: Final = 0x01
"""Flag: the payload is compressed with gzip, the only compression we say we take."""
END: Final = 0x02
"""Flag: the last envelope of the server, JSON."""
_PRIVATE: Final = 0x80

LARGEST: Final = 16 * 1024 * 1024
"""The longest payload in bytes; a longer one is refused before anything is kept for it."""
LARGEST_INFLATED: Final = 64 * 1024 * 1024
"""The same after decompression. All compressed payloads of a stream together may have that much,
and `_PLAUSIBLE` times what they came in.
"""
_PLAUSIBLE: Final = 50

_HEADER: Final = struct.Struct(">BI")
_GZIP: Final = 16 + zlib.MAX_WBITS
_MAGIC: Final = b"\x1f\x8b"
_DETAILS: Final = "aiserver.v1.ErrorDetails"


def frame(payload: bytes, flags: int = 0) -> bytes:
    """One envelope, not compressed unless the payload is and `flags` says so."""
    return _HEADER.pack(flags, len(payload)) + payload


TURN_OVER: Final = frame(b"", _PRIVATE)
"""An envelope of our own among those of the server: the client's turn ends here with tool calls."""


class EnvelopeReader:
    """`feed` bytes as they come and take the envelopes they complete.

    compressed: whether the response headers announce gzip. A payload that is marked as compressed
    is inflated even when they do not; if they do, so is one that is unmarked and starts like gzip,
    as no message and no JSON can.
    """

    __slots__ = ("_announced", "_buffer", "_room", "fault")

    def __init__(self, compressed: bool = False) -> None:
        self._announced = compressed
        self._buffer = bytearray()
        self._room = LARGEST_INFLATED
        self.fault: UpstreamProtocol | None = None
        """What is wrong behind the envelopes given so far; nothing more is read then."""

    @property
    def pending(self) -> bool:
        """Whether the beginning of an envelope lies in it; at the end of a stream that is a fault.

        Also when the bytes are at fault.
        """
        return bool(self._buffer)

    @property
    def rest(self) -> bytes:
        """The bytes that make up no envelope, or none that can be read."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The envelopes that are complete now: flags without `COMPRESSED`, and payload.

        Those before a fault count: when there are any, the fault only stands in `fault`, else it is
        raised, an `UpstreamProtocol`.
        """
        envelopes: list[tuple[int, bytes]] = []
        if self.fault is not None:
            raise self.fault
        buffer = self._buffer
        buffer += data
        start, size = 0, len(buffer)
        try:
            while size - start >= _HEADER.size:
                flags, length = _HEADER.unpack_from(buffer, start)
                _check(flags, length)
                end = start + _HEADER.size + length
                if end > size:
                    break
                payload = bytes(buffer[start + _HEADER.size : end])
                if flags & COMPRESSED or (self._announced and payload[:2] == _MAGIC):
                    payload = self._inflate(payload)
                envelopes.append((flags & ~COMPRESSED, payload))
                start = end
        except UpstreamProtocol as fault:
            self.fault = fault
        del buffer[:start]
        if self.fault is not None and not envelopes:
            raise self.fault
        return envelopes

    def _inflate(self, payload: bytes) -> bytes:
        room = min(LARGEST_INFLATED, self._room + _PLAUSIBLE * len(payload))
        data = _inflate(payload, room)
        self._room = room - len(data)
        return data


def _check(flags: int, length: int) -> None:
    if flags & ~(COMPRESSED | END) and flags != _PRIVATE:
        raise UpstreamProtocol(f"Cursor sent an envelope with unknown flags ({flags:#04x})")
    if length > LARGEST:
        raise UpstreamProtocol(f"Cursor announced a message of {length} bytes, too long to be true")


def _inflate(payload: bytes, room: int) -> bytes:
    if not payload:
        return b""  # some servers mark empty messages without compressing them
    inflater = zlib.decompressobj(_GZIP)
    try:
        data = inflater.decompress(payload, room + 1)
    except zlib.error as error:
        raise UpstreamProtocol("Cursor sent a compressed message that is damaged") from error
    if not inflater.eof or len(data) > room:
        too_long = bool(inflater.unconsumed_tail) or len(data) > room
        what = "too long when inflated" if too_long else "cut off"
        raise UpstreamProtocol(f"Cursor sent a compressed message that is {what}")
    return data


@dataclass(slots=True, frozen=True)
class EndOfStream:
    """The error that a stream ended with. Its repr holds no words of the server.

    code: Connect's (`resource_exhausted`). number and name: Cursor's cause, the name as in
    `causes`. title and detail: for people, may be empty. retryable: what Cursor says about it.
    info: more facts (`providerStatusCode`). metadata: the trailers that came with it.
    """

    code: str
    message: str = field(default="", repr=False)
    number: int | None = None
    name: str | None = None
    title: str = field(default="", repr=False)
    detail: str = field(default="", repr=False)
    retryable: bool | None = None
    info: Mapping[str, str] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, list[str]] = field(default_factory=dict, repr=False)


def read_end(payload: bytes) -> EndOfStream | None:
    """How the stream ended, from the payload of its last envelope; None when all went well.

    One that cannot be read is an error of the code `unknown`, as Connect has it.
    """
    if not payload.strip():
        return None
    try:
        value: Any = loads(payload)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return EndOfStream("unknown", "Cursor ended the stream with words that cannot be read")
    error = value.get("error")
    if not isinstance(error, dict):
        return None if error is None else EndOfStream("unknown", _text(error))
    return read_error(error, _metadata(value.get("metadata")))


def write_end(code: str, title: str, detail: str) -> bytes:
    """The payload of a last envelope of our own: an error that is not to be tried again."""
    debug = {"details": {"title": title, "detail": detail, "isRetryable": False}}
    details = [{"type": _DETAILS, "debug": debug}]
    return dumps({"error": {"code": code, "details": details}})


def read_error(
    error: Mapping[str, Any], metadata: Mapping[str, list[str]] | None = None
) -> EndOfStream:
    """The same from the error object alone, which is also the JSON body of an HTTP error."""
    code = _text(error.get("code")) or "unknown"
    message = _text(error.get("message"))
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and _text(detail.get("type")).endswith(_DETAILS):
            break
    else:
        return EndOfStream(code, message, metadata=metadata or {})
    told = _from_value(_text(detail.get("value")))
    spare = _from_debug(detail.get("debug"))
    number = told.number or spare.number or told.number
    return EndOfStream(
        code,
        message,
        number,
        CAUSES.get(number or -1) or spare.name,
        told.title or spare.title,
        told.detail or spare.detail,
        spare.retryable if told.retryable is None else told.retryable,
        told.info or spare.info,
        metadata or {},
    )


@dataclass(slots=True)
class _Told:
    """What a detail says; the copy for people fills in what the detail itself leaves out."""

    number: int | None = None
    name: str | None = None
    title: str = ""
    detail: str = ""
    retryable: bool | None = None
    info: Mapping[str, str] = field(default_factory=dict)


def _from_value(value: str) -> _Told:
    """From the detail itself; Connect leaves the padding of its base64 out."""
    bare = value.rstrip("=").replace("-", "+").replace("_", "/")
    if not bare:
        return _Told()
    try:
        data = b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        details = pb.ErrorDetails.FromString(data)
    except (DecodeError, ValueError):
        return _Told()
    custom = details.details
    return _Told(
        details.error,
        None,
        custom.title,
        custom.detail,
        custom.is_retryable if custom.HasField("is_retryable") else None,
        dict(custom.additional_info),
    )


def _from_debug(debug: object) -> _Told:
    """From the copy for people, which need not be there."""
    facts: dict[str, Any] = debug if isinstance(debug, dict) else {}
    name = _text(facts.get("error")).removeprefix("ERROR_") or None
    inner = facts.get("details")
    custom: dict[str, Any] = inner if isinstance(inner, dict) else {}
    retryable = custom.get("isRetryable")
    info = custom.get("additionalInfo")
    return _Told(
        NUMBERS.get(name or ""),
        name,
        _text(custom.get("title")),
        _text(custom.get("detail")),
        retryable if isinstance(retryable, bool) else None,
        _facts(info),
    )


def _facts(info: object) -> Mapping[str, str]:
    """The members that say something, as text: the copy has numbers where the detail has text."""
    return {
        name: item if isinstance(item, str) else dumps_text(item)
        for name, item in (info.items() if isinstance(info, dict) else ())
        if isinstance(item, str | int | float)
    }


def _metadata(value: object) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        return {}
    return {
        str(name).lower(): [item for item in items if isinstance(item, str)]
        for name, items in value.items()
        if isinstance(items, list)
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
