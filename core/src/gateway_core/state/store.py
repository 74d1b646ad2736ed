"""What the gateway asks of the place where its state is kept.

A store keeps rows and the bytes in them; it knows no wire format and decides nothing. Every kind of
state has a part and tables of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

__all__ = [
    "ResponseStore",
    "StateError",
    "StateStore",
    "StoredResponse",
    "UsageGroup",
    "UsageRecord",
    "UsageStore",
    "UsageSum",
]


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


@dataclass(slots=True, frozen=True)
class UsageRecord:
    """What one request cost. at: when it began, in Unix seconds. format: of the client. account:
    what people call it. error: the kind of the error that ended it. Tokens are totals as in
    `gateway_core.events.Usage`, None where unknown; first_event and duration are seconds.
    """

    at: float
    format: str
    provider: str
    account: str | None
    model: str
    status: int
    error: str | None
    input: int | None
    cache_read: int | None
    cache_write: int | None
    output: int | None
    reasoning: int | None
    first_event: float | None
    duration: float


UsageGroup: TypeAlias = Literal["model", "provider", "account", "day"]


@dataclass(slots=True, frozen=True)
class UsageSum:
    """What the requests of one group cost together; times are averages in seconds. Tokens are None
    when no request of the group told them.
    """

    name: str
    requests: int
    failed: int
    input: int | None
    cache_read: int | None
    cache_write: int | None
    output: int | None
    reasoning: int | None
    first_event: float | None
    duration: float


class UsageStore(Protocol):
    """The ledger of what requests cost."""

    async def add(self, records: Sequence[UsageRecord]) -> None:
        """Keep records, all or none."""
        ...

    async def sums(self, by: UsageGroup, since: float) -> list[UsageSum]:
        """The requests since a time (Unix seconds) in groups: days in order, in local time; others
        by their output, most first.
        """
        ...

    async def prune(self, before: float) -> int:
        """Forget requests that began before a time; how many those were."""
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

    @property
    def usage(self) -> UsageStore:
        """The usage ledger."""
        ...

    async def open(self) -> None:
        """Make sure that something can be put."""
        ...

    async def aclose(self) -> None:
        """Finish what was asked and let go; nothing can be asked afterwards."""
        ...
