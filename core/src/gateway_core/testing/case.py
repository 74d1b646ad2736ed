"""What a case of the kit is: a numbered rule, why it exists, how to cure a break, and its check.

A check is a function of a `Subject` that raises `Violation` when the rule does not hold and
`NotApplicable` when it says nothing about this provider. Nothing here knows pytest.
"""

import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gateway_core.errors import GatewayError, Internal

if TYPE_CHECKING:
    from gateway_core.testing.subject import Subject

__all__ = ["Area", "Case", "Check", "Findings", "NotApplicable", "Result", "Violation", "told"]

Check: TypeAlias = "Callable[[Subject], Coroutine[Any, Any, None] | None]"

_MOST_SHOWN = 8


class Violation(AssertionError):
    """The rule does not hold. The message says what was seen, never a secret."""


class NotApplicable(Exception):
    """The rule says nothing about this provider, or the author gave the kit too little to judge.

    The message says which, and what to give.
    """


@dataclass(slots=True, frozen=True)
class Case:
    """One rule.

    id: area letter and number, stable over versions (`T03`). name: what the check is called.
    rule: what must hold. why: what breaks for users when it does not. cure: what to do.
    static: needs neither transcripts nor a vendor, so `gateway plugins check` can run it.
    """

    id: str
    name: str
    area: str
    rule: str
    why: str
    cure: str
    static: bool
    check: Check

    def __str__(self) -> str:
        return f"{self.id}-{self.name}"


@dataclass(slots=True, frozen=True)
class Result:
    """What became of a case. `detail`: what was seen, or why it does not apply."""

    case: Case
    outcome: Literal["passed", "failed", "skipped"]
    detail: str = ""

    @property
    def explanation(self) -> str:
        """For people: the rule, what was seen, why it matters, what to do."""
        case = self.case
        return (
            f"{case.id} ({case.area}): {case.rule}\n\n"
            f"Seen: {self.detail}\n\nWhy: {case.why}\nCure: {case.cure}"
        )


class Area:
    """A group of cases with a letter. `cases`: those defined so far by `@area.case(...)`, in the
    order of their numbers.
    """

    def __init__(self, letter: str, title: str) -> None:
        self.letter = letter
        self.title = title
        self.cases: list[Case] = []

    def case(
        self, number: int, *, rule: str, why: str, cure: str, static: bool = False
    ) -> Callable[[Check], Check]:
        """Make a check a case of this area; it is named after its function."""

        def define(check: Check) -> Check:
            id = f"{self.letter}{number:02}"
            if any(case.id == id for case in self.cases):
                raise ValueError(f"case {id} is defined twice")
            name = check.__name__.replace("_", "-")
            self.cases.append(Case(id, name, self.title, rule, why, cure, static, check))
            self.cases.sort(key=lambda case: case.id)  # an area may have several modules
            return check

        return define


def told(error: BaseException) -> str:
    """An error for the author: its kind and words and, of one that the core wrapped because the
    plugin raised it, what that was and where.
    """
    words = f"{type(error).__name__}: {error}"
    cause = error.__cause__
    if not isinstance(error, Internal) or cause is None or isinstance(cause, GatewayError):
        return words
    frames = traceback.extract_tb(cause.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{words}\n    {type(cause).__name__}: {cause}{where}"


class Findings:
    """Violations of one case over many examples, so that a failure names all of them."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def about(self, example: str) -> Iterator[None]:
        """Take down what this example shows instead of stopping at it.

        An error that is no `GatewayError` and reaches here is the plugin's bug and a finding too.
        """
        try:
            yield
        except NotApplicable:
            raise
        except Violation as violation:
            self._found.append(f"{example}: {violation}")
        except Exception as error:
            self._found.append(f"{example}: {told(error)}")

    def settle(self) -> None:
        """Raise `Violation` with all findings, when there are any."""
        if not self._found:
            return
        shown = "\n  ".join(self._found[:_MOST_SHOWN])
        more = len(self._found) - _MOST_SHOWN
        raise Violation(f"\n  {shown}" + (f"\n  and {more} more" if more > 0 else ""))
