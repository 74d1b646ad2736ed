"""How written Responses answers end: complete, incomplete or failed, and with which totals."""

from typing import Any

import pytest

from gateway_core.content import Text, ToolCall
from gateway_core.errors import (
    ContextOverflow,
    GatewayError,
    InvalidRequest,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamProtocol,
)
from gateway_core.events import (
    Begin,
    Delta,
    End,
    Event,
    Fail,
    Open,
    StopReason,
    Tick,
    Usage,
    UsageSeen,
)
from gateway_core.parts import Response
from support.about import each
from support.responses_writing import kinds, streamed, writer, written


@each(
    "reason, status, details",
    [
        ("stop", "completed", None),
        ("stop_sequence", "completed", None),
        ("tool_use", "completed", None),
        ("pause", "completed", None),
        ("other", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("context_window", "incomplete", {"reason": "max_output_tokens"}),
        ("refusal", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_an_answer_ends(reason: StopReason, status: str, details: Any) -> None:
    last = written(*streamed(Text(""), "a"), End(reason))[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["status"] == status
    assert last["response"]["incomplete_details"] == details
    assert len(last["response"]["output"]) == 1


def test_words_of_refusal_say_it_all() -> None:
    last = written(*streamed(Text("", refusal=True), "No."), End("refusal"))[-1]
    assert last["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("seen", "ended", "tokens"),
    [(None, None, (0, 0)), (Usage(1), None, (1, 0)), (Usage(1), Usage(10, output=5), (10, 5))],
)
def test_totals_are_the_latest_known(
    seen: Usage | None, ended: Usage | None, tokens: tuple[int, int]
) -> None:
    events: list[Event] = [] if seen is None else [UsageSeen(seen)]
    usage = written(*events, *streamed(Text(""), "a"), End("stop", usage=ended))[-1]["response"][
        "usage"
    ]
    assert (usage["input_tokens"], usage["output_tokens"]) == tokens
    assert usage["total_tokens"] == sum(tokens)


def test_totals_in_detail() -> None:
    last = written(*streamed(Text(""), "a"), End("stop", usage=Usage(100, 40, 7, 20, 5)))[-1]
    assert last["response"]["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 7},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    }


def test_an_empty_answer_fails() -> None:
    last = written(Begin(), End("stop"))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["message"] == "the model returned an empty answer"
    with pytest.raises(UpstreamProtocol, match="empty answer"):
        writer().body(Response())


def test_a_warm_up_may_be_empty() -> None:
    assert written(Begin(), End("stop"), generate=False)[-1]["type"] == "response.completed"
    assert writer(generate=False).body(Response())["output"] == []


def test_an_answer_cut_before_its_first_word_is_incomplete() -> None:
    assert written(Begin(), End("length"))[-1]["type"] == "response.incomplete"


def test_a_failure_at_once() -> None:
    events = written(Fail(UpstreamFailed("broken")))
    assert kinds(events) == ["created", "in_progress", "failed"]
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["usage"] is None


def test_a_failure_closes_an_open_text() -> None:
    events = written(Open(0, Text("")), Delta(0, "Hel"), Fail(UpstreamFailed("broken")))
    assert kinds(events)[-3:] == ["content_part.done", "output_item.done", "failed"]
    assert events[-2]["item"]["status"] == "incomplete"
    assert events[-1]["response"]["output"] == [events[-2]["item"]]


def test_a_failure_never_completes_an_open_call() -> None:
    call = ToolCall("c", "f", "")
    events = written(Open(0, call), Delta(0, '{"a":'), Fail(UpstreamFailed("broken")))
    assert kinds(events)[2:] == ["output_item.added", "function_call_arguments.delta", "failed"]
    assert events[-1]["response"]["output"] == []


@each(
    "error, code, message",
    [
        (ContextOverflow("too long"), "context_length_exceeded", "too long"),
        (
            RateLimited("Slow down.", retry_after=0.5),
            "rate_limit_exceeded",
            "Slow down. Please try again in 0.5s.",
        ),
        (
            RateLimited("Try again in 3s.", retry_after=3),
            "rate_limit_exceeded",
            "Try again in 3s.",
        ),
        (QuotaExhausted("used up"), "insufficient_quota", "used up"),
        (Overloaded("busy", code="server_is_overloaded"), "server_overloaded", "busy"),
        (InvalidRequest("wrong"), "invalid_prompt", "wrong"),
        (InvalidRequest("no", code="cyber_policy"), "cyber_policy", "no"),
        (UpstreamFailed("broken"), "server_error", "broken"),
    ],
)
def test_errors_have_the_codes_that_codex_acts_on(
    error: GatewayError, code: str, message: str
) -> None:
    shown = written(Fail(error))[-1]["response"]["error"]
    assert (shown["code"], shown["message"]) == (code, message)


@pytest.mark.parametrize("last", [End("length"), Fail(UpstreamFailed("x"))])
def test_nothing_follows_the_end(last: Event) -> None:
    stream = writer()
    stream.feed([last, *streamed(Text(""), "a")])
    assert stream.feed(streamed(Text(""), "a")) == b""
    assert stream.events([Tick()]) == []
