"""The calls beside `/v1/responses`: what they read, and the objects they answer with."""

from typing import Any

import pytest

from gateway_core.compaction import asks_for_compaction, summary_item, trigger
from gateway_core.content import Foreign, Message, Text
from gateway_core.errors import InvalidRequest, UpstreamProtocol
from gateway_core.events import Usage
from gateway_core.formats.responses import (
    compact_body,
    count_body,
    read_compact_request,
    read_count_request,
    read_request,
    write_request,
)
from gateway_core.formats.responses.compact import since_compaction
from gateway_core.json import JsonObject
from gateway_core.parts import Response
from gateway_core.tokens import count_request
from support.about import each

SUMMARY = summary_item("We fixed it.")
CALL = {"type": "function_call", "call_id": "call_1", "name": "Bash", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
CUSTOM = {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "x"}
PATCHED = {"type": "custom_tool_call_output", "call_id": "call_2", "output": "ok"}
OFFERED = {"type": "additional_tools", "tools": [{"type": "function", "name": "Bash"}]}
TRIGGER = {"type": "compaction_trigger"}
USER = {
    "type": "message",
    "role": "user",
    "id": "msg_u",
    "status": "completed",
    "content": [{"type": "input_text", "text": "Fix it"}],
}
SAID = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "On it."}],
}


def answer(*items: JsonObject) -> Response:
    parts = [Foreign("responses", item["type"], item) for item in items]
    return Response([*parts], usage=Usage(input=100, output=20, reasoning=5))


def compacted(input: Any) -> JsonObject:
    request = read_compact_request({"model": "m", "input": input}, {})
    return compact_body(request, answer(SUMMARY), "1", 1_700_000_000)


@pytest.mark.parametrize("input", ["Hi", [{"role": "user", "content": "Hi"}]])
def test_a_compact_request_is_a_turn_that_ends_in_a_trigger(input: object) -> None:
    request = read_compact_request({"model": "m", "input": input}, {})
    assert request.messages == [Message("user", [Text("Hi")]), trigger()]


def test_a_trigger_of_the_client_is_not_doubled() -> None:
    input = [{"role": "user", "content": "Hi"}, {"type": "compaction_trigger"}]
    request = read_compact_request({"model": "m", "input": input}, {})
    assert request.messages == [Message("user", [Text("Hi")]), trigger()]


def test_a_compact_request_needs_an_input() -> None:
    with pytest.raises(InvalidRequest, match="input"):
        read_compact_request({"model": "m"}, {})


def test_the_object_is_the_documented_one() -> None:
    body = compacted("Fix it")
    assert body == {
        "id": "resp_1",
        "object": "response.compaction",
        "created_at": 1_700_000_000,
        "output": [
            {
                "id": "msg_1_0",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_text", "text": "Fix it"}],
            },
            {"id": "cmp_1", **SUMMARY},
        ],
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 120,
        },
    }


def test_messages_to_the_model_stay_and_what_it_did_goes() -> None:
    user = {"role": "user", "id": "msg_u", "content": [{"type": "input_text", "text": "Fix it"}]}
    rules = {"role": "developer", "content": "Be brief."}
    said = {"role": "assistant", "content": "On it."}
    earlier = {"id": "cmp_0", **summary_item("Before.")}
    output = compacted([rules, earlier, user, said, CALL, RESULT])["output"]
    assert [(item["type"], item.get("role")) for item in output] == [
        ("message", "developer"),
        ("message", "user"),
        ("compaction", None),
    ]
    assert output[1]["id"] == "msg_u"
    assert output[1]["content"] == user["content"]


def test_the_output_is_an_input_again() -> None:
    output = compacted([{"role": "user", "content": "Fix it"}, CALL, RESULT])["output"]
    request = read_request({"model": "m", "input": output}, {})
    user, summary = request.messages
    assert user.parts == [Text("Fix it")]
    assert summary.role == "user"
    (part,) = summary.parts
    assert isinstance(part, Text)
    assert part.text.endswith("\n\nWe fixed it.")


def test_a_compaction_of_the_upstream_keeps_its_id_and_blob() -> None:
    native = {"type": "compaction", "id": "cmp_up", "encrypted_content": "gAAAA"}
    request = read_compact_request({"model": "m", "input": "Hi"}, {})
    assert compact_body(request, answer(native))["output"][-1] == native


def test_a_compaction_of_another_service_is_left_to_providers() -> None:
    native = {"type": "compaction", "id": "cmp_up", "encrypted_content": "gAAAA"}
    request = read_request({"model": "m", "input": [native]}, {})
    assert request.messages == [Message("assistant", [Foreign("responses", "compaction", native)])]


