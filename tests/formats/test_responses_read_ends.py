"""How Responses streams of upstreams end: cut by a limit, failed in every spelling, or gone."""

from typing import Any

import pytest

from gateway_core.content import Text, ToolCall
from gateway_core.errors import (
    ContextOverflow,
    ErrorKind,
    GatewayError,
    InvalidRequest,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamProtocol,
)
from gateway_core.events import Begin, Delta, End, Event, Fail, Open
from gateway_core.formats.responses import StreamReader
from gateway_core.json import JsonObject, dumps
from gateway_core.parts import collect
from support.about import each
from support.responses_wire import (
    ENVELOPE,
    USAGE,
    added,
    completed,
    created,
    decode,
    decode_everywhere,
    delta,
    event,
    message,
    said,
    sse,
    text_delta,
)

OVERFLOW = {"code": "context_length_exceeded", "message": "too long"}


def ended(kind: str, **fields: Any) -> JsonObject:
    return event(kind, response={**ENVELOPE, "output": [], "usage": USAGE, **fields})


def failure(*events: JsonObject) -> GatewayError:
    """The error of a stream that fails, which it says once and as its last word."""
    decoded = decode_everywhere(sse(created(), *events))
    last = decoded[-1]
    assert isinstance(last, Fail)
    return last.error


@each(
    "reason, stop",
    [
        ("max_output_tokens", "length"),
        ("content_filter", "refusal"),
        ("steered", "other"),
        (None, "other"),
    ],
)
def test_an_incomplete_answer(reason: str | None, stop: str) -> None:
    end = ended("incomplete", status="incomplete", incomplete_details={"reason": reason})
    response = collect(decode([sse(created(), text_delta(0, "Hel"), end)]))
    assert (response.stop, response.raw_stop) == (stop, reason)
    assert response.parts == [Text("Hel")]
    assert response.usage is not None
    assert response.usage.output == 20


def test_incomplete_without_details() -> None:
    end = ended("incomplete", status="incomplete", incomplete_details=None)
    assert collect(decode([sse(created(), end)])).stop == "other"


def test_done_is_completed_by_another_name() -> None:
    end = ended("done", status="completed")
    assert (
        decode([sse(created(), message(0, said("Hi")), end)])[-1]
        == decode([sse(created(), message(0, said("Hi")), completed())])[-1]
    )


def test_done_can_tell_a_failure() -> None:
    error = failure(ended("done", status="failed", error=OVERFLOW))
    assert isinstance(error, ContextOverflow)


@each(
    "events",
    [
        [ended("failed", status="failed", error=OVERFLOW)],
        [{"type": "error", "error": OVERFLOW | {"type": "invalid_request_error"}}],
        [{"type": "error", **OVERFLOW, "param": None}],
        [{"type": "response.error", "error": OVERFLOW}],
        [{"type": "error", "status_code": 400, "body": {"error": OVERFLOW}}],
        [{"error": OVERFLOW}],
        [
            {"type": "error", "error": OVERFLOW},
            ended("failed", status="failed", error=OVERFLOW),
        ],
        [ended("failed", status="failed", error=OVERFLOW), completed()],
    ],
)
def test_a_failure_is_told_once_in_whatever_spelling(events: list[JsonObject]) -> None:
    error = failure(*events)
    assert isinstance(error, ContextOverflow)
    assert (error.message, error.code) == ("too long", "context_length_exceeded")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "rate_limit_exceeded", "message": "x"}, "rate_limited"),
        ({"type": "usage_limit_reached", "message": "x"}, "quota_exhausted"),
        ({"code": "server_is_overloaded", "message": "x"}, "overloaded"),
        ({"code": "invalid_prompt", "message": "x"}, "invalid_request"),
        ({"code": "server_error", "message": "x"}, "upstream_failed"),
        ({"code": "never_heard_of", "message": "x"}, "upstream_failed"),
    ],
)
def test_what_the_codes_mean(error: JsonObject, kind: ErrorKind) -> None:
    assert failure(ended("failed", status="failed", error=error)).kind == kind


def test_a_failure_without_reason() -> None:
    assert isinstance(failure(ended("failed", status="failed", error=None)), UpstreamFailed)


