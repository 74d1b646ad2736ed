"""The usage ledger: what is written down of a request, and how it adds up."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway_core.events import Usage
from gateway_core.ledger import UsageLedger
from gateway_core.provider import Exchange
from gateway_core.state import SqliteStore
from gateway_core.state.store import UsageGroup, UsageRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "gateway.sqlite3")
    yield store
    await store.aclose()


@pytest.fixture
def ledger(store: SqliteStore) -> UsageLedger:
    return UsageLedger(store, days=90)


def exchange(
    model: str = "one",
    provider: str = "acme",
    label: str | None = "anna@example.com",
    error: str | None = None,
    usage: Usage | None = None,
    at: datetime = NOON,
) -> Exchange:
    return Exchange(
        id="req_1",
        format="anthropic",
        provider=provider,
        account="account-1",
        model=model,
        requested=model,
        stream=True,
        status=502 if error else 200,
        error=error,
        started_at=at,
        first_event=None if error else 0.5,
        duration=2.0,
        usage=usage,
        account_label=label,
    )


TOLD = Usage(input=100, cache_read=80, cache_write=5, output=20, reasoning=7)


async def test_tokens_add_up_for_each_model(store: SqliteStore, ledger: UsageLedger) -> None:
    ledger.note(exchange(usage=TOLD))
    ledger.note(exchange(usage=TOLD))
    ledger.note(exchange("two", error="overloaded"))
    await ledger.write()
    one, two = await store.usage.sums("model", 0)
    assert (one.name, one.requests, one.failed) == ("acme/one", 2, 0)
    assert (one.input, one.cache_read, one.cache_write) == (200, 160, 10)
    assert (one.output, one.reasoning) == (40, 14)
    assert (one.first_event, one.duration) == (0.5, 2.0)
    assert (two.name, two.failed, two.input, two.first_event) == ("acme/two", 1, None, None)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("provider", ["acme", "beta"]),
        ("account", ["acme anna@example.com", "acme account-1", "beta anna@example.com"]),
        ("day", ["2026-03-01", "2026-03-03"]),
    ],
)
async def test_groups(
    store: SqliteStore,
    ledger: UsageLedger,
    by: UsageGroup,
    names: list[str],
) -> None:
    ledger.note(exchange(usage=Usage(output=10)))
    ledger.note(exchange(label=None, usage=Usage(output=9)))
    ledger.note(exchange(provider="beta", at=NOON + timedelta(days=2), usage=Usage(output=1)))
    await ledger.write()
    assert [group.name for group in await store.usage.sums(by, 0)] == names


async def test_only_what_is_recent_is_counted(store: SqliteStore, ledger: UsageLedger) -> None:
    ledger.note(exchange())
    ledger.note(exchange(at=NOON + timedelta(hours=1)))
    await ledger.write()
    [group] = await store.usage.sums("model", (NOON + timedelta(minutes=1)).timestamp())
    assert group.requests == 1


async def test_what_is_too_old_is_removed(store: SqliteStore, ledger: UsageLedger) -> None:
    ledger.note(exchange(at=datetime.now(UTC) - timedelta(days=91)))
    ledger.note(exchange(at=datetime.now(UTC) - timedelta(days=89)))
    await ledger.write()
    assert await ledger.prune() == 1
    [group] = await store.usage.sums("model", 0)
    assert group.requests == 1


async def test_a_request_that_reached_no_provider_is_not_counted(
    store: SqliteStore, ledger: UsageLedger
) -> None:
    ledger.note(exchange(provider=""))
    await ledger.write()
    assert await store.usage.sums("model", 0) == []


async def test_a_request_that_no_provider_was_asked_is_not_counted(
    store: SqliteStore, ledger: UsageLedger
) -> None:
    """One that is refused here, as well as `generate: false` over WebSocket."""
    ledger.note(replace(exchange(), asked=False))
    ledger.note(exchange("two"))
    await ledger.write()
    assert [group.name for group in await store.usage.sums("model", 0)] == ["acme/two"]


async def test_no_days_write_nothing(store: SqliteStore, tmp_path: Path) -> None:
    ledger = UsageLedger(store, days=0)
    ledger.note(exchange())
    await ledger.write()
    await ledger.prune()
    assert files(tmp_path) == []


async def test_a_store_that_fails_is_tried_again(
    store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = UsageLedger(store, days=90)
    in_the_way = tmp_path / "gateway.sqlite3"
    in_the_way.mkdir()
    ledger.note(exchange())
    await ledger.write()
    await ledger.write()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    in_the_way.rmdir()
    ledger.note(exchange())
    await ledger.write()
    [group] = await store.usage.sums("model", 0)
    assert group.requests == 2


async def test_the_columns_hold_no_text_of_the_conversation(
    store: SqliteStore, ledger: UsageLedger, tmp_path: Path
) -> None:
    ledger.note(exchange(usage=Usage(input=1, raw={"prompt": "secret"})))
    await ledger.write()
    with closing(sqlite3.connect(tmp_path / "gateway.sqlite3")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(usage)")]
        [row] = connection.execute("SELECT * FROM usage")
    assert dict(zip(columns, row, strict=True)) == {
        "at": NOON.timestamp(),
        "format": "anthropic",
        "provider": "acme",
        "account": "anna@example.com",
        "model": "one",
        "status": 200,
        "error": None,
        "input": 1,
        "cache_read": None,
        "cache_write": None,
        "output": None,
        "reasoning": None,
        "first_event": 0.5,
        "duration": 2.0,
    }


@pytest.mark.parametrize("told", [2**70, -1, 1.5, "7", True, {"text": 7}])
async def test_what_is_no_number_of_tokens_is_unknown(
    store: SqliteStore, ledger: UsageLedger, told: Any
) -> None:
    ledger.note(exchange(usage=Usage(input=told, output=5)))
    await ledger.write()
    [group] = await store.usage.sums("model", 0)
    assert (group.requests, group.input, group.output) == (1, None, 5)


async def test_a_long_name_is_cut(store: SqliteStore, ledger: UsageLedger) -> None:
    ledger.note(exchange("x" * 1000))
    await ledger.write()
    [group] = await store.usage.sums("model", 0)
    assert group.name == "acme/" + "x" * 200


async def test_a_request_that_ends_with_the_server_does_not_hold_it_up(
    store: SqliteStore, ledger: UsageLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.ledger.WRITE_SECONDS", 0)
    writing = asyncio.create_task(ledger.keep_writing())
    ledger.note(exchange())
    while await store.usage.sums("model", 0) == []:
        continue
    ledger.note(exchange())
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await writing
    await ledger.write()
    [group] = await store.usage.sums("model", 0)
    assert group.requests == 2


async def test_what_is_being_written_at_the_end_is_written_once(
    store: SqliteStore, ledger: UsageLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it waits behind other work of the store."""
    monkeypatch.setattr("gateway_core.ledger.WRITE_SECONDS", 0)
    add, begun, go_on = store.usage.add, asyncio.Event(), asyncio.Event()

    async def add_late(records: Sequence[UsageRecord]) -> None:
        begun.set()
        await go_on.wait()
        await add(records)

    monkeypatch.setattr(store.usage, "add", add_late)
    writing = asyncio.create_task(ledger.keep_writing())
    ledger.note(exchange())
    await begun.wait()
    writing.cancel()
    await asyncio.wait({writing})
    go_on.set()
    await ledger.write()
    [group] = await store.usage.sums("model", 0)
    assert group.requests == 1


async def test_a_store_that_breaks_does_not_end_the_ledger(
    store: SqliteStore,
    ledger: UsageLedger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it could not take is left out, as it would not take it the next time."""
    ledger.note(exchange("half a pair \ud800"))
    await ledger.write()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    ledger.note(exchange())
    await ledger.write()
    [group] = await store.usage.sums("model", 0)
    assert group.name == "acme/one"


async def test_of_too_many_that_wait_the_oldest_are_forgotten(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.ledger.MOST_WAITING", 2)
    ledger = UsageLedger(store, days=90)
    in_the_way = tmp_path / "gateway.sqlite3"
    in_the_way.mkdir()
    for model in ("one", "two"):
        ledger.note(exchange(model))
    writing = asyncio.create_task(ledger.write())
    await asyncio.sleep(0)  # it has taken what waited
    ledger.note(exchange("three"))
    await writing
    in_the_way.rmdir()
    await ledger.write()
    assert [group.name for group in await store.usage.sums("model", 0)] == [
        "acme/three",
        "acme/two",
    ]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())
