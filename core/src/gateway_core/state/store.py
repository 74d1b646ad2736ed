"""What the gateway asks of the place where its state is kept.

A store keeps rows and the bytes in them; it knows no wire format and decides nothing. Every kind of
state has a part and tables of its own.
"""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["ResponseStore", "StateError", "StateStore", "StoredResponse"]


class StateError(Exception):
    """The store cannot be read or written; the message names the place and the cause."""


@dataclass(slots=True, frozen=True)
class StoredResponse:
    """One answer, with what was asked.

    previous: the response that it goes on from. created: in Unix seconds. response, input: JSON of
    the response object as the client was given it, and of the client's own list of input items.
    """

    id: str
    previous: str | None
    provider: str
    model: str
    created: int
    response: bytes
    input: bytes


class ResponseStore(Protocol):
    """The responses that clients asked to keep."""

    async def put(self, stored: StoredResponse) -> None:
        """Keep a response under an id that is new."""
        ...

    async def get(self, id: str) -> StoredResponse | None:
        """The response of this id."""
        ...

    async def conversation(self, id: str, limit: int, max_bytes: int) -> list[StoredResponse]:
        """The response of this id and those that it goes on from, latest first; counts as use.

        Ends at one that goes on from nothing, before one that is not there, and after `limit`
        responses or the one with which `max_bytes` are exceeded.
        """
        ...

    async def delete(self, id: str) -> bool:
        """Forget a response; whether there was one."""
        ...

    async def prune(self, before: float, max_bytes: int) -> int:
        """Forget what was last used before a time (Unix seconds), and the longest unused beyond
        `max_bytes` in all. Returns how many were forgotten.
        """
        ...


class StateStore(Protocol):
    """A place that survives a restart. Every method of it and of its parts may raise `StateError`,
    and none blocks the event loop.

    What was put is found by whoever asks afterwards, in this process and in others. Reading never
    creates anything on disk.
    """

    @property
    def responses(self) -> ResponseStore:
        """Stored responses."""
        ...

    async def open(self) -> None:
        """Make sure that something can be put."""
        ...

    async def aclose(self) -> None:
        """Finish what was asked and let go; nothing can be asked afterwards."""
        ...
