"""All cases, and how they are run without pytest."""

import asyncio
import inspect
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from gateway_core.testing.case import Area, Case, NotApplicable, Result, Violation, told
from gateway_core.testing.cases import (
    decoders,
    dialects,
    errors,
    growth,
    models,
    options,
    privacy,
    redirects,
    refresh,
    seals,
    usage,
    waiting,
)

if TYPE_CHECKING:
    from gateway_core.testing.subject import Subject

__all__ = ["AREAS", "CASES", "run_case", "run_cases"]

AREAS: Final[tuple[Area, ...]] = (
    waiting.AREA,  # which is that of `contract`
    models.AREA,
    redirects.AREA,  # which is that of `login`
    refresh.AREA,
    options.AREA,  # which is that of `translation` and `wire`
    seals.AREA,
    privacy.AREA,
    decoders.AREA,  # which is that of `streams`
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
        return Result(case, "failed", told(error))
    return Result(case, "passed")


def run_cases(subject: "Subject", cases: Iterable[Case] = CASES) -> Iterator[Result]:
    """Hold a provider to these rules, in order."""
    for case in cases:
        yield run_case(case, subject)
