"""The kit sees what it is there to see: each planted fault fails the case that is named for it.

The rows are in `support.mutants`, one module for each area.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest

from gateway_core.testing.case import Case, Result
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES, run_case
from support.mutants import MUTANTS
from support.mutants.base import Make, Mutant

BY_ID = {case.id: case for case in CASES}


@pytest.fixture
def case(mutant: Mutant) -> Case:
    """The case that must see the fault."""
    return BY_ID[mutant.case]


@cache
def outcome_of(case: str, plugin: Make, subject: Callable[[Make], Subject]) -> Result:
    """What becomes of a case; looked at once for all faults of the same honest plugin."""
    return run_case(BY_ID[case], subject(plugin))


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_fault_is_seen_by_its_case_and_the_honest_plugin_passes(
    mutant: Mutant, case: Case
) -> None:
    faulty = run_case(case, mutant.subject(mutant.plugin))
    assert (faulty.outcome, faulty.detail != "") == ("failed", True)
    assert mutant.seen in faulty.detail
    honest = outcome_of(mutant.case, mutant.honest, mutant.subject)
    assert (honest.outcome, honest.detail) == ("passed", "")


def test_the_table_is_large_and_names_each_fault_once() -> None:
    assert len(MUTANTS) >= 20
    assert [fault for fault, count in Counter(map(str, MUTANTS)).items() if count > 1] == []
