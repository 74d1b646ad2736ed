"""The events of an answer that is being made, read by clients that come and go."""

import asyncio

import pytest

from gateway_core.background.live_events import LiveEvents


async def read(events: LiveEvents, after: int = -1) -> list[tuple[int, bytes]]:
    """All events behind a number, to the end."""
    return [(event.number, event.data) async for batch in events.after(after) for event in batch]


async def test_everybody_reads_everything_at_their_own_pace() -> None:
    events = LiveEvents()
    events.add([b"a", b"b"])
    early = asyncio.create_task(read(events))
    late = asyncio.create_task(read(events, after=1))
    await asyncio.sleep(0)
    events.add([b"c"])
    await asyncio.sleep(0)
    events.end([b"d"])
    assert await early == [(0, b"a"), (1, b"b"), (2, b"c"), (3, b"d")]
    assert await late == [(2, b"c"), (3, b"d")]
    assert await read(events, after=2) == [(3, b"d")]
    assert await read(events, after=9) == []


async def test_nothing_comes_after_the_end() -> None:
    events = LiveEvents()
    events.end([b"a"])
    events.add([b"b"])
    events.end([b"c"])
    assert await read(events) == [(0, b"a")]
    assert events.over
    assert events.next == 1


async def test_what_was_written_first_is_let_go_when_it_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway_core.background.live_events.LARGEST_BUFFER", 10)
    events = LiveEvents()
    events.add([b"aaaaa", b"bbbbb"])
    events.end([b"ccccc"])
    assert await read(events, after=0) == [(1, b"bbbbb"), (2, b"ccccc")]
    assert await read(events) == [], "a gap would be read as the whole"


async def test_what_comes_at_once_is_held_however_large_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as a picture: the events of its end are larger than all that is held otherwise."""
    monkeypatch.setattr("gateway_core.background.live_events.LARGEST_BUFFER", 10)
    events = LiveEvents()
    events.add([b"a"])
    reader = asyncio.create_task(read(events))
    await asyncio.sleep(0)
    events.end([b"completed", b"done" * 100])
    assert [number for number, _ in await reader] == [0, 1, 2]


async def test_much_comes_in_pieces() -> None:
    events = LiveEvents()
    events.end([b"x"] * 1200)
    sizes = [len(batch) async for batch in events.after(-1)]
    assert sum(sizes) == 1200
    assert len(sizes) > 1
