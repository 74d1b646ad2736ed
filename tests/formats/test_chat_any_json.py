"""Whatever JSON comes: readers answer in their own terms and never with a bug."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.formats.chat import read_request, write_request
from gateway_core.formats.openai_errors import error_from_object
from gateway_core.json import dumps
from support.chat_wire import decode, sse

KEYS = st.sampled_from(
    [
        "type",
        "text",
        "content",
        "role",
        "name",
        "id",
        "index",
        "image_url",
        "url",
        "file",
        "file_data",
        "input_audio",
        "data",
        "format",
        "reasoning",
        "reasoning_details",
        "signature",
        "tool_calls",
        "function",
        "custom",
        "input",
        "arguments",
        "refusal",
        "function_call",
        "images",
        "annotations",
        "url_citation",
        "start_index",
        "usage",
        "error",
        "code",
        "message",
    ]
)
WORDS = st.sampled_from(
    [
        "",
        "x",
        "text",
        "image_url",
        "function",
        "custom",
        "file",
        "data:,",
        "data:a/b;base64,A",
        "{}",
    ]
)
ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.floats(0, 1) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "function"])
OBJECTS = st.dictionaries(KEYS, ANY, max_size=5)
MESSAGES = st.builds(lambda role, body: {**body, "role": role}, ROLES, OBJECTS)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "tools",
            "functions",
            "tool_choice",
            "response_format",
            "reasoning",
            "thinking",
            "stop",
            "n",
            "seed",
            "metadata",
            "web_search_options",
            "stream_options",
            "max_tokens",
            "temperature",
        ]
    ),
    ANY | st.lists(OBJECTS, max_size=2),
    max_size=3,
)
CHOICES = st.builds(
    lambda delta, finish: [{"index": 0, "delta": delta, "finish_reason": finish}], OBJECTS, ANY
)
CHUNKS = st.builds(
    lambda choices, more: {**more, "choices": choices}, CHOICES | ANY, st.just({}) | OBJECTS
)


@given(st.lists(MESSAGES, min_size=1, max_size=3), FIELDS)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_request_is_read_or_refused_by_name(messages: list[Any], fields: dict[str, Any]) -> None:
    try:
        request = read_request({"model": "m", "messages": messages, **fields}, {})
    except (InvalidRequest, Unsupported) as error:
        assert error.param
        return
    try:
        write_request(request, "m", issuer="vendor")
    except Unsupported as error:
        assert error.message


@given(st.lists(CHUNKS, max_size=5))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_stream_becomes_a_grammatical_one(chunks: list[Any]) -> None:
    data = sse(*chunks)
    assert decode([data[:40], data[40:]]) == decode([data])


@given(ANY, st.none() | st.integers(100, 600))
def test_an_error_has_always_a_meaning(value: Any, status: int | None) -> None:
    error = error_from_object(value, status)
    assert error.message
    assert dumps(error.upstream)
