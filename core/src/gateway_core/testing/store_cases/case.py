"""What a case for a state store is: a numbered rule and its check, a function of `Stores`."""

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway_core.state.store import StateStore

__all__ = ["StoreArea", "StoreCase", "StoreCheck", "Stores"]


class Stores:
    """Store objects on one state that was empty, as several processes would have them.

    kill_process: see `StateStoreConformance`.
    """

    def __init__(
        self, make: Callable[[], StateStore], kill_process: Callable[[], str] | None = None
    ) -> None:
        self._make = make
        self._made: list[StateStore] = []
        self.kill_process = kill_process

    def open(self) -> StateStore:
        """One more store object."""
        store = self._make()
        self._made.append(store)
        return store

    async def aclose(self) -> None:
        """Close all of them."""
        for store in self._made:
            await store.aclose()


StoreCheck: TypeAlias = Callable[[Stores], Coroutine[Any, Any, None]]


@dataclass(slots=True, frozen=True)
class StoreCase:
    """One rule. id: area letter and number, stable over versions (`SB03`). rule: what must hold,
    and why.
    """

    id: str
    name: str
    rule: str
    check: StoreCheck

    def __str__(self) -> str:
        return f"{self.id}-{self.name}"


class StoreArea:
    """A group of cases with letters. `cases`: those defined so far by `@area.case(number)`."""

    def __init__(self, letters: str, title: str) -> None:
        self.letters = letters
        self.title = title
        self.cases: list[StoreCase] = []

    def case(self, number: int) -> Callable[[StoreCheck], StoreCheck]:
        """Make a function a case of this area; its docstring is the rule."""

        def define(check: StoreCheck) -> StoreCheck:
            id = f"{self.letters}{number:02}"
            if any(case.id == id for case in self.cases):
                raise ValueError(f"case {id} is defined twice")
            name = check.__name__.replace("_", "-")
            self.cases.append(StoreCase(id, name, inspect.getdoc(check) or "", check))
            return check

        return define
