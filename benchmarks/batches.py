"""Message batches in the store: 10,000 requests put, begun, told and removed, 1,000 batches listed.

    python benchmarks/batches.py [NUMBER]

Times of the store alone, in one process and in a temporary folder; nothing is asked of anybody.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from gateway_core.state import SqliteStore
from gateway_core.state.store import BatchRequest, StoredBatch

__all__ = ["measure"]

T = TypeVar("T")

REQUEST_BYTES = 1000
BEGUN = 500
LISTED = 1000
_ROOM = 10**12
_NOW, _LATER = 1000.0, 1e12


async def measure(folder: Path, number: int) -> dict[str, float]:
    """Milliseconds by what was done, with a batch of so many requests."""
    store = SqliteStore(folder / "gateway.sqlite3")
    batches = store.batches
    took: dict[str, float] = {}

    async def timed(name: str, work: Awaitable[T]) -> T:
        start = time.perf_counter()
        result = await work
        took[name] = 1000 * (time.perf_counter() - start)
        return result

    async def begin_and_finish() -> None:
        for _ in range(BEGUN):
            claimed = await batches.claim("bench", [], _NOW)
            assert claimed is not None
            result = b"y" * REQUEST_BYTES
            await batches.finish(claimed, "bench", "succeeded", result, _NOW)

    async def tell() -> None:
        place = -1
        while results := await batches.results("b", place, 1_000_000):
            place = results[-1].place

    await store.open()
    asked = [BatchRequest(f"id-{n}", "model", b"x" * REQUEST_BYTES) for n in range(number)]
    await timed("put", batches.put(StoredBatch("b", _NOW, _LATER, number), asked, _ROOM))
    await timed(f"begin and finish, {BEGUN} times", begin_and_finish())
    await timed("cancel the rest", batches.cancel("b", _NOW))
    await timed("results", tell())
    await timed("prune", batches.prune(_LATER, 0, _NOW))
    for listed in range(LISTED):
        await batches.put(StoredBatch(f"b{listed:06}", _NOW, _LATER, 1), asked[:1], _ROOM)
    await timed(f"list {LISTED:,} batches", batches.page(LISTED))
    await store.aclose()
    return took


def main() -> None:
    """Print the times."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(measure(Path(folder), number))
    print(f"a batch of {number:,} requests of {REQUEST_BYTES:,} bytes")
    for name, milliseconds in took.items():
        print(f"  {name:34} {milliseconds:9.1f} ms")


if __name__ == "__main__":
    main()
