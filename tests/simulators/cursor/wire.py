"""Connect's envelopes, written and read without any code of the plugin.

An envelope is a byte of flags, the length of its payload in four bytes, and the payload.
"""

import gzip
import struct
from typing import Final

from gateway_core.json import JsonObject, dumps

__all__ = ["COMPRESSED", "END", "Envelopes", "Unreadable", "end_of_stream", "envelope"]

COMPRESSED: Final = 1
END: Final = 2
_LARGEST: Final = 16 * 1024 * 1024


class Unreadable(Exception):
    """What came is no envelope. The text says why."""


def envelope(payload: bytes, flags: int = 0, *, compress: bool = False) -> bytes:
    """One envelope."""
    if compress:
        payload, flags = gzip.compress(payload, mtime=0), flags | COMPRESSED
    return struct.pack(">BI", flags, len(payload)) + payload


def end_of_stream(
    error: JsonObject | None = None,
    metadata: JsonObject | None = None,
    *,
    compress: bool = False,
) -> bytes:
    """The last envelope of a stream."""
    said: JsonObject = {} if error is None else {"error": error}
    if metadata:
        said["metadata"] = metadata
    return envelope(dumps(said), END, compress=compress)


class Envelopes:
    """Takes the bytes of a client and gives the payloads, strictly: only messages, compressed only
    where the client said so in its headers.
    """

    def __init__(self, *, compressed: bool) -> None:
        self._compressed = compressed
        self._rest = b""

    @property
    def partial(self) -> bool:
        """Whether a piece of an envelope has come and the rest has not."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now. Raises `Unreadable`."""
        self._rest += data
        found = []
        while len(self._rest) >= 5:
            flags, length = struct.unpack(">BI", self._rest[:5])
            if flags & ~COMPRESSED:
                raise Unreadable(f"an envelope has the flags {flags}")
            if flags and not self._compressed:
                raise Unreadable("an envelope is compressed, which no header said")
            if length > _LARGEST:
                raise Unreadable(f"an envelope says that it has {length} bytes")
            if len(self._rest) < 5 + length:
                break
            payload, self._rest = self._rest[5 : 5 + length], self._rest[5 + length :]
            found.append(gzip.decompress(payload) if flags else payload)
        return found
