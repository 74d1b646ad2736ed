"""All cases, and how they are run without pytest."""

import asyncio
import inspect
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from gateway_core.testing.case import Area, Case, NotApplicable, Result, Violation
from gateway_core.testing.cases import (
    contract,
    dialects,
    errors,
    growth,
    login,
    models,
    privacy,
    refresh,
    seals,
    streams,
    usage,
    wire,
)

if TYPE_CHECKING:
    from gateway_core.testing.subject import Subject

__all__ = ["AREAS", "CASES", "run_case", "run_cases"]

AREAS: Final[tuple[Area, ...]] = (
    contract.AREA,
    models.AREA,
    login.AREA,
    refresh.AREA,
    wire.AREA,  # which is that of `translation`
    seals.AREA,
    privacy.AREA,
    streams.AREA,
    dialects.AREA,
    usage.AREA,
    errors.AREA,
    growth.AREA,
)
CASES: Final[tuple[Case, ...]] = tuple(case for area in AREAS for case in area.cases)


def run_case(case: Case, subject: "Subject") -> Result:
    """Hold a provider to one rule. Never raises: an error that the check lets through is a failure
    too. Must not be called on a running event loop.
    """
    try:
        outcome = case.check(subject)
        if inspect.iscoroutine(outcome):
            asyncio.run(outcome)
    except NotApplicable as reason:
        return Result(case, "skipped", str(reason))
    except Violation as violation:
        return Result(case, "failed", str(violation))
    except Exception as error:
        return Result(case, "failed", f"{type(error).__name__}: {error}")
    return Result(case, "passed")


def run_cases(subject: "Subject", cases: Iterable[Case] = CASES) -> Iterator[Result]:
    """Hold a provider to these rules, in order."""
    for case in cases:
        yield run_case(case, subject)
