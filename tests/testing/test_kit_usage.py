"""Area U: what counts say and need not say. The faults are in `support.mutants.streams`."""

import pytest

from gateway_core import Usage
from gateway_core.events import End, Event, UsageSeen
from gateway_core.testing.case import Result
from support.kit import judged
from support.mutants.base import demo_subject
from support.mutants.changes import ChangedEvents, decoding


def counted(case: str, *reports: Usage, end: Usage | None = None) -> Result:
    """What becomes of a case when every answer reports this."""

    def change(events: list[Event]) -> list[Event]:
        changed: list[Event] = []
        for event in events:
            if isinstance(event, End):
                changed += map(UsageSeen, reports)
                changed.append(End(event.reason, usage=end))
            elif not isinstance(event, UsageSeen):
                changed.append(event)
        return changed

    return judged(case, demo_subject(decoding(lambda: ChangedEvents(change))))


@pytest.mark.parametrize("case", ["U01", "U02", "U03", "U04", "U05"])
@pytest.mark.parametrize(
    "reports",
    [
        [Usage(input=5)],
        [Usage(output=7, reasoning=7)],
        [Usage(input=5, cache_read=3, cache_write=2, output=1, raw={"cost": "1"})],
        [Usage(output=1), Usage(output=1), Usage(input=2, output=3)],
        [Usage(input=9, output=1), Usage(input=4, output=2)],
    ],
    ids=["input", "reasoning", "all", "rising", "estimated-first"],
)
def test_honest_counts_pass(case: str, reports: list[Usage]) -> None:
    assert counted(case, *reports, end=reports[-1]).outcome == "passed"
    assert counted(case, *reports).outcome == "passed"


@pytest.mark.parametrize("case", ["U02", "U03", "U04", "U05"])
def test_an_upstream_that_never_counts_breaks_one_rule_only(case: str) -> None:
    assert counted(case).outcome == "passed"
    assert counted("U01").detail == "no transcript gives a Usage with input or output"


@pytest.mark.parametrize(
    ("case", "usage", "seen"),
    [
        ("U02", Usage(input=True), "input is True"),
        ("U02", Usage(web_searches=-2), "web_searches is -2"),
        ("U03", Usage(input=4, cache_read=3, cache_write=2), "input is 4, of which 5 are of the"),
        ("U03", Usage(output=4, reasoning=5), "output is 4, of which 5 are reasoning"),
    ],
)
def test_wrong_counts_are_quoted(case: str, usage: Usage, seen: str) -> None:
    assert seen in counted(case, usage).detail
    assert seen in counted(case, end=usage).detail


def test_an_end_that_contradicts_the_last_report_is_seen() -> None:
    result = counted("U04", Usage(output=4), end=Usage(output=5))
    assert "End says output = 5, the last report 4" in result.detail
