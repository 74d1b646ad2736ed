"""Reading Responses requests: items into messages, and the fields around them."""

from base64 import b64encode
from typing import Any

import pytest

from gateway_core import seals
from gateway_core.content import (
    Citation,
    Foreign,
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.events import Notice
from gateway_core.formats.responses import FORMAT, read_request
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, OutputSpec, ReasoningSpec, Request
from support.about import about, each

PNG = "iVBORw0KGgo="


def read(*items: JsonObject, headers: dict[str, str] | None = None, **fields: Any) -> Request:
    return read_request({"model": "m", "input": [*items], **fields}, headers or {})


def said(*content: JsonObject, role: str = "user") -> JsonObject:
    return {"role": role, "content": [*content]}


def only_part(*items: JsonObject) -> Part:
    """The single part of the single message that these items make."""
    (message,) = read(*items).messages
    (part,) = message.parts
    return part


def call(call_id: str, **more: Any) -> JsonObject:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **more}


def output(call_id: str, value: Any = "ok") -> JsonObject:
    return {"type": "function_call_output", "call_id": call_id, "output": value}


def test_the_format_is_named_responses() -> None:
    assert FORMAT.name == "responses"


def test_a_string_is_one_user_message() -> None:
    request = read_request({"model": "m", "input": "Hi"}, {})
    assert request.messages == [Message("user", [Text("Hi")])]
    assert request.stream is False


@each(
    "role, canonical",
    [("user", "user"), ("assistant", "assistant"), ("system", "system"), ("developer", "system")],
)
def test_roles_with_string_content(role: str, canonical: str) -> None:
    (message,) = read({"role": role, "content": "Hi"}).messages
    assert (message.role, message.parts) == (canonical, [Text("Hi")])


def test_user_messages_stay_apart_and_keep_their_ids() -> None:
    first = {"type": "message", "id": "msg_1", "role": "user", "content": "One"}
    second = {"type": "message", "role": "user", "content": "Two"}
    assert read(first, second).messages == [
        Message("user", [Text("One")], {"responses": {"id": "msg_1"}}),
        Message("user", [Text("Two")]),
    ]


def test_empty_texts_and_messages_are_left_out() -> None:
    empty = said({"type": "input_text", "text": ""})
    assert read(empty, {"role": "user", "content": ""}).messages == []


def test_what_the_model_did_in_a_turn_is_one_message() -> None:
    request = read(
        {"type": "reasoning", "summary": [], "encrypted_content": "x"},
        {"role": "assistant", "content": "Wait.", "phase": "commentary"},
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "q"}},
        call("a"),
        call("b"),
        output("b"),
        output("a"),
        {"role": "assistant", "content": "Done."},
    )
    assert [(m.role, len(m.parts)) for m in request.messages] == [
        ("assistant", 5),
        ("user", 2),
        ("assistant", 1),
    ]


def test_outputs_do_not_join_a_message_of_the_user() -> None:
    request = read({"role": "user", "content": "Hi"}, output("a"), output("b"))
    assert [len(message.parts) for message in request.messages] == [1, 2]


def test_a_message_of_the_user_does_not_join_outputs() -> None:
    request = read(output("a"), {"role": "user", "content": "Hi"}, output("b"))
    assert [type(m.parts[0]) for m in request.messages] == [ToolResult, Text, ToolResult]


def test_an_inline_image() -> None:
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "high"}
    assert only_part(said(part)) == Media(
        "image", "image/png", data=PNG, extras={"responses": {"detail": "high"}}
    )


@pytest.mark.parametrize(
    ("part", "media"),
    [
        ({"image_url": "https://a.example/b.png"}, Media("image", url="https://a.example/b.png")),
        ({"file_id": "file_1"}, Media("image", file="file_1")),
        ({"image_url": "data:image/svg+xml,x"}, Media("image", url="data:image/svg+xml,x")),
    ],
)
def test_other_images(part: JsonObject, media: Media) -> None:
    assert only_part(said({"type": "input_image", **part})) == media


