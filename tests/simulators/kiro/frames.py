"""Messages of `application/vnd.amazon.eventstream` as bytes, whole or damaged.

Written from the description of the format alone, and checked against recorded files: the gateway
has code of its own for the same bytes, and one reading must not serve as proof of itself.
"""

import json
import struct
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID
from zlib import crc32

from gateway_core.json import JsonObject

__all__ = ["Damage", "Header", "damaged", "encode", "error", "event", "exception"]

Header: TypeAlias = tuple[str, str, Any]
"""Name, type and value; types are named as in the SDK, such as `string` and `bool_true`."""

Damage: TypeAlias = Literal["message", "prelude", "payload", "half"]
"""What is wrong with a frame: a checksum, a bit of its content, or that its end is missing."""

_TYPES: Final = {
    "bool_true": 0,
    "bool_false": 1,
    "byte": 2,
    "short": 3,
    "int": 4,
    "long": 5,
    "bytes": 6,
    "string": 7,
    "timestamp": 8,
    "uuid": 9,
}
_NUMBERS: Final = {"byte": ">b", "short": ">h", "int": ">i", "long": ">q", "timestamp": ">q"}


def encode(headers: Iterable[Header], payload: bytes = b"") -> bytes:
    """One message: prelude, headers, payload, and the two checksums."""
    block = b"".join(_header(*header) for header in headers)
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return message + struct.pack(">I", crc32(message))


def event(name: str, members: JsonObject, *, wrapped: bool = False) -> bytes:
    """An event. wrapped: its members stand within one that has the event's name."""
    return _told("event", name, {name: members} if wrapped else members)


def exception(name: str, members: JsonObject) -> bytes:
    """A failure that the service models."""
    return _told("exception", name, members)


def error(code: str, message: str) -> bytes:
    """A failure that it does not model; it has no payload."""
    return encode(
        [
            (":error-code", "string", code),
            (":error-message", "string", message),
            (":message-type", "string", "error"),
        ]
    )


def damaged(frame: bytes, damage: Damage) -> bytes:
    """A frame that was changed on its way."""
    match damage:
        case "message":
            place = len(frame) - 1
        case "prelude":
            place = 11
        case "payload":
            place = len(frame) - 6
        case "half":
            return frame[: len(frame) // 2]
    return frame[:place] + bytes([frame[place] ^ 1]) + frame[place + 1 :]


def _told(kind: str, name: str, members: JsonObject) -> bytes:
    payload = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    return encode(
        [
            (f":{kind}-type", "string", name),
            (":content-type", "string", "application/json"),
            (":message-type", "string", kind),
        ],
        payload,
    )


def _header(name: str, kind: str, value: Any) -> bytes:
    title = name.encode()
    return bytes([len(title)]) + title + bytes([_TYPES[kind]]) + _value(kind, value)


def _value(kind: str, value: Any) -> bytes:
    if kind in _NUMBERS:
        return struct.pack(_NUMBERS[kind], value)
    if kind == "uuid":
        return UUID(value).bytes
    if kind in ("string", "bytes"):
        data = value.encode() if kind == "string" else bytes.fromhex(value)
        return struct.pack(">H", len(data)) + data
    return b""
