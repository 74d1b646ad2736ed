"""What the gateway asks of the place where its state is kept.

A store keeps rows and the bytes in them; it knows no wire format and decides nothing. Every kind of
state has a part and tables of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

__all__ = [
    "BatchRequest",
    "BatchResult",
    "BatchState",
    "BatchStore",
    "ClaimedRequest",
    "Presence",
    "ResponseRun",
    "ResponseStore",
    "RunStore",
    "StateError",
    "StateStore",
    "StoredBatch",
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
        """Keep a response under an id that is new; counts as use of the conversation it is in."""
        ...

    async def get(self, id: str) -> StoredResponse | None:
        """The response of this id."""
        ...

    async def conversation(self, id: str, limit: int, max_bytes: int) -> list[StoredResponse]:
        """The response of this id and those that it goes on from, latest first; counts as use, the
        time of which need be known to the hour only.

        Ends at one that goes on from nothing, before one that is not there, and after `limit`
        responses or the one with which `max_bytes` are exceeded.
        """
        ...

    async def delete(self, id: str) -> bool:
        """Forget a response; whether there was one."""
        ...

    async def prune(self, before: float, max_bytes: int) -> int:
        """Forget what was last used before a time (Unix seconds), and the longest unused beyond
        `max_bytes` in all: of response, input and pieces. What has a run stays. Returns how many
        were forgotten.
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


@dataclass(slots=True, frozen=True)
class ResponseRun:
    """The work on a response that is not complete: which process does it (`Presence.id`), and
    whether it has begun.
    """

    id: str
    owner: str
    started: bool


class RunStore(Protocol):
    """The responses that are still being made. Whoever ends a run has the right to say how it
    ended; for everybody else there is none any more.
    """

    async def begin(self, stored: StoredResponse, owner: str, request: bytes) -> None:
        """Keep a response under an id that is new, with a run that has not begun. `request` is
        what its owner, or a later one, needs to begin it.
        """
        ...

    async def all(self) -> list[ResponseRun]:
        """All runs, the oldest first."""
        ...

    async def get(self, id: str) -> ResponseRun | None:
        """The run of this response."""
        ...

    async def take(self, run: ResponseRun, owner: str) -> bool:
        """Be the owner of a run that has not begun; False when it has, or was taken before."""
        ...

    async def request(self, id: str) -> bytes:
        """What a run that has not begun needs; empty for any other."""
        ...

    async def start(self, id: str, owner: str, response: bytes) -> bool:
        """Begin a run of one's own, which forgets its `request`, and put another response object;
        False when it is there no more.
        """
        ...

    async def finish(self, id: str, owner: str, response: bytes, pieces: bytes = b"") -> bool:
        """End the run that this owner has, and put the response object as it is from now on.

        pieces: how the answer came, for `pieces`. False when there is no such run.
        """
        ...

    async def pieces(self, id: str) -> bytes:
        """How a complete answer came; empty when nobody knows."""
        ...


BatchState: TypeAlias = Literal["waiting", "running", "succeeded", "errored", "canceled", "expired"]
"""What became of a request of a batch; it leaves the last four never."""


@dataclass(slots=True, frozen=True)
class StoredBatch:
    """A batch of requests. Times in Unix seconds; ids are in the order of their making.

    requests: how many there are. The numbers by outcome are known when it has `ended`. archived:
    when its results were removed.
    """

    id: str
    created: float
    expires: float
    requests: int
    cancel_initiated: float | None = None
    ended: float | None = None
    archived: float | None = None
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


@dataclass(slots=True, frozen=True)
class BatchRequest:
    """One request of a new batch; `model` is what it asks for, `request` all of it."""

    custom_id: str
    model: str
    request: bytes


@dataclass(slots=True, frozen=True)
class ClaimedRequest:
    """A request of a batch that one process may run, and no other.

    number: its own in the store. place: its index in the batch. tries: how often it was released.
    """

    number: int
    batch: str
    place: int
    tries: int
    request: bytes


@dataclass(slots=True, frozen=True)
class BatchResult:
    """What became of a request of a batch that has ended. result: None where the state says all."""

    place: int
    custom_id: str
    state: BatchState
    result: bytes | None


