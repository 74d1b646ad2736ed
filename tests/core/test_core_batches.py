"""Message batches in the store: who may run what, and what is left of it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from gateway_core.batches import MessageBatches
from gateway_core.errors import NotFound
from gateway_core.settings import BatchSettings
from gateway_core.state import SqliteStore
from gateway_core.state.store import BatchRequest, BatchStore, ClaimedRequest, StoredBatch

ROOM = 1_000_000
NOW = 1000.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gateway.sqlite3"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(file)
    yield store
    await store.aclose()


@pytest.fixture
def batches(store: SqliteStore) -> BatchStore:
    return store.batches


async def put(
    batches: BatchStore, id: str, *texts: str, model: str = "m", expires: float = NOW + 100
) -> StoredBatch:
    """A new batch; the texts are custom ids and requests."""
    batch = StoredBatch(id, NOW, expires, len(texts))
    requests = [BatchRequest(text, model, text.encode()) for text in texts]
    assert await batches.put(batch, requests, ROOM)
    return batch


async def claim(
    batches: BatchStore, owner: str = "me", *held: str, now: float = NOW
) -> ClaimedRequest:
    claimed = await batches.claim(owner, held, now)
    assert claimed is not None
    return claimed


async def claimed_texts(batches: BatchStore, owner: str = "me") -> list[str]:
    """What comes, until nothing does."""
    texts = []
    while (claimed := await batches.claim(owner, [], NOW)) is not None:
        texts.append(claimed.request.decode())
    return texts


async def finish(
    batches: BatchStore,
    claimed: ClaimedRequest,
    owner: str = "me",
    state: Literal["succeeded", "errored"] = "succeeded",
) -> None:
    await batches.finish(claimed, owner, state, b'"result"', NOW + 1)


async def outcomes(batches: BatchStore, id: str) -> dict[str, str]:
    return {each.custom_id: each.state for each in await batches.results(id, -1, ROOM)}


async def get(batches: BatchStore, id: str) -> StoredBatch:
    batch = await batches.get(id)
    assert batch is not None
    return batch


async def test_a_batch_is_found_by_other_processes(batches: BatchStore, file: Path) -> None:
    made = await put(batches, "b1", "one", "two")
    other = SqliteStore(file)
    assert await other.batches.get("b1") == made
    assert await other.batches.get("b2") is None
    assert (await claim(other.batches)).request == b"one"
    await other.aclose()


async def test_asking_makes_no_file(batches: BatchStore, file: Path) -> None:
    assert await batches.get("b1") is None
    assert await batches.page(10) == []
    assert await batches.cancel("b1", NOW) is None
    assert await batches.delete("b1") is False
    assert await batches.results("b1", -1, ROOM) == []
    assert await batches.models() == []
    assert await batches.claim("me", [], NOW) is None
    assert await batches.owners() == []
    assert await batches.abandon("me", b"", NOW) == 0
    await batches.expire(NOW)
    assert await batches.prune(NOW, NOW, NOW) == 0
    assert not file.parent.exists()


async def test_two_processes_never_claim_the_same(batches: BatchStore, file: Path) -> None:
    texts = [f"text-{number}" for number in range(60)]
    await put(batches, "b1", *texts)
    other = SqliteStore(file)
    first = [
        await claim(each, owner) for each, owner in ((batches, "me"), (other.batches, "other"))
    ]
    mine, theirs = await asyncio.gather(
        claimed_texts(batches, "me"), claimed_texts(other.batches, "other")
    )
    claimed = [each.request.decode() for each in first] + mine + theirs
    assert sorted(claimed) == sorted(texts)
    assert sorted(await batches.owners()) == ["me", "other"]
    await other.aclose()


async def test_batches_take_turns(batches: BatchStore) -> None:
    await put(batches, "b1", "a1", "a2", "a3")
    await put(batches, "b2", "b1", "b2")
    assert await claimed_texts(batches) == ["a1", "b1", "a2", "b2", "a3"]


async def test_what_was_released_comes_last_and_says_how_often(batches: BatchStore) -> None:
    await put(batches, "b1", "one", "two")
    await batches.release(await claim(batches), "me", NOW)
    second, again = await claim(batches), await claim(batches)
    assert [(each.request, each.tries) for each in (second, again)] == [(b"two", 0), (b"one", 1)]
    await batches.release(again, "me", NOW)
    assert (await claim(batches)).tries == 2


async def test_what_is_held_is_passed_over(batches: BatchStore) -> None:
    await put(batches, "b1", "one", model="held")
    await put(batches, "b2", "two", model="free")
    assert sorted(await batches.models()) == ["free", "held"]
    assert (await claim(batches, "me", "held")).request == b"two"
    assert await batches.claim("me", ["held"], NOW) is None
    assert (await claim(batches)).request == b"one"


async def test_a_batch_ends_with_its_last_request(batches: BatchStore) -> None:
    made = await put(batches, "b1", "one", "two")
    first, second = await claim(batches), await claim(batches)
    await finish(batches, second, state="errored")
    assert await batches.get("b1") == made
    await finish(batches, first)
    assert await batches.get("b1") == replace(made, ended=NOW + 1, succeeded=1, errored=1)
    assert [(each.custom_id, each.state) for each in await batches.results("b1", -1, ROOM)] == [
        ("one", "succeeded"),
        ("two", "errored"),
    ]


async def test_results_come_in_pieces_of_one_at_least(batches: BatchStore) -> None:
    await put(batches, "b1", *"abc")
    while (claimed := await batches.claim("me", [], NOW)) is not None:
        await finish(batches, claimed)
    first = await batches.results("b1", -1, 1)
    rest = await batches.results("b1", first[-1].place, 100)
    assert [[each.custom_id for each in piece] for piece in (first, rest)] == [["a"], ["b", "c"]]


async def test_a_cancelled_batch_ends_when_nothing_runs(batches: BatchStore) -> None:
    made = await put(batches, "b1", "one", "two", "three")
    first, second = await claim(batches), await claim(batches)
    canceling = await batches.cancel("b1", NOW + 5)
    assert canceling == replace(made, cancel_initiated=NOW + 5)
    assert await batches.cancel("b1", NOW + 6) == canceling
    assert await batches.claim("me", [], NOW) is None
    await batches.release(second, "me", NOW)
    await finish(batches, first)
    batch = await get(batches, "b1")
    assert (batch.ended, batch.succeeded, batch.canceled) == (NOW + 1, 1, 2)
    assert await batches.cancel("b1", NOW + 7) == batch


async def test_a_batch_of_which_nothing_runs_ends_as_it_is_cancelled(batches: BatchStore) -> None:
    await put(batches, "b1", "one")
    batch = await batches.cancel("b1", NOW + 5)
    assert batch is not None
    assert (batch.ended, batch.canceled) == (NOW + 5, 1)


async def test_what_has_not_begun_in_time_never_does(batches: BatchStore) -> None:
    await put(batches, "b1", "one", "two", "three", expires=NOW + 10)
    await put(batches, "b2", "other")
    first, other, second = [await claim(batches) for _ in range(3)]
    assert other.request == b"other"
    await batches.expire(NOW + 9)
    await batches.release(second, "me", NOW + 10)
    assert await batches.claim("me", [], NOW + 10) is None
    await finish(batches, first)
    assert await outcomes(batches, "b1") == {
        "one": "succeeded",
        "two": "expired",
        "three": "expired",
    }
    assert (await get(batches, "b1")).expired == 2
    assert (await get(batches, "b2")).ended is None


async def test_nothing_is_claimed_late_even_if_nobody_looked(batches: BatchStore) -> None:
    await put(batches, "b1", "one", expires=NOW)
    assert await batches.claim("me", [], NOW) is None
    assert (await get(batches, "b1")).ended == NOW


async def test_what_a_dead_process_ran_is_an_error_and_the_rest_goes_on(
    batches: BatchStore,
) -> None:
    await put(batches, "b1", "one", "two", "three")
    cut = await claim(batches, "dead")
    mine = await claim(batches)
    assert await batches.abandon("dead", b'"cut"', NOW) == 1
    assert await batches.owners() == ["me"]
    await finish(batches, cut, "dead")  # it was not dead after all: too late
    await finish(batches, mine)
    await finish(batches, await claim(batches))
    results = await batches.results("b1", -1, ROOM)
    assert [(each.state, each.result) for each in results] == [
        ("errored", b'"cut"'),
        ("succeeded", b'"result"'),
        ("succeeded", b'"result"'),
    ]


async def test_pages_need_no_batch_at_their_ends(batches: BatchStore) -> None:
    for number in (1, 2, 4, 5):
        await put(batches, f"b{number}", "one")

    async def ids(limit: int, **where: str) -> list[str]:
        return [batch.id for batch in await batches.page(limit, **where)]

    assert await ids(3) == ["b5", "b4", "b2"]
    assert await ids(3, after="b3") == ["b2", "b1"]
    assert await ids(1, before="b3") == ["b4"]
    assert await ids(3, before="b3") == ["b5", "b4"]


async def test_only_what_has_ended_can_be_deleted(batches: BatchStore, file: Path) -> None:
    secret = "a-very-private-question " * 500
    await put(batches, "b1", secret)
    assert await batches.delete("b1") is False
    await batches.cancel("b1", NOW)
    assert await batches.delete("b1") is True
    assert await batches.delete("b1") is False
    assert await batches.page(10) == []
    left = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"a-very-private-question" not in left


async def test_there_is_room_again_when_less_is_kept(batches: BatchStore) -> None:
    large = [BatchRequest("one", "m", b"x" * 600)]

    async def fits(id: str) -> bool:
        return await batches.put(StoredBatch(id, NOW, NOW + 100, 1), large, 1000)

    assert await fits("b1")
    assert not await fits("b2")
    assert await batches.get("b2") is None
    await finish(batches, await claim(batches))
    assert await fits("b2"), "a result of eight bytes is in the place of the request"
    assert not await fits("b3")
    await batches.cancel("b2", NOW)
    assert await fits("b3")


async def test_results_go_first_and_the_batch_later(batches: BatchStore) -> None:
    for id in ("b1", "b2"):
        await put(batches, id, "one")
    await batches.cancel("b1", NOW)
    assert await batches.prune(NOW, 0, NOW + 50) == 0, "created at that very moment"
    assert await batches.prune(NOW + 1, 0, NOW + 50) == 1, "the other one has not ended"
    batch = await get(batches, "b1")
    assert (batch.archived, batch.canceled) == (NOW + 50, 1)
    assert await batches.results("b1", -1, ROOM) == []
    assert await batches.prune(NOW + 1, NOW + 1, NOW + 60) == 0
    assert [batch.id for batch in await batches.page(10)] == ["b2"]
    assert (await get(batches, "b2")).ended is None


async def test_others_come_in_between_while_much_is_removed(
    batches: BatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_batches.STEP_BYTES", 1)
    await put(batches, "b1", *[f"text-{number}" for number in range(20)])
    while (claimed := await batches.claim("me", [], NOW)) is not None:
        await finish(batches, claimed)
    deleting = asyncio.create_task(batches.delete("b1"))
    await asyncio.sleep(0)
    await put(batches, "b2", "one")
    assert not deleting.done()
    assert await batches.get("b1") is None, "gone for everybody from the first step on"
    assert await deleting is True


async def test_what_a_killed_process_left_to_remove_is_removed(
    batches: BatchStore, file: Path
) -> None:
    await put(batches, "b1", "one", "two")
    await batches.cancel("b1", NOW)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE batch SET deleted = 1")
        connection.commit()
    await batches.prune(0, 0, NOW)
    with closing(sqlite3.connect(file)) as connection:
        left = """SELECT 1 FROM batch UNION SELECT 1 FROM batch_item
            UNION SELECT 1 FROM batch_body"""
        assert connection.execute(left).fetchall() == []


async def test_results_are_kept_for_their_days(store: SqliteStore) -> None:
    keeper = MessageBatches(store, BatchSettings(keep_days=1e-9))
    params = {"model": "m", "messages": []}
    made = await keeper.create({"requests": [{"custom_id": "one", "params": params}]})
    await keeper.cancel(made.id)
    assert await keeper.prune() == 1
    assert (await keeper.get(made.id)).archived is not None
    with pytest.raises(NotFound, match="were removed"):
        await keeper.results(made.id)
    await keeper.delete(made.id)