@each(
    "part, media",
    [
        (
            {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            Media("document", "application/pdf", "a.pdf", "JVBERi0="),
        ),
        (
            {"filename": "a.pdf", "file_data": "JVBERi0="},
            Media("document", "application/pdf", "a.pdf", "JVBERi0="),
        ),
        (
            {"file_data": "data:text/plain;base64," + b64encode("grün".encode()).decode()},
            Media("document", "text/plain", data="grün"),
        ),
        ({"file_url": "https://a.example/b"}, Media("document", url="https://a.example/b")),
        ({"file_id": "file_1"}, Media("document", file="file_1")),
    ],
)
def test_files(part: JsonObject, media: Media) -> None:
    assert only_part(said({"type": "input_file", **part})) == media


def test_audio() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}
    assert only_part(said(part)) == Media("audio", "audio/mpeg", data="AAAA")


def test_citations_of_an_earlier_answer() -> None:
    annotation = {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "A",
        "start_index": 2,
        "end_index": 5,
    }
    other = {"type": "file_citation", "file_id": "f"}
    text = {"type": "output_text", "text": "Hello", "annotations": [annotation, other]}
    assert only_part(said(text, role="assistant")) == Text(
        "Hello", citations=[Citation("https://a.example", "A", 2, 5)]
    )


def test_a_refusal_of_an_earlier_answer() -> None:
    part = {"type": "refusal", "refusal": "No."}
    assert only_part(said(part, role="assistant")) == Text("No.", refusal=True)


def test_reasoning_joins_its_summary_and_keeps_the_native_seal() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [
            {"type": "summary_text", "text": "**One**"},
            {"type": "summary_text", "text": "**Two**"},
        ],
        "encrypted_content": "gAAA",
    }
    assert only_part(item) == Reasoning(
        "**One**\n\n**Two**",
        Seal("responses", "gAAA", "rs_1"),
        extras={"responses": {"id": "rs_1"}},
    )


def test_reasoning_unpacks_a_seal_of_ours() -> None:
    seal = Seal("kiro", "data", "rs_9", "acc")
    item = {"type": "reasoning", "summary": [], "encrypted_content": seals.pack(seal)}
    assert only_part(item) == Reasoning("", seal)


def test_a_damaged_seal_of_ours_is_no_seal() -> None:
    summary = [{"type": "summary_text", "text": "Hm"}]
    item = {"type": "reasoning", "summary": summary, "encrypted_content": "gw1.kiro.%%%"}
    assert only_part(item) == Reasoning("Hm")


def test_raw_reasoning_stands_in_for_a_missing_summary() -> None:
    item = {
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Raw."}],
    }
    assert only_part(item) == Reasoning("Raw.")


def test_reasoning_with_nothing_in_it_is_left_out() -> None:
    assert read({"type": "reasoning", "id": "rs_1", "summary": []}).messages == []


def test_a_custom_call_and_its_output() -> None:
    request = read(
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "free {"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    )
    assert [message.parts[0] for message in request.messages] == [
        ToolCall("c", "patch", "free {", custom=True),
        ToolResult("c", [Text("done")], custom=True),
    ]


def test_a_call_of_a_tool_in_a_namespace_has_the_flat_name() -> None:
    assert only_part(call("c", namespace="crm")) == ToolCall(
        "c", "crm__f", "{}", extras={"responses": {"name": "f", "namespace": "crm"}}
    )


def test_an_output_with_an_image() -> None:
    url = f"data:image/png;base64,{PNG}"
    parts = [{"type": "input_text", "text": "See"}, {"type": "input_image", "image_url": url}]
    assert only_part(output("c", parts)) == ToolResult(
        "c", [Text("See"), Media("image", "image/png", data=PNG)]
    )


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("[tool call failed]\nno such file", [Text("no such file")]),
        ("[tool call failed]", []),
        (
            [
                {"type": "input_text", "text": "[tool call failed]"},
                {"type": "input_text", "text": "why"},
            ],
            [Text("why")],
        ),
    ],
)
def test_our_mark_of_a_failed_call_becomes_the_flag_again(value: Any, content: list[Part]) -> None:
    part = only_part(output("c", value))
    assert isinstance(part, ToolResult)
    assert (part.failed, part.content) == (True, content)


