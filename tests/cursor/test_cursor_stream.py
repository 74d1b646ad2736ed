"""What a run shows as canonical events, and what it cost."""

from pathlib import Path

from gateway_core import GatewayError, Reasoning, Text, ToolCall, Usage
from gateway_core.events import Begin, End, Event, Fail, NoticeSeen
from gateway_core.parts import collect
from gateway_core.testing.transcripts import load_transcripts
from gateway_cursor.connect import TURN_OVER, frame
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.stream import CursorDecoder
from gateway_cursor.usage import TokenCount
from gateway_cursor.values import to_value
from support.about import about
from support.cursor_runs import (
    call,
    decoded,
    ended,
    fixture,
    message,
    new_run,
    plan_for,
    says,
    update,
)

TRANSCRIPTS = {one.name: one for one in load_transcripts(Path(__file__).parent / "transcripts")}
STREAMS = sorted(name for name, one in TRANSCRIPTS.items() if one.is_stream)
CLEAN = fixture("s90")


def thinking(words: str) -> bytes:
    return update(thinking_delta=pb.ThinkingDeltaUpdate(text=words))


def tokens(number: int) -> bytes:
    return update(token_delta=pb.TokenDeltaUpdate(tokens=number))


def checkpoint(used: int, most: int = 200_000) -> bytes:
    details = pb.ConversationTokenDetails(used_tokens=used, max_tokens=most)
    state = pb.ConversationStateStructure(token_details=details)
    return message(conversation_checkpoint_update=state)


def failure(*reads: bytes, **facts: object) -> GatewayError:
    """The error that an answer ends with."""
    last = decoded(reads, plan_for(**facts))[-1]  # type: ignore[arg-type]  # parametrized
    assert isinstance(last, Fail)
    return last.error


def usage_of(*reads: bytes, headers: dict[str, str] | None = None, **facts: object) -> Usage:
    usage = collect(decoded(reads, plan_for(**facts), headers)).usage  # type: ignore[arg-type]
    assert usage is not None
    return usage


def test_thinking_and_text_of_a_turn() -> None:
    response = collect(decoded([fixture("stream-text-turn")]))
    assert response.parts == [Reasoning("Short answer."), Text("Hello")]
    assert response.model == "default"
    assert response.stop == "stop"
    assert response.notices == []


def test_the_turn_is_over_as_soon_as_its_totals_are_there() -> None:
    decoder = CursorDecoder(plan_for(), {})
    events = [*decoder.feed(says("Hi")), *decoder.feed(fixture("s10"))]
    assert isinstance(events[-1], End)
    assert decoder.feed(CLEAN) == []
    assert decoder.end() == []


def test_without_totals_the_size_of_the_context_is_waited_for() -> None:
    decoder = CursorDecoder(plan_for(), {})
    events = [*decoder.feed(says("Hi") + fixture("s09"))]
    assert not isinstance(events[-1], End)
    *_, end = decoder.feed(fixture("s40"))
    assert isinstance(end, End)
    assert end.usage is not None
    assert end.usage.input == 11084


def test_unless_it_was_told_before() -> None:
    decoder = CursorDecoder(plan_for(), {})
    events = decoder.feed(says("Hi") + fixture("s40") + fixture("s09"))
    assert isinstance(events[-1], End)


def test_an_answer_is_complete_once_its_turn_ended() -> None:
    for rest in [b"", fixture("x02"), CLEAN, fixture("s93")]:
        with about(rest):
            response = collect(decoded([says("Hi") + fixture("s09") + rest]))
            assert response.stop == "stop"


def test_a_transcript_may_come_byte_by_byte() -> None:
    """The conformance test also splits it at each place."""
    for name in STREAMS:
        with about(name):
            transcript = TRANSCRIPTS[name]
            data, headers = transcript.data, dict(transcript.headers)
            whole = decoded([data], headers=headers)
            assert decoded([bytes([byte]) for byte in data], headers=headers) == whole


