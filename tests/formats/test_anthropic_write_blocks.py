"""Parts of an answer as content blocks of an Anthropic stream."""

import pytest
from inline_snapshot import snapshot

from gateway_core import seals
from gateway_core.content import (
    Citation,
    Foreign,
    HostedCall,
    Media,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    Event,
    Open,
    Whole,
)
from gateway_core.formats.anthropic import StreamWriter
from gateway_core.json import JsonObject, loads_object
from gateway_core.request import Request
from gateway_core.sse import SSEReader

SEAL = Seal("codex", "opaque", id="rs_1", scope="abc")


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


def blocks(writer: StreamWriter, *events: Event) -> list[JsonObject]:
    """What these events add to a stream that has begun."""
    writer.feed([Begin()])
    return decode(writer.feed(events))


def test_signed_thinking(writer: StreamWriter) -> None:
    events = blocks(writer, Open(0, Reasoning("")), Delta(0, "hm"), Close(0, SEAL))
    assert events == snapshot(
        [
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "thinking", "thinking": "", "signature": ""},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "thinking_delta", "thinking": "hm"},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {
                    "type": "signature_delta",
                    "signature": "gw1.codex.eyJkIjoib3BhcXVlIiwiaSI6InJzXzEiLCJzIjoiYWJjIn0",
                },
            },
            {"type": "content_block_stop", "index": 0},
        ]
    )
    assert events[2]["delta"]["signature"] == seals.pack(SEAL)


def test_a_seal_known_at_the_start_is_signed_at_the_end(writer: StreamWriter) -> None:
    events = blocks(writer, Open(0, Reasoning("", SEAL)), Delta(0, "hm"), Close(0))
    assert [event["type"] for event in events[2:]] == ["content_block_delta", "content_block_stop"]
    assert events[2]["delta"] == {"type": "signature_delta", "signature": seals.pack(SEAL)}


def test_thinking_without_a_seal_has_no_signature(writer: StreamWriter) -> None:
    events = blocks(writer, Open(0, Reasoning("")), Delta(0, "hm"), Close(0))
    assert [event["delta"]["type"] for event in events if "delta" in event] == ["thinking_delta"]


def test_a_seal_without_text_is_a_thinking_block(writer: StreamWriter) -> None:
    events = blocks(writer, Whole(0, Reasoning("", SEAL)))
    assert [event.get("delta") for event in events] == [
        None,
        {"type": "signature_delta", "signature": seals.pack(SEAL)},
        None,
    ]


@pytest.mark.parametrize(
    "events",
    [
        [Whole(0, Reasoning("", SEAL, redacted=True))],
        [Open(0, Reasoning("", redacted=True)), Close(0, SEAL)],
        [Open(0, Reasoning("", SEAL, redacted=True)), Delta(0, "secret"), Close(0)],
    ],
    ids=["whole", "sealed at close", "sealed at open"],
)
def test_redacted_thinking(writer: StreamWriter, events: list[Event]) -> None:
    start, stop = blocks(writer, *events)
    assert start["content_block"] == {"type": "redacted_thinking", "data": seals.pack(SEAL)}
    assert stop == {"type": "content_block_stop", "index": 0}


def test_a_tool_call(writer: StreamWriter) -> None:
    call = ToolCall("call_1|fc_1", "Write", "")
    assert blocks(writer, Open(0, call), Delta(0, '{"pa'), Delta(0, 'th":1}'), Close(0)) == (
        snapshot(
            [
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": {
                        "type": "tool_use",
                        "id": "call_1|fc_1",
                        "name": "Write",
                        "input": {},
                    },
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "input_json_delta", "partial_json": '{"pa'},
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "input_json_delta", "partial_json": 'th":1}'},
                },
                {"type": "content_block_stop", "index": 0},
            ]
        )
    )


def test_a_call_without_arguments_has_no_delta(writer: StreamWriter) -> None:
    events = blocks(writer, Open(0, ToolCall("t", "f", "")), Close(0))
    assert [event["type"] for event in events] == ["content_block_start", "content_block_stop"]


def test_arguments_that_are_no_json_flow_as_they_are(writer: StreamWriter) -> None:
    events = blocks(writer, Open(0, ToolCall("t", "f", "")), Delta(0, '{"a": oops'), Close(0))
    assert events[1]["delta"]["partial_json"] == '{"a": oops'


def test_free_text_of_a_custom_call_is_wrapped_when_it_is_complete(writer: StreamWriter) -> None:
    call = ToolCall("t", "apply_patch", "", custom=True)
    events = blocks(writer, Open(0, call), Delta(0, '*** "Be'), Delta(0, 'gin"'), Close(0))
    assert [event["delta"]["partial_json"] for event in events if "delta" in event] == [
        '{"input":"*** \\"Begin\\""}'
    ]


