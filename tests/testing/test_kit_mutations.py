"""The kit sees what it is there to see: each planted fault fails the case that is named for it.

The rows are in `support.mutants`, one module for each area.
"""

from collections import Counter

import pytest

from gateway_core.testing.case import Case
from gateway_core.testing.suite import CASES, run_case
from support.mutants import MUTANTS
from support.mutants.base import Mutant

BY_ID = {case.id: case for case in CASES}


@pytest.fixture
def case(mutant: Mutant) -> Case:
    """The case that must see the fault."""
    return BY_ID[mutant.case]


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_fault_is_seen_by_its_case_and_the_honest_plugin_passes(
    mutant: Mutant, case: Case
) -> None:
    faulty = run_case(case, mutant.subject(mutant.plugin))
    assert (faulty.outcome, faulty.detail != "") == ("failed", True)
    assert mutant.seen in faulty.detail
    honest = run_case(case, mutant.subject(mutant.honest))
    assert (honest.outcome, honest.detail) == ("passed", "")


def test_the_table_is_large_and_names_each_fault_once() -> None:
    assert len(MUTANTS) >= 20
    assert [fault for fault, count in Counter(map(str, MUTANTS)).items() if count > 1] == []
