"""The event stream of Kiro as canonical events."""

from typing import TYPE_CHECKING

import pytest

from gateway_core import (
    ContextOverflow,
    Event,
    GatewayError,
    HostedCall,
    Overloaded,
    RateLimited,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    UpstreamProtocol,
    Usage,
)
from gateway_core.events import Begin, Delta, End, Fail, Notice, NoticeSeen, Open
from gateway_core.json import dumps
from gateway_core.parts import Collector
from gateway_kiro.eventstream import encode_message
from gateway_kiro.state import CallState, SearchPlan
from gateway_kiro.stream import KiroDecoder
from support.about import about, each
from support.kiro_asking import Recorded, decoded, recorded_streams, state

if TYPE_CHECKING:
    from gateway_kiro.errors import Failure

STREAMS = recorded_streams()
BY_NAME = {stream.name: stream for stream in STREAMS}
ENDS = {
    None: "stop",
    "COMPLETE": "stop",
    "CONTENT_FILTERED": "refusal",
    "END_TURN": "stop",
    "MAX_TOKENS": "length",
    "MODEL_CONTEXT_WINDOW_EXCEEDED": "context_window",
    "TOOL_USE": "tool_use",
}
KINDS = {
    "account_suspended": "forbidden",
    "context_overflow": "context_overflow",
    "empty_response": "upstream_protocol",
    "framing": "upstream_protocol",
    "invalid_request": "invalid_request",
    "invalid_state": "upstream_protocol",
    "overloaded": "overloaded",
    "quota": "quota_exhausted",
    "rate_limit": "rate_limited",
    "truncated_tool_input": "upstream_protocol",
    "upstream_error": "upstream_failed",
}


def event(kind: str, **payload: object) -> bytes:
    """One message as the service sends it."""
    return encode_message({":message-type": "event", ":event-type": kind}, dumps(payload))


def text(content: str, **more: object) -> bytes:
    return event("assistantResponseEvent", content=content, **more)


def exception(kind: str, **payload: object) -> bytes:
    headers = {":message-type": "exception", ":exception-type": kind}
    return encode_message(headers, dumps(payload))


def folded(events: list[Event]) -> tuple[Collector, GatewayError | None]:
    """The answer as far as it came, and why it came no further."""
    collector = Collector()
    last = events[-1] if events else None
    error = last.error if isinstance(last, Fail) else None
    collector.feed(events[:-1] if error else events)
    return collector, error


def said(events: list[Event]) -> str:
    """All text, that of a part that was cut off included."""
    texts = {e.index for e in events if isinstance(e, Open) and isinstance(e.part, Text)}
    return "".join(e.text for e in events if isinstance(e, Delta) and e.index in texts)


def test_an_invalid_state_quotes_no_profile() -> None:
    told = "No plan for arn:aws:codewhisperer:us-east-1:111122223333:profile/ABC"
    error = folded(decoded([event("invalidStateEvent", message=told)]))[1]
    assert isinstance(error, UpstreamProtocol)
    assert error.message == "Kiro is in an invalid state: No plan for [profile]"


def nothing_in_it(stream: Recorded) -> bool:
    """Whether a fixture shows one event that is no answer by itself."""
    expected = stream.expected
    silent = not (expected["text"] or expected["tool_calls"] or expected["thinking"])
    return silent and "thinking_redacted" not in expected and expected["error"] is None


