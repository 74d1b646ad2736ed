"""The kit for a state store as a pytest class: subclass it, say how to open one, inherit the suite.

Nothing is asked of pytest's plugins for asyncio: each case has an event loop of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

import pytest

from gateway_core.state.store import StateStore
from gateway_core.testing.store_cases import STORE_CASES, StoreCase, Stores

__all__ = ["StateStoreConformance"]

_PATIENCE_SECONDS: Final = 60


class StateStoreConformance:
    """Holds one `StateStore` to the contract.

        class TestMine(StateStoreConformance):
            @pytest.fixture
            def open_store(self, empty_database):
                return lambda: MyStore(empty_database)

    Nothing blocks the network for these tests: a store may need it.

    waived: cases that are known not to hold, by id, each with the reason; they are skipped with it.
    """

    waived: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if unknown := sorted(cls.waived.keys() - {case.id for case in STORE_CASES}):
            raise ValueError(
                f"{cls.__name__} waives {', '.join(unknown)}: the kit has no such cases"
            )

    @pytest.fixture
    def open_store(self) -> Callable[[], StateStore]:
        """Makes one more store object each time it is called, all of them on one state, which is
        empty when the test begins: what as many processes would have. The suite closes them.
        """
        raise NotImplementedError("override the fixture `open_store`")

    @pytest.fixture
    def kill_process(self) -> Callable[[], str] | None:
        """Starts a process that announces itself on this state, kills it, waits for as long as that
        may take to be known, and gives its `presence.id`. Called in a worker thread.
        """
        return None

    @pytest.mark.parametrize("case", STORE_CASES, ids=str)
    def test_conforms(
        self,
        case: StoreCase,
        open_store: Callable[[], StateStore],
        kill_process: Callable[[], str] | None,
    ) -> None:
        """One rule of the kit."""
        if case.id in self.waived:
            pytest.skip(f"waived: {self.waived[case.id]}")
        try:
            asyncio.run(_run(case, Stores(open_store, kill_process)))
        except Exception as error:
            error.add_note(f"{case.id}: {case.rule}")
            raise


async def _run(case: StoreCase, stores: Stores) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        try:
            await case.check(stores)
        finally:
            await stores.aclose()