def test_a_short_limit_tells_when_to_come_back() -> None:
    error = failure(
        ended(
            "failed",
            error={"code": "rate_limit_exceeded", "message": "Please try again in 11.054s."},
        )
    )
    assert isinstance(error, RateLimited)
    assert error.retry_after == 11.054


def test_a_used_up_plan_in_a_websocket_envelope() -> None:
    error = failure(
        {
            "type": "error",
            "status": 429,
            "error": {
                "type": "usage_limit_reached",
                "message": "The usage limit has been reached",
                "plan_type": "plus",
                "resets_in_seconds": 9000,
            },
        }
    )
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after == 9000
    assert error.upstream == {"status": 429, "plan_type": "plus", "resets_in_seconds": 9000}


def test_a_call_that_a_failure_cut_stays_open() -> None:
    decoded = decode(
        [
            sse(
                created(),
                added(0, "function_call", call_id="c", name="f", arguments=""),
                delta(0, "function_call_arguments", '{"a":'),
                {"type": "error", "code": "server_is_overloaded", "message": "busy"},
            )
        ]
    )
    assert decoded == [
        Begin("resp_1", "upstream-model"),
        Open(0, ToolCall("c", "f", "")),
        Delta(0, '{"a":'),
        Fail(Overloaded("busy", code="server_is_overloaded")),
    ]


@each(
    "events", [[], [created()], [created(), text_delta(0, "Hel")], [created(), added(0, "message")]]
)
def test_a_stream_that_stops_early_fails(events: list[JsonObject]) -> None:
    last = decode([sse(*events)])[-1]
    assert isinstance(last, Fail)
    assert last.error == UpstreamProtocol(
        "the upstream closed the stream before the response was complete"
    )


def test_the_last_event_may_lack_its_blank_line() -> None:
    stream = sse(created(), message(0, said("Hi")), completed()).removesuffix(b"\n\n")
    assert isinstance(decode([stream])[-1], End)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_an_error_instead_of_a_stream(ending: bytes) -> None:
    body = dumps({"error": {"message": "too long", "code": "context_length_exceeded"}})
    last = decode_everywhere(body + ending)[-1]
    assert isinstance(last, Fail)
    assert isinstance(last.error, ContextOverflow)
    assert last.error.message == "too long"


def test_other_json_instead_of_a_stream() -> None:
    last = decode([b'{"id": "resp_1"}'])[-1]
    assert isinstance(last, Fail)
    assert isinstance(last.error, UpstreamProtocol)


def test_the_end_may_lack_its_blank_line_and_be_garbage() -> None:
    last = decode([sse(created()) + b'event: response.completed\ndata: {"type'])[-1]
    assert isinstance(last, Fail)


@each("garbage", [b"{", b"[]", b"5", b'{"type":"response.output_text.delta"', b"<html>"])
def test_garbage_fails(garbage: bytes) -> None:
    last = decode([sse(created()), b"data: " + garbage + b"\n\n"])[-1]
    assert isinstance(last, Fail)
    assert isinstance(last.error, UpstreamProtocol)


@pytest.mark.parametrize(
    "end", [completed(), {"type": "error", "message": "x"}, ended("incomplete")]
)
def test_nothing_follows_the_end(end: JsonObject) -> None:
    reader = StreamReader("codex")
    events: list[Event] = reader.feed(sse(created(), end, text_delta(0, "x"), completed()))
    assert isinstance(events[-1], End | Fail)
    assert reader.feed(sse(text_delta(0, "more"))) == []
    assert reader.feed(b"data: garbage\n\n") == []
    assert reader.end() == []


def test_garbage_in_a_frame_fails() -> None:
    (last,) = StreamReader("codex").feed_event(b"{")
    assert isinstance(last, Fail)
    assert isinstance(last.error, UpstreamProtocol)


def test_an_error_in_a_frame() -> None:
    event_: JsonObject = {"type": "error", "error": {"code": "invalid_prompt", "message": "no"}}
    (last,) = StreamReader("codex").feed_event(dumps(event_))
    assert isinstance(last, Fail)
    assert isinstance(last.error, InvalidRequest)