def test_a_search_with_its_sources() -> None:
    action = {
        "type": "search",
        "query": "news",
        "sources": [{"type": "url", "url": "https://a.example"}, {"type": "api", "name": "x"}],
    }
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action}
    part = only_part(item)
    assert isinstance(part, HostedCall)
    assert (part.id, part.name, part.arguments) == ("ws_1", "web_search", '{"query":"news"}')
    assert part.result == {"sources": [{"url": "https://a.example"}]}


def test_a_search_that_opened_a_page_keeps_its_action() -> None:
    action = {"type": "open_page", "url": "https://a.example"}
    assert only_part({"type": "web_search_call", "id": "ws_1", "action": action}) == HostedCall(
        "ws_1", "web_search", '{"type":"open_page","url":"https://a.example"}'
    )


def test_a_failed_search() -> None:
    part = only_part({"type": "web_search_call", "id": "ws_1", "status": "failed"})
    assert part == HostedCall("ws_1", "web_search", "{}", {"error": "unavailable"})


def test_a_generated_image() -> None:
    item = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": PNG,
        "revised_prompt": "a dot",
        "output_format": "webp",
        "size": "1024x1024",
    }
    assert only_part(item) == HostedCall(
        "ig_1",
        "image_generation",
        '{"prompt":"a dot"}',
        {"media_type": "image/webp", "data": PNG},
        extras={"responses": {"size": "1024x1024"}},
    )


@each(
    "kind, role",
    [
        ("item_reference", "assistant"),
        ("compaction", "assistant"),
        ("local_shell_call", "assistant"),
        ("tool_search_call", "assistant"),
        ("from_the_future", "assistant"),
        ("tool_search_output", "user"),
        ("local_shell_call_output", "user"),
        ("compaction_trigger", "user"),
        ("configuration_update", "system"),
    ],
)
def test_other_items_stay_whole_on_the_side_they_belong_to(kind: str, role: str) -> None:
    item = {"type": kind, "id": "x", "payload": {"a": [1]}}
    (message,) = read(item).messages
    assert (message.role, message.parts) == (role, [Foreign("responses", kind, item)])


def added(*tools: object) -> dict[str, object]:
    return {"type": "additional_tools", "role": "developer", "tools": list(tools)}


def test_tools_among_the_items_are_tools_of_the_request() -> None:
    note = {"type": "custom", "name": "note", "description": "Takes a note"}
    look = {"type": "function", "name": "look"}
    request = read(added(look), {"role": "developer", "content": "Be terse."}, added(note, look))
    assert [(type(tool), tool.name) for tool in request.tools] == [
        (FunctionTool, "look"),
        (CustomTool, "note"),
    ]
    assert [message.parts for message in request.messages] == [[Text("Be terse.")]]


@each("tools", [{"a": 1}, "x", [1], [{}], [{"type": "function"}]])
def test_tools_among_the_items_must_be_tools(tools: object) -> None:
    with pytest.raises(InvalidRequest, match="additional_tools"):
        read({"type": "additional_tools", "tools": tools})


def test_a_content_part_of_a_newer_client_stays_whole() -> None:
    part = {"type": "input_hologram", "data": "x"}
    assert only_part(said(part)) == Foreign("responses", "input_hologram", part)


@each(
    "text, spec",
    [
        (None, OutputSpec()),
        ({"format": {"type": "text"}}, OutputSpec()),
        (
            {"format": {"type": "json_object"}, "verbosity": "low"},
            OutputSpec("json", verbosity="low"),
        ),
        (
            {
                "format": {
                    "type": "json_schema",
                    "name": "n",
                    "schema": {"type": "object"},
                    "strict": True,
                }
            },
            OutputSpec("json_schema", "n", schema={"type": "object"}, strict=True),
        ),
    ],
)
def test_the_shape_of_the_answer(text: Any, spec: OutputSpec) -> None:
    assert read(text=text).output == spec


