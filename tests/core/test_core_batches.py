"""Message batches in the built-in store, beyond the rules for all stores."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway_core.batches import MessageBatches
from gateway_core.errors import NotFound
from gateway_core.settings import BatchSettings
from gateway_core.state import SqliteStore
from gateway_core.state.store import BatchStore
from gateway_core.testing.store_cases.batches import finish, put

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
    keeper = MessageBatches(store, BatchSettings(expire_hours=1e-9, keep_days=1e-9))
    params = {"model": "m", "messages": []}
    made = await keeper.create({"requests": [{"custom_id": "one", "params": params}]})
    await keeper.cancel(made.id)
    assert await keeper.prune() == 1
    assert (await keeper.get(made.id)).archived is not None
    with pytest.raises(NotFound, match="were removed"):
        await keeper.results(made.id)
    await keeper.delete(made.id)
