"""Message batches: who may run what, and what is left of it."""

import asyncio
from dataclasses import replace
from typing import Literal

from gateway_core.state.store import BatchRequest, BatchStore, ClaimedRequest, StoredBatch
from gateway_core.testing.store_cases.case import StoreArea, Stores

__all__ = ["AREA"]

AREA = StoreArea("SB", "message batches")

_ROOM = 1_000_000
_NOW = 1000.0


async def put(
    batches: BatchStore, id: str, *texts: str, model: str = "m", expires: float = _NOW + 100
) -> StoredBatch:
    """A new batch; the texts are custom ids and requests."""
    batch = StoredBatch(id, _NOW, expires, len(texts))
    requests = [BatchRequest(text, model, text.encode()) for text in texts]
    assert await batches.put(batch, requests, _ROOM)
    return batch


async def claim(batches: BatchStore, owner: str = "me", *held: str) -> ClaimedRequest:
    """The next request, which there must be."""
    claimed = await batches.claim(owner, held, _NOW)
    assert claimed is not None
    return claimed


async def claimed_texts(batches: BatchStore, owner: str = "me") -> list[str]:
    """What comes, until nothing does."""
    texts = []
    while (claimed := await batches.claim(owner, [], _NOW)) is not None:
        texts.append(claimed.request.decode())
    return texts


async def finish(
    batches: BatchStore,
    claimed: ClaimedRequest,
    owner: str = "me",
    state: Literal["succeeded", "errored"] = "succeeded",
) -> None:
    """End a request one second later, with a result of eight bytes."""
    await batches.finish(claimed, owner, state, b'"result"', _NOW + 1)


async def outcomes(batches: BatchStore, id: str) -> dict[str, str]:
    """The states of all requests, by custom id."""
    return {each.custom_id: each.state for each in await batches.results(id, -1, _ROOM)}


async def get(batches: BatchStore, id: str) -> StoredBatch:
    """A batch, which there must be."""
    batch = await batches.get(id)
    assert batch is not None
    return batch


@AREA.case(1)
async def a_batch_is_found_by_other_processes(stores: Stores) -> None:
    """A batch belongs to all processes that share the state, also after the end of its maker."""
    store, other = stores.open(), stores.open().batches
    made = await put(store.batches, "b1", "one", "two")
    assert await other.get("b1") == made
    assert await other.get("b2") is None
    await store.aclose()
    first = await claim(other)
    assert (first.batch, first.place, first.tries, first.request) == ("b1", 0, 0, b"one")
    assert await claimed_texts(stores.open().batches) == ["two"]


@AREA.case(2)
async def an_empty_store_has_none(stores: Stores) -> None:
    """A store that has no batch answers all the same."""
    batches = stores.open().batches
    assert await batches.get("b1") is None
    assert await batches.page(10) == []
    assert await batches.cancel("b1", _NOW) is None
    assert await batches.delete("b1") is False
    assert await batches.results("b1", -1, _ROOM) == []
    assert await batches.models() == []
    assert await batches.claim("me", [], _NOW) is None
    assert await batches.owners() == []
    assert await batches.abandon("me", b"", _NOW) == 0
    await batches.expire(_NOW)
    assert await batches.prune(_NOW, _NOW, _NOW) == 0


@AREA.case(3)
async def two_processes_never_claim_the_same(stores: Stores) -> None:
    """A request is claimed once, however many processes claim at the same time: each claim costs
    an answer.
    """
    texts = [f"text-{number}" for number in range(40)]
    mine, theirs = stores.open().batches, stores.open().batches
    await put(mine, "b1", *texts)
    first = [await claim(each, owner) for each, owner in ((mine, "me"), (theirs, "other"))]
    rest = await asyncio.gather(claimed_texts(mine, "me"), claimed_texts(theirs, "other"))
    claimed = [each.request.decode() for each in first] + rest[0] + rest[1]
    assert sorted(claimed) == sorted(texts)
    assert sorted(await mine.owners()) == ["me", "other"]


@AREA.case(4)
async def batches_take_turns(stores: Stores) -> None:
    """A small batch does not wait for a large one; within a batch requests come in order."""
    batches = stores.open().batches
    await put(batches, "b1", "a1", "a2", "a3")
    await put(batches, "b2", "b1", "b2")
    assert await claimed_texts(batches) == ["a1", "b1", "a2", "b2", "a3"]


