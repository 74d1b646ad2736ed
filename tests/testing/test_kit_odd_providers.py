"""Honest providers that are not like the others break no rule."""

import pytest

from gateway_core.testing.case import Case
from gateway_core.testing.suite import CASES, run_case
from support.about import each
from support.odd import BasicOdd, KeyOdd, Odd, odd_subject

JUDGED = [case for case in CASES if case.id in ("B04", "P02", "T13")]


@pytest.mark.parametrize("make", [Odd, BasicOdd])
@pytest.mark.parametrize("area", sorted({case.id[0] for case in CASES}))
def test_an_honest_odd_provider_breaks_no_rule(make: type[Odd], area: str) -> None:
    cases = [case for case in CASES if case.id[0] == area]
    if make is BasicOdd:
        cases = [case for case in cases if case.id != "C11"]  # the module is loaded for Odd
    results = [run_case(case, odd_subject(make)) for case in cases]
    assert [(r.case.id, r.detail) for r in results if r.outcome == "failed"] == []


@each("make", [KeyOdd, BasicOdd])
@each("case", JUDGED)
def test_what_it_does_in_its_own_way_is_judged_all_the_same(make: type[Odd], case: Case) -> None:
    assert run_case(case, odd_subject(make)).outcome == "passed"
