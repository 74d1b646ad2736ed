"""The framing `application/vnd.amazon.eventstream`, sans-IO: bytes to messages and back.

A message is a prelude (total length, length of the headers, CRC of these two), headers, a payload,
and a CRC over all of it; numbers are big endian. Knows nothing of what messages say. Source: the
specification of the Smithy project, "Event stream encoding".
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from zlib import crc32

__all__ = ["FramingError", "Message", "MessageReader", "encode_message"]

LARGEST: Final = 16 * 1024 * 1024
"""The longest message in bytes; a longer one is refused from its prelude alone."""

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_SMALLEST: Final = _PRELUDE.size + _CRC.size
_STRING: Final = 7
_REMEMBERED: Final = 32
_SHORT: Final = 512
# Bytes of a header's value by its type; types 6 and 7 carry a length of their own.
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_WITH_LENGTH: Final = frozenset({6, _STRING})


class FramingError(ValueError):
    """The bytes are no event stream, or were damaged on their way. Nothing after it can be read."""


@dataclass(slots=True, frozen=True)
class Message:
    """One message. `headers` holds those whose value is a string."""

    headers: Mapping[str, str]
    payload: bytes


class MessageReader:
    """`feed` bytes as they come, take the messages they complete; `end` when no more will come.

    Lengths are believed only after the prelude's CRC was checked, so a damaged one never makes it
    wait for gigabytes. Never tries to find its place again after an error.
    """

    __slots__ = ("_broken", "_buffer", "_known", "_total")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._total = 0  # of the message at the front; 0 while its prelude is not complete
        self._broken = False
        self._known: dict[bytes, Mapping[str, str]] = {}  # headers by their bytes

    def feed(self, data: bytes) -> tuple[list[Message], FramingError | None]:
        """The messages that are complete now, and what is wrong after them, if anything.

        The messages before a fault count, so the error is returned beside them and not raised.
        After an error nothing more is read.
        """
        messages: list[Message] = []
        if self._broken:
            return messages, None
        buffer = self._buffer
        buffer += data
        start = 0
        fault: FramingError | None = None
        try:
            while True:
                if not self._total:
                    if len(buffer) - start < _PRELUDE.size:
                        break
                    self._total = _read_prelude(buffer, start)
                if len(buffer) - start < self._total:
                    break
                messages.append(self._message(bytes(buffer[start : start + self._total])))
                start += self._total
                self._total = 0
        except FramingError as error:
            self._broken = True
            fault = error
        del buffer[:start]
        return messages, fault

    def end(self) -> FramingError | None:
        """What is wrong with ending here: a message that was begun and not completed."""
        if self._broken or not self._buffer:
            return None
        self._broken = True
        return FramingError("the stream ended inside a message")

    def _message(self, data: bytes) -> Message:
        if crc32(data[:-4]) != _CRC.unpack_from(data, len(data) - 4)[0]:
            raise FramingError("the checksum of a message is wrong")
        end = _PRELUDE.size + int.from_bytes(data[4:8], "big")
        raw = data[_PRELUDE.size : end]
        # Most messages of a stream have the same few headers; reading them is half of the work.
        headers = self._known.get(raw)
        if headers is None:
            headers = _read_headers(raw)
            if len(self._known) < _REMEMBERED and len(raw) < _SHORT:
                self._known[raw] = headers
        return Message(headers, data[end:-4])


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message with headers of strings."""
    fields = bytearray()
    for name, value in headers.items():
        key, text = name.encode(), value.encode()
        fields += bytes([len(key)]) + key + bytes([_STRING]) + _LENGTH.pack(len(text)) + text
    total = _SMALLEST + len(fields) + len(payload)
    lengths = struct.pack(">II", total, len(fields))
    message = lengths + _CRC.pack(crc32(lengths)) + fields + payload
    return message + _CRC.pack(crc32(message))


def _read_prelude(buffer: bytearray, start: int) -> int:
    """The length of the whole message, once it can be believed."""
    total, headers, crc = _PRELUDE.unpack_from(buffer, start)
    if crc32(buffer[start : start + 8]) != crc:
        raise FramingError("the checksum of a message's prelude is wrong")
    if not _SMALLEST <= total <= LARGEST or headers > total - _SMALLEST:
        raise FramingError("a message has an impossible length")
    return int(total)


def _read_headers(data: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at, end = 0, len(data)
    while at < end:
        name_end = at + 1 + data[at]
        if name_end >= end:
            raise FramingError("a header of a message is cut off")
        kind = data[name_end]
        value = name_end + 1
        if kind in _WITH_LENGTH:
            value += _LENGTH.size
            size = int.from_bytes(data[value - _LENGTH.size : value], "big")
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise FramingError("a header of a message has an unknown type")
        if value + size > end:
            raise FramingError("a header of a message is cut off")
        if kind == _STRING:
            name = data[at + 1 : name_end].decode("utf-8", "replace")
            headers[name] = data[value : value + size].decode("utf-8", "replace")
        at = value + size
    return headers