@each("stream", STREAMS)
def test_a_recorded_stream_means_what_is_documented(stream: Recorded) -> None:
    expected = stream.expected
    outcomes = [decoded(reads, state(tags=True, size=4000)) for reads in stream.splits()]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    events = outcomes[0]
    collector, error = folded(events)
    parts = collector.response.parts

    only_thoughts = not expected["text"] and not expected["tool_calls"]
    spoke = expected.get("client_text", expected["text"])
    if (expected["thinking"] or "thinking_redacted" in expected) and only_thoughts:
        spoke = " "
    assert said(events) == spoke
    thoughts = [part for part in parts if isinstance(part, Reasoning)]
    assert "".join(part.text for part in thoughts) == expected["thinking"]
    for key in ("thinking_signature", "thinking_redacted"):
        if key in expected:
            seals = [part.seal for part in thoughts]
            assert seals == [Seal("kiro", expected[key], scope="scope-1")]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    told = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]
    assert told == expected["tool_calls"]

    if expected["error"] is not None:
        assert error is not None and error.kind == KINDS[expected["error"]["kind"]]
    elif nothing_in_it(stream) and expected["stop_reason"] in (None, "END_TURN"):
        assert isinstance(error, UpstreamProtocol) and "empty" in error.message
    else:
        assert error is None
        end = ENDS[expected["stop_reason"]]
        if expected.get("inferred_stop") == "tool_use":
            end = "tool_use"
        if spoke == " " or expected.get("mapped_stop") == "max_tokens":
            end = "length"
        assert collector.response.stop == end
        assert collector.response.raw_stop == expected["stop_reason"]


def test_credits_and_the_fill_of_the_window_are_told() -> None:
    told = 0
    for stream in STREAMS:
        collector, _ = folded(decoded([stream.data], state(tags=True)))
        if collector.done:
            extras = (collector.response.extras or {}).get("kiro", {})
            names = ("credits", "context_usage_percentage")
            with about(stream):
                assert [extras.get(name) for name in names] == [
                    stream.expected[name] for name in names
                ]
            told += len(extras)
    assert told


# Usage


def spent(*messages: bytes, of: CallState | None = None) -> Usage:
    collector, error = folded(decoded(messages, of))
    assert error is None and collector.response.usage is not None
    return collector.response.usage


def test_token_totals_count_first() -> None:
    totals = {
        "uncachedInputTokens": 1200,
        "cacheReadInputTokens": 3000,
        "cacheWriteInputTokens": 0,
        "outputTokens": 85,
    }
    usage = spent(
        text("Hi"),
        event("contextUsageEvent", contextUsagePercentage=50.0),
        event("metadataEvent", tokenUsage=totals),
    )
    assert (usage.input, usage.cache_read, usage.cache_write, usage.output) == (4200, 3000, 0, 85)


def test_metrics_count_where_there_are_no_totals() -> None:
    usage = spent(text("Hi"), event("metricsEvent", inputTokens=7, outputTokens=3))
    assert (usage.input, usage.output, usage.cache_read) == (7, 3, None)


def test_the_fill_of_the_window_includes_the_answer() -> None:
    usage = spent(text("x" * 400), event("contextUsageEvent", contextUsagePercentage=1.5))
    assert (usage.input, usage.output) == (2900, 100)


def test_the_latest_percentage_counts_and_credits_add_up() -> None:
    usage = spent(
        event("meteringEvent", usage=0.1, unit="credit"),
        event("contextUsageEvent", contextUsagePercentage=90),
        text("Hi"),
        event("contextUsageEvent", contextUsagePercentage=1),
        event("meteringEvent", usage=0.2),
        event("meteringEvent", usage="many"),
    )
    assert usage.input == 1999
    assert usage.raw == {"credits": pytest.approx(0.3), "context_usage_percentage": 1.0}


def test_auto_has_the_window_of_the_model_that_answers() -> None:
    messages = (
        text("Hi", modelId="claude-opus-4.8"),
        event("contextUsageEvent", contextUsagePercentage=10),
    )
    assert spent(*messages, of=state(model="auto")).input == 99_999
    assert spent(*messages, of=state(model="claude-sonnet-4.5")).input == 19_999
    assert spent(*messages, of=state(model="new-model", window=None)).input == 99_999


def test_without_any_figure_the_sizes_are_told() -> None:
    usage = spent(text("Hello there."), of=state(size=4000))
    assert usage == Usage(input=1000, output=3)


# Ends


