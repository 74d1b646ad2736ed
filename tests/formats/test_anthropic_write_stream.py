"""Canonical events as an Anthropic stream, event by event."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.content import (
    Foreign,
    HostedCall,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.errors import ContextOverflow, Overloaded, UpstreamFailed, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Notice,
    NoticeSeen,
    Open,
    StopReason,
    Tick,
    Usage,
    UsageSeen,
    Whole,
)
from gateway_core.formats.anthropic import StreamWriter
from gateway_core.json import JsonObject, loads_object
from gateway_core.parts import collect
from gateway_core.request import Request
from gateway_core.sse import SSEReader

SEAL = Seal("codex", "opaque", id="rs_1", scope="abc")
TEXT: list[Event] = [Open(0, Text("")), Delta(0, "Hi"), Close(0)]


@pytest.fixture
def writer() -> StreamWriter:
    return StreamWriter(Request("m", []), "gpt-5.5", message_id="msg_1")


def decode(data: bytes) -> list[JsonObject]:
    """The data of each event. The event's name always repeats its type."""
    events = []
    reader = SSEReader()
    for event in reader.feed(data):
        decoded = loads_object(event.data)
        assert event.event.decode() == decoded["type"]
        events.append(decoded)
    assert reader.end() == []
    return events


def kinds(data: bytes) -> list[str]:
    return [event["type"] for event in decode(data)]


def test_a_text_answer_from_start_to_end(writer: StreamWriter) -> None:
    events = [Begin("up_1", "up"), *TEXT, End("stop", usage=Usage(input=10, output=2))]
    assert decode(writer.feed(events)) == snapshot(
        [
            {
                "type": "message_start",
                "message": {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": "gpt-5.5",
                    "content": [],
                    "stop_reason": None,
                    "stop_sequence": None,
                    "usage": {
                        "input_tokens": 0,
                        "cache_creation_input_tokens": 0,
                        "cache_read_input_tokens": 0,
                        "output_tokens": 0,
                    },
                },
            },
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hi"},
            },
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {
                    "input_tokens": 10,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 0,
                    "output_tokens": 2,
                },
            },
            {"type": "message_stop"},
        ]
    )


def test_the_bytes_of_a_delta_are_compact_and_escaped(writer: StreamWriter) -> None:
    writer.feed([Begin(), Open(0, Text("")), Delta(0, "Say ")])
    assert writer.feed([Delta(0, '"é"\n\u2028')]).decode() == (
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,'
        '"delta":{"type":"text_delta","text":"\\"é\\"\\n\u2028"}}\n\n'
    )


def test_what_has_no_place_in_the_format_is_silent(writer: StreamWriter) -> None:
    events: list[Event] = [NoticeSeen(Notice("n", "n")), Tick(), UsageSeen(Usage(input=1))]
    assert writer.feed(events) == b""


def test_begin_already_starts_the_message(writer: StreamWriter) -> None:
    assert kinds(writer.feed([Begin()])) == ["message_start"]


def test_usage_known_at_the_start_is_told_at_the_start(writer: StreamWriter) -> None:
    (start,) = decode(writer.feed([UsageSeen(Usage(input=10, cache_read=4)), Begin()]))
    assert start["message"]["usage"] == snapshot(
        {
            "input_tokens": 6,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 0,
        }
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            Usage(input=100, cache_read=60, cache_write=30, output=20, reasoning=5),
            {
                "input_tokens": 10,
                "cache_creation_input_tokens": 30,
                "cache_read_input_tokens": 60,
                "output_tokens": 20,
                "output_tokens_details": {"thinking_tokens": 5},
            },
        ),
        (
            Usage(input=10, cache_read=60, web_searches=2),
            {
                "input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 60,
                "output_tokens": 0,
                "server_tool_use": {"web_search_requests": 2},
            },
        ),
    ],
    ids=["everything", "never negative"],
)
def test_final_usage(writer: StreamWriter, usage: Usage, expected: JsonObject) -> None:
    events = decode(writer.feed([Begin(), *TEXT, End("stop", usage=usage)]))
    assert events[-2]["usage"] == expected


def test_the_last_usage_seen_counts_when_the_end_brings_none(writer: StreamWriter) -> None:
    seen = [UsageSeen(Usage(output=1)), UsageSeen(Usage(output=7))]
    events = decode(writer.feed([Begin(), *TEXT, *seen, End("stop")]))
    assert events[-2]["usage"]["output_tokens"] == 7


def test_searches_are_counted_when_the_upstream_does_not(writer: StreamWriter) -> None:
    search = HostedCall("1", "web_search", "{}")
    events = decode(writer.feed([*TEXT, Whole(1, search), Whole(2, search), End("stop")]))
    assert events[-2]["usage"]["server_tool_use"] == {"web_search_requests": 2}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "end_turn"),
        ("stop_sequence", "stop_sequence"),
        ("length", "max_tokens"),
        ("tool_use", "end_turn"),
        ("refusal", "refusal"),
        ("pause", "pause_turn"),
        ("context_window", "model_context_window_exceeded"),
        ("other", "end_turn"),
    ],
)
def test_stop_reasons_of_a_text(writer: StreamWriter, reason: StopReason, expected: str) -> None:
    events = decode(writer.feed([*TEXT, End(reason)]))
    assert events[-2]["delta"] == {"stop_reason": expected, "stop_sequence": None}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "tool_use"),
        ("tool_use", "tool_use"),
        ("other", "tool_use"),
        ("length", "max_tokens"),
    ],
)
def test_stop_reasons_with_a_call(writer: StreamWriter, reason: StopReason, expected: str) -> None:
    events = decode(writer.feed([Open(0, ToolCall("t", "f", "")), Close(0), End(reason)]))
    assert events[-2]["delta"]["stop_reason"] == expected


