"""Stored responses."""

import asyncio
import time

from gateway_core.state.store import StateStore, StoredResponse
from gateway_core.testing.store_cases.case import StoreArea, Stores

__all__ = ["AREA"]

AREA = StoreArea("SR", "stored responses")

_ROOM = 10**9


def stored(id: str, previous: str | None = None, response: bytes = b"{}") -> StoredResponse:
    """A response with an input of two bytes."""
    return StoredResponse(id, previous, "demo", "demo-1", 1, response, b"[]")


async def kept(store: StateStore, *ids: str) -> list[str]:
    """Those of the ids that the store knows."""
    return [id for id in ids if await store.responses.get(id) is not None]


async def conversation(
    store: StateStore, id: str, limit: int = 10, max_bytes: int = _ROOM
) -> list[str]:
    """The ids of a conversation."""
    return [turn.id for turn in await store.responses.conversation(id, limit, max_bytes)]


@AREA.case(1)
async def survives(stores: Stores) -> None:
    """What was put is found, byte for byte, through other store objects and after the end of its
    own.
    """
    store = stores.open()
    large = StoredResponse(
        "b", "a", "demo", "müller/模型 🦜", 2**31, b'{"text":"\xc3\xbc"}', b"[1]" * 500_000
    )
    await store.responses.put(stored("a"))
    await store.responses.put(large)
    assert await stores.open().responses.get("b") == large
    await store.aclose()
    later = stores.open()
    assert await later.responses.get("a") == stored("a")
    assert await later.responses.get("b") == large


@AREA.case(2)
async def an_empty_store_has_nothing(stores: Stores) -> None:
    """A store that nothing was put into answers all the same."""
    store = stores.open()
    assert await store.responses.get("a") is None
    assert await conversation(store, "a") == []
    assert await store.responses.delete("a") is False
    assert await store.responses.prune(time.time() + 100, 0) == 0


@AREA.case(3)
async def any_id_can_be_asked_for(stores: Stores) -> None:
    """Ids come from clients: one that cannot be there is not there, and no error."""
    store = stores.open()
    await store.responses.put(stored("a"))
    for id in ("", "\x00", "a\x00", "a' OR '1'='1", "%", "A", "x" * 10_000, "🦜"):
        assert await store.responses.get(id) is None, id[:20]
        assert await conversation(store, id) == [], id[:20]
        assert await store.responses.delete(id) is False, id[:20]


@AREA.case(4)
async def conversations_come_latest_first(stores: Stores) -> None:
    """A conversation is what a response goes on from, step by step, and nothing beside it."""
    store = stores.open()
    for id, previous in [("a", None), ("b", "a"), ("c", "b"), ("other", "a")]:
        await store.responses.put(stored(id, previous))
    assert await conversation(store, "c") == ["c", "b", "a"]
    assert await store.responses.conversation("a", 10, _ROOM) == [stored("a")]


@AREA.case(5)
async def conversations_end_where_they_must(stores: Stores) -> None:
    """A conversation ends before a hole, at the limit, with the response that exceeds the bytes,
    and also where it runs in a circle.
    """
    store = stores.open()
    for id, previous in [("b", "a"), ("c", "b"), ("x", "y"), ("y", "x")]:
        await store.responses.put(stored(id, previous))
    assert await conversation(store, "c") == ["c", "b"]
    assert await conversation(store, "c", limit=1) == ["c"]
    assert await conversation(store, "c", max_bytes=3) == ["c"]
    assert await conversation(store, "c", max_bytes=4) == ["c", "b"]
    assert await conversation(store, "x", max_bytes=10_000) == ["x", "y"]


@AREA.case(6)
async def what_is_deleted_is_gone(stores: Stores) -> None:
    """A deletion happens once, and is seen by everybody at once."""
    store, other = stores.open(), stores.open()
    for id in ("a", "b"):
        await store.responses.put(stored(id))
    assert await other.responses.get("a") is not None
    assert await store.responses.delete("a") is True
    assert await other.responses.delete("a") is False
    assert await kept(other, "a", "b") == ["b"]


@AREA.case(10)
async def what_goes_on_from_a_deleted_one_stays(stores: Stores) -> None:
    """A deletion is of one response: those before it and after it stay."""
    store = stores.open()
    for id, previous in [("a", None), ("b", "a"), ("c", "b")]:
        await store.responses.put(stored(id, previous))
    assert await store.responses.delete("b") is True
    assert await kept(store, "a", "b", "c") == ["a", "c"]
    assert await conversation(store, "c") == ["c"]


@AREA.case(7)
async def what_is_unused_for_too_long_goes(stores: Stores) -> None:
    """Pruning forgets what was last used before a time, and says how many those were."""
    store = stores.open()
    for id in ("a", "b"):
        await store.responses.put(stored(id))
    assert await store.responses.prune(time.time() - 60, _ROOM) == 0
    assert await kept(store, "a", "b") == ["a", "b"]
    assert await store.responses.prune(time.time() + 60, _ROOM) == 2
    assert await kept(store, "a", "b") == []


@AREA.case(8)
async def the_longest_unused_makes_room(stores: Stores) -> None:
    """Beyond the room for all, the longest unused goes, and no more than must."""
    store = stores.open()
    for id in ("a", "b", "c"):
        await store.responses.put(stored(id, response=b"x" * 998))
        await asyncio.sleep(0.002)  # so that a clock of milliseconds tells them apart
    assert await store.responses.prune(0, 3000) == 0
    assert await store.responses.prune(0, 2500) == 1
    assert await kept(store, "a", "b", "c") == ["b", "c"]
    assert await store.responses.prune(0, 0) == 2


@AREA.case(9)
async def processes_put_beside_one_another(stores: Stores) -> None:
    """Of what several processes put at the same time nothing is lost."""
    store, other = stores.open(), stores.open()
    puts = [
        each.responses.put(stored(f"{name}{number}"))
        for number in range(20)
        for name, each in (("a", store), ("b", other))
    ]
    await asyncio.gather(*puts)
    ids = [f"{name}{number}" for name in "ab" for number in range(20)]
    assert await kept(store, *ids) == await kept(other, *ids) == ids
