"""What the simulated Codex backend takes and what it refuses, rule by rule."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway_core.json import JsonObject
from simulators.codex.samples import (
    CALL,
    CHATGPT_CAPTURES,
    LOOK,
    RESULT,
    capture,
    headers_of,
    request,
    said,
)
from simulators.codex.validation import violations


@pytest.fixture
def headers() -> dict[str, str]:
    return headers_of("token", "account")


@pytest.mark.parametrize("name", CHATGPT_CAPTURES)
def test_requests_of_the_official_client_are_valid(name: str) -> None:
    assert violations(*capture(name)) == []


def _change(**more: Any) -> Callable[[JsonObject], None]:
    return lambda body: body.update(more)


def _drop(key: str) -> Callable[[JsonObject], None]:
    return lambda body: body.pop(key)


def _items(*items: JsonObject) -> Callable[[JsonObject], None]:
    return _change(input=list(items))


def _tool(**more: Any) -> Callable[[JsonObject], None]:
    parameters = {"type": "object", "properties": {}}
    return _change(tools=[{**LOOK, "parameters": parameters, **more}])


def _part(role: str = "user", **part: Any) -> Callable[[JsonObject], None]:
    return _items({"type": "message", "role": role, "content": [part]})


REFUSED: dict[str, tuple[Callable[[JsonObject], object], str]] = {
    "an unknown parameter": (_change(temperature=1), "Unsupported parameter: temperature"),
    "a limit": (_change(max_output_tokens=9), "Unsupported parameter: max_output_tokens"),
    "a chain": (_change(previous_response_id="resp_1"), "previous_response_id"),
    "an unknown model": (_change(model="gpt-4.1"), "The 'gpt-4.1' model is not supported"),
    "no instructions": (_drop("instructions"), "Instructions are required"),
    "null for instructions": (_change(instructions=None), "Instructions are required"),
    "stored": (_change(store=True), "Store must be set to false"),
    "no word on storing": (_drop("store"), "Store must be set to false"),
    "no stream": (_change(stream=False), "Stream must be set to true"),
    "text for input": (_change(input="Hello"), "Input must be a list"),
    "no input": (_change(input=[]), "input: Input must not be empty"),
    "a system message": (_items(said("Hi", "system")), "System messages are not allowed"),
    "a reference": (_items({"type": "item_reference", "id": "msg_1"}), "input[0].type"),
    "an unknown key": (_items(said("Hi") | {"name": "me"}), "Unknown parameter: 'input[0].name'"),
    "a wrong part": (_part("assistant", type="input_text", text="x"), "input[0].content[0].type"),
    "cache control": (
        _part(type="input_text", text="x", cache_control={"type": "ephemeral"}),
        "Unknown parameter: 'input[0].content[0].cache_control'",
    ),
    "an image that is none": (
        _part(type="input_image", image_url="data:image/png;base64,AAAA"),
        "does not represent a valid image",
    ),
    "a foreign id": (_items({**CALL, "id": "toolu_1"}, RESULT), "begins with 'fc'"),
    "a long id": (_items({**CALL, "id": "fc_" + "x" * 62}, RESULT), "input[0].id"),
    "a long call id": (
        _items({**CALL, "call_id": "c" * 65}, {**RESULT, "call_id": "c" * 65}),
        "input[0].call_id",
    ),
    "a call without output": (_items(CALL), "No tool output found for function call call_1"),
    "an output without call": (_items(RESULT), "No tool call found for function call output"),
    "an output before its call": (_items(RESULT, CALL), "No tool call found"),
    "a call twice": (_items(CALL, CALL, RESULT), "Duplicate call_id"),
    "an output of the other kind": (
        _items(CALL, {**RESULT, "type": "custom_tool_call_output"}),
        "No tool call found for custom tool call output",
    ),
    "a wrong name": (_items({**CALL, "name": "a.b"}, RESULT), "input[0].name"),
    "reasoning that is not there": (
        _items({"type": "reasoning", "id": "rs_1", "summary": []}, said("x", "assistant")),
        "Item with id 'rs_1' not found",
    ),
    "reasoning at the end": (
        _items({"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}),
        "without its required following item",
    ),
    "an effort of other models": (
        _change(reasoning={"effort": "minimal"}),
        "reasoning.effort: Invalid value: 'minimal'",
    ),
    "a long cache key": (_change(prompt_cache_key="k" * 65), "prompt_cache_key"),
    "a name that is too long": (_tool(name="n" * 65), "tools[0].name"),
    "a nested function": (_tool(function={}), "Unknown parameter: 'tools[0].function'"),
    "a schema without properties": (
        _tool(parameters={"type": "object"}),
        "object schema missing properties",
    ),
    "a dialect of schema": (
        _tool(parameters={"type": "object", "properties": {}, "$schema": "x"}),
        "'$schema' is not permitted",
    ),
    "strict by silence": (
        lambda body: (_tool()(body), body["tools"][0].pop("strict")),
        "'additionalProperties' is required",
    ),
    "a deferred tool": (_tool(defer_loading=True), "Unknown parameter: 'tools[0].defer_loading'"),
    "an unknown tool": (_change(tools=[{"type": "bash"}]), "Unsupported tool type: bash"),
    "a forced tool that is not there": (
        _change(tool_choice={"type": "function", "name": "look"}),
        "Tool choice 'look' not found",
    ),
    "a form without name": (
        _change(text={"format": {"type": "json_schema", "schema": {}}}),
        "text.format.name",
    ),
    "JSON that nobody asked for": (
        _change(text={"format": {"type": "json_object"}}),
        "must contain the word 'json'",
    ),
    "a trigger without its feature": (
        _items(said("Hi"), {"type": "compaction_trigger"}),
        "remote_compaction_v2",
    ),
}


@pytest.mark.parametrize(("change", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(
    headers: dict[str, str], change: Callable[[JsonObject], object], expected: str
) -> None:
    body = request()
    assert violations(headers, body) == []
    change(body)
    assert any(expected in found for found in violations(headers, body)), violations(headers, body)


def test_a_property_may_be_called_cache_control(headers: dict[str, str]) -> None:
    schema = {"type": "object", "properties": {"cache_control": {"type": "string"}}}
    tool = {**LOOK, "parameters": schema}
    assert violations(headers, request(tools=[tool])) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("user-agent", "python-httpx/0.28", "challenge page"),
        ("authorization", "none", "bearer"),
        ("chatgpt-account-id", "", "chatgpt-account-id"),
        ("accept", "application/json", "text/event-stream"),
        ("x-api-key", "sk-1", "x-api-key"),
        ("anthropic-version", "2023-06-01", "anthropic-version"),
        ("x-stainless-lang", "python", "x-stainless-lang"),
    ],
)
def test_headers_are_refused(headers: dict[str, str], name: str, value: str, expected: str) -> None:
    (found,) = violations(headers | {name: value}, request())
    assert expected in found


@pytest.fixture
def lite_headers(headers: dict[str, str]) -> dict[str, str]:
    return headers | {"x-openai-internal-codex-responses-lite": "true"}


@pytest.fixture
def lite_body() -> JsonObject:
    schema = {"type": "object", "properties": {}}
    tools: JsonObject = {"type": "additional_tools", "role": "developer", "tools": []}
    tools["tools"] = [{**LOOK, "parameters": schema}]
    body = request(tools, said("Be brief.", "developer"), said("Hello"), model="gpt-5.6-luna")
    body |= {"reasoning": {"effort": "max", "context": "all_turns"}, "parallel_tool_calls": False}
    del body["instructions"]
    return body


def test_the_lite_lane(lite_headers: dict[str, str], lite_body: JsonObject) -> None:
    assert violations(lite_headers, lite_body) == []


def test_a_model_of_the_lite_lane_is_nowhere_else(headers: dict[str, str]) -> None:
    (found,) = violations(headers, request(model="gpt-5.6-luna"))
    assert found == "model: Model not found gpt-5.6-luna"


def test_no_hosted_tools_in_the_lite_lane(
    lite_headers: dict[str, str], lite_body: JsonObject
) -> None:
    lite_body["input"][0]["tools"].append({"type": "web_search"})
    (found,) = violations(lite_headers, lite_body)
    assert "only supports function tools" in found
