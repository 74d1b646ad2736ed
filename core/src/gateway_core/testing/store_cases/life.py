"""How a store begins and ends."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway_core.state.store import (
    StateError,
    StateStore,
    StoredBatch,
    StoredResponse,
    UsageRecord,
)
from gateway_core.testing.store_cases.case import StoreArea, Stores

__all__ = ["AREA"]

AREA = StoreArea("SL", "life of a store")

_RESPONSE = StoredResponse("a", None, "demo", "demo-1", 1, b"{}", b"[]")
_RECORD = UsageRecord(
    at=1.0,
    format="chat",
    provider="demo",
    account=None,
    model="demo-1",
    status=200,
    error=None,
    input=None,
    cache_read=None,
    cache_write=None,
    output=None,
    reasoning=None,
    first_event=None,
    duration=0.5,
)
_ASKED: dict[str, Callable[[StateStore], Awaitable[object]]] = {
    "open": lambda store: store.open(),
    "responses.put": lambda store: store.responses.put(_RESPONSE),
    "responses.get": lambda store: store.responses.get("a"),
    "responses.conversation": lambda store: store.responses.conversation("a", 1, 1),
    "responses.delete": lambda store: store.responses.delete("a"),
    "responses.prune": lambda store: store.responses.prune(0, 0),
    "runs.begin": lambda store: store.runs.begin(_RESPONSE, "one", b""),
    "runs.all": lambda store: store.runs.all(),
    "runs.get": lambda store: store.runs.get("a"),
    "runs.start": lambda store: store.runs.start("a", "one", b""),
    "runs.finish": lambda store: store.runs.finish("a", "one", b""),
    "runs.pieces": lambda store: store.runs.pieces("a"),
    "batches.put": lambda store: store.batches.put(StoredBatch("b", 1, 2, 0), [], 1),
    "batches.claim": lambda store: store.batches.claim("one", [], 1),
    "usage.add": lambda store: store.usage.add([_RECORD]),
    "usage.sums": lambda store: store.usage.sums("model", 0),
    "usage.prune": lambda store: store.usage.prune(0),
    "presence.announce": lambda store: store.presence.announce(),
    "presence.is_alive": lambda store: store.presence.is_alive(store.presence.id),
}


@AREA.case(1)
async def puts_without_being_opened(stores: Stores) -> None:
    """`open` is asked only by who wants to know beforehand; what is put without it is kept."""
    await stores.open().usage.add([_RECORD])
    opened = stores.open()
    await opened.open()
    await opened.responses.put(_RESPONSE)
    assert await stores.open().responses.get("a") == _RESPONSE
    assert len(await stores.open().usage.sums("model", 0)) == 1


@AREA.case(2)
async def finishes_what_was_asked(stores: Stores) -> None:
    """`aclose` finishes what was asked before: a client was told that its answer is kept."""
    store = stores.open()
    await store.open()
    put = asyncio.create_task(store.responses.put(_RESPONSE))
    await asyncio.sleep(0)
    await store.aclose()
    await put
    assert await stores.open().responses.get("a") == _RESPONSE


@AREA.case(3)
async def says_that_it_is_closed(stores: Stores) -> None:
    """Whatever a closed store is asked is a `StateError`, and closing it again does nothing: late
    tasks must learn that nothing was kept, and no late announcement may outlive its process.
    """
    store = stores.open()
    await store.open()
    await store.aclose()
    await store.aclose()
    for name, ask in _ASKED.items():
        try:
            await ask(store)
        except StateError:
            continue
        raise AssertionError(f"{name} did as if the store were open")


@AREA.case(4)
async def closes_without_having_been_used(stores: Stores) -> None:
    """A store that was asked nothing can be closed: most commands need no state."""
    store = stores.open()
    await store.aclose()
    assert await stores.open().runs.all() == []
