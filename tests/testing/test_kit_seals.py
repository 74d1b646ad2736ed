"""Area B: when the kit holds a plugin to its seals. The faults are in `support.mutants.seals`."""

import pytest

from gateway_core import Reasoning
from gateway_core.content import Part
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Transcript
from gateway_demo.plugin import DemoProvider
from support.about import each
from support.kit import judged
from support.mutants.base import demo_subject
from support.mutants.changes import asked_with, changed_parts
from support.mutants.keyed import KeyedDemo, keyed_subject

CASES = ["B01", "B02", "B03", "B04", "B05"]
END = b'{"type":"end","reason":"stop"}\n'
WORD = b'{"type":"text","part":1,"text":"Hello."}\n'
THOUGHT = b'{"type":"think","part":0,"text":"Hm."}\n{"type":"close","part":0,"seal":"c2VhbA"}\n'


def with_answer(data: bytes) -> Subject:
    """The demo provider with this transcript alone."""
    return Subject(make=DemoProvider, transcripts=[Transcript("answer", data, "jsonl")])


@each("case", CASES)
def test_a_provider_that_binds_its_seals_to_accounts_passes(case: str) -> None:
    assert judged(case, keyed_subject(KeyedDemo)).outcome == "passed"


@pytest.mark.parametrize("case", ["B01", "B02"])
def test_without_sealed_thoughts_there_is_nothing_to_hold_to(case: str) -> None:
    result = judged(case, with_answer(b'{"type":"text","part":0,"text":"Hi"}\n' + END))
    assert result.outcome == "skipped"
    assert "no transcript has sealed thoughts" in result.detail


@pytest.mark.parametrize("case", ["B04", "B05"])
def test_seals_of_others_are_judged_without_transcripts(case: str) -> None:
    assert judged(case, Subject(make=DemoProvider)).outcome == "passed"


def test_accounts_are_judged_only_where_there_are_some() -> None:
    assert "no login" in judged("B03", demo_subject()).detail
    unbound = demo_subject()
    unbound.credential = keyed_subject().credential
    assert "not bound to an account" in judged("B03", unbound).detail


def forget_thoughts(part: Part) -> Part | None:
    return None if isinstance(part, Reasoning) else part


@pytest.mark.parametrize(("after", "outcome"), [(b"", "passed"), (WORD, "failed")])
def test_only_a_thought_that_something_follows_must_come_back(after: bytes, outcome: str) -> None:
    subject = with_answer(THOUGHT + after + END)
    subject.make = asked_with(changed_parts(forget_thoughts))
    assert judged("B02", subject).outcome == outcome


def test_an_answer_that_fails_has_no_next_turn() -> None:
    result = judged("B02", with_answer(THOUGHT))
    assert result.outcome == "skipped"
