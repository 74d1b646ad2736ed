"""Conversations that offer tools: functions, free-form and hosted ones, and the choice of them."""

from dataclasses import replace

from gateway_core.content import ToolCall
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Request, ToolChoice
from gateway_core.testing.conversations.builders import (
    CONVERSATIONS,
    ask,
    assistant,
    result,
    user,
    weather,
)

_NOTHING: JsonObject = {"type": "object", "properties": {}}
_LONG = "mcp__a_server_with_a_long_name__" + "and_a_tool_with_a_longer_name_" * 2
"""Longer than the 64 characters that most upstreams allow."""


@CONVERSATIONS
def tools_function() -> Request:
    return ask("Weather?", tools=[weather(), FunctionTool("now", None, dict(_NOTHING))])


@CONVERSATIONS
def tools_function_strict() -> Request:
    return ask("Weather?", tools=[weather(strict=True)])


@CONVERSATIONS
def tools_function_with_rich_schema() -> Request:
    schema: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "url": {"type": "string", "format": "uri"},
            "limit": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991},
            "mode": {"const": "fast"},
            "what": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "labels": {"type": "object", "propertyNames": {"minLength": 1}},
            "any": {},
        },
        "additionalProperties": {},
    }
    return ask("Fetch it", tools=[FunctionTool("fetch", "Fetches", schema)])


@CONVERSATIONS
def tools_function_with_a_schema_that_refers_to_itself() -> Request:
    node: JsonObject = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        },
    }
    schema: JsonObject = {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "$defs": {"node": node},
    }
    return ask("Plant it", tools=[FunctionTool("plant", "Plants a tree", schema)])


@CONVERSATIONS
def tools_with_long_names() -> Request:
    names = [_LONG + end for end in ("read", "write")]
    tools = [FunctionTool(name, f"Does it: {name[-5:]}", dict(_NOTHING)) for name in names]
    call = ToolCall("call_1", names[1], "{}")
    return ask("Do it", assistant(call), user(result("call_1", "done")), tools=tools)


@CONVERSATIONS
def tools_with_dots_in_their_names() -> Request:
    tools = [
        FunctionTool(name, f"Called {number}", dict(_NOTHING))
        for number, name in enumerate(("files.read", "files_read", "files/read"))
    ]
    call = ToolCall("call_1", "files.read", "{}")
    return ask("Read it", assistant(call), user(result("call_1", "done")), tools=tools)


@CONVERSATIONS
def tools_many() -> Request:
    numbers = range(40)
    return ask(
        "Pick one", tools=[FunctionTool(f"tool_{n}", f"Tool {n}", dict(_NOTHING)) for n in numbers]
    )


@CONVERSATIONS
def tools_custom() -> Request:
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"+'}
    patch = CustomTool("apply_patch", "Applies a patch", grammar)
    return ask("Patch it", tools=[patch, CustomTool("note", "Takes a note")])


@CONVERSATIONS
def tools_hosted_web_search() -> Request:
    options: JsonObject = {"allowed_domains": ["example.org"]}
    return ask("News?", tools=[HostedTool("web_search", "web_search", options)])


@CONVERSATIONS
def tools_hosted_image_generation() -> Request:
    options: JsonObject = {"size": "1024x1024", "quality": "low", "output_format": "png"}
    return ask("Draw a dot", tools=[HostedTool("image_generation", "image_generation", options)])


@CONVERSATIONS
def tools_hosted_beside_functions() -> Request:
    return ask("News?", tools=[weather(), HostedTool("web_search", "web_search")])


def _choice(name: str, choice: ToolChoice) -> None:
    def build() -> Request:
        request = ask("Weather?", tools=[weather(), FunctionTool("now", None, dict(_NOTHING))])
        request.tool_choice = replace(choice, names=[*choice.names])
        return request

    CONVERSATIONS.add(f"tool-choice-{name}", build)


_choice("none", ToolChoice("none"))
_choice("required", ToolChoice("required"))
_choice("one", ToolChoice("tool", ["get_weather"]))
_choice("of-several", ToolChoice("tool", ["get_weather", "now"]))
_choice("not-parallel", ToolChoice("auto", parallel=False))
