"""Cases of the conformance kit, by id."""

from gateway_core.testing.case import Result
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES, run_case

__all__ = ["judged"]

_BY_ID = {case.id: case for case in CASES}


def judged(case: str, subject: Subject) -> Result:
    """What becomes of one case."""
    return run_case(_BY_ID[case], subject)
