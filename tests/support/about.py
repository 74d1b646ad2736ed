"""For tests that go through a whole collection in one piece, as each of it alone takes no time."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["about"]


@contextmanager
def about(*things: object) -> Iterator[None]:
    """Whatever fails inside says what it was about."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"this is about {', '.join(map(str, things))}")
        raise
