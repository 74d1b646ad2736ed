"""Stored responses: 10,000 put, found, gone on from, listed and pruned, and one in the background.

    python benchmarks/stored_responses.py [NUMBER]

Times of the store and of what is built on it, in one process and in a temporary folder; nothing is
asked of anybody.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway_core.formats.responses.replay import replay
from gateway_core.json import dumps
from gateway_core.keeping import KeptResponses
from gateway_core.settings import StateSettings
from gateway_core.state import SqliteStore, StoredResponse

__all__ = ["measure"]

INPUT_BYTES, OUTPUT_BYTES = 4000, 2000
DEPTH = 100
TIMES = 200
_PAGE = {"limit": "100"}


def response(number: int, previous: int | None = None) -> StoredResponse:
    """One with a question and an answer of the sizes above."""
    content = [{"type": "output_text", "text": "y" * OUTPUT_BYTES, "annotations": []}]
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    body = {"id": f"r{number}", "status": "completed", "output": [{**item, "content": content}]}
    asked = [{"type": "message", "role": "user", "content": "x" * (INPUT_BYTES // 100)}] * 100
    before = None if previous is None else f"r{previous}"
    return StoredResponse(f"r{number}", before, "p", "m", 1, dumps(body), dumps(asked))


async def measure(folder: Path, number: int) -> dict[str, float]:
    """Milliseconds by what was done, in a store of so many responses."""
    store = SqliteStore(folder / "gateway.sqlite3")
    kept = KeptResponses(store, StateSettings())
    took: dict[str, float] = {}
    last = f"r{number - 1}"

    async def timed(name: str, work: Callable[[], Awaitable[object]], times: int = 1) -> None:
        start = time.perf_counter()
        for _ in range(times):
            await work()
        took[name] = 1000 * (time.perf_counter() - start) / times

    async def put_all() -> None:
        for place in range(number):
            await store.responses.put(response(place, place - 1 if place % DEPTH else None))

    async def run_in_background() -> None:
        nonlocal number
        number += 1
        stored = response(number)
        await store.runs.begin(stored, "bench", b"{}")
        await store.runs.start(stored.id, "bench", stored.response)
        await store.runs.finish(stored.id, "bench", stored.response)

    async def tell_again() -> None:
        found = await kept.act("retrieve", last, {})
        replay(found)

    await store.open()
    await timed(f"put {number:,}", put_all)
    await timed("retrieve", lambda: kept.act("retrieve", last, {}), TIMES)
    await timed("retrieve as a stream", tell_again, TIMES)
    await timed("input items, a page of 100", lambda: kept.act("input_items", last, _PAGE), TIMES)
    conversation = f"go on from a conversation of {DEPTH}"
    await timed(conversation, lambda: store.responses.conversation(last, 1000, 10**9), 20)
    await timed("background: the three writes", run_in_background, TIMES)
    await timed("runs that are not complete", store.runs.all, TIMES)
    await timed("delete one", lambda: store.responses.delete("r0"))
    await timed("prune, nothing to do", lambda: store.responses.prune(0, 10**12))
    size = sum(len(each) for each in (response(0).response, response(0).input))
    await timed("prune half", lambda: store.responses.prune(0, number * size // 2))
    await timed("prune the rest", lambda: store.responses.prune(1e12, 0))
    await store.aclose()
    return took


def main() -> None:
    """Print the times."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(measure(Path(folder), number))
    print(f"{number:,} responses, {INPUT_BYTES:,} bytes asked and {OUTPUT_BYTES:,} answered")
    for name, milliseconds in took.items():
        print(f"  {name:36} {milliseconds:9.2f} ms")


if __name__ == "__main__":
    main()
