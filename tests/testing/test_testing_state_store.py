"""The kit for state stores, held against the built-in one and one in memory."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_core.state import SqliteStore
from gateway_core.testing import StateStoreConformance
from support.memory_state import MemoryDatabase, MemoryStore

pytest_plugins = ["pytester"]

ANNOUNCING = """
import asyncio, sys
from pathlib import Path
from gateway_core.state import SqliteStore

async def main() -> None:
    store = SqliteStore(Path(sys.argv[1]))
    await store.presence.announce()
    print(store.presence.id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
AUTHORS_SUITE = """
    import pytest
    from gateway_core.testing import StateStoreConformance
    from support.memory_state import MemoryDatabase, MemoryStore

    class TestMine(StateStoreConformance):
        waived = {"SR01": "it keeps nothing", "SU03": "nor that"}

        @pytest.fixture
        def open_store(self):
            return lambda: MemoryStore(MemoryDatabase())  # each has its own
"""


class TestSqliteStore(StateStoreConformance):
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "state" / "gateway.sqlite3"

    @pytest.fixture
    def open_store(self, file: Path) -> Callable[[], SqliteStore]:
        return lambda: SqliteStore(file)

    @pytest.fixture
    def kill_process(self, file: Path) -> Callable[[], str]:
        def kill() -> str:
            command = [sys.executable, "-c", ANNOUNCING, str(file)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                id = process.stdout.readline().strip()
                process.kill()
            assert process.returncode, "it did not end by itself"
            return id

        return kill


class TestMemoryStore(StateStoreConformance):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return MemoryDatabase()

    @pytest.fixture
    def open_store(self, database: MemoryDatabase) -> Callable[[], MemoryStore]:
        return lambda: MemoryStore(database)

    @pytest.fixture
    def kill_process(self, database: MemoryDatabase) -> Callable[[], str]:
        def kill() -> str:
            store = MemoryStore(database)
            asyncio.run(store.presence.announce())
            id = store.presence.id
            del store
            gc.collect()
            return id

        return kill


def test_a_failure_says_the_rule_and_what_was_seen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(AUTHORS_SUITE)
    run = pytester.runpytest_inprocess("-rs", "-k", "SR0", "-p", "no:asyncio")
    run.assert_outcomes(passed=6, failed=2, skipped=1, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(
        [
            "*SR06-what-is-deleted-is-gone*",
            "*assert None is not None*",
            "*SR06: A deletion happens once, and is seen by everybody at once.",
            "*waived: it keeps nothing*",
        ]
    )


def test_waiving_a_case_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="TestTypo waives SR99: the kit has no such cases"):
        type("TestTypo", (StateStoreConformance,), {"waived": {"SR99": "a typo"}})
