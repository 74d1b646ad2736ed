"""Tools and tool choice of the Anthropic Messages format, read into canonical tools.

A tool without a type, or of type `custom`, has a JSON Schema and is run by the client. Every other
one is typed by the vendor and becomes a `HostedTool`.
"""

from collections.abc import Iterable
from typing import Final

from gateway_core.errors import InvalidRequest
from gateway_core.events import Notice
from gateway_core.formats.anthropic.read_blocks import ToolChange, kept_fields
from gateway_core.formats.anthropic.schema import DEFERRED_PLACEHOLDER, FORMAT_NAME
from gateway_core.formats.base import optional, required
from gateway_core.json import JsonObject
from gateway_core.request import FunctionTool, HostedTool, Tool, ToolChoice

__all__ = ["apply_tool_changes", "read_tool_choice", "read_tools"]

_OWN_FUNCTION_KEYS = (
    "cache_control",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
    "allowed_callers",
)
_MCP_SERVERS: Final = "mcp_servers"
_MCP_TOOLSET: Final = "mcp_toolset"
_SEARCH_LISTS = ("allowed_domains", "blocked_domains")
_IMAGE_OPTIONS = ("size", "quality", "background", "output_format", "partial_images", "model")


def read_tools(body: JsonObject) -> list[Tool]:
    """The tools in the client's order. A tool with `defer_loading` is sent like any other, because
    no upstream has the vendor's tool search; Claude Code's placeholder for the rest is dropped.
    `mcp_servers` that no toolset takes tools from, as before toolsets, count as a hosted tool.
    """
    tools: list[Tool] = []
    for index, item in enumerate(optional(body, "tools", list) or []):
        path = f"tools.{index}"
        if not isinstance(item, dict):
            raise InvalidRequest(
                f"{path}: expected an object, got {type(item).__name__}", param=path
            )
        if item.get("name") != DEFERRED_PLACEHOLDER:
            tools.append(_read_tool(item, f"{path}."))
    if optional(body, _MCP_SERVERS, list) and not any(
        type(tool) is HostedTool and tool.kind == _MCP_TOOLSET for tool in tools
    ):
        tools.append(HostedTool(_MCP_SERVERS, _MCP_SERVERS))
    return tools


def apply_tool_changes(tools: list[Tool], changes: Iterable[ToolChange]) -> list[Tool]:
    """The tools as the last message leaves them. References to declared tools change nothing."""
    for kind, tool, path in changes:
        if kind == "addition" and tool.get("type") == "tool_definition":
            added = _read_tool(required(tool, "definition", dict, path), f"{path}definition.")
            tools = [known for known in tools if known.name != added.name] + [added]
        elif kind == "removal" and tool.get("type") == "tool_reference":
            tools = [known for known in tools if known.name != tool.get("name")]
    return tools


def read_tool_choice(body: JsonObject, notices: list[Notice]) -> ToolChoice:
    """How tools may be used; a choice that is newer than this reader is left out with a notice."""
    value = optional(body, "tool_choice", dict)
    if value is None:
        return ToolChoice()
    serial = optional(value, "disable_parallel_tool_use", bool, "tool_choice.")
    parallel = None if serial is None else not serial
    match required(value, "type", str, "tool_choice."):
        case "auto":
            return ToolChoice("auto", parallel=parallel)
        case "none":
            return ToolChoice("none")
        case "any":
            return ToolChoice("required", parallel=parallel)
        case "tool":
            name = required(value, "name", str, "tool_choice.")
            return ToolChoice("tool", [name], parallel=parallel)
        case other:
            notices.append(Notice("unknown_tool_choice", f"the tool choice {other!r} was left out"))
            return ToolChoice(parallel=parallel)


def _read_tool(tool: JsonObject, path: str) -> Tool:
    kind = optional(tool, "type", str, path)
    if kind is None or kind == "custom":
        name = required(tool, "name", str, path)
        if name == "image_generation" and "input_schema" not in tool:
            return _read_image_generation(tool, name)
        return FunctionTool(
            name,
            optional(tool, "description", str, path),
            required(tool, "input_schema", dict, path),
            strict=optional(tool, "strict", bool, path),
            extras=kept_fields(tool, *_OWN_FUNCTION_KEYS),
        )
    name = optional(tool, "name", str, path) or kind
    if kind.startswith("web_search"):
        return _read_web_search(tool, name, path)
    if kind.startswith("image_generation") or name == "image_generation":
        return _read_image_generation(tool, name)
    return HostedTool(kind, name, extras={FORMAT_NAME: tool})


def _read_web_search(tool: JsonObject, name: str, path: str) -> HostedTool:
    options: JsonObject = {}
    for key in _SEARCH_LISTS:
        domains = optional(tool, key, list, path)
        if domains:
            options[key] = domains
    max_uses = optional(tool, "max_uses", int, path)
    if max_uses is not None:
        options["max_uses"] = max_uses
    location = optional(tool, "user_location", dict, path)
    if location:
        options["user_location"] = {
            key: location[key]
            for key in ("city", "country", "region", "timezone")
            if location.get(key) is not None
        }
    return HostedTool("web_search", name, options, extras={FORMAT_NAME: tool})


def _read_image_generation(tool: JsonObject, name: str) -> HostedTool:
    """Not a tool of the vendor: an extension, with the options that image models know."""
    options = {key: tool[key] for key in _IMAGE_OPTIONS if tool.get(key) is not None}
    return HostedTool("image_generation", name, options, extras={FORMAT_NAME: tool})
