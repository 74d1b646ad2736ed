"""Area S: honest upstreams of other kinds pass, and what counts as the same answer. The faults are
in `support.mutants.streams`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gateway_core import Text, ToolCall, Usage
from gateway_core.content import Reasoning, Seal
from gateway_core.errors import Overloaded, UpstreamFailed
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Open,
    Tick,
    UsageSeen,
    Whole,
)
from gateway_core.testing.answers import answer_of, difference
from gateway_core.testing.cases import dialects, streams, usage
from gateway_core.testing.decoding import Decoding, sampled
from gateway_core.testing.framing import frames, payload_places, payloads, rewritten
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Expectation, Transcript
from support.about import each
from support.kit import judged
from support.kit_providers import FrameDecoder, chat_subject, framed_subject
from support.mutants.base import demo_subject

ALL = [case for area in (streams, dialects, usage) for case in area.AREA.cases]
CASES = [case.id for case in ALL]
HELLO: list[Event] = [
    Begin("r1", "m"),
    Open(0, Text("")),
    Delta(0, "Hel"),
    Delta(0, "lo"),
    Close(0),
    UsageSeen(Usage(output=2)),
    End("stop", usage=Usage(output=2)),
]


class EndsBetweenFrames(FrameDecoder):
    """Takes the end of the bytes for the end of the answer, but not within a frame."""

    def end(self) -> Sequence[Event]:
        if self.started and not self.pending:
            self.writer.end("stop")
        return super().end()


class EndsAnywhere(FrameDecoder):
    def end(self) -> Sequence[Event]:
        self.writer.end("stop")
        return super().end()


@pytest.mark.parametrize("case", CASES)
def test_an_upstream_that_speaks_chat_passes(case: str) -> None:
    result = judged(case, chat_subject())
    assert result.outcome == "passed", result.detail


@each("case", CASES)
def test_an_upstream_with_a_framing_of_its_own_passes(case: str) -> None:
    result = judged(case, framed_subject())
    if case == "S16":
        assert result.detail == "no transcript shows an error inside a successful answer"
    elif case in ("S07", "S10", "S15"):
        assert (result.outcome, result.detail) == (
            "skipped",
            "the kit writes events of `.sse` and `.jsonl` transcripts only",
        )
    else:
        assert result.outcome == "passed", result.detail


def test_an_unknown_event_of_a_framing_of_its_own_must_be_given() -> None:
    result = judged("S08", framed_subject(unknown_event=None))
    assert result.outcome == "skipped"
    assert "set `unknown_event`" in result.detail


@pytest.mark.parametrize(
    ("decoder", "marker", "outcome"),
    [
        (EndsBetweenFrames, True, "failed"),
        (EndsBetweenFrames, False, "passed"),
        (EndsAnywhere, False, "failed"),
    ],
)
def test_an_upstream_without_an_end_marker_fails_inside_of_events_only(
    decoder: type[FrameDecoder], marker: bool, outcome: str
) -> None:
    subject = framed_subject(decoder=decoder)
    subject.end_marker = marker
    assert judged("S05", subject).outcome == outcome


@each("case", [case.id for case in ALL if not case.static])
def test_without_transcripts_a_case_says_what_to_give(case: str) -> None:
    result = judged(case, replace(demo_subject(), transcripts=()))
    assert (result.outcome, "set `transcripts`" in result.detail) == ("skipped", True)


def test_every_feature_that_no_transcript_shows_is_named_with_what_to_add() -> None:
    subject = demo_subject()
    subject.transcripts = [t for t in subject.transcripts if t.name == "stop-length"]
    detail = judged("S01", subject).detail
    assert detail.split("; ") == [
        "no transcript shows a tool call: add one call of a tool",
        "no transcript shows parallel tool calls: add an answer with two calls, or say "
        "parallel_tools=False",
        "no transcript shows reasoning: add an answer with thinking, or say efforts=()",
    ]


@each(
    "expect, seen",
    [
        (Expectation(end="length"), "End('tool_use') instead of End('length')"),
        (Expectation(error="overloaded"), "instead of a Fail of kind overloaded"),
        (Expectation(text="I looked."), "the text is 'I look.' instead of 'I looked.'"),
        (Expectation(reasoning=""), "the reasoning is 'I must look.' instead of ''"),
        (Expectation(tools=[]), "there are 1 tool calls instead of 0"),
        (Expectation(tools=[{"name": "go"}]), "the name of a tool call is 'get_weather'"),
        (Expectation(usage={"output": 41}), "the usage says output = 40 instead of 41"),
    ],
)
def test_an_expectation_that_is_not_met_is_told(expect: Expectation, seen: str) -> None:
    subject = demo_subject()
    (transcript,) = (t for t in subject.transcripts if t.name == "tool-call")
    subject.transcripts = [replace(transcript, expect=expect)]
    assert seen in judged("S03", subject).detail


@pytest.mark.parametrize(
    "other",
    [
        [Begin("r1", "m"), Tick(), Open(0, Text("")), Delta(0, "Hello"), Close(0), HELLO[-1]],
        [*HELLO[:5], UsageSeen(Usage(output=1)), *HELLO[5:]],
        [*HELLO[:5], UsageSeen(Usage(output=2)), End("stop")],
    ],
    ids=["delta-bounds-and-ticks", "reports-on-the-way", "usage-reported-but-not-repeated"],
)
def test_answers_that_say_the_same(other: list[Event]) -> None:
    assert difference(answer_of(other), answer_of(HELLO)) is None


@each(
    "change, told",
    [
        (lambda: [*HELLO[:3], *HELLO[4:]], "part 1 (Text) goes on with '' instead of 'lo' after 3"),
        (lambda: [HELLO[0], *HELLO[5:]], "it has 0 parts instead of 1"),
        (lambda: [HELLO[0], Open(0, Reasoning("")), *HELLO[2:]], "part 1 is Reasoning instead"),
        (lambda: [HELLO[0], Open(0, Text("", refusal=True)), *HELLO[2:]], "'refusal': True"),
        (lambda: [*HELLO[:4], Close(0, Seal("x", "y")), *HELLO[5:]], "part 1 is {'refusal'"),
        (lambda: [*HELLO[:5], End("length")], "End('length') instead of End('stop')"),
        (lambda: [*HELLO[:5], End("stop", usage=Usage(output=3))], "the usage"),
        (lambda: [*HELLO[:5], Fail(Overloaded("busy"))], "it ends in Fail of kind overloaded"),
        (lambda: HELLO[1:], "the beginning"),
        (lambda: [*HELLO[:5], Whole(1, Reasoning("Hm")), HELLO[-1]], "it has 2 parts"),
    ],
)
def test_answers_that_differ(change: Callable[[], list[Event]], told: str) -> None:
    found = difference(answer_of(change()), answer_of(HELLO))
    assert found is not None
    assert told in found


def test_the_words_of_an_error_may_differ_and_its_kind_may_not() -> None:
    first, second = (answer_of([Fail(UpstreamFailed(words))]) for words in ("in 5 s", "in 6 s"))
    assert difference(first, second) is None
    assert difference(first, answer_of([Fail(Overloaded("in 5 s"))])) is not None


def test_ids_that_the_decoder_made_up_may_differ_and_the_upstreams_own_may_not() -> None:
    def call(id: str) -> list[Event]:
        return [Open(0, ToolCall(id, "look", "")), Close(0), End("tool_use")]

    data = b'{"id":"call_1"}'
    made_up = [answer_of(call(id), data) for id in ("a1", "b2")]
    assert difference(*made_up) is None
    assert difference(answer_of(call("call_1"), data), made_up[0]) is not None


def test_samples_are_spread_and_keep_both_ends() -> None:
    assert sampled(range(100), 4) == [0, 33, 66, 99]
    assert sampled([3, 1, 1], 4) == [1, 3]


def test_events_of_a_known_framing_are_told_apart_and_written_again() -> None:
    data = b'event: a\r\ndata: {"x":"\xc3\xbc"}\r\n\r\n: ping\r\n\r\ndata: [DONE]\r\n\r\n'
    transcript = Transcript("t", data, "sse")
    assert b"".join(frames(transcript)) == data
    assert [frame[:6] for frame in frames(transcript)] == [b"event:", b": ping", b"data: "]
    assert list(payloads(transcript)) == [(0, {"x": "ü"})]
    assert rewritten(transcript, lambda value: {**value, "y": 1}).startswith(
        b'event: a\ndata: {"x":"\xc3\xbc","y":1}\n\n'
    )
    assert data[payload_places(transcript)[0] - 1 :].startswith(b'{"x"')


def test_ends_of_events_are_found_by_what_a_decoder_tells() -> None:
    subject = framed_subject()
    first = Decoding(subject, subject.transcripts[0])
    assert first.boundaries[-1] == len(first.data)
    assert len(first.boundaries) == 4


def test_an_http_error_among_the_transcripts_is_not_decoded() -> None:
    def only_errors(subject: Subject) -> Subject:
        return replace(subject, transcripts=[t for t in subject.transcripts if not t.is_stream])

    assert judged("S02", only_errors(demo_subject())).outcome == "skipped"
    assert judged("E07", only_errors(demo_subject())).outcome == "passed"
