"""A state store that keeps everything in this process, and the plugin that brings it.

What several processes would share is a `MemoryDatabase`; each store object is one of them, and dead
when nobody holds it any more. No method waits for anything, so each is a transaction.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from weakref import WeakSet

from gateway_core import (
    CONTRACT,
    ResponseRun,
    StateError,
    StateStoreInfo,
    StoredResponse,
    UsageGroup,
    UsageRecord,
    UsageSum,
    hookimpl,
)
from support.memory_batches import MemoryBatches, MemoryBatchTables

__all__ = ["MemoryDatabase", "MemoryStatePlugin", "MemoryStore"]


_ROOM = 1_000_000_000


@dataclass
class _Response:
    stored: StoredResponse
    used: float
    run: ResponseRun | None = None
    request: bytes = b""
    pieces: bytes = b""

    @property
    def size(self) -> int:
        return len(self.stored.response) + len(self.stored.input) + len(self.pieces)


@dataclass
class MemoryDatabase:
    """What outlives its store objects."""

    responses: dict[str, _Response] = field(default_factory=dict)
    batches: MemoryBatchTables = field(default_factory=MemoryBatchTables)
    usage: list[UsageRecord] = field(default_factory=list)
    alive: "WeakSet[_Presence]" = field(default_factory=WeakSet)


class MemoryStore:
    """A `StateStore`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database: MemoryDatabase | None = database
        self.responses = _Responses(self)
        self.runs = _Runs(self)
        self.batches = MemoryBatches(lambda: self.database.batches)
        self.usage = _Usage(self)
        self.presence = _Presence(self)

    @property
    def database(self) -> MemoryDatabase:
        if self._database is None:
            raise StateError("this memory is closed")
        return self._database

    async def open(self) -> None:
        assert self.database is not None

    async def aclose(self) -> None:
        if self._database is not None:
            self._database.alive.discard(self.presence)
        self._database = None


class _Part:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @property
    def _all(self) -> MemoryDatabase:
        return self._store.database


class _Presence(_Part):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.id = secrets.token_hex(8)

    async def announce(self) -> None:
        self._all.alive.add(self)

    async def is_alive(self, id: str) -> bool:
        return id in {self.id, *(each.id for each in self._all.alive)}


class _Responses(_Part):
    async def put(self, stored: StoredResponse) -> None:
        self._all.responses[stored.id] = _Response(stored, time.time())
        if stored.previous is not None:
            await self.conversation(stored.previous, len(self._all.responses), _ROOM)

    async def get(self, id: str) -> StoredResponse | None:
        found = self._all.responses.get(id)
        return found.stored if found else None

    async def conversation(self, id: str, limit: int, max_bytes: int) -> list[StoredResponse]:
        turns: dict[str, StoredResponse] = {}
        next_id: str | None = id
        while next_id is not None and next_id not in turns and len(turns) < limit:
            found = self._all.responses.get(next_id)
            if found is None or max_bytes < 0:
                break
            found.used = time.time()
            turns[next_id] = found.stored
            max_bytes -= len(found.stored.response) + len(found.stored.input)
            next_id = found.stored.previous
        return list(turns.values())

    async def delete(self, id: str) -> bool:
        return self._all.responses.pop(id, None) is not None

    async def prune(self, before: float, max_bytes: int) -> int:
        total, doomed = 0, []
        for id, each in sorted(self._all.responses.items(), key=lambda one: -one[1].used):
            total += each.size
            if each.run is None and (each.used < before or total > max_bytes):
                doomed.append(id)
        for id in doomed:
            del self._all.responses[id]
        return len(doomed)


class _Runs(_Part):
    async def begin(self, stored: StoredResponse, owner: str, request: bytes) -> None:
        run = ResponseRun(stored.id, owner, started=False)
        self._all.responses[stored.id] = _Response(stored, time.time(), run, request)

    async def all(self) -> list[ResponseRun]:
        return [each.run for each in self._all.responses.values() if each.run]

    async def get(self, id: str) -> ResponseRun | None:
        found = self._all.responses.get(id)
        return found.run if found else None

    async def take(self, run: ResponseRun, owner: str) -> bool:
        found = self._owned(run.id, run.owner)
        if found is None or found.run is None or found.run.started:
            return False
        found.run = replace(found.run, owner=owner)
        return True

    async def request(self, id: str) -> bytes:
        found = self._all.responses.get(id)
        return found.request if found else b""

    async def start(self, id: str, owner: str, response: bytes) -> bool:
        found = self._owned(id, owner)
        if found is None or found.run is None or found.run.started:
            return False
        found.run, found.request = replace(found.run, started=True), b""
        found.stored = replace(found.stored, response=response)
        return True

    async def finish(self, id: str, owner: str, response: bytes, pieces: bytes = b"") -> bool:
        found = self._owned(id, owner)
        if found is None:
            return False
        found.run, found.request, found.pieces = None, b"", pieces
        found.stored, found.used = replace(found.stored, response=response), time.time()
        return True

    async def pieces(self, id: str) -> bytes:
        found = self._all.responses.get(id)
        return found.pieces if found else b""

    def _owned(self, id: str, owner: str) -> _Response | None:
        found = self._all.responses.get(id)
        return found if found and found.run and found.run.owner == owner else None


class _Usage(_Part):
    async def add(self, records: Sequence[UsageRecord]) -> None:
        self._all.usage += records

    async def sums(self, by: UsageGroup, since: float) -> list[UsageSum]:
        groups: dict[str, list[UsageRecord]] = {}
        for record in self._all.usage:
            if record.at >= since:
                groups.setdefault(_group(record, by), []).append(record)
        sums = [_sum(name, records) for name, records in sorted(groups.items())]
        return sums if by == "day" else sorted(sums, key=lambda one: -(one.output or 0))

    async def prune(self, before: float) -> int:
        kept = [record for record in self._all.usage if record.at >= before]
        removed = len(self._all.usage) - len(kept)
        self._all.usage[:] = kept
        return removed


def _group(record: UsageRecord, by: UsageGroup) -> str:
    return {
        "model": f"{record.provider}/{record.model}",
        "provider": record.provider,
        "account": f"{record.provider} {record.account or '-'}",
        "day": f"{datetime.fromtimestamp(record.at):%Y-%m-%d}",
    }[by]


def _sum(name: str, records: list[UsageRecord]) -> UsageSum:
    counted = ("input", "cache_read", "cache_write", "output", "reasoning")
    known = {
        one: [n for each in records if (n := getattr(each, one)) is not None] for one in counted
    }
    firsts = [each.first_event for each in records if each.first_event is not None]
    return UsageSum(
        name=name,
        requests=len(records),
        failed=sum(each.error is not None for each in records),
        first_event=sum(firsts) / len(firsts) if firsts else None,
        duration=sum(each.duration for each in records) / len(records),
        **{one: sum(numbers) if numbers else None for one, numbers in known.items()},
    )


class MemoryStatePlugin:
    """Brings the store `memory`; the plugin object is what its database lives in."""

    plugin_name = "memory"

    def __init__(self) -> None:
        self.database = MemoryDatabase()

    @hookimpl
    def gateway_state_store(self) -> StateStoreInfo:
        return StateStoreInfo("memory", CONTRACT, self._make)

    def _make(self, options: object, folder: Path) -> MemoryStore:
        return MemoryStore(self.database)
