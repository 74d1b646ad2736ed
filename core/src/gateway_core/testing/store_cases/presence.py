"""Which processes are alive."""

import asyncio

import pytest

from gateway_core.testing.store_cases.case import StoreArea, Stores

__all__ = ["AREA"]

AREA = StoreArea("SP", "presence")


@AREA.case(1)
async def ids_are_unlike(stores: Stores) -> None:
    """Each store object has an id of its own, which stays: it marks what its process works on."""
    processes = [stores.open().presence for _ in range(3)]
    ids = [process.id for process in processes]
    assert len(set(ids)) == 3 and all(ids)
    await processes[0].announce()
    assert [process.id for process in processes] == ids


@AREA.case(2)
async def is_alive_from_announcement_to_end(stores: Stores) -> None:
    """A process is alive to others from its announcement until it closes the store, however often
    it announces itself. Taken for dead it would lose its work; taken for alive it would keep it.
    """
    here, there = stores.open(), stores.open()
    assert not await here.presence.is_alive(there.presence.id)
    await there.presence.announce()
    await there.presence.announce()
    assert await here.presence.is_alive(there.presence.id)
    await there.aclose()
    assert not await here.presence.is_alive(there.presence.id)


@AREA.case(3)
async def is_alive_to_itself(stores: Stores) -> None:
    """This process always is alive, and nobody is who never was there."""
    store = stores.open()
    assert await store.presence.is_alive(store.presence.id)
    await store.presence.announce()
    assert await store.presence.is_alive(store.presence.id)
    assert not await store.presence.is_alive("0123456789abcdef")


@AREA.case(4)
async def knows_the_killed(stores: Stores) -> None:
    """A process that was killed is not alive, or its work would never be told as cut. Needs the
    fixture `kill_process`.
    """
    if stores.kill_process is None:
        pytest.skip("give the fixture `kill_process`: what starts a process and kills it")
    id = await asyncio.to_thread(stores.kill_process)
    assert not await stores.open().presence.is_alive(id)
