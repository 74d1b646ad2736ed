"""For tests that go through a whole collection in one piece, as each of it alone takes no time."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["about", "each"]


@contextmanager
def about(*things: object) -> Iterator[None]:
    """Whatever fails inside says what it was about."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"this is about {', '.join(map(str, things))}")
        raise


def each(names: str, values: Iterable[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`pytest.mark.parametrize` as one test: it ends at the first case that fails, and names it.

    For cases that take less time than pytest takes for a test. They share the test's fixtures.
    """
    split = [name.strip() for name in names.split(",")]
    cases = [dict(zip(split, value if "," in names else (value,), strict=True)) for value in values]

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(test)
        fixtures = [one for one in signature.parameters.values() if one.name not in split]

        @functools.wraps(test)
        def run(**given: Any) -> None:
            __tracebackhide__ = True
            assert cases, "there is no case"
            for case in cases:
                with about(case):
                    test(**given, **case)

        @functools.wraps(test)
        async def run_async(**given: Any) -> None:
            __tracebackhide__ = True
            assert cases, "there is no case"
            for case in cases:
                with about(case):
                    await test(**given, **case)

        made: Any = run_async if inspect.iscoroutinefunction(test) else run
        made.__signature__ = signature.replace(parameters=fixtures)
        return made  # type: ignore[no-any-return]

    return decorate