def test_a_full_window_ends_the_answer_by_itself() -> None:
    events = decoded([text("Hi"), event("contextUsageEvent", contextUsagePercentage=100.0)])
    assert isinstance(events[-1], End) and events[-1].reason == "context_window"


def test_calls_win_over_the_end_of_the_turn() -> None:
    call = event("toolUseEvent", toolUseId="t1", name="now", stop=True)
    events = decoded([call, event("metadataEvent", stopReason="end_turn")])
    assert isinstance(events[-1], End) and events[-1].reason == "tool_use"


def test_an_unknown_end_is_told_as_it_is() -> None:
    events = decoded([text("Hi"), event("metadataEvent", stopReason="TIRED")])
    assert isinstance(events[-1], End)
    assert (events[-1].reason, events[-1].raw_reason) == ("other", "TIRED")


@pytest.mark.parametrize("word", ["MALFORMED_TOOL_USE", "MALFORMED_MODEL_OUTPUT"])
def test_a_malformed_answer_is_no_end(word: str) -> None:
    _, error = folded(decoded([text("Hi"), event("metadataEvent", stopReason=word)]))
    assert isinstance(error, UpstreamProtocol) and word in error.message


def test_a_refusal_may_say_nothing() -> None:
    events = decoded([event("metadataEvent", stopReason="CONTENT_FILTERED")])
    assert isinstance(events[-1], End) and events[-1].reason == "refusal"


def test_what_is_said_about_the_end_may_come_before_the_last_words() -> None:
    events = decoded([text("Hel"), event("metadataEvent", stopReason="END_TURN"), text("lo")])
    assert said(events) == "Hello"
    assert isinstance(events[-1], End)


def test_nothing_follows_an_error() -> None:
    failing = exception("InternalServerException", message="boom")
    events = decoded([failing, text("Hello"), event("metadataEvent", stopReason="END_TURN")])
    assert len(events) == 1


def test_an_input_that_is_too_long_for_any_answer_is_an_overflow() -> None:
    _, error = folded(
        decoded(
            [exception("ContentLengthExceededException", message="too long")],
            state(format="anthropic", size=900_000),
        )
    )
    assert error == ContextOverflow("prompt is too long: 225000 tokens > 200000 maximum")


# Tools


def test_a_call_goes_out_whole_and_under_the_name_that_the_client_knows() -> None:
    reads = [
        event("toolUseEvent", toolUseId="t1", name="short", input='{"a":'),
        event("toolUseEvent", toolUseId="t1", name="short", input=" 1}"),
    ]
    decoder = KiroDecoder(state(restore=(("short", "a name far too long"),)))
    assert [event for data in reads for event in decoder.feed(data)] == [Begin()]
    collector, _ = folded(
        [Begin(), *decoder.feed(event("toolUseEvent", toolUseId="t1", stop=True)), *decoder.end()]
    )
    assert collector.response.parts == [ToolCall("t1", "a name far too long", '{"a": 1}')]


def test_a_call_that_comes_again_counts_once() -> None:
    call = event("toolUseEvent", toolUseId="t1", name="now", input="{}", stop=True)
    collector, _ = folded(decoded([call, call, text("Done.")]))
    assert collector.response.parts == [ToolCall("t1", "now", "{}"), Text("Done.")]


def test_two_equal_calls_with_two_ids_are_two_calls() -> None:
    calls = [
        event("toolUseEvent", toolUseId=id, name="now", input="{}", stop=True)
        for id in ("t1", "t2")
    ]
    collector, _ = folded(decoded(calls))
    assert [part.id for part in collector.response.parts if isinstance(part, ToolCall)] == [
        "t1",
        "t2",
    ]


def test_equal_texts_are_no_repetition() -> None:
    assert said(decoded([text("ha"), text("ha"), text("ha")])) == "hahaha"


