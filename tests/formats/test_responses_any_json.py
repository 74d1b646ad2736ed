"""Whatever JSON comes: readers answer in their own terms and never with a bug."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_core.content import Text
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.events import Close, Delta, End, Open
from gateway_core.formats.responses import StreamWriter, read_request, write_request
from support.responses_wire import decode, parse, sse

KEYS = st.sampled_from(
    [
        "type",
        "id",
        "role",
        "name",
        "namespace",
        "tools",
        "content",
        "text",
        "refusal",
        "annotations",
        "url",
        "image_url",
        "file_id",
        "file_data",
        "file_url",
        "filename",
        "input_audio",
        "data",
        "format",
        "call_id",
        "arguments",
        "input",
        "output",
        "summary",
        "encrypted_content",
        "action",
        "query",
        "queries",
        "sources",
        "status",
        "result",
        "output_format",
        "phase",
        "filters",
        "user_location",
        "server_label",
        "parameters",
    ]
)
WORDS = st.sampled_from(
    ["", "x", "auto", "text", "search", "f", "gw1.x.y", "data:,", "data:a/b;base64,A", "{}"]
)
ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.floats(0, 1) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, ANY, max_size=6)
ITEM_TYPES = st.sampled_from(
    [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "web_search_call",
        "image_generation_call",
        "compaction",
        "item_reference",
    ]
)
PART_TYPES = st.sampled_from(
    ["input_text", "output_text", "refusal", "input_image", "input_file", "input_audio", "new"]
)
PARTS = st.builds(lambda kind, body: {**body, "type": kind}, PART_TYPES, OBJECTS)
ITEMS = st.builds(lambda kind, body: {**body, "type": kind}, ITEM_TYPES, OBJECTS) | st.builds(
    lambda role, content: {"type": "message", "role": role, "content": content},
    st.sampled_from(["user", "assistant", "developer"]),
    st.lists(PARTS, max_size=2),
)
TOOLS = st.builds(
    lambda kind, body: {**body, "type": kind},
    st.sampled_from(["function", "custom", "web_search", "image_generation", "namespace", "mcp"]),
    OBJECTS,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "tools",
            "tool_choice",
            "text",
            "reasoning",
            "stop",
            "metadata",
            "max_output_tokens",
            "temperature",
            "parallel_tool_calls",
            "instructions",
            "user",
        ]
    ),
    ANY | OBJECTS | st.lists(TOOLS, max_size=2),
    max_size=3,
)
EVENTS = st.builds(
    lambda kind, item, part, place, delta, more: {
        **more,
        "type": f"response.{kind}",
        "item": item,
        "part": part,
        "delta": delta,
        **place,
    },
    st.sampled_from(
        [
            "created",
            "in_progress",
            "output_item.added",
            "output_item.done",
            "content_part.done",
            "output_text.delta",
            "output_text.done",
            "output_text.annotation.added",
            "refusal.delta",
            "reasoning_summary_text.delta",
            "reasoning_text.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "custom_tool_call_input.delta",
            "new",
        ]
    ),
    ITEMS | ANY,
    PARTS | ANY,
    st.dictionaries(
        st.sampled_from(["output_index", "content_index", "summary_index", "item_id"]),
        st.integers(0, 2) | WORDS | ANY,
    ),
    WORDS | ANY,
    OBJECTS,
)
ENDS = st.builds(
    lambda kind, response, error: {"type": kind, "response": response, "error": error},
    st.sampled_from(
        ["response.completed", "response.incomplete", "response.done", "response.failed", "error"]
    ),
    ANY | st.builds(lambda output, usage: {"output": output, "usage": usage}, st.lists(ITEMS), ANY),
    ANY,
)


@given(st.lists(ITEMS | ANY, max_size=3), FIELDS)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_request_is_read_or_refused_by_name(items: list[Any], fields: dict[str, Any]) -> None:
    try:
        request = read_request({"model": "m", "input": items, **fields}, {})
    except InvalidRequest as error:
        assert error.param
        return
    last = parse(
        StreamWriter(request, "m").feed([Open(0, Text("")), Delta(0, "x"), Close(0), End("stop")])
    )[-1]
    assert last["type"] == "response.completed"
    try:
        write_request(request, "m", issuer="vendor")
    except Unsupported as error:
        assert error.message


@given(st.lists(EVENTS, max_size=5), ENDS)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_stream_becomes_a_grammatical_one(events: list[Any], end: Any) -> None:
    data = sse(*events, end)
    assert decode([data[:40], data[40:]]) == decode([data])
