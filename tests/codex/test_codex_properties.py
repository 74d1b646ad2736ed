"""Whatever comes, the request is one that the Codex backend takes, or is refused by name."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_codex.plugin import CodexProvider
from gateway_codex.schemas import strict_schema, tool_schema
from gateway_codex.settings import CodexSettings
from gateway_core import (
    Foreign,
    HostedCall,
    Message,
    Reasoning,
    Request,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.formats.responses import read_request
from gateway_core.json import JsonObject, dumps
from simulators.codex.validate_tools import schema_problems
from support.codex_asking import CREDENTIAL, asked, body_of, route_to

IDS = st.sampled_from(["a", "b", "call.with.dots", "x" * 80])
THOUGHTS = st.builds(
    Reasoning,
    st.sampled_from(["", "hm"]),
    st.sampled_from([None, Seal("codex", "gAAAA"), Seal("codex", "gAAAA", "rs_1"), Seal("o", "x")]),
)
CALLS = st.builds(ToolCall, IDS, st.just("run"), st.just("{}"), custom=st.booleans())
RESULTS = st.builds(ToolResult, IDS, st.just([Text("ok")]), custom=st.booleans())
SEARCHES = st.builds(
    HostedCall,
    st.just("ws_1"),
    st.just("web_search"),
    st.sampled_from(["", '{"query":"news"}', '{"type":"open_page","url":"https://a.example"}']),
)
TEXTS = st.builds(Text, st.sampled_from(["", "words"]))
SHELLS = st.builds(
    lambda id: Foreign(
        "responses", "local_shell_call", {"type": "local_shell_call", "call_id": id, "action": {}}
    ),
    IDS,
)
REFERENCES = st.just(
    Foreign("responses", "item_reference", {"type": "item_reference", "id": "msg_1"})
)
SAID = st.lists(THOUGHTS | CALLS | SEARCHES | TEXTS | SHELLS | REFERENCES, max_size=4)
TOLD = st.lists(RESULTS | TEXTS, max_size=4)
MESSAGES = st.lists(
    st.builds(Message, st.just("assistant"), SAID)
    | st.builds(Message, st.just("user"), TOLD)
    | st.builds(Message, st.just("system"), st.lists(TEXTS, max_size=2)),
    max_size=6,
)


@given(MESSAGES, st.sampled_from(["gpt-5.5", "gpt-5.6-luna"]))
def test_any_conversation_is_mended_until_it_is_welcome(
    messages: list[Message], model: str
) -> None:
    asked(Request(model, messages), model)


@given(MESSAGES, MESSAGES)
def test_later_messages_leave_the_earlier_items_as_they_are(
    beginning: list[Message], more: list[Message]
) -> None:
    """Except for the answer to a call that had none before."""
    called = {
        part.id if isinstance(part, ToolCall) else part.data.get("call_id")
        for message in beginning
        for part in message.parts
        if isinstance(part, ToolCall | Foreign)
    }
    for message in more:
        message.parts = [
            part
            for part in message.parts
            if type(part) is not ToolResult or part.call_id not in called
        ]
    beginning.append(Message("assistant", [Text("closed")]))
    earlier = asked(Request("gpt-5.5", beginning))["input"]
    later = asked(Request("gpt-5.5", [*beginning, *more]))["input"]
    assert later[: len(earlier)] == earlier


SCHEMA_WORDS: st.SearchStrategy[Any] = st.sampled_from(
    ["object", "array", "string", ["object", "null"], True, None, 3, [], {}, ["a"], "a"]
)
SCHEMA_KEYS = st.sampled_from(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$schema",
        "$defs",
        "$ref",
        "enum",
        "const",
        "not",
        "description",
        "cache_control",
        "default",
        "a",
        "b",
    ]
)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    SCHEMA_WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCHEMA_KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS: st.SearchStrategy[JsonObject] = st.dictionaries(SCHEMA_KEYS, SCHEMAS, max_size=5)


@given(OBJECTS)
@settings(max_examples=60)
def test_any_schema_of_a_tool_is_brought_within_the_rules(schema: JsonObject) -> None:
    before = dumps(schema)
    clean = tool_schema(schema)
    assert dumps(schema) == before
    assert (clean["type"], type(clean["properties"])) == ("object", dict)
    assert tool_schema(clean) == clean


@given(OBJECTS)
@settings(max_examples=60)
def test_a_schema_made_strict_is_strict(schema: JsonObject) -> None:
    strict = strict_schema({**schema, "type": "object"})
    if strict is not None:
        assert list(schema_problems(strict, "schema", strict=True)) == []
        assert strict_schema(strict) == strict


ITEM_KEYS = st.sampled_from(
    [
        "type",
        "id",
        "role",
        "name",
        "namespace",
        "tools",
        "content",
        "text",
        "call_id",
        "arguments",
        "input",
        "output",
        "summary",
        "encrypted_content",
        "action",
        "sources",
        "status",
        "result",
        "phase",
        "image_url",
        "file_data",
        "parameters",
    ]
)
KINDS = st.sampled_from(
    [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "web_search_call",
        "function",
        "image_generation_call",
        "compaction",
        "additional_tools",
        "tool_search_call",
        "local_shell_call_output",
        "custom",
        "namespace",
        "web_search",
        "input_text",
        "input_image",
        "input_file",
        "output_text",
        "user",
        "x",
    ]
)
ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-9, 99) | KINDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ITEM_KEYS, inner, max_size=5),
    max_leaves=8,
)
ITEMS = st.lists(
    st.builds(lambda kind, rest: {**rest, "type": kind}, KINDS, st.dictionaries(ITEM_KEYS, ANY)),
    max_size=3,
)


@given(ITEMS, ITEMS)
@settings(max_examples=60)
def test_any_json_is_translated_or_refused(
    items: list[JsonObject], tools: list[JsonObject]
) -> None:
    try:
        request = read_request({"model": "gpt-5.5", "input": items, "tools": tools}, {})
        call = CodexProvider().gateway_translate(
            request, route_to("gpt-5.5"), CREDENTIAL, CodexSettings()
        )
    except (InvalidRequest, Unsupported):
        return
    assert body_of(call)["input"]
