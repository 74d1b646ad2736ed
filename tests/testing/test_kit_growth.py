"""Area G: what is measured and when the kit has nothing to say. The faults are in
`support.mutants.growth`.
"""

from collections.abc import Sequence

from gateway_core import ContextOverflow, Request, Unsupported
from gateway_core.content import Part
from gateway_core.provider import UpstreamCall
from gateway_core.testing.transcripts import Transcript
from support.about import each
from support.kit import judged
from support.mutants.base import demo_subject
from support.mutants.changes import asked_with, changed_parts, sending
from support.mutants.growth import look_for_every_result_from_the_start

BINARY = Transcript("text", b"\x00\x01", "bin")
FIXED = Transcript("fixed", b'{"type":"end","reason":"stop"}\n', "jsonl")


@each(
    "case, transcripts, reason",
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


def test_a_request_that_is_refused_hides_no_other() -> None:
    def change(call: UpstreamCall, request: Request) -> None:
        if len(request.tools) > 128:
            raise Unsupported("it takes at most 128 tools")
        look_for_every_result_from_the_start(call, request)

    result = judged("G01", demo_subject(sending(change)))
    assert result.outcome == "failed"
    assert "many messages: 8 times as much takes" in result.detail


def test_a_request_that_is_refused_is_measured_at_a_smaller_size() -> None:
    def change(call: UpstreamCall, request: Request) -> None:
        if len(call.body) > 400_000:
            raise ContextOverflow("it is too long")

    assert judged("G01", demo_subject(sending(change))).outcome == "passed"
