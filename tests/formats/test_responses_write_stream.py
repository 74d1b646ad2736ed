"""Writing Responses answers: the event stream, the whole object, and failures."""

import pytest
from inline_snapshot import snapshot

from gateway_core import seals
from gateway_core.content import (
    Citation,
    HostedCall,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Notice,
    NoticeSeen,
    Open,
    StreamedPart,
    Tick,
    Usage,
    Whole,
)
from gateway_core.formats.responses import StreamWriter
from gateway_core.json import JsonObject, dumps, loads_object
from gateway_core.parts import collect
from support.responses_wire import parse
from support.responses_writing import asked, between, kinds, streamed, writer, written

SEAL = Seal("codex", "opaque", "rs_1")


def item_of(part: StreamedPart, *pieces: str, close: Close | None = None) -> JsonObject:
    """The item that is done for a streamed part."""
    done: JsonObject = between(*streamed(part, *pieces, close=close))[-1]["item"]
    return done


def test_a_stream_starts_with_the_envelope_twice() -> None:
    first, second = written(Tick())
    assert (first["type"], second["type"]) == ("response.created", "response.in_progress")
    assert first["response"] == second["response"]
    assert first["response"] == snapshot(
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 1700000000,
            "store": False,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": "m",
            "background": False,
            "instructions": None,
            "max_output_tokens": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "prompt_cache_key": None,
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": None,
            "service_tier": "auto",
            "temperature": None,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "truncation": "disabled",
            "user": None,
            "output": [],
            "usage": None,
        }
    )


def test_the_envelope_repeats_parameters_but_not_instructions_and_tools() -> None:
    response = written(
        Tick(),
        instructions="Be brief.",
        tools=[{"type": "function", "name": "f"}],
        tool_choice={"type": "function", "name": "f"},
        temperature=0.5,
        metadata={"a": "b"},
        reasoning={"effort": "low"},
        text={"verbosity": "low"},
        previous_response_id="resp_0",
    )[0]["response"]
    assert (response["instructions"], response["tools"]) == (None, [])
    assert response["tool_choice"] == {"type": "function", "name": "f"}
    assert (response["temperature"], response["metadata"]) == (0.5, {"a": "b"})
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert response["text"] == {"verbosity": "low"}
    assert response["previous_response_id"] == "resp_0"


def test_it_says_that_it_is_stored_only_when_it_is() -> None:
    told = written(Tick(), store=True)[0]["response"]
    kept = written(Begin("resp_mine_1", stored=True), store=True)[0]["response"]
    assert (told["store"], kept["store"]) == (False, True)


def test_a_text() -> None:
    assert between(*streamed(Text(""), "Hel", 'lo\n"')) == snapshot(
        [
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {
                    "type": "message",
                    "status": "in_progress",
                    "role": "assistant",
                    "content": [],
                    "id": "msg_1_0",
                },
            },
            {
                "type": "response.content_part.added",
                "item_id": "msg_1_0",
                "output_index": 0,
                "content_index": 0,
                "part": {"type": "output_text", "text": "", "annotations": [], "logprobs": []},
            },
            {
                "type": "response.output_text.delta",
                "item_id": "msg_1_0",
                "output_index": 0,
                "content_index": 0,
                "logprobs": [],
                "delta": "Hel",
            },
            {
                "type": "response.output_text.delta",
                "item_id": "msg_1_0",
                "output_index": 0,
                "content_index": 0,
                "logprobs": [],
                "delta": 'lo\n"',
            },
            {
                "type": "response.output_text.done",
                "item_id": "msg_1_0",
                "output_index": 0,
                "content_index": 0,
                "logprobs": [],
                "text": 'Hello\n"',
            },
            {
                "type": "response.content_part.done",
                "item_id": "msg_1_0",
                "output_index": 0,
                "content_index": 0,
                "part": {
                    "type": "output_text",
                    "text": 'Hello\n"',
                    "annotations": [],
                    "logprobs": [],
                },
            },
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": {
                    "type": "message",
                    "status": "completed",
                    "role": "assistant",
                    "content": [
                        {
                            "type": "output_text",
                            "text": 'Hello\n"',
                            "annotations": [],
                            "logprobs": [],
                        }
                    ],
                    "id": "msg_1_0",
                },
            },
        ]
    )


