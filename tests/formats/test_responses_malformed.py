"""Malformed Responses requests are refused with the path of the field that is wrong."""

from typing import Any

import pytest

from gateway_core.errors import InvalidRequest
from gateway_core.formats.openai_errors import error_body
from gateway_core.formats.responses import read_request
from gateway_core.json import JsonObject
from support.about import each

GOOD = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


def item(**fields: Any) -> JsonObject:
    """A request whose third item is this."""
    return {"input": [GOOD, GOOD, fields]}


def part(**fields: Any) -> JsonObject:
    return {"input": [{"role": "user", "content": [fields]}]}


@each(
    "fields, param",
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["Hi"]}, "input[0]"),
        (item(content="Hi"), "input[2].type"),
        (item(type=5), "input[2].type"),
        (item(role="tool", content="Hi"), "input[2].role"),
        (item(type="message", content="Hi"), "input[2].role"),
        (item(role="user"), "input[2].content"),
        (item(role="user", content=5), "input[2].content"),
        (item(role="user", content=["Hi"]), "input[2].content[0]"),
        (item(**CALL | {"call_id": None}), "input[2].call_id"),
        (item(**CALL | {"call_id": ""}), "input[2].call_id"),
        (item(**CALL | {"name": 5}), "input[2].name"),
        (item(**CALL | {"arguments": {}}), "input[2].arguments"),
        (item(type="custom_tool_call", call_id="c", name="f"), "input[2].input"),
        (item(type="function_call_output", output="x"), "input[2].call_id"),
        (item(type="function_call_output", call_id="c"), "input[2].output"),
        (item(type="function_call_output", call_id="c", output=[{}]), "input[2].output[0].type"),
        (item(type="reasoning", summary="x"), "input[2].summary"),
        (item(type="reasoning", summary=[5]), "input[2].summary[0]"),
        (item(type="reasoning", summary=[{}]), "input[2].summary[0].text"),
        (item(type="reasoning", encrypted_content=5), "input[2].encrypted_content"),
        (item(type="web_search_call", action=5), "input[2].action"),
        (part(text="Hi"), "input[0].content[0].type"),
        (part(type="input_text"), "input[0].content[0].text"),
        (part(type="input_image"), "input[0].content[0].image_url"),
        (part(type="input_image", image_url={"url": "x"}), "input[0].content[0].image_url"),
        (part(type="input_file", filename="a"), "input[0].content[0].file_data"),
        (
            part(type="input_file", file_data="data:text/plain;base64,%"),
            "input[0].content[0].file_data",
        ),
        (part(type="input_audio"), "input[0].content[0].input_audio"),
        (
            part(type="input_audio", input_audio={"data": "x"}),
            "input[0].content[0].input_audio.format",
        ),
        ({"instructions": 5}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": ""}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [{"type": "custom", "name": "f", "format": "x"}]}, "tools[0].format"),
        ({"tools": [{"type": "namespace", "tools": []}]}, "tools[0].name"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]},
            "tools[0].tools[0].name",
        ),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto"}}, "tool_choice.tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": ["f"]}},
            "tool_choice.tools[0]",
        ),
        ({"parallel_tool_calls": "yes"}, "parallel_tool_calls"),
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"text": {"verbosity": 5}}, "text.verbosity"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"text": {"format": {}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop[0]"),
        ({"metadata": []}, "metadata"),
        ({"prompt_cache_key": 5}, "prompt_cache_key"),
    ],
)
def test_the_error_names_the_field(fields: JsonObject, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request({"model": "m", "input": [GOOD]} | fields, {})
    assert caught.value.param == param
    assert param in caught.value.message


def test_the_error_in_the_dialect_of_the_caller() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request({"model": "m", "input": [GOOD, CALL | {"call_id": 7}]}, {})
    assert error_body(caught.value, "req_1") == {
        "error": {
            "message": "input[1].call_id: expected a string, got int",
            "type": "invalid_request_error",
            "param": "input[1].call_id",
            "code": "invalid_request_error",
        }
    }