def test_the_stop_sequence_that_was_hit(writer: StreamWriter) -> None:
    events = decode(writer.feed([*TEXT, End("stop_sequence", stop_sequence="END")]))
    assert events[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


EMPTY: list[list[Event]] = [
    [],
    [Open(0, Text("")), Delta(0, " \n"), Delta(0, "\t"), Close(0)],
    [Open(0, Reasoning("")), Delta(0, "hm"), Close(0, SEAL)],
    [Whole(0, Foreign("responses", "local_shell_call", {}))],
    [Whole(0, HostedCall("1", "web_search", "{}"))],
    [Whole(0, HostedCall("1", "image_generation", "{}", None))],
]
EMPTY_NAMES = ["nothing", "blank", "thinking", "foreign", "search", "image without data"]


@pytest.mark.parametrize("events", EMPTY, ids=EMPTY_NAMES)
@pytest.mark.parametrize("reason", ["stop", "other", "tool_use"])
def test_an_empty_answer_is_an_error_and_no_success(
    writer: StreamWriter, events: list[Event], reason: StopReason
) -> None:
    told = decode(writer.feed([Begin(), *events, End(reason)]))
    assert told[-1] == {
        "type": "error",
        "error": {"type": "api_error", "message": "the model returned an empty answer"},
    }
    assert not {"message_delta", "message_stop"} & {event["type"] for event in told}
    with pytest.raises(UpstreamProtocol, match="empty answer"):
        writer.body(collect([*events, End(reason)]))


@pytest.mark.parametrize(
    "reason", ["length", "refusal", "pause", "context_window", "stop_sequence"]
)
def test_some_ends_excuse_an_empty_answer(writer: StreamWriter, reason: StopReason) -> None:
    told = kinds(writer.feed([End(reason)]))
    assert told == ["message_start", "message_delta", "message_stop"]
    assert writer.body(collect([End(reason)]))["content"] == []


@pytest.mark.parametrize("part", [Text(""), Reasoning("")])
def test_a_failure_closes_open_words_before_the_error(
    writer: StreamWriter, part: Text | Reasoning
) -> None:
    writer.feed([Begin(), Open(0, part), Delta(0, "Hi")])
    assert decode(writer.feed([Fail(Overloaded("busy"))])) == [
        {"type": "content_block_stop", "index": 0},
        {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
    ]


@pytest.mark.parametrize("custom", [True, False])
def test_a_failure_never_completes_a_call(writer: StreamWriter, custom: bool) -> None:
    call = ToolCall("t", "f", "", custom=custom)
    writer.feed([Begin(), *TEXT, Open(1, call), Delta(1, '{"a":1}')])
    assert kinds(writer.feed([Fail(UpstreamFailed("gone"))])) == ["error"]


def test_a_failure_in_redacted_thinking_stops_nothing(writer: StreamWriter) -> None:
    writer.feed([Begin(), Open(0, Reasoning("", redacted=True))])
    assert kinds(writer.feed([Fail(UpstreamFailed("gone"))])) == ["error"]


def test_a_failure_between_parts(writer: StreamWriter) -> None:
    writer.feed([Begin(), *TEXT])
    assert kinds(writer.feed([Fail(ContextOverflow("too many tokens"))])) == ["error"]


def test_a_failure_before_anything_is_only_the_error(writer: StreamWriter) -> None:
    assert kinds(writer.feed([Fail(UpstreamFailed("gone"))])) == ["error"]


@pytest.mark.parametrize("last", [End("stop"), Fail(UpstreamFailed("gone"))])
def test_nothing_follows_the_end(writer: StreamWriter, last: Event) -> None:
    told = writer.feed([*TEXT, last, *TEXT])
    assert kinds(told)[-1] in ("message_stop", "error")
    assert writer.feed([*TEXT, End("stop")]) == b""


def test_a_ping_is_the_formats_own(writer: StreamWriter) -> None:
    assert decode(writer.ping()) == [{"type": "ping"}]


def test_ids_differ_between_answers_and_stay_within_one() -> None:
    def start(writer: StreamWriter) -> Any:
        return decode(writer.feed([Begin()]))[0]["message"]["id"]

    one, other = (StreamWriter(Request("m", []), "m") for _ in range(2))
    first, second = start(one), start(other)
    assert first.startswith("msg_")
    assert first != second
    assert one.body(collect([*TEXT, End("stop")]))["id"] == first


def test_a_batch_is_one_write_of_all_its_events(writer: StreamWriter) -> None:
    deltas: list[Event] = [Delta(0, str(number)) for number in range(50)]
    writer.feed([Open(0, Text(""))])
    told = decode(writer.feed(deltas))
    assert [event["delta"]["text"] for event in told] == [str(number) for number in range(50)]