@AREA.case(5)
async def what_was_released_comes_last(stores: Stores) -> None:
    """A released request waits behind the others of its batch, and says how often it was: one that
    is always refused must not hold up those that are not.
    """
    batches = stores.open().batches
    await put(batches, "b1", "one", "two")
    await batches.release(await claim(batches), "me", _NOW)
    second, again = await claim(batches), await claim(batches)
    assert [(each.request, each.tries) for each in (second, again)] == [(b"two", 0), (b"one", 1)]
    await batches.release(again, "me", _NOW)
    assert (await claim(batches)).tries == 2


@AREA.case(6)
async def what_is_held_is_passed_over(stores: Stores) -> None:
    """Requests for a model that is held wait, and those for others go on."""
    batches = stores.open().batches
    await put(batches, "b1", "one", model="held")
    await put(batches, "b2", "two", model="free")
    assert sorted(await batches.models()) == ["free", "held"]
    assert (await claim(batches, "me", "held")).request == b"two"
    assert await batches.models() == ["held"]
    assert await batches.claim("me", ["held"], _NOW) is None
    assert (await claim(batches)).request == b"one"


@AREA.case(7)
async def a_batch_ends_with_its_last_request(stores: Stores) -> None:
    """A batch has ended, and has its numbers, when nothing of it waits or runs, and that does not
    change; results come in the order of the requests.
    """
    batches = stores.open().batches
    made = await put(batches, "b1", "one", "two")
    first, second = await claim(batches), await claim(batches)
    await finish(batches, second, state="errored")
    assert await batches.get("b1") == made
    await finish(batches, first)
    ended = replace(made, ended=_NOW + 1, succeeded=1, errored=1)
    assert await batches.get("b1") == ended
    await batches.expire(_NOW + 1000)
    assert await batches.get("b1") == ended
    results = await stores.open().batches.results("b1", -1, _ROOM)
    assert [(each.place, each.custom_id, each.state, each.result) for each in results] == [
        (0, "one", "succeeded", b'"result"'),
        (1, "two", "errored", b'"result"'),
    ]


@AREA.case(8)
async def results_come_in_pieces(stores: Stores) -> None:
    """Results come in pieces of bounded size, and of one result at least."""
    batches = stores.open().batches
    await put(batches, "b1", *"abc")
    while (claimed := await batches.claim("me", [], _NOW)) is not None:
        await finish(batches, claimed)
    first = await batches.results("b1", -1, 1)
    rest = await batches.results("b1", first[-1].place, 100)
    assert [[each.custom_id for each in piece] for piece in (first, rest)] == [["a"], ["b", "c"]]
    assert await batches.results("b1", 2, 100) == []


@AREA.case(9)
async def a_cancelled_batch_ends_when_nothing_runs(stores: Stores) -> None:
    """After a cancellation nothing begins; what runs may finish, and cancelling again changes
    nothing.
    """
    batches = stores.open().batches
    made = await put(batches, "b1", "one", "two", "three")
    first, second = await claim(batches), await claim(batches)
    canceling = await stores.open().batches.cancel("b1", _NOW + 5)
    assert canceling == replace(made, cancel_initiated=_NOW + 5)
    assert await batches.cancel("b1", _NOW + 6) == canceling
    assert await batches.claim("me", [], _NOW) is None
    await batches.release(second, "me", _NOW)
    await finish(batches, first)
    batch = await get(batches, "b1")
    assert (batch.ended, batch.succeeded, batch.canceled) == (_NOW + 1, 1, 2)
    assert await batches.cancel("b1", _NOW + 7) == batch


@AREA.case(10)
async def a_batch_of_which_nothing_runs_ends_as_it_is_cancelled(stores: Stores) -> None:
    """Where nothing runs, a cancellation is the end."""
    batches = stores.open().batches
    await put(batches, "b1", "one")
    batch = await batches.cancel("b1", _NOW + 5)
    assert batch is not None
    assert (batch.ended, batch.canceled) == (_NOW + 5, 1)


@AREA.case(11)
async def what_has_not_begun_in_time_never_does(stores: Stores) -> None:
    """What waits when a batch runs out of time is expired; what runs may finish."""
    batches = stores.open().batches
    await put(batches, "b1", "one", "two", "three", expires=_NOW + 10)
    await put(batches, "b2", "other")
    first, other, second = [await claim(batches) for _ in range(3)]
    assert other.request == b"other"
    await batches.expire(_NOW + 9)
    assert await batches.models() == ["m"]
    await batches.release(second, "me", _NOW + 10)
    assert await batches.claim("me", [], _NOW + 10) is None
    await finish(batches, first)
    assert await outcomes(batches, "b1") == {
        "one": "succeeded",
        "two": "expired",
        "three": "expired",
    }
    assert (await get(batches, "b1")).expired == 2
    assert (await get(batches, "b2")).ended is None