class BatchStore(Protocol):
    """Batches of requests. A request is kept until it is finished, its result until it is pruned.

    `now` is in Unix seconds.
    """

    async def put(
        self, batch: StoredBatch, requests: Sequence[BatchRequest], max_bytes: int
    ) -> bool:
        """Keep a new batch; False when all batches would then take more than `max_bytes`."""
        ...

    async def get(self, id: str) -> StoredBatch | None:
        """The batch of this id."""
        ...

    async def page(
        self, limit: int, *, after: str | None = None, before: str | None = None
    ) -> list[StoredBatch]:
        """The newest batches that are older than `after`, or the oldest that are newer than
        `before`; the newest of them first. Neither id needs to be one of a batch.
        """
        ...

    async def cancel(self, id: str, now: float) -> StoredBatch | None:
        """Let nothing of a batch begin any more; how it is then."""
        ...

    async def delete(self, id: str) -> bool:
        """Forget a batch that has ended; whether there was one."""
        ...

    async def results(self, id: str, after: int, max_bytes: int) -> list[BatchResult]:
        """Results behind a place (from -1 on), in order: one, and more while they are within
        `max_bytes`.
        """
        ...

    async def models(self) -> list[str]:
        """The models that waiting requests ask for."""
        ...

    async def claim(
        self, owner: str, held_models: Sequence[str], now: float
    ) -> ClaimedRequest | None:
        """Begin the next waiting request for none of these models; batches take turns, and within
        one those come last that were released.
        """
        ...

    async def release(self, claimed: ClaimedRequest, owner: str, now: float) -> None:
        """Have a request that was not answered wait again, while its batch goes on."""
        ...

    async def finish(
        self,
        claimed: ClaimedRequest,
        owner: str,
        state: Literal["succeeded", "errored"],
        result: bytes,
        now: float,
    ) -> None:
        """Keep the result of a request that its owner has run."""
        ...

    async def owners(self) -> list[str]:
        """Who runs requests."""
        ...

    async def abandon(self, owner: str, result: bytes, now: float) -> int:
        """Let this error be the result of all that an owner runs; how many those are."""
        ...

    async def expire(self, now: float) -> None:
        """Let nothing begin any more whose batch has run out of time."""
        ...

    async def prune(self, before: float, forget: float, now: float) -> int:
        """Remove the results of ended batches that were created before a time, and all trace of
        those created before another. Returns of how many batches the results were removed.
        """
        ...


class Presence(Protocol):
    """This process among all that share the state. What it works on is marked with its `id`; work
    of one that is not alive is taken over if it has not begun, and told as cut if it has.

    A process that has announced itself is alive to all others until it closes the store or dies,
    wherever they run. Of a dead one that must come out, however it died, if not at once. One that
    is taken for dead by mistake has lost its work: the store refuses what it still says of it, by
    the owner that each method is told, so that nothing is done twice or ends twice.
    """

    @property
    def id(self) -> str:
        """What names it; another one for each store object, and never used again."""
        ...

    async def announce(self) -> None:
        """Be alive to others from now on; before anything is marked with `id`. May be called
        again.
        """
        ...

    async def is_alive(self, id: str) -> bool:
        """Whether a process has announced itself with this id and has neither closed nor died. This
        one always is. Raises `StateError` when that cannot be told.
        """
        ...


class StateStore(Protocol):
    """A place that survives a restart. Every method of it and of its parts may raise `StateError`,
    raises nothing else, and none blocks the event loop.

    What was put is found by whoever asks afterwards, in this process and in others. Each method is
    one transaction: of processes that ask for the same at the same time, one gets it. Reading
    never makes anything. A store object belongs to one event loop, which may not run yet when it is
    made.
    """

    @property
    def responses(self) -> ResponseStore:
        """Stored responses."""
        ...

    @property
    def runs(self) -> RunStore:
        """Responses that are still being made."""
        ...

    @property
    def batches(self) -> BatchStore:
        """Batches of requests."""
        ...

    @property
    def usage(self) -> UsageStore:
        """The usage ledger."""
        ...

    @property
    def presence(self) -> Presence:
        """Which processes are at work on it."""
        ...

    async def open(self) -> None:
        """Make sure that something can be put."""
        ...

    async def aclose(self) -> None:
        """Finish what was asked, then be alive no longer, and let go, within a few seconds; may be
        called again. Whatever is asked afterwards is a `StateError`.
        """
        ...
