"""The goodbyes of an HTTP/2 server, taken out of a connection's bytes, sans-IO.

Knows how frames are laid out (RFC 9113, section 4.1), and nothing else of the protocol.
"""

import struct
from typing import Final

__all__ = ["GoAwayFilter"]

_FRAME_HEAD: Final = 9
_GOAWAY: Final = 7
_GOAWAY_FIELDS: Final = struct.Struct(">II")
_LARGEST_GOAWAY: Final = 16 * 1024


class GoAwayFilter:
    """Takes the GOAWAY frames out of a connection's bytes.

    The library regards a connection as closed with the first of them and refuses all behind it, but
    a server that shuts down gracefully completes what it has begun (RFC 9113, section 6.8).

    heard: of each frame the last stream that the server will complete, and the error code.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []
        self._rest = 0  # bytes of a frame that have not come yet
        self._kept = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes without the frames; may keep the beginning of one for the next time."""
        if self._kept:
            data, self._kept = self._kept + data, b""
        size, position, start = len(data), self._rest, 0
        passed: list[bytes] = []
        while size - position >= _FRAME_HEAD:
            length = int.from_bytes(data[position : position + 3], "big")
            end = position + _FRAME_HEAD + length
            if data[position + 3] == _GOAWAY and _GOAWAY_FIELDS.size <= length <= _LARGEST_GOAWAY:
                if end > size:
                    break
                last, code = _GOAWAY_FIELDS.unpack_from(data, position + _FRAME_HEAD)
                self.heard.append((last & 0x7FFFFFFF, code))
                passed.append(data[start:position])
                start = end
            position = end
        self._rest = max(0, position - size)
        if position < size:
            self._kept = data[position:]
        elif not passed:
            return data
        passed.append(data[start:position])
        return b"".join(passed)