def test_a_damaged_summary_is_named() -> None:
    item = {**SUMMARY, "encrypted_content": SUMMARY["encrypted_content"][:-5]}
    with pytest.raises(InvalidRequest) as caught:
        read_request({"model": "m", "input": [item]}, {})
    assert caught.value.param == "input[0].encrypted_content"


def test_an_answer_without_a_compaction_is_an_error() -> None:
    request = read_compact_request({"model": "m", "input": "Hi"}, {})
    with pytest.raises(UpstreamProtocol, match="compaction"):
        compact_body(request, Response([Text("Hello")]))


@pytest.mark.parametrize("body", [{}, {"model": None, "input": None}, {"instructions": ""}])
def test_counting_needs_neither_model_nor_input(body: JsonObject) -> None:
    request = read_count_request(body, {})
    assert (request.model, request.messages) == ("", [])
    assert count_request(request) > 0


def test_counting_reads_the_whole_request() -> None:
    body = {"model": "m", "input": "Hi", "instructions": "Be brief.", "stream": True}
    request = read_count_request(body, {})
    assert not request.stream
    assert request.messages == [Message("user", [Text("Hi")])]
    assert request.instructions == [Text("Be brief.")]


def test_a_count_is_answered_in_the_documented_object() -> None:
    assert count_body(7) == {"object": "response.input_tokens", "input_tokens": 7}


def test_a_conversation_that_only_mentions_compaction_goes_on() -> None:
    request = read_request({"model": "m", "input": "Please write compaction_trigger."}, {})
    assert not asks_for_compaction(request)


def test_an_upstream_of_the_format_gets_trigger_and_compactions_as_they_are() -> None:
    native = {"type": "compaction", "id": "cmp_up", "encrypted_content": "gAAAA"}
    request = read_compact_request({"model": "m", "input": [native]}, {})
    body = write_request(request, "m", issuer="vendor")
    assert body["input"] == [native, {"type": "compaction_trigger"}]


def test_an_upstream_of_the_format_gets_our_summary_as_a_text() -> None:
    request = read_request({"model": "m", "input": [SUMMARY]}, {})
    (item,) = write_request(request, "m", issuer="vendor")["input"]
    assert (item["type"], item["role"]) == ("message", "user")
    assert item["content"][0]["text"].endswith("We fixed it.")


# --- what a conversation goes on with -----------------------------------------------------------


@each(
    "items, then, left",
    [
        ([USER, SAID, CALL, RESULT, SUMMARY], [], [USER, SUMMARY]),
        ([USER, SUMMARY, SAID], [USER], [USER, SUMMARY, SAID]),
        ([SUMMARY, SAID, USER, TRIGGER, SUMMARY, CALL], [], [USER, SUMMARY, CALL]),
        ([OFFERED, SAID, SUMMARY], [], [OFFERED, SUMMARY]),
        ([USER, OFFERED, CALL, SUMMARY], [RESULT], [OFFERED, USER, SUMMARY, CALL]),
        ([CALL, CUSTOM, SUMMARY, RESULT], [PATCHED], [SUMMARY, CALL, CUSTOM, RESULT]),
        ([CALL, CUSTOM, SUMMARY], [PATCHED], [SUMMARY, CUSTOM]),
        ([CALL, RESULT, CUSTOM, SUMMARY], [USER], [SUMMARY]),
    ],
)
def test_a_conversation_goes_on_with_its_last_compaction(
    items: list[JsonObject], then: list[JsonObject], left: list[JsonObject]
) -> None:
    """With what followed, messages to the model, offered tools, and calls that wait for results."""
    assert since_compaction(items, then) == left


@each("call_id", [[], {}, None, 1])
def test_an_id_that_is_none_leaves_no_call_open(call_id: Any) -> None:
    """What comes then is what a client has sent: it is refused where it is read."""
    then = [{"type": "function_call_output", "call_id": call_id, "output": ""}]
    assert since_compaction([CALL, SUMMARY], then) == [SUMMARY]


def test_without_a_compaction_it_goes_on_with_all_but_triggers() -> None:
    items: list[JsonObject] = [OFFERED, USER, SAID, CALL, RESULT]
    assert since_compaction(items) == items
    assert since_compaction([USER, TRIGGER, CALL], [RESULT]) == [USER, CALL]
    assert since_compaction([SAID]) == [SAID]
    assert since_compaction([]) == []
