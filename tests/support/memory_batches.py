"""The message batches of `support.memory_state`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway_core import BatchRequest, BatchResult, BatchState, ClaimedRequest, StoredBatch

__all__ = ["MemoryBatchTables", "MemoryBatches"]


@dataclass
class _Item:
    batch: str
    place: int
    asked: BatchRequest
    state: BatchState = "waiting"
    tries: int = 0
    owner: str | None = None
    result: bytes | None = None

    @property
    def size(self) -> int:
        """What it takes up: the request until there is a result."""
        open = self.state in ("waiting", "running")
        return len(self.asked.request if open else self.result or b"")


@dataclass
class MemoryBatchTables:
    """All batches by id, and their requests; the number of a request is its place in the list."""

    batches: dict[str, StoredBatch] = field(default_factory=dict)
    items: list[_Item] = field(default_factory=list)


class MemoryBatches:
    """A `BatchStore`. tables: gives what all processes share, or raises `StateError`."""

    def __init__(self, tables: Callable[[], MemoryBatchTables]) -> None:
        self._tables = tables
        self._last_served = ""

    async def put(
        self, batch: StoredBatch, requests: Sequence[BatchRequest], max_bytes: int
    ) -> bool:
        items = [_Item(batch.id, place, asked) for place, asked in enumerate(requests)]
        if sum(item.size for item in [*self._all.items, *items]) > max_bytes:
            return False
        self._all.batches[batch.id] = batch
        self._all.items += items
        return True

    async def get(self, id: str) -> StoredBatch | None:
        return self._all.batches.get(id)

    async def page(
        self, limit: int, *, after: str | None = None, before: str | None = None
    ) -> list[StoredBatch]:
        ids = sorted(self._all.batches)
        if before is not None:
            ids = [id for id in ids if id > before][:limit][::-1]
        else:
            ids = [id for id in ids[::-1] if after is None or id < after][:limit]
        return [self._all.batches[id] for id in ids]

    async def cancel(self, id: str, now: float) -> StoredBatch | None:
        batch = self._all.batches.get(id)
        if batch and batch.ended is None and batch.cancel_initiated is None:
            self._all.batches[id] = replace(batch, cancel_initiated=now)
            self._give_up(id, "canceled", now)
        return self._all.batches.get(id)

    async def delete(self, id: str) -> bool:
        batch = self._all.batches.get(id)
        if batch is None or batch.ended is None:
            return False
        del self._all.batches[id]
        self._forget(id)
        return True

    async def results(self, id: str, after: int, max_bytes: int) -> list[BatchResult]:
        found: list[BatchResult] = []
        for item in self._items(id):
            if item.place > after:
                max_bytes -= len(item.result or b"") + len(item.asked.custom_id)
                if found and max_bytes < 0:
                    break
                facts = (item.place, item.asked.custom_id, item.state, item.result)
                found.append(BatchResult(*facts))
        return found

    async def models(self) -> list[str]:
        return list({item.asked.model for item in self._all.items if item.state == "waiting"})

    async def claim(
        self, owner: str, held_models: Sequence[str], now: float
    ) -> ClaimedRequest | None:
        await self.expire(now)
        waiting = [
            (item.batch <= self._last_served, item.batch, item.tries, item.place, number)
            for number, item in enumerate(self._all.items)
            if item.state == "waiting" and item.asked.model not in held_models
        ]
        if not waiting:
            return None
        *_, number = min(waiting)
        item = self._all.items[number]
        item.state, item.owner, self._last_served = "running", owner, item.batch
        return ClaimedRequest(number, item.batch, item.place, item.tries, item.asked.request)

    async def release(self, claimed: ClaimedRequest, owner: str, now: float) -> None:
        for item in self._running(owner, claimed):
            item.state, item.owner, item.tries = "waiting", None, item.tries + 1
            batch = self._all.batches[item.batch]
            if batch.cancel_initiated is not None:
                self._give_up(item.batch, "canceled", now)
        await self.expire(now)

    async def finish(
        self,
        claimed: ClaimedRequest,
        owner: str,
        state: Literal["succeeded", "errored"],
        result: bytes,
        now: float,
    ) -> None:
        for item in self._running(owner, claimed):
            item.state, item.owner, item.result = state, None, result
            self._end(item.batch, now)

    async def owners(self) -> list[str]:
        return list({item.owner for item in self._all.items if item.owner is not None})

    async def abandon(self, owner: str, result: bytes, now: float) -> int:
        cut = list(self._running(owner))
        for item in cut:
            item.state, item.owner, item.result = "errored", None, result
            self._end(item.batch, now)
        return len(cut)

    async def expire(self, now: float) -> None:
        for batch in list(self._all.batches.values()):
            if batch.ended is None and batch.expires <= now:
                self._give_up(batch.id, "expired", now)

    async def prune(self, before: float, forget: float, now: float) -> int:
        archived = 0
        for batch in list(self._all.batches.values()):
            if batch.ended is not None and batch.archived is None and batch.created < before:
                archived += 1
                self._forget(batch.id)
                self._all.batches[batch.id] = batch = replace(batch, archived=now)
            if batch.archived is not None and batch.created < forget:
                del self._all.batches[batch.id]
        return archived

    @property
    def _all(self) -> MemoryBatchTables:
        return self._tables()

    def _items(self, id: str) -> list[_Item]:
        return [item for item in self._all.items if item.batch == id]

    def _running(self, owner: str, claimed: ClaimedRequest | None = None) -> Iterator[_Item]:
        for number, item in enumerate(self._all.items):
            if item.owner == owner and (claimed is None or claimed.number == number):
                yield item

    def _give_up(self, id: str, state: Literal["canceled", "expired"], now: float) -> None:
        for item in self._items(id):
            if item.state == "waiting":
                item.state = state
        self._end(id, now)

    def _end(self, id: str, now: float) -> None:
        states = [item.state for item in self._items(id)]
        if "waiting" in states or "running" in states:
            return
        self._all.batches[id] = replace(
            self._all.batches[id],
            ended=now,
            succeeded=states.count("succeeded"),
            errored=states.count("errored"),
            canceled=states.count("canceled"),
            expired=states.count("expired"),
        )

    def _forget(self, id: str) -> None:
        """Numbers of requests are their places in the list, so they are emptied, not removed."""
        for number, item in enumerate(self._all.items):
            if item.batch == id:
                nothing = BatchRequest("", "", b"")
                self._all.items[number] = _Item("", 0, nothing, state="succeeded")
