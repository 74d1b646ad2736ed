"""The work on responses that are not complete: who has it, and who may end it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_core.state import ResponseRun, SqliteStore, StoredResponse


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "state" / "gateway.sqlite3")
    yield store
    await store.aclose()


async def begin(store: SqliteStore, id: str = "a", owner: str = "one") -> ResponseRun:
    stored = StoredResponse(id, None, "scripted", "scripted-1", 1, b'{"queued":1}', b"[]")
    await store.runs.begin(stored, owner, b"what is asked")
    return ResponseRun(id, owner, started=False)


async def body(store: SqliteStore, id: str = "a") -> bytes | None:
    found = await store.responses.get(id)
    return None if found is None else found.response


async def test_a_run_is_there_until_it_is_finished(store: SqliteStore) -> None:
    run = await begin(store)
    assert await store.runs.all() == [run]
    assert await body(store) == b'{"queued":1}'
    assert await store.runs.start("a", "one", b"going")
    assert await store.runs.get("a") == ResponseRun("a", "one", started=True)
    assert await body(store) == b"going"
    assert await store.runs.finish("a", "one", b"complete", b"[course]")
    assert await store.runs.get("a") is None
    assert await body(store) == b"complete"
    assert await store.runs.pieces("a") == b"[course]"


async def test_a_run_ends_once(store: SqliteStore) -> None:
    await begin(store)
    assert await store.runs.finish("a", "one", b"cancelled")
    assert not await store.runs.start("a", "one", b"going")
    assert not await store.runs.finish("a", "one", b"complete")
    assert await body(store) == b"cancelled"


async def test_a_run_begins_once(store: SqliteStore) -> None:
    await begin(store)
    assert await store.runs.start("a", "one", b"going")
    assert not await store.runs.start("a", "one", b"going again")
    assert await body(store) == b"going"


async def test_only_its_owner_begins_or_ends_it(store: SqliteStore) -> None:
    await begin(store)
    assert not await store.runs.start("a", "two", b"going")
    assert not await store.runs.finish("a", "two", b"complete")
    assert await body(store) == b'{"queued":1}'


async def test_what_has_not_begun_is_taken_by_one_alone(store: SqliteStore) -> None:
    run = await begin(store)
    assert await store.runs.take(run, "two")
    assert not await store.runs.take(run, "three")
    assert not await store.runs.start("a", "one", b"going")
    assert await store.runs.start("a", "two", b"going")


async def test_what_has_begun_is_not_taken(store: SqliteStore) -> None:
    run = await begin(store)
    await store.runs.start("a", "one", b"going")
    assert not await store.runs.take(run, "two")


async def test_what_is_asked_is_forgotten_when_it_begins(store: SqliteStore) -> None:
    await begin(store)
    assert await store.runs.request("a") == b"what is asked"
    await store.runs.start("a", "one", b"going")
    assert await store.runs.request("a") == b""


async def test_a_deletion_ends_the_run(store: SqliteStore) -> None:
    await begin(store)
    assert await store.responses.delete("a")
    assert await store.runs.all() == []
    assert not await store.runs.finish("a", "one", b"complete")
    assert await body(store) is None


async def test_pruning_leaves_what_is_being_made(store: SqliteStore) -> None:
    await begin(store, "a")
    await begin(store, "b")
    await store.runs.finish("b", "one", b"complete", b"[course]")
    assert await store.responses.prune(before=2e10, max_bytes=0) == 1
    assert [run.id for run in await store.runs.all()] == ["a"]
    assert await store.runs.pieces("b") == b""


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_asking_for_runs_makes_no_file(store: SqliteStore, tmp_path: Path) -> None:
    assert await store.runs.all() == []
    assert await store.runs.get("a") is None
    assert await store.runs.request("a") == await store.runs.pieces("a") == b""
    assert not await store.runs.take(ResponseRun("a", "one", started=False), "two")
    assert not await store.runs.start("a", "one", b"")
    assert not await store.runs.finish("a", "one", b"")
    assert files(tmp_path) == []
