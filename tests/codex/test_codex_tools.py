"""Tools and the choice among them, as the Codex backend takes them."""

import re

import pytest

from gateway_core import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Message,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.json import JsonObject
from gateway_core.request import Tool, ToolChoice
from support.about import each
from support.codex_asking import asked, translated

LONG = "mcp__a_server_with_a_rather_long_name__" + "and_a_" * 6 + "tool_that_does_it"
CLOSED: JsonObject = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def body(*tools: Tool, choice: ToolChoice | None = None) -> JsonObject:
    request = Request("gpt-5.5", [Message("user", [Text("Do it")])], tools=[*tools])
    request.tool_choice = choice or ToolChoice()
    return asked(request)


def function(
    name: str = "run", parameters: JsonObject | None = None, strict: bool | None = None
) -> FunctionTool:
    return FunctionTool(name, "Runs", CLOSED if parameters is None else parameters, strict)


def sent(*tools: Tool) -> JsonObject:
    """The only tool as it is sent."""
    (tool,) = body(*tools)["tools"]
    assert isinstance(tool, dict)
    return tool


def test_a_function_is_not_strict_unless_the_client_says_so() -> None:
    assert sent(function())["strict"] is False
    assert sent(function(strict=True))["strict"] is True


def test_a_schema_that_does_not_comply_is_not_strict() -> None:
    assert sent(function(parameters={**CLOSED, "required": []}, strict=True))["strict"] is False


@each(
    "schema, clean",
    [
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({**CLOSED, "$schema": "x"}, CLOSED),
        (
            {"type": "object", "properties": {"l": {"type": "array"}}},
            {"type": "object", "properties": {"l": {"type": "array", "items": {}}}},
        ),
        (
            {"type": "object", "properties": {"cache_control": {"type": "string"}}},
            {"type": "object", "properties": {"cache_control": {"type": "string"}}},
        ),
        (
            {"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
            {"properties": {"b": {}, "a": {}}, "type": "object"},
        ),
    ],
)
def test_schemas_are_brought_within_the_rules(schema: JsonObject, clean: JsonObject) -> None:
    assert sent(function(parameters=schema))["parameters"] == clean


@each("name", [LONG, "with.dots", "with blank", "größe"])
def test_a_name_that_does_not_fit_has_another_upstream(name: str) -> None:
    request = Request("gpt-5.5", [Message("user", [Text("Do it")])], tools=[function(name)])
    request.messages += [
        Message("assistant", [ToolCall("c", name, "{}")]),
        Message("user", [ToolResult("c", [])]),
    ]
    request.tool_choice = ToolChoice("tool", [name])
    call = translated(request)
    ((alias, original),) = call.state.restore
    assert original == name
    assert re.fullmatch("[A-Za-z0-9_-]{1,64}", alias)
    found = asked(request)
    assert found["tools"][0]["name"] == alias
    assert found["tool_choice"] == {"type": "function", "name": alias}
    assert found["input"][1]["name"] == alias


def test_the_short_name_of_a_tool_of_a_server_says_what_it_does() -> None:
    name = sent(function(LONG))["name"]
    assert re.fullmatch(r"mcp__.*tool_that_does_it_[0-9a-f]{8}", name)


def test_of_two_tools_with_a_name_the_first_stays() -> None:
    tools = body(function(), FunctionTool("run", "Other", {}))["tools"]
    assert [tool["description"] for tool in tools] == ["Runs"]


def test_a_free_form_tool_keeps_its_grammar() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
    assert sent(CustomTool("apply_patch", "Applies a patch", grammar)) == {
        "type": "custom",
        "name": "apply_patch",
        "description": "Applies a patch",
        "format": grammar,
    }


def test_a_search_keeps_its_filters_and_asks_for_its_sources() -> None:
    options: JsonObject = {
        "allowed_domains": ["example.org"],
        "max_uses": 8,
        "user_location": {"city": "Riga"},
    }
    found = body(HostedTool("web_search", "web_search", options))
    assert found["tools"] == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["example.org"]},
            "user_location": {"type": "approximate", "city": "Riga"},
        }
    ]
    assert found["include"] == ["reasoning.encrypted_content", "web_search_call.action.sources"]


def test_an_image_tool_keeps_its_options_within_the_limits() -> None:
    options: JsonObject = {"size": "1024x1024", "partial_images": 9}
    assert sent(HostedTool("image_generation", "image_generation", options)) == {
        "type": "image_generation",
        "size": "1024x1024",
        "partial_images": 3,
    }


def test_a_tool_that_the_backend_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="code_interpreter"):
        body(HostedTool("code_interpreter", "code_interpreter"))


@each(
    "choice, written",
    [
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("tool", ["run"]), {"type": "function", "name": "run"}),
        (ToolChoice("tool", ["note"]), {"type": "custom", "name": "note"}),
        (ToolChoice("tool", ["web_search"]), {"type": "web_search"}),
        (ToolChoice("tool", ["unheard-of"]), "auto"),
        (
            ToolChoice("tool", ["run", "unheard-of"]),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "run"}],
            },
        ),
        (ToolChoice("tool", ["unheard-of", "neither"]), "auto"),
    ],
)
def test_only_what_is_listed_can_be_chosen(choice: ToolChoice, written: object) -> None:
    tools = (function(), CustomTool("note", None), HostedTool("web_search", "web_search"))
    assert body(*tools, choice=choice)["tool_choice"] == written


@pytest.mark.parametrize(("parallel", "sent"), [(None, True), (True, True), (False, False)])
def test_parallel_calls_unless_the_client_says_no(parallel: bool | None, sent: bool) -> None:
    found = body(function(), choice=ToolChoice(parallel=parallel))
    assert found["parallel_tool_calls"] is sent


def test_without_tools_nothing_is_said_about_them() -> None:
    assert body().keys().isdisjoint({"tools", "tool_choice", "parallel_tool_calls"})