def test_a_transcript_that_is_cut_never_ends_well_before_its_end() -> None:
    for name in ["text-turn", "tool-turn", "tool-turn-resumed"]:
        with about(name):
            transcript = TRANSCRIPTS[name]
            whole = decoded([transcript.data], headers=dict(transcript.headers))
            for cut in range(0, len(transcript.data), 5):
                events = decoded([transcript.data[:cut]], headers=dict(transcript.headers))
                assert events == whole or isinstance(events[-1], Fail)


def test_the_recorded_turn_with_tools_is_what_a_run_shows() -> None:
    run = new_run()
    run.feed(fixture("stream-tool-turn-part1"), 0.0)
    assert run.take_display() == TRANSCRIPTS["tool-turn"].data


def test_calls_end_the_turn_at_our_mark() -> None:
    events = decoded([TRANSCRIPTS["tool-turn"].data])
    response = collect(events)
    assert response.parts == [
        Text("Reading both."),
        ToolCall("toolu_fixture_01", "Read", '{"file_path":"/home/dev/a.txt","limit":5}'),
        ToolCall("toolu_fixture_02", "Bash", '{"command":"ls -la"}'),
    ]
    assert response.stop == "tool_use"


def test_calls_without_our_mark_are_cut_off() -> None:
    assert failure(fixture("stream-tool-turn-part1")).kind == "upstream_protocol"


def test_calls_are_understood_as_the_server_sends_them_too() -> None:
    response = collect(decoded([fixture("stream-tool-turn-part1") + TURN_OVER]))
    assert [part.name for part in response.parts if isinstance(part, ToolCall)] == ["Read", "Bash"]


def test_a_call_of_nobodys_tool_is_passed_over() -> None:
    events = decoded([call(2, "Foo") + says("Hi") + ended(output_tokens=1) + CLEAN])
    assert collect(events).parts == [Text("Hi")]


def test_what_is_not_for_the_client_is_passed_over() -> None:
    for name in ["s20", "s23", "s24", "s27", "s30", "s31", "s50", "s60", "s06"]:
        with about(name):
            events = decoded([fixture(name) + says("Hi") + ended(output_tokens=1)])
            assert collect(events).parts == [Text("Hi")]
            assert events[0] == Begin(model="default")


def test_text_outside_ascii() -> None:
    told = pb.AgentServerMessage.FromString(fixture("s02")[5:]).interaction_update.text_delta
    assert collect(decoded([fixture("s02") + fixture("s10")])).parts == [Text(told.text)]


def test_empty_deltas_open_nothing() -> None:
    events = decoded([says("") + thinking("") + says("Hi") + fixture("s10")])
    assert collect(events).parts == [Text("Hi")]


def test_each_stretch_of_thinking_is_a_part_of_its_own() -> None:
    data = thinking("a") + fixture("s04") + thinking("b") + says("Hi") + fixture("s10")
    parts = collect(decoded([data])).parts
    assert parts == [Reasoning("a"), Reasoning("b"), Text("Hi")]


def test_an_answer_of_nothing_but_thinking_counts_as_cut_short() -> None:
    response = collect(decoded([thinking("Hm.") + fixture("s10")]))
    assert response.parts == [Reasoning("Hm."), Text(" ")]
    assert response.stop == "length"


def test_an_empty_answer_is_a_failure_that_may_be_tried_again() -> None:
    error = failure(fixture("s10"))
    assert error.kind == "upstream_protocol"
    assert error.retryable


def test_an_end_without_the_end_of_the_turn_is_told() -> None:
    events = decoded([says("Half") + CLEAN])
    assert collect(events).stop == "stop"
    assert [one.notice.code for one in events if isinstance(one, NoticeSeen)] == ["no_turn_end"]


def test_without_a_word_it_is_a_failure() -> None:
    assert failure(thinking("Hm.") + CLEAN).kind == "upstream_protocol"


def test_a_broken_answer_fails_and_keeps_what_came_before() -> None:
    for rest in [b"", fixture("x01"), fixture("x02"), fixture("x03"), fixture("x04")]:
        with about(rest):
            events = decoded([says("Hi") + rest])
            last = events[-1]
            assert isinstance(last, Fail)
            assert last.error.kind == "upstream_protocol"
            assert any(getattr(event, "text", "") == "Hi" for event in events)