def test_the_seal_of_a_call_is_an_extra_key(writer: StreamWriter) -> None:
    start, _ = blocks(writer, Open(0, ToolCall("t", "f", "", seal=SEAL)), Close(0))
    assert start["content_block"]["signature"] == seals.pack(SEAL)


def test_ids_are_made_unique_within_an_answer(writer: StreamWriter) -> None:
    calls: list[Event] = []
    for index in range(3):
        calls += [Open(index, ToolCall("t", "f", "")), Close(index)]
    starts = [event for event in blocks(writer, *calls) if "content_block" in event]
    assert [start["content_block"]["id"] for start in starts] == ["t", "t_2", "t_3"]


def test_a_hosted_search(writer: StreamWriter) -> None:
    sources = {
        "sources": [{"url": "https://a.example", "title": "A"}, {"url": "https://b.example"}]
    }
    call = HostedCall("ws_1", "web_search", '{"query":"q"}', sources)
    assert blocks(writer, Whole(0, call)) == snapshot(
        [
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {
                    "type": "server_tool_use",
                    "id": "srvtoolu_ws_1",
                    "name": "web_search",
                    "input": {},
                },
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": '{"query":"q"}'},
            },
            {"type": "content_block_stop", "index": 0},
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_ws_1",
                    "content": [
                        {
                            "type": "web_search_result",
                            "url": "https://a.example",
                            "title": "A",
                            "encrypted_content": "",
                            "page_age": None,
                        },
                        {
                            "type": "web_search_result",
                            "url": "https://b.example",
                            "title": "https://b.example",
                            "encrypted_content": "",
                            "page_age": None,
                        },
                    ],
                },
            },
            {"type": "content_block_stop", "index": 1},
        ]
    )


def test_a_failed_search(writer: StreamWriter) -> None:
    call = HostedCall("srvtoolu_1", "web_search", "", {"error": "too_many_requests"})
    events = blocks(writer, Whole(0, call))
    assert [event["content_block"] for event in events if "content_block" in event] == snapshot(
        [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_1",
                "content": {
                    "type": "web_search_tool_result_error",
                    "error_code": "too_many_requests",
                },
            },
        ]
    )


def test_another_hosted_tool_keeps_its_own_result(writer: StreamWriter) -> None:
    call = HostedCall("1", "web_fetch", '{"url":"u"}', {"type": "web_fetch_result"})
    events = blocks(writer, Whole(0, call))
    assert [event["content_block"]["type"] for event in events if "content_block" in event] == [
        "server_tool_use",
        "web_fetch_tool_result",
    ]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (
            HostedCall(
                "ig_1", "image_generation", "{}", {"media_type": "image/webp", "data": "QUJD"}
            ),
            {"type": "base64", "media_type": "image/webp", "data": "QUJD"},
        ),
        (
            Media("image", "image/png", data="QUJD"),
            {"type": "base64", "media_type": "image/png", "data": "QUJD"},
        ),
        (
            Media("image", url="https://a.example/a.png"),
            {"type": "url", "url": "https://a.example/a.png"},
        ),
    ],
)
def test_images_are_an_extension(
    writer: StreamWriter, part: HostedCall | Media, source: JsonObject
) -> None:
    start, stop = blocks(writer, Whole(0, part))
    assert start["content_block"] == {"type": "image", "source": source}
    assert stop["type"] == "content_block_stop"


def test_citations_come_before_the_block_stops(writer: StreamWriter) -> None:
    citations = [Citation("https://a.example", "A", 0, 2)]
    events = blocks(writer, Open(0, Text("")), Delta(0, "Hi"), Close(0, citations=citations))
    assert events[2]["delta"] == snapshot(
        {
            "type": "citations_delta",
            "citation": {
                "type": "web_search_result_location",
                "url": "https://a.example",
                "title": "A",
                "cited_text": "",
                "encrypted_index": "",
            },
        }
    )


def test_items_of_the_formats_own_namespace_pass_as_they_are(writer: StreamWriter) -> None:
    item = {"type": "compaction", "content": "so far"}
    start, _ = blocks(writer, Whole(0, Foreign("anthropic", "compaction", item)))
    assert start["content_block"] == item


def test_items_of_other_namespaces_leave_no_gap(writer: StreamWriter) -> None:
    events = blocks(
        writer,
        Whole(0, Foreign("responses", "local_shell_call", {})),
        Whole(1, Media("audio", "audio/wav", data="QUJD")),
        Open(2, Text("")),
        Delta(2, "Hi"),
        Close(2),
    )
    assert [event["index"] for event in events] == [0, 0, 0]
