"""What the server of a run keeps with its client: blobs by id, in memory and bounded.

The run's own blobs, which its first message refers to, stay; of those that the server stores the
oldest go when there are too many. Their contents are the user's: they are never shown.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["LARGEST_STORE", "Blobs"]

LARGEST_STORE: Final = 32 * 1024 * 1024
"""Bytes that the server may store in one run."""
_OVERHEAD: Final = 128  # of a blob, beside its id and contents


class Blobs:
    """Blobs of one run. own: those of the request. limit: bytes that the server may add."""

    __slots__ = ("_added", "_limit", "_own", "_size")

    def __init__(self, own: Mapping[bytes, bytes], limit: int = LARGEST_STORE) -> None:
        self._own = own
        self._limit = limit
        self._added: dict[bytes, bytes] = {}
        self._size = 0

    def get(self, id: bytes) -> bytes | None:
        """The blob, or None."""
        data = self._added.get(id)
        return self._own.get(id) if data is None else data

    def set(self, id: bytes, data: bytes) -> bool:
        """Keep a blob under the id as given; False when it alone is too large."""
        if _size(id, data) > self._limit:
            return False
        self._forget(id)
        self._added[id] = data
        self._size += _size(id, data)
        while self._size > self._limit:
            self._forget(next(iter(self._added)))
        return True

    def _forget(self, id: bytes) -> None:
        data = self._added.pop(id, None)
        if data is not None:
            self._size -= _size(id, data)


def _size(id: bytes, data: bytes) -> int:
    return len(id) + len(data) + _OVERHEAD
