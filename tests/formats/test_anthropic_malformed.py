"""Malformed Anthropic requests: each is refused with the path of the field at fault."""

from typing import Any

import pytest

from gateway_core.errors import InvalidRequest
from gateway_core.formats.anthropic import error_body, error_status, read_request
from support.about import each

HI = [{"role": "user", "content": "Hi"}]


def message(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": role, "content": list(blocks)}]}


def field(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HI, **fields}


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"messages": HI}, "model"),
    ({"model": 5, "messages": HI}, "model"),
    ({"model": "", "messages": HI}, "model"),
    ({"model": "m"}, "messages"),
    ({"model": "m", "messages": "Hi"}, "messages"),
    ({"model": "m", "messages": []}, "messages"),
    ({"model": "m", "messages": ["Hi"]}, "messages.0"),
    ({"model": "m", "messages": [{"content": "Hi"}]}, "messages.0.role"),
    ({"model": "m", "messages": [{"role": "tool", "content": "Hi"}]}, "messages.0.role"),
    ({"model": "m", "messages": [*HI, {"role": "user"}]}, "messages.1.content"),
    ({"model": "m", "messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    (message("Hi"), "messages.0.content.0"),
    (message({"text": "Hi"}), "messages.0.content.0.type"),
    (message({"type": "text"}), "messages.0.content.0.text"),
    (message({"type": "text", "text": 5}), "messages.0.content.0.text"),
    (message({"type": "image"}), "messages.0.content.0.source"),
    (message({"type": "image", "source": {}}), "messages.0.content.0.source.type"),
    (
        message({"type": "image", "source": {"type": "base64", "data": "QQ=="}}),
        "messages.0.content.0.source.media_type",
    ),
    (
        message({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}),
        "messages.0.content.0.source.data",
    ),
    (message({"type": "image", "source": {"type": "url"}}), "messages.0.content.0.source.url"),
    (
        message({"type": "document", "source": {"type": "file"}}),
        "messages.0.content.0.source.file_id",
    ),
    (
        message(
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "text/plain", "data": "é"},
            }
        ),
        "messages.0.content.0.source.data",
    ),
    (
        message({"type": "document", "source": {"type": "content", "content": [{"type": "text"}]}}),
        "messages.0.content.0.source.content.0.text",
    ),
    (message({"type": "tool_result", "content": "ok"}), "messages.0.content.0.tool_use_id"),
    (
        message({"type": "tool_result", "tool_use_id": "t", "content": 5}),
        "messages.0.content.0.content",
    ),
    (
        message({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}),
        "messages.0.content.0.content.0.text",
    ),
    (
        message({"type": "tool_result", "tool_use_id": "t", "is_error": "yes"}),
        "messages.0.content.0.is_error",
    ),
    (
        message({"type": "tool_result", "tool_use_id": "t"}, role="assistant"),
        "messages.0.content.0.type",
    ),
    (message({"type": "tool_use", "id": "t", "name": "f"}), "messages.0.content.0.type"),
    (message({"type": "tool_use", "name": "f"}, role="assistant"), "messages.0.content.0.id"),
    (message({"type": "tool_use", "id": "t"}, role="assistant"), "messages.0.content.0.name"),
    (
        message({"type": "tool_use", "id": "t", "name": "f", "input": "{}"}, role="assistant"),
        "messages.0.content.0.input",
    ),
    (message({"type": "thinking"}, role="assistant"), "messages.0.content.0.thinking"),
    (message({"type": "redacted_thinking"}, role="assistant"), "messages.0.content.0.data"),
    (
        message({"type": "server_tool_use", "id": "s"}, role="assistant"),
        "messages.0.content.0.name",
    ),
    *[
        (
            message(
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": content},
                role="assistant",
            ),
            "messages.0.content.0.content",
        )
        for content in (True, 1, 1.5, "x")
    ],
    (field(system=5), "system"),
    (field(system=[{"type": "text"}]), "system.0.text"),
    (field(max_tokens="many"), "max_tokens"),
    (field(max_tokens=True), "max_tokens"),
    (field(temperature="hot"), "temperature"),
    (field(temperature=10**400), "temperature"),
    (field(temperature=float("inf")), "temperature"),
    (field(top_k=0.5), "top_k"),
    (field(stream="yes"), "stream"),
    (field(stop_sequences="END"), "stop_sequences"),
    (field(stop_sequences=["END", 5]), "stop_sequences.1"),
    (field(thinking="on"), "thinking"),
    (field(thinking={}), "thinking.type"),
    (field(thinking={"type": "enabled", "budget_tokens": "x"}), "thinking.budget_tokens"),
    (field(output_config={"effort": 5}), "output_config.effort"),
    (field(output_config={"format": {}}), "output_config.format.type"),
    (field(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema"),
    (field(output_format={"type": "json_schema"}), "output_format.schema"),
    (field(metadata="me"), "metadata"),
    (field(metadata={"user_id": 5}), "metadata.user_id"),
    (field(tools={}), "tools"),
    (field(tools=["f"]), "tools.0"),
    (field(tools=[{"input_schema": {}}]), "tools.0.name"),
    (field(tools=[{"name": "f"}]), "tools.0.input_schema"),
    (field(tools=[{"name": "f", "input_schema": "x"}]), "tools.0.input_schema"),
    (
        field(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": "x"}]),
        "tools.0.max_uses",
    ),
    (field(tool_choice="auto"), "tool_choice"),
    (field(tool_choice={}), "tool_choice.type"),
    (field(tool_choice={"type": "tool"}), "tool_choice.name"),
]


@each("body, param", MALFORMED)
def test_the_field_at_fault_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(body, {})
    assert caught.value.param == param
    assert error_status(caught.value) == 400
    error = error_body(caught.value, "req_1")["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"{param}: ")
