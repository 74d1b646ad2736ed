"""The work on responses that are not complete: who has it, and who may end it."""

import asyncio

from gateway_core.state.store import ResponseRun, StateStore, StoredResponse
from gateway_core.testing.store_cases.case import StoreArea, Stores

__all__ = ["AREA"]

AREA = StoreArea("SW", "work on responses")


async def begin(store: StateStore, id: str = "a", owner: str = "one") -> ResponseRun:
    """A run that has not begun."""
    stored = StoredResponse(id, None, "demo", "demo-1", 1, b'{"queued":1}', b"[]")
    await store.runs.begin(stored, owner, b"what is asked")
    return ResponseRun(id, owner, started=False)


async def body(store: StateStore, id: str = "a") -> bytes | None:
    """The response object as it is now."""
    found = await store.responses.get(id)
    return None if found is None else found.response


@AREA.case(1)
async def a_run_is_there_until_it_is_finished(stores: Stores) -> None:
    """Everybody sees the run of a response from its beginning to its end, and the response object
    as its owner last put it. How the answer came is kept with it.
    """
    store, other = stores.open(), stores.open()
    run = await begin(store)
    assert await other.runs.all() == [run]
    assert await body(other) == b'{"queued":1}'
    assert await store.runs.start("a", "one", b"going")
    assert await other.runs.get("a") == ResponseRun("a", "one", started=True)
    assert await body(other) == b"going"
    assert await store.runs.pieces("a") == b""
    assert await store.runs.finish("a", "one", b"complete", b"[course]")
    assert await other.runs.get("a") is None
    assert await other.runs.all() == []
    assert await body(other) == b"complete"
    assert await other.runs.pieces("a") == b"[course]"


@AREA.case(2)
async def a_run_ends_once(stores: Stores) -> None:
    """Whoever ends a run says how it ended, and nobody after that: a cancelled response does not
    complete.
    """
    store = stores.open()
    await begin(store)
    assert await store.runs.finish("a", "one", b"cancelled")
    assert not await store.runs.start("a", "one", b"going")
    assert not await store.runs.finish("a", "one", b"complete", b"[course]")
    assert await body(store) == b"cancelled"
    assert await store.runs.pieces("a") == b""


@AREA.case(3)
async def a_run_begins_once(stores: Stores) -> None:
    """What has begun does not begin again: each beginning costs an answer."""
    store = stores.open()
    await begin(store)
    assert await store.runs.start("a", "one", b"going")
    assert not await store.runs.start("a", "one", b"going again")
    assert await body(store) == b"going"


@AREA.case(4)
async def only_its_owner_begins_or_ends_it(stores: Stores) -> None:
    """A run obeys its owner alone."""
    store = stores.open()
    await begin(store)
    assert not await store.runs.start("a", "two", b"going")
    assert not await store.runs.finish("a", "two", b"complete", b"[course]")
    assert await body(store) == b'{"queued":1}'
    assert await store.runs.request("a") == b"what is asked"


@AREA.case(5)
async def one_alone_takes_what_has_not_begun(stores: Stores) -> None:
    """Of processes that take over a run at the same time one gets it, and its first owner has lost
    it.
    """
    handles = [stores.open() for _ in range(4)]
    run = await begin(handles[0])
    owners = ["two", "three", "four", "five"]
    taken = await asyncio.gather(
        *(store.runs.take(run, owner) for store, owner in zip(handles, owners, strict=True))
    )
    assert sorted(taken) == [False, False, False, True]
    owner = owners[taken.index(True)]
    assert await handles[0].runs.get("a") == ResponseRun("a", owner, started=False)
    assert not await handles[0].runs.take(run, "one")
    assert not await handles[0].runs.start("a", "one", b"going")
    assert await handles[0].runs.start("a", owner, b"going")


@AREA.case(6)
async def what_has_begun_is_not_taken(stores: Stores) -> None:
    """Nobody takes over what has begun, not even with a view of it from before."""
    store = stores.open()
    run = await begin(store)
    await store.runs.start("a", "one", b"going")
    assert not await store.runs.take(run, "two")
    assert await store.runs.finish("a", "one", b"complete")


@AREA.case(7)
async def one_alone_ends_it(stores: Stores) -> None:
    """Of several that end a run at the same time one does: a reader that found its owner dead, and
    the owner that is not dead after all.
    """
    handles = [stores.open() for _ in range(4)]
    await begin(handles[0])
    ended = await asyncio.gather(
        *(
            store.runs.finish("a", "one", b"%d" % number, b"%d" % number)
            for number, store in enumerate(handles)
        )
    )
    assert sorted(ended) == [False, False, False, True]
    winner = b"%d" % ended.index(True)
    assert (await body(handles[0]), await handles[0].runs.pieces("a")) == (winner, winner)


@AREA.case(8)
async def what_is_asked_is_forgotten(stores: Stores) -> None:
    """What a run needs to begin is there until it begins or ends, and not longer: it is a whole
    request.
    """
    store = stores.open()
    for id in ("a", "b"):
        await begin(store, id)
        assert await stores.open().runs.request(id) == b"what is asked"
    await store.runs.start("a", "one", b"going")
    assert await store.runs.request("a") == b""
    await store.runs.finish("b", "one", b"cancelled")
    assert await store.runs.request("b") == b""


@AREA.case(9)
async def a_deletion_ends_the_run(stores: Stores) -> None:
    """With a deleted response its run is gone, and what its owner still says of it."""
    store = stores.open()
    await begin(store)
    assert await stores.open().responses.delete("a")
    assert await store.runs.all() == []
    assert not await store.runs.finish("a", "one", b"complete", b"[course]")
    assert await body(store) is None
    assert await store.runs.pieces("a") == b""


@AREA.case(10)
async def pruning_leaves_what_is_being_made(stores: Stores) -> None:
    """A response with a run is not pruned; one without goes with all that belongs to it."""
    store = stores.open()
    await begin(store, "a")
    await begin(store, "b")
    await store.runs.finish("b", "one", b"complete", b"[course]")
    assert await store.responses.prune(before=2e10, max_bytes=0) == 1
    assert [run.id for run in await store.runs.all()] == ["a"]
    assert await store.runs.pieces("b") == b""


@AREA.case(11)
async def pieces_take_room(stores: Stores) -> None:
    """How an answer came counts when room is made, or background responses would fill the disk."""
    store = stores.open()
    await begin(store)
    await store.runs.finish("a", "one", b"x" * 100, b"y" * 1000)
    assert await store.responses.prune(0, 1102) == 0
    assert await store.responses.prune(0, 1101) == 1


@AREA.case(12)
async def runs_come_oldest_first(stores: Stores) -> None:
    """Runs come in the order in which they were put: first come, first served."""
    store = stores.open()
    for id in ("c", "a", "b"):
        await begin(store, id)
    assert [run.id for run in await stores.open().runs.all()] == ["c", "a", "b"]


@AREA.case(13)
async def an_empty_store_has_none(stores: Stores) -> None:
    """What was never there can be neither found nor taken nor ended."""
    store = stores.open()
    assert await store.runs.all() == []
    assert await store.runs.get("a") is None
    assert await store.runs.request("a") == await store.runs.pieces("a") == b""
    assert not await store.runs.take(ResponseRun("a", "one", started=False), "two")
    assert not await store.runs.start("a", "one", b"")
    assert not await store.runs.finish("a", "one", b"")
