"""A process that puts one response after the other: run as a script by the tests.

Arguments: the store's file, a prefix of ids. It prints each id when the response was put, and does
not stop by itself.
"""

import asyncio
import sys
from pathlib import Path

from gateway_core.state import SqliteStore, StoredResponse


async def main(file: Path, prefix: str) -> None:
    """Put responses until killed."""
    store = SqliteStore(file)
    number = 0
    while True:
        id = f"{prefix}{number}"
        await store.responses.put(StoredResponse(id, None, "p", "m", 0, b"{}", b"[]"))
        print(id, flush=True)
        number += 1


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