def test_sequence_numbers_count_from_zero() -> None:
    events = written(*streamed(Text(""), "a", "b"), End("stop"))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_texts_are_items_of_their_own() -> None:
    second: list[Event] = [Open(1, Text("")), Delta(1, "b"), Close(1)]
    output = written(*streamed(Text(""), "a"), *second, End("stop"))[-1]["response"]["output"]
    assert [(item["id"], item["content"][0]["text"]) for item in output] == [
        ("msg_1_0", "a"),
        ("msg_1_1", "b"),
    ]


def test_citations_are_announced_and_stay_with_the_text() -> None:
    close = Close(0, citations=[Citation("https://a.example", "A", 0, 2), Citation("https://b")])
    events = between(*streamed(Text(""), "Hello", close=close))
    announced = [event for event in events if event["type"].endswith("annotation.added")]
    annotations = events[-1]["item"]["content"][0]["annotations"]
    assert [event["annotation"] for event in announced] == annotations
    assert [event["annotation_index"] for event in announced] == [0, 1]
    assert annotations == [
        {
            "type": "url_citation",
            "start_index": 0,
            "end_index": 2,
            "url": "https://a.example",
            "title": "A",
        },
        {
            "type": "url_citation",
            "start_index": 0,
            "end_index": 0,
            "url": "https://b",
            "title": "",
        },
    ]


def test_the_phase_of_a_text_is_passed_on() -> None:
    part = Text("", extras={"responses": {"phase": "commentary"}})
    events = between(*streamed(part, "a"))
    assert events[0]["item"]["phase"] == events[-1]["item"]["phase"] == "commentary"
    late = Close(0, extras={"responses": {"phase": "final_answer"}})
    assert item_of(Text(""), "a", close=late)["phase"] == "final_answer"


def test_a_refusal() -> None:
    events = between(*streamed(Text("", refusal=True), "I can ", "not."))
    assert kinds(events) == [
        "output_item.added",
        "content_part.added",
        "refusal.delta",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ]
    assert events[-1]["item"]["content"] == [{"type": "refusal", "refusal": "I can not."}]


def test_reasoning_with_its_seal() -> None:
    events = between(*streamed(Reasoning(""), "Let me", " see", close=Close(0, SEAL)))
    assert kinds(events) == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert events[-1]["item"] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Let me see"}],
        "encrypted_content": seals.pack(SEAL),
        "id": "rs_1_0",
    }


@pytest.mark.parametrize(
    "events",
    [
        streamed(Reasoning(""), close=Close(0, SEAL)),
        [Whole(0, Reasoning("", SEAL, redacted=True))],
    ],
)
def test_reasoning_that_shows_nothing_has_no_summary(events: list[Event]) -> None:
    found = between(*events)
    assert kinds(found) == ["output_item.added", "output_item.done"]
    assert found[-1]["item"]["summary"] == []
    assert found[-1]["item"]["encrypted_content"] == seals.pack(SEAL)


def test_reasoning_in_one_piece_is_streamed_all_the_same() -> None:
    assert between(Whole(0, Reasoning("Hm", SEAL))) == between(
        *streamed(Reasoning(""), "Hm", close=Close(0, SEAL))
    )


