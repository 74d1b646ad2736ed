"""A plugin's store whose mistakes stay its own.

The gateway counts on `StateError` where a store fails: an answer then goes out without being kept.
What else a store raises is a bug of its plugin, and is made into one here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from gateway_core.state.store import (
    BatchStore,
    Presence,
    ResponseStore,
    RunStore,
    StateError,
    StateStore,
    UsageStore,
)

__all__ = ["guarded", "missing_parts"]

_PARTS: Final[Mapping[str, type]] = {
    "responses": ResponseStore,
    "runs": RunStore,
    "batches": BatchStore,
    "usage": UsageStore,
    "presence": Presence,
}
_METHODS: Final = ("open", "aclose")


def missing_parts(store: object) -> list[str]:
    """What a store lacks to be a `StateStore`, as far as that is seen without asking it."""
    missing = [name for name in (*_PARTS, *_METHODS) if not hasattr(store, name)]
    return missing + [
        f"{part}.{name}"
        for part, kind in _PARTS.items()
        for name in vars(kind)
        if part not in missing and not name.startswith("_")
        if not hasattr(getattr(store, part), name)
    ]


def guarded(store: StateStore, name: str, tell: Callable[[Exception], None]) -> StateStore:
    """The store with every error other than `StateError` made into one.

    name: the store's, for the message. tell: is told the error itself; must not raise.
    """
    return cast("StateStore", _Guarded(store, name, tell))


class _Guarded:
    """An object of which each asynchronous method is guarded, and each part in the same way."""

    def __init__(self, behind: object, name: str, tell: Callable[[Exception], None]) -> None:
        self._behind = behind
        self._name = name
        self._tell = tell

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._behind, attribute)
        given: Any = found
        if attribute in _PARTS:
            given = _Guarded(found, self._name, self._tell)
        elif callable(found):
            given = self._method(attribute, found)
        else:
            return found  # such as the id of a process: it is the store's to say each time
        setattr(self, attribute, given)
        return given

    def _method(self, attribute: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            try:
                return await method(*arguments, **named)
            except StateError:
                raise
            except Exception as error:
                self._tell(error)
                raise StateError(
                    f"the state store {self._name!r} failed in {attribute}: {type(error).__name__}"
                ) from error

        return call