def test_an_error_after_the_first_words_fails() -> None:
    events: list[Event] = decoded([says("Well, ") + fixture("s94")])
    assert isinstance(events[-1], Fail)
    assert events[-1].error.kind == "upstream_failed"


def test_a_limit_without_a_cause_is_an_overflow_when_much_was_sent() -> None:
    assert failure(fixture("s93")).kind == "rate_limited"
    assert failure(fixture("s93"), estimate=150_000).kind == "context_overflow"
    assert failure(checkpoint(9, 90_000) + fixture("s93"), estimate=50_000).kind == (
        "context_overflow"
    )


def test_unknown_members_are_passed_over() -> None:
    unknown = frame(bytes.fromhex("fa06020801"))
    events = decoded([unknown + says("Hi") + unknown + fixture("s10")])
    assert collect(events).parts == [Text("Hi")]


# What it cost


def test_the_totals_of_the_end_count() -> None:
    usage = usage_of(says("Hi") + tokens(3) + fixture("s10"))
    assert usage == Usage(
        input=21357,
        cache_read=0,
        cache_write=21354,
        output=42,
        reasoning=0,
        raw=usage.raw,
    )


def test_without_them_the_context_and_the_count_of_tokens_do() -> None:
    usage = usage_of(tokens(3) + says("Hi") + tokens(4) + checkpoint(1000) + fixture("s09"))
    assert (usage.input, usage.output, usage.cache_read) == (993, 7, None)
    assert usage.raw == {"used_tokens": 1000, "estimated": True}


def test_without_anything_there_are_estimates() -> None:
    usage = usage_of(says("12345678é"), fixture("s09"), estimate=77)
    assert (usage.input, usage.output) == (77, 3)
    assert usage.raw == {"estimated": True}


def test_the_arguments_of_calls_are_output_too() -> None:
    data = call(2, command=to_value("ls")) + TURN_OVER
    assert usage_of(data).output == 4


def test_a_resumed_turn_reports_what_the_earlier_did_not() -> None:
    """The totals are those of the run: here of three steps with a context that grew."""
    first = TokenCount()
    first.tokens(20)
    first.context(1000)
    second = TokenCount(first.report())
    second.tokens(30)
    second.context(1500)
    data = says("Hi") + tokens(5) + ended(input_tokens=980 + 1470 + 1600, output_tokens=60)
    usage = usage_of(data, headers=second.report())
    assert (usage.input, usage.output) == (1600, 10)


def test_totals_of_the_last_step_alone_are_taken_as_they_are() -> None:
    first = TokenCount()
    first.tokens(20)
    first.context(12_000)
    usage = usage_of(says("Hi") + ended(input_tokens=12_500, output_tokens=8) + CLEAN)
    assert usage.input == 12_500
    data = says("Hi") + tokens(8) + ended(input_tokens=12_500, output_tokens=8)
    usage = usage_of(data, headers=first.report())
    assert (usage.input, usage.output) == (12_500, 8)


def test_what_was_read_from_the_cache_again_and_again_is_counted_once() -> None:
    totals = ended(
        input_tokens=50_000, cache_read_tokens=45_000, cache_write_tokens=3000, output_tokens=9
    )
    usage = usage_of(says("Hi") + checkpoint(10_000) + totals)
    assert (usage.input, usage.cache_read, usage.cache_write) == (10_000, 10_000, 0)


def test_parts_are_never_more_than_the_whole() -> None:
    totals = ended(
        input_tokens=100,
        cache_read_tokens=80,
        cache_write_tokens=50,
        output_tokens=10,
        reasoning_tokens=30,
    )
    usage = usage_of(says("Hi") + totals)
    assert (usage.cache_read, usage.cache_write, usage.reasoning) == (80, 20, 10)


def test_headers_that_are_no_numbers_count_as_none() -> None:
    usage = usage_of(says("Hi") + fixture("s09"), headers={"cursor-context": "many"}, estimate=5)
    assert usage.input == 5
