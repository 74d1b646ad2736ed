"""The built-in store: one private file, shared by processes. What holds for every store is in the
kit, and held against this one in `tests/testing/test_testing_state_store.py`.
"""

import asyncio
import os
import sqlite3
import stat
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway_core.state import ResponseRun, SqliteStore, StateError, StoredResponse

SCRIPT = Path(__file__).parents[1] / "support" / "state_process.py"


def stored(id: str, previous: str | None = None, response: bytes = b"{}") -> StoredResponse:
    return StoredResponse(id, previous, "scripted", "scripted-1", 1, response, b"[]")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gateway.sqlite3"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(file)
    yield store
    await store.aclose()


def write(file: Path, content: bytes) -> None:
    """A file that anybody can read."""
    file.parent.mkdir()
    file.write_bytes(content)
    file.chmod(0o644)


def size(file: Path) -> int:
    return sum(path.stat().st_size for path in file.parent.iterdir())


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Another process is in the middle of a write."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def kept(store: SqliteStore, *ids: str) -> list[str]:
    """Those of the ids that the store knows."""
    return [id for id in ids if await store.responses.get(id) is not None]


async def test_reading_makes_no_file(store: SqliteStore, file: Path) -> None:
    assert await store.responses.get("a") is None
    assert await store.responses.conversation("a", 10, 1000) == []
    assert await store.responses.delete("a") is False
    assert await store.responses.prune(0, 0) == 0
    assert await store.runs.all() == []
    assert await store.runs.get("a") is None
    assert await store.runs.request("a") == await store.runs.pieces("a") == b""
    assert not await store.runs.take(ResponseRun("a", "one", started=False), "two")
    assert not await store.runs.start("a", "one", b"")
    assert not await store.runs.finish("a", "one", b"")
    assert await store.usage.sums("model", 0) == []
    assert not await store.presence.is_alive("0123")
    assert not file.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
async def test_only_the_owner_can_read_it(store: SqliteStore, file: Path) -> None:
    write(file, b"")
    await store.responses.put(stored("a"))
    modes = [stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()]
    assert modes == [0o600] * 3, "the file, its log and the log's index"


async def test_what_is_deleted_is_nowhere_in_the_folder(store: SqliteStore, file: Path) -> None:
    secret = b"a very private prompt " * 500
    await store.responses.put(stored("a", response=secret))
    assert await store.responses.delete("a") is True
    left = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"a very private prompt" not in left
    assert await store.responses.get("a") is None


