"""Canonical tools and the choice among them, as chat fields for an upstream."""

from collections.abc import Sequence

from gateway_core.errors import Unsupported
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice

__all__ = ["write_tool_choice", "write_tools"]


def write_tools(tools: Sequence[Tool], *, web_search: bool) -> JsonObject:
    """`tools`, and `web_search_options` where the upstream knows it.

    Raises `Unsupported` naming a hosted tool that has no place.
    """
    body: JsonObject = {}
    written = []
    for tool in tools:
        if isinstance(tool, FunctionTool):
            written.append({"type": "function", "function": _function(tool)})
        elif isinstance(tool, CustomTool):
            written.append({"type": "custom", "custom": _custom(tool)})
        elif web_search and tool.kind == "web_search":
            body["web_search_options"] = _search(tool)
        else:
            raise Unsupported(f"the hosted tool {tool.kind!r} is not offered by this provider")
    return {"tools": written, **body} if written else body


def _function(tool: FunctionTool) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _custom(tool: CustomTool) -> JsonObject:
    custom: JsonObject = {"name": tool.name}
    if tool.description is not None:
        custom["description"] = tool.description
    if tool.format is not None and tool.format.get("type") == "grammar":
        grammar = {key: value for key, value in tool.format.items() if key != "type"}
        custom["format"] = {"type": "grammar", "grammar": grammar}
    elif tool.format is not None:
        custom["format"] = tool.format
    return custom


def _search(tool: HostedTool) -> JsonObject:
    options: JsonObject = {}
    if "context_size" in tool.options:
        options["search_context_size"] = tool.options["context_size"]
    if "user_location" in tool.options:
        location = tool.options["user_location"]
        options["user_location"] = {"type": "approximate", "approximate": location}
    domains = ("allowed_domains", "blocked_domains")
    filters = {key: tool.options[key] for key in domains if key in tool.options}
    return {**options, "filters": filters} if filters else options


def write_tool_choice(choice: ToolChoice, tools: Sequence[Tool]) -> JsonObject:
    """`tool_choice` unless it is `auto`, and `parallel_tool_calls` when the client said.

    A choice among hosted tools alone cannot be said here and is left to the model.
    """
    body: JsonObject = {}
    custom = {tool.name for tool in tools if isinstance(tool, CustomTool)}
    known = custom | {tool.name for tool in tools if isinstance(tool, FunctionTool)}
    if choice.mode in ("none", "required"):
        body["tool_choice"] = choice.mode
    elif choice.mode == "tool":
        named = [_named(name, name in custom) for name in choice.names if name in known]
        if len(named) == 1 and choice.required_among:
            body["tool_choice"] = named[0]
        elif named:
            mode = "required" if choice.required_among else "auto"
            allowed = {"mode": mode, "tools": named}
            body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
    if choice.parallel is not None:
        body["parallel_tool_calls"] = choice.parallel
    return body


def _named(name: str, custom: bool) -> JsonObject:
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": name}}