@AREA.case(12)
async def nothing_is_claimed_late(stores: Stores) -> None:
    """What has run out of time is not claimed even if nobody has looked for it, and what is then
    released does not wait again.
    """
    batches = stores.open().batches
    await put(batches, "b0", "one", expires=_NOW + 10)
    await batches.release(await claim(batches), "me", _NOW + 10)
    assert (await get(batches, "b0")).ended == _NOW + 10
    await put(batches, "b1", "one", expires=_NOW)
    assert await batches.claim("me", [], _NOW) is None
    await batches.expire(_NOW)
    assert (await get(batches, "b1")).ended == _NOW


@AREA.case(13)
async def what_a_dead_process_ran_is_an_error(stores: Stores) -> None:
    """What a dead process ran has the error for its result, the rest goes on. If it was not dead
    after all, it is too late for what it says.
    """
    batches, dead = stores.open().batches, stores.open().batches
    await put(batches, "b1", "one", "two", "three")
    cut = await claim(dead, "dead")
    mine = await claim(batches)
    assert await batches.abandon("dead", b'"cut"', _NOW) == 1
    assert await batches.owners() == ["me"]
    await finish(dead, cut, "dead")
    await dead.release(cut, "dead", _NOW)
    await finish(batches, mine)
    await finish(batches, await claim(batches))
    results = await batches.results("b1", -1, _ROOM)
    assert [(each.state, each.result) for each in results] == [
        ("errored", b'"cut"'),
        ("succeeded", b'"result"'),
        ("succeeded", b'"result"'),
    ]


@AREA.case(14)
async def pages_need_no_batch_at_their_ends(stores: Stores) -> None:
    """A page goes on from an id whether or not its batch is still there."""
    batches = stores.open().batches
    for number in (1, 2, 4, 5):
        await put(batches, f"b{number}", "one")

    async def ids(limit: int, **where: str) -> list[str]:
        return [batch.id for batch in await batches.page(limit, **where)]

    assert await ids(3) == ["b5", "b4", "b2"]
    assert await ids(3, after="b3") == ["b2", "b1"]
    assert await ids(1, before="b3") == ["b4"]
    assert await ids(3, before="b3") == ["b5", "b4"]


@AREA.case(15)
async def only_what_has_ended_can_be_deleted(stores: Stores) -> None:
    """A batch is deleted when it has ended, and then it is nowhere."""
    batches = stores.open().batches
    await put(batches, "b1", "one")
    assert await batches.delete("b1") is False
    await batches.cancel("b1", _NOW)
    assert await stores.open().batches.delete("b1") is True
    assert await batches.delete("b1") is False
    assert await batches.get("b1") is None
    assert await batches.page(10) == []
    assert await batches.results("b1", -1, _ROOM) == []


@AREA.case(16)
async def there_is_room_again_when_less_is_kept(stores: Stores) -> None:
    """All batches share the room: a result takes the place of its request, and what is given up
    takes none.
    """
    batches = stores.open().batches
    large = [BatchRequest("one", "m", b"x" * 600)]

    async def fits(id: str) -> bool:
        return await batches.put(StoredBatch(id, _NOW, _NOW + 100, 1), large, 1000)

    assert await fits("b1")
    assert not await fits("b2")
    assert await batches.get("b2") is None
    await finish(batches, await claim(batches))
    assert await fits("b2"), "a result of eight bytes is in the place of the request"
    assert not await fits("b3")
    await batches.cancel("b2", _NOW)
    assert await fits("b3")


@AREA.case(17)
async def results_go_first_and_the_batch_later(stores: Stores) -> None:
    """Pruning removes the results of ended batches, then all trace of them; others stay."""
    batches = stores.open().batches
    for id in ("b1", "b2"):
        await put(batches, id, "one")
    await batches.cancel("b1", _NOW)
    assert await batches.prune(_NOW, 0, _NOW + 50) == 0, "created at that very moment"
    assert await batches.prune(_NOW + 1, 0, _NOW + 50) == 1, "the other one has not ended"
    batch = await get(batches, "b1")
    assert (batch.archived, batch.canceled) == (_NOW + 50, 1)
    assert await batches.results("b1", -1, _ROOM) == []
    assert await batches.prune(_NOW + 1, _NOW + 1, _NOW + 60) == 0
    assert [batch.id for batch in await batches.page(10)] == ["b2"]
    assert (await get(batches, "b2")).ended is None