@each(
    "reasoning, spec",
    [
        (None, ReasoningSpec()),
        (
            {"effort": "high", "summary": "detailed"},
            ReasoningSpec(None, "high", summary="detailed"),
        ),
        ({"effort": "none"}, ReasoningSpec(False, "none")),
        ({"generate_summary": "concise"}, ReasoningSpec(summary="concise")),
        ({"effort": None, "summary": None, "context": "auto"}, ReasoningSpec()),
    ],
)
def test_how_much_to_think(reasoning: Any, spec: ReasoningSpec) -> None:
    assert read(reasoning=reasoning).reasoning == spec


def test_limits_and_sampling() -> None:
    sampling = read(max_output_tokens=9, temperature=1, top_p=0.5, stop="END").sampling
    assert sampling.max_output_tokens == 9
    assert (sampling.temperature, sampling.top_p, sampling.stop) == (1.0, 0.5, ["END"])


@each(
    "headers, session_id",
    [
        ({}, "key"),
        ({"x-client-request-id": "d", "thread-id": "c"}, "c"),
        ({"session_id": "b", "thread-id": "c"}, "b"),
        ({"session-id": "a", "session_id": "b"}, "a"),
        ({"session-id": ""}, "key"),
    ],
)
def test_the_session_is_known_by_headers_or_cache_key(
    headers: dict[str, str], session_id: str
) -> None:
    request = read(headers=headers, prompt_cache_key="key")
    assert request.session.session_id == session_id
    assert request.session.cache_key == "key"


def test_hints_about_the_session() -> None:
    session = read(
        safety_identifier="someone",
        service_tier="priority",
        store=True,
        previous_response_id="resp_0",
        metadata={"a": "b"},
    ).session
    assert (session.user, session.service_tier, session.store) == ("someone", "priority", True)
    assert (session.previous_response_id, session.metadata) == ("resp_0", {"a": "b"})


def test_input_may_be_missing_after_an_earlier_response() -> None:
    assert read_request({"model": "m", "previous_response_id": "resp_0"}, {}).messages == []


def test_fields_that_matter_only_to_the_vendor_are_accepted_in_silence() -> None:
    request = read(
        include=["reasoning.encrypted_content"],
        truncation="auto",
        background=False,
        client_metadata={"a": "b"},
        stream_options={"include_obfuscation": False},
        prompt_cache_retention="24h",
        top_logprobs=0,
        prompt=None,
    )
    assert request.notices == []
    assert request.source.body["include"] == ["reasoning.encrypted_content"]


def test_what_is_new_or_has_no_effect_is_told_in_notices() -> None:
    request = read(
        from_the_future=1,
        max_tool_calls=3,
        reasoning={"effort": "ludicrous"},
        text={"verbosity": "epic", "format": {"type": "grammar"}},
    )
    assert sorted(request.notices, key=lambda notice: notice.message) == [
        Notice("unknown_value", "reasoning.effort 'ludicrous' is not known: left out"),
        Notice("unknown_value", "text.format.type 'grammar' is not known: plain text is asked"),
        Notice("unknown_value", "text.verbosity 'epic' is not known: left out"),
        Notice("unknown_field", "the field 'from_the_future' is not known: left out"),
        Notice("ignored_field", "the field 'max_tool_calls' has no effect here"),
    ]


def test_what_only_the_vendors_platform_keeps_is_refused_by_name() -> None:
    for field, instead in (("conversation", "previous_response_id"), ("prompt", "instructions")):
        with about(field), pytest.raises(Unsupported, match=f"^{field}: .*{instead}") as caught:
            read(**{field: {"id": "x_1"}})
        assert caught.value.param == field