@pytest.mark.parametrize("stopped", [True, False])
def test_input_that_is_cut_off_is_never_handed_on(stopped: bool) -> None:
    """The service is known to end such an answer as if all were well."""
    reads = [
        event("toolUseEvent", toolUseId="t1", name="write", input='{"path": "a", "text": "onc'),
        event("toolUseEvent", toolUseId="t1", name="write", stop=stopped),
        event("metadataEvent", stopReason="TOOL_USE"),
    ]
    events = decoded(reads)
    assert not any(isinstance(getattr(event, "part", None), ToolCall) for event in events)
    last = events[-1]
    assert isinstance(last, Fail) and "cut off the input of the tool 'write'" in last.error.message
    assert last.error.retryable


def test_text_may_follow_a_call_and_thinking_may_come_again() -> None:
    collector, _ = folded(
        decoded(
            [
                event("reasoningContentEvent", text="One."),
                event("reasoningContentEvent", signature="c2ln"),
                event("toolUseEvent", toolUseId="t1", name="now", stop=True),
                text("Wait."),
                event("reasoningContentEvent", text="Two."),
            ]
        )
    )
    assert collector.response.parts == [
        Reasoning("One.", Seal("kiro", "c2ln", scope="scope-1")),
        ToolCall("t1", "now", "{}"),
        Text("Wait."),
        Reasoning("Two."),
    ]


# Searches


def test_a_search_between_two_rounds_is_a_hosted_call() -> None:
    found = [{"url": "https://example.com/", "title": "Example"}]
    search = {"id": "s1", "query": "example", "results": found, "error": None}
    collector, _ = folded(
        decoded(
            [
                event("toolUseEvent", toolUseId="s1", name="web_search", input="{}", stop=True),
                event("metadataEvent", stopReason="TOOL_USE"),
                event("gatewaySearchEvent", **search),
                text("Found it."),
            ],
            state(search=SearchPlan("web_search", rounds=5)),
        )
    )
    response = collector.response
    assert response.parts == [
        HostedCall("s1", "web_search", '{"query":"example"}', {"sources": found}),
        Text("Found it."),
    ]
    assert (response.stop, response.raw_stop) == ("stop", None)
    assert response.usage is not None and response.usage.web_searches == 1


# What surrounds the answer


def test_the_answer_begins_with_its_id_and_what_was_done_to_the_request() -> None:
    notices = (Notice("trimmed_history", "too large"),)
    events = decoded(
        [event("messageMetadataEvent", conversationId="c", utteranceId="u"), text("Hi")],
        state(notices=notices),
    )
    assert events[:2] == [Begin("u"), NoticeSeen(notices[0])]


def test_tags_are_text_unless_they_were_asked_for() -> None:
    data = BY_NAME["event-thinking-tags-split"].data
    assert said(decoded([data])) == "<thinking>I should say hi back</thinking>\n\nHi there!"


@each("payload", [b"", b"no JSON", b"[]", b'{"a":1}'])
def test_events_of_an_unknown_kind_are_passed_over(payload: bytes) -> None:
    strange = encode_message({":message-type": "event", ":event-type": "newEvent"}, payload)
    assert decoded([strange, text("Hi"), strange]) == decoded([text("Hi")])


def test_garbage_in_a_known_event_is_a_fault() -> None:
    headers = {":message-type": "event", ":event-type": "assistantResponseEvent"}
    _, error = folded(decoded([encode_message(headers, b"{")]))
    assert isinstance(error, UpstreamProtocol)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (exception("ThrottlingException", reason="INSUFFICIENT_MODEL_CAPACITY"), Overloaded),
        (exception("ThrottlingException", message="slow"), RateLimited),
        (event("error", message="high traffic"), Overloaded),
    ],
)
def test_who_wants_to_know_is_told_of_failures(message: bytes, kind: type[GatewayError]) -> None:
    failures: list[Failure] = []
    decoder = KiroDecoder(state(), failures.append)
    events = decoder.feed(message)
    assert len(failures) == 1
    assert isinstance(events[-1], Fail) and type(events[-1].error) is kind
