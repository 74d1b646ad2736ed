"""A named collection whose values are built anew at each access.

Collecting a stream fills in the parts that its events carry, so a shared value would carry one
test's traces into the next.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Mapping[str, T], Generic[T]):
    """Names to values. A builder is added by decorating it with the collection itself.

    The name is the function's, with hyphens for underscores.
    """

    def __init__(self) -> None:
        self._builders: dict[str, Callable[[], T]] = {}

    def __call__(self, build: Callable[[], T]) -> Callable[[], T]:
        """Add a builder."""
        self._builders[build.__name__.strip("_").replace("_", "-")] = build
        return build

    def __getitem__(self, name: str) -> T:
        return self._builders[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._builders)

    def __len__(self) -> int:
        return len(self._builders)