def test_a_call() -> None:
    events = between(*streamed(ToolCall("call_a", "f", ""), '{"a":', "1}"))
    assert kinds(events) == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert events[0]["item"] == {
        "type": "function_call",
        "status": "in_progress",
        "call_id": "call_a",
        "name": "f",
        "arguments": "",
        "id": "fc_1_0",
    }
    assert events[3]["arguments"] == '{"a":1}'
    assert events[-1]["item"] == events[0]["item"] | {
        "status": "completed",
        "arguments": '{"a":1}',
    }


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events = between(*streamed(ToolCall("call_a", "now", "")))
    assert [event["delta"] for event in events if "delta" in event] == ["{}"]
    assert events[-1]["item"]["arguments"] == "{}"


def test_a_custom_call() -> None:
    events = between(*streamed(ToolCall("call_a", "patch", "", custom=True), "*** ", "Begin"))
    assert kinds(events)[1:-1] == ["custom_tool_call_input.delta"] * 2 + [
        "custom_tool_call_input.done"
    ]
    item = events[-1]["item"]
    assert (item["type"], item["id"], item["input"]) == (
        "custom_tool_call",
        "ctc_1_0",
        "*** Begin",
    )


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("c", "crm__list", ""),
        ToolCall("c", "any", "", extras={"responses": {"namespace": "crm", "name": "list"}}),
    ],
)
def test_a_call_of_a_tool_in_a_namespace_names_both(call: ToolCall) -> None:
    tools = [{"type": "function", "name": "list"}]
    namespace = {"type": "namespace", "name": "crm", "description": "x", "tools": tools}
    item = between(*streamed(call, "{}"), tools=[namespace])[-1]["item"]
    assert (item["namespace"], item["name"]) == ("crm", "list")


def test_an_empty_batch_starts_nothing() -> None:
    assert writer().feed([]) == b""


def test_ticks_and_notices_write_nothing() -> None:
    stream = writer()
    stream.feed([Begin()])
    assert stream.feed([Tick(), NoticeSeen(Notice("a", "b"))]) == b""


def test_a_ping_is_a_comment() -> None:
    assert writer().ping() == b": ping\n\n"


def test_bare_events_are_the_framed_ones() -> None:
    events: list[Event] = [
        *streamed(Reasoning(""), "Hm", close=Close(0, SEAL)),
        Open(1, Text("")),
        Delta(1, "a"),
        Close(1),
        End("stop"),
    ]
    bare = writer().events(events)
    assert [loads_object(payload) for payload in bare] == parse(writer().feed(events))


def test_ids_are_made_up_when_not_given() -> None:
    first, second = (
        parse(StreamWriter(asked(), "m").feed([Tick()]))[0]["response"] for _ in range(2)
    )
    assert first["id"] != second["id"]
    assert first["id"].startswith("resp_")
    assert first["created_at"] > 1_700_000_000


def test_item_ids_are_short_enough_to_be_sent_back() -> None:
    stream = StreamWriter(asked(), "m", "resp_" + "0a" * 60)
    done = parse(stream.feed([*streamed(Text(""), "a"), End("stop")]))[-1]
    assert len(done["response"]["output"][0]["id"]) <= 64


def test_writing_leaves_the_events_alone() -> None:
    part = Text("", extras={"responses": {"phase": "commentary"}})
    writer().feed(streamed(part, "a", close=Close(0, citations=[Citation("https://a.example")])))
    assert part == Text("", extras={"responses": {"phase": "commentary"}})


def test_the_body_is_what_the_stream_ends_with() -> None:
    def answer() -> list[Event]:
        return [
            Begin("up", "upstream-model"),
            *streamed(Reasoning(""), "Hm", close=Close(0, SEAL)),
            Open(1, Text("")),
            Delta(1, "a"),
            Close(1, citations=[Citation("https://a.example", "A", 0, 1)]),
            Open(2, ToolCall("c", "f", "")),
            Delta(2, "{}"),
            Close(2),
            Whole(3, HostedCall("x", "web_search", '{"query":"q"}')),
            End("tool_use", usage=Usage(10, 2, None, 5, 1)),
        ]

    body = writer().body(collect(answer()))
    assert body == written(*answer())[-1]["response"]
    assert dumps(body)
