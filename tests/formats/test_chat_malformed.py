"""Malformed chat requests: each is refused with the path of the field at fault."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.errors import GatewayError, InvalidRequest, Unsupported
from gateway_core.formats.chat import error_body, error_status, read_request
from support.about import each

HI = [{"role": "user", "content": "Hi"}]
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def message(role: str, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [*HI, {"role": role, **fields}]}


def part(part: Any) -> dict[str, Any]:
    return message("user", content=[{"type": "text", "text": "Hi"}, part])


def field(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HI, **fields}


def call(**fields: Any) -> dict[str, Any]:
    return message("assistant", tool_calls=[CALL | fields])


CONTENT = "messages[1].content"
CALLS = "messages[1].tool_calls"

MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"messages": HI}, "model"),
    ({"model": 5, "messages": HI}, "model"),
    ({"model": "", "messages": HI}, "model"),
    ({"model": "m"}, "messages"),
    ({"model": "m", "messages": "Hi"}, "messages"),
    ({"model": "m", "messages": []}, "messages"),
    ({"model": "m", "messages": ["Hi"]}, "messages[0]"),
    ({"model": "m", "messages": [{"content": "Hi"}]}, "messages[0].role"),
    (message("narrator", content="Hi"), "messages[1].role"),
    (message("user", content=5), CONTENT),
    (message("user", content="Hi", name=5), "messages[1].name"),
    (part(5), f"{CONTENT}[1]"),
    (part({"text": "Hi"}), f"{CONTENT}[1].type"),
    (part({"type": "text"}), f"{CONTENT}[1].text"),
    (part({"type": "text", "text": 5}), f"{CONTENT}[1].text"),
    (part({"type": "image_url"}), f"{CONTENT}[1].image_url"),
    (part({"type": "image_url", "image_url": {}}), f"{CONTENT}[1].image_url.url"),
    (part({"type": "image_url", "image_url": "data:x"}), f"{CONTENT}[1].image_url.url"),
    (part({"type": "input_audio"}), f"{CONTENT}[1].input_audio"),
    (
        part({"type": "input_audio", "input_audio": {"data": "AA"}}),
        f"{CONTENT}[1].input_audio.format",
    ),
    (part({"type": "file"}), f"{CONTENT}[1].file"),
    (part({"type": "file", "file": {"filename": "a"}}), f"{CONTENT}[1].file"),
    (
        part({"type": "file", "file": {"file_data": "data:text/plain;base64,é"}}),
        f"{CONTENT}[1].file.file_data",
    ),
    (message("system", content=[{"type": "image_url", "image_url": "x"}]), CONTENT),
    (message("assistant", tool_calls={}), CALLS),
    (message("assistant", tool_calls=["f"]), f"{CALLS}[0]"),
    (call(id=None), f"{CALLS}[0].id"),
    (call(id=""), f"{CALLS}[0].id"),
    (call(type="telepathy"), f"{CALLS}[0].type"),
    (call(function=None), f"{CALLS}[0].function"),
    (call(function={"arguments": "{}"}), f"{CALLS}[0].function.name"),
    (call(function={"name": "f", "arguments": {}}), f"{CALLS}[0].function.arguments"),
    (call(type="custom", custom={"name": "f"}), f"{CALLS}[0].custom.input"),
    (message("assistant", function_call={"arguments": "{}"}), "messages[1].function_call.name"),
    (message("assistant", reasoning_content=5), "messages[1].reasoning_content"),
    (message("assistant", images=["x"]), "messages[1].images[0]"),
    (message("tool", content="x"), "messages[1].tool_call_id"),
    (message("function", content="x", name="f"), "messages[1].name"),
    (field(tools={}), "tools"),
    (field(tools=[5]), "tools[0]"),
    (field(tools=[{}]), "tools[0].type"),
    (field(tools=[{"type": "function"}]), "tools[0].function"),
    (field(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
    (
        field(tools=[{"type": "function", "function": {"name": "f", "parameters": []}}]),
        "tools[0].function.parameters",
    ),
    (field(tools=[{"type": "custom", "custom": {"name": ""}}]), "tools[0].custom.name"),
    (field(functions=[{}]), "functions[0].name"),
    (field(tool_choice="sometimes"), "tool_choice"),
    (field(tool_choice={"type": "function", "function": {}}), "tool_choice.function.name"),
    (
        field(tool_choice={"type": "allowed_tools", "allowed_tools": {"tools": []}}),
        "tool_choice.allowed_tools.tools",
    ),
    (field(parallel_tool_calls="yes"), "parallel_tool_calls"),
    (field(response_format="json"), "response_format"),
    (field(response_format={}), "response_format.type"),
    (field(response_format={"type": "json_schema"}), "response_format.json_schema"),
    (
        field(response_format={"type": "json_schema", "json_schema": {}}),
        "response_format.json_schema.name",
    ),
    (field(temperature="hot"), "temperature"),
    (field(temperature=True), "temperature"),
    (field(max_tokens=0), "max_tokens"),
    (field(max_tokens=1.5), "max_tokens"),
    (field(max_completion_tokens=-1), "max_completion_tokens"),
    (field(stop=5), "stop"),
    (field(stop=[5]), "stop"),
    (field(seed="7"), "seed"),
    (field(stream="yes"), "stream"),
    (field(stream_options=[]), "stream_options"),
    (field(reasoning_effort=5), "reasoning_effort"),
    (field(reasoning="high"), "reasoning"),
    (field(thinking=True), "thinking"),
    (field(metadata="x"), "metadata"),
    (field(n="2"), "n"),
]


@each("body, param", MALFORMED)
def test_the_error_names_the_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(body, {})
    assert caught.value.param == param
    assert caught.value.message.startswith(param)


def test_more_than_one_choice_is_not_supported() -> None:
    with pytest.raises(Unsupported) as caught:
        read_request(field(n=2), {})
    assert caught.value.param == "n"


def test_the_client_reads_it_in_its_own_dialect() -> None:
    def refused() -> GatewayError:
        with pytest.raises(InvalidRequest) as caught:
            read_request(part({"type": "text"}), {})
        return caught.value

    error = refused()
    assert error_status(error) == 400
    assert error_body(error, "req_1") == snapshot(
        {
            "error": {
                "message": "messages[1].content[1].text: field required",
                "type": "invalid_request_error",
                "param": "messages[1].content[1].text",
                "code": "invalid_request_error",
            }
        }
    )