async def test_age_is_counted_from_the_last_use(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_responses.USE_SECONDS", 0.0)
    now = 1000.0
    monkeypatch.setattr("gateway_core.state.sqlite_responses.time.time", lambda: now)
    for id, previous in [("a", None), ("b", "a"), ("unused", None)]:
        await store.responses.put(stored(id, previous))
    now = 2000.0
    await store.responses.conversation("b", 10, 1000)
    assert await store.responses.prune(1500.0, 10_000) == 1
    assert await kept(store, "a", "b", "unused") == ["a", "b"]


async def test_a_conversation_that_goes_on_is_in_use_though_nobody_reads_it(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("gateway_core.state.sqlite_responses.time.time", lambda: now)
    for id, previous in [("a", None), ("b", "a"), ("unused", None)]:
        await store.responses.put(stored(id, previous))
    now = 10_000.0
    await store.responses.put(stored("c", "b"))
    assert await store.responses.prune(9_000.0, 10_000) == 1
    assert await kept(store, "a", "b", "c", "unused") == ["a", "b", "c"]


async def test_the_longest_unused_makes_room(store: SqliteStore, file: Path) -> None:
    for id in ("a", "b", "c"):
        await store.responses.put(stored(id, response=b"x" * 100_000))
    assert await store.responses.prune(0, 220_000) == 1
    assert await kept(store, "a", "b", "c") == ["b", "c"]
    full = size(file)
    assert await store.responses.prune(0, 0) == 2
    assert size(file) < full / 2


async def test_a_writer_waits_for_another_process(store: SqliteStore, file: Path) -> None:
    await store.responses.put(stored("a"))
    with writing(file):
        put = asyncio.create_task(store.responses.put(stored("b")))
        await asyncio.sleep(0)
    await put
    assert await kept(store, "a", "b") == ["a", "b"]


async def test_calls_wait_beside_one_another(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that hangs costs each of them the same short time, however many there are."""
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 0.2)
    await store.open()
    with writing(file):
        async with asyncio.timeout(3):
            puts = [store.responses.put(stored(f"a{number}")) for number in range(30)]
            errors = await asyncio.gather(*puts, return_exceptions=True)
    assert {str(error) for error in errors} == {f"{file}: database is locked"}


async def test_reading_does_not_wait_for_a_writer(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gateway_core.state.sqlite_responses.USE_SECONDS", -1.0
    )  # uses want to be noted
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 60.0)
    await store.responses.put(stored("a"))
    with writing(file):
        async with asyncio.timeout(5):
            assert [turn.id for turn in await store.responses.conversation("a", 10, 1000)] == ["a"]
            assert await kept(store, "a") == ["a"]


async def test_opening_does_not_wait_for_a_writer(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 60.0)
    await store.responses.put(stored("a"))
    later = SqliteStore(file)
    with writing(file):
        async with asyncio.timeout(5):
            assert await kept(later, "a") == ["a"]
    await later.aclose()


async def test_closing_does_not_wait_for_a_writer(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 60.0)
    await store.open()
    with writing(file):
        puts = [asyncio.create_task(store.responses.put(stored(id))) for id in ("a", "b")]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await store.aclose()
    for put in puts:
        with pytest.raises(StateError, match="locked"):
            await put


async def test_others_come_in_between_while_much_is_removed(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_responses.STEP_BYTES", 10_000)
    for number in range(10):
        await store.responses.put(stored(f"a{number}", response=b"x" * 20_000))
    pruning = asyncio.create_task(store.responses.prune(0, 0))
    await asyncio.sleep(0)
    await store.responses.put(stored("b"))
    assert not pruning.done()
    assert await pruning == 10
    assert await kept(store, "a9", "b") == ["b"]


async def test_a_file_that_cannot_shrink_is_pruned_all_the_same(
    store: SqliteStore, file: Path
) -> None:
    write(file, b"")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE other (text)")  # SQLite's usual way of reusing pages
    await store.responses.put(stored("a", response=b"x" * 100_000))
    async with asyncio.timeout(5):
        assert await store.responses.prune(0, 0) == 1


async def test_killed_processes_lose_nothing_that_was_put(store: SqliteStore, file: Path) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, SCRIPT, file, prefix, stdout=PIPE)
        for prefix in "ab"
    ]
    said: list[str] = []
    for process in processes:
        assert process.stdout is not None
        said += [(await process.stdout.readline()).decode().strip() for _ in range(20)]
    for process in processes:
        process.kill()
    for process in processes:
        await process.communicate()
    assert "" not in said
    assert await kept(store, *said) == said
    await store.responses.put(stored("after"))


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" * 100])
async def test_a_damaged_file_is_named_and_can_be_moved_away(
    store: SqliteStore, file: Path, content: bytes
) -> None:
    write(file, content)
    with pytest.raises(StateError, match=r"gateway\.sqlite3: "):
        await store.open()
    with pytest.raises(StateError):
        await store.responses.get("a")
    os.unlink(file)
    await store.responses.put(stored("a"))
    assert await kept(store, "a") == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file")
async def test_a_removed_file_is_forgotten_at_once(store: SqliteStore, file: Path) -> None:
    await store.responses.put(stored("a"))
    for path in file.parent.iterdir():
        path.unlink()
    assert await kept(store, "a") == []
    assert size(file) == 0, "it is not made again for reading"
    await store.responses.put(stored("b"))
    await store.aclose()
    later = SqliteStore(file)
    assert await kept(later, "a", "b") == ["b"]
    await later.aclose()


async def test_a_folder_that_cannot_be_made_is_named(store: SqliteStore, file: Path) -> None:
    file.parent.write_text("in the way")
    with pytest.raises(StateError, match=r"gateway\.sqlite3: "):
        await store.open()


async def test_a_file_of_a_newer_gateway_is_left_alone(store: SqliteStore, file: Path) -> None:
    await store.responses.put(stored("a"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    later = SqliteStore(file)
    with pytest.raises(StateError, match="newer version"):
        await later.open()
    await later.aclose()


async def test_the_folder_of_processes_is_beside_the_file(store: SqliteStore, file: Path) -> None:
    await store.presence.announce()
    assert [path.name for path in (file.parent / "alive").iterdir()] == [
        f"{store.presence.id}.lock"
    ]
    await store.aclose()
    assert list((file.parent / "alive").iterdir()) == []
