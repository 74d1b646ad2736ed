"""Area G: what is measured and when the kit has nothing to say. The faults are in
`support.mutants.growth`.
"""

from collections.abc import Sequence

import pytest

from gateway_core import Unsupported
from gateway_core.content import Part
from gateway_core.testing.transcripts import Transcript
from support.kit import judged
from support.mutants.base import demo_subject
from support.mutants.changes import asked_with, changed_parts

CASES = ["G01", "G02", "G03", "G04"]
BINARY = Transcript("text", b"\x00\x01", "bin")
FIXED = Transcript("fixed", b'{"type":"end","reason":"stop"}\n', "jsonl")


@pytest.mark.parametrize("case", CASES)
def test_the_demo_provider_is_linear(case: str) -> None:
    assert judged(case, demo_subject()).outcome == "passed"


@pytest.mark.parametrize(
    ("case", "transcripts", "reason"),
    [
        ("G02", (), "that can be repeated"),
        ("G02", (BINARY,), "that can be repeated"),
        ("G02", (FIXED,), "that can be repeated"),
        ("G03", (BINARY,), "in a text framing"),
    ],
)
def test_without_a_known_framing_nothing_can_be_repeated(
    case: str, transcripts: Sequence[Transcript], reason: str
) -> None:
    subject = demo_subject()
    subject.transcripts = transcripts
    result = judged(case, subject)
    assert result.outcome == "skipped"
    assert reason in result.detail


def refuse(part: Part) -> Part:
    raise Unsupported("this text cannot be sent")


def test_a_request_that_is_refused_is_not_measured() -> None:
    result = judged("G01", demo_subject(asked_with(changed_parts(refuse))))
    assert result.outcome == "skipped"
    assert "this text cannot be sent" in result.detail
