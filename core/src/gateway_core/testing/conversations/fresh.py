"""A named collection whose values are built anew at each access.

Collecting a stream fills in the parts that its events carry, so a shared value would carry one
test's traces into the next.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

__all__ = ["Fresh"]

T = TypeVar("T")


class Fresh(Mapping[str, T], Generic[T]):
    """Names to values. A builder is added by decorating it with the collection itself.

    The name is the function's, with hyphens for underscores.
    """

    def __init__(self) -> None:
        self._builders: dict[str, Callable[[], T]] = {}

    def __call__(self, build: Callable[[], T]) -> Callable[[], T]:
        """Add a builder. Raises `ValueError` for a name that is taken."""
        self.add(build.__name__.strip("_").replace("_", "-"), build)
        return build

    def add(self, name: str, build: Callable[[], T]) -> None:
        """Add a builder under this name. Raises `ValueError` when the name is taken."""
        if name in self._builders:
            raise ValueError(f"two values are called {name!r}")
        self._builders[name] = build

    def __getitem__(self, name: str) -> T:
        return self._builders[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._builders)

    def __len__(self) -> int:
        return len(self._builders)
