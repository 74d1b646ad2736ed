"""Tools and tool choice of a Responses request, read into canonical ones.

Tools inside a `namespace` become tools of their own under one flat name; their extras remember the
namespace, so that a Responses upstream gets it back and a client's call carries it again.
"""

from dataclasses import replace
from typing import Any, Literal

from gateway_core.content import Extras, Foreign, Message, Part
from gateway_core.errors import InvalidRequest
from gateway_core.formats.base import optional, required
from gateway_core.formats.responses.schema import FORMAT_NAME, flat_name, kept_fields
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice

__all__ = ["IMAGE_OPTIONS", "read_tool_choice", "read_tools", "with_added_tools"]

IMAGE_OPTIONS = ("size", "quality", "background", "output_format", "partial_images", "model")
"""Options of `image_generation` that have the same name and meaning in the canonical model."""

_NO_PARAMETERS: JsonObject = {"type": "object", "properties": {}}


def read_tools(value: Any) -> list[Tool]:
    """The tools in `tools`. Raises `InvalidRequest` with the path of the field."""
    if value is None:
        return []
    return _read_list(value, "tools", None)


def with_added_tools(
    messages: list[Message], tools: list[Tool]
) -> tuple[list[Message], list[Tool]]:
    """The messages without the `additional_tools` among them, and the tools with those in them.

    Codex CLI offers all of its tools that way to some models. A tool that comes again replaces the
    one before. Raises `InvalidRequest`.
    """
    kept = [_without_added(message) for message in messages]
    if all(left is message for left, message in zip(kept, messages, strict=True)):
        return messages, tools
    by_name = {tool.name: tool for tool in tools}
    for message in messages:
        for part in message.parts:
            if _adds_tools(part):
                offered = part.data.get("tools")  # type: ignore[union-attr]  # only those add
                by_name |= {
                    tool.name: tool
                    for tool in _read_list(offered or [], "input: additional_tools.tools", None)
                }
    return [message for message in kept if message is not None], list(by_name.values())


def _without_added(message: Message) -> Message | None:
    """The message itself, or what is left of it, or None when that is nothing."""
    left = [part for part in message.parts if not _adds_tools(part)]
    if len(left) == len(message.parts):
        return message
    return replace(message, parts=left) if left else None


def _adds_tools(part: Part) -> bool:
    if type(part) is not Foreign:
        return False
    return part.kind == "additional_tools" and part.namespace == FORMAT_NAME


def read_tool_choice(value: Any, parallel: bool | None) -> ToolChoice:
    """`tool_choice` and `parallel_tool_calls` together. Raises `InvalidRequest`."""
    if value is None:
        return ToolChoice(parallel=parallel)
    if isinstance(value, str):
        if value not in ("auto", "none", "required"):
            raise InvalidRequest(
                f"tool_choice: expected 'auto', 'none', 'required' or an object, got {value!r}",
                param="tool_choice",
            )
        mode: Literal["auto", "none", "required"] = value  # type: ignore[assignment]  # checked
        return ToolChoice(mode, parallel=parallel)
    if not isinstance(value, dict):
        raise InvalidRequest(
            f"tool_choice: expected a string or an object, got {type(value).__name__}",
            param="tool_choice",
        )
    if required(value, "type", str, "tool_choice.") != "allowed_tools":
        return ToolChoice("tool", [_chosen_name(value, "tool_choice.")], parallel=parallel)
    among = required(value, "mode", str, "tool_choice.") == "required"
    names = []
    for index, tool in enumerate(required(value, "tools", list, "tool_choice.")):
        at = f"tool_choice.tools[{index}]"
        if not isinstance(tool, dict):
            raise InvalidRequest(f"{at}: expected an object, got {type(tool).__name__}", param=at)
        names.append(_chosen_name(tool, f"{at}."))
    if not names:
        return ToolChoice("none", parallel=parallel)
    return ToolChoice("tool", names, required_among=among, parallel=parallel)


def _chosen_name(choice: JsonObject, path: str) -> str:
    kind = required(choice, "type", str, path)
    if kind in ("function", "custom"):
        name = required(choice, "name", str, path)
        namespace = optional(choice, "namespace", str, path)
        return flat_name(namespace, name) if namespace else name
    if kind == "mcp":
        return required(choice, "server_label", str, path)
    return _canonical_kind(kind)


def _canonical_kind(kind: str) -> str:
    return "web_search" if kind.startswith("web_search_") else kind


def _read_list(value: Any, path: str, namespace: JsonObject | None) -> list[Tool]:
    if not isinstance(value, list):
        raise InvalidRequest(
            f"{path}: expected a list of tools, got {type(value).__name__}", param=path
        )
    tools: list[Tool] = []
    for index, tool in enumerate(value):
        at = f"{path}[{index}]"
        if not isinstance(tool, dict):
            raise InvalidRequest(f"{at}: expected an object, got {type(tool).__name__}", param=at)
        kind = required(tool, "type", str, f"{at}.")
        if kind == "namespace" and namespace is None:
            required(tool, "name", str, f"{at}.")
            tools.extend(_read_list(tool.get("tools") or [], f"{at}.tools", tool))
        elif kind == "function":
            tools.append(_read_function(tool, f"{at}.", namespace))
        elif kind == "custom":
            tools.append(_read_custom(tool, f"{at}.", namespace))
        else:
            tools.append(_read_hosted(tool, kind, namespace))
    return tools


def _read_function(tool: JsonObject, path: str, namespace: JsonObject | None) -> FunctionTool:
    consumed = ("type", "name", "namespace", "description", "parameters", "strict")
    name = _name(tool, path)
    parameters = optional(tool, "parameters", dict, path)
    return FunctionTool(
        name=_in_namespace(name, namespace),
        description=optional(tool, "description", str, path),
        parameters=parameters if parameters is not None else dict(_NO_PARAMETERS),
        strict=optional(tool, "strict", bool, path),
        extras=_tool_extras(tool, consumed, namespace, name),
    )


def _read_custom(tool: JsonObject, path: str, namespace: JsonObject | None) -> CustomTool:
    name = _name(tool, path)
    return CustomTool(
        name=_in_namespace(name, namespace),
        description=optional(tool, "description", str, path),
        format=optional(tool, "format", dict, path),
        extras=_tool_extras(
            tool, ("type", "name", "namespace", "description", "format"), namespace, name
        ),
    )


def _name(tool: JsonObject, path: str) -> str:
    name = required(tool, "name", str, path)
    if not name:
        raise InvalidRequest(f"{path}name: must not be empty", param=f"{path}name")
    return name


def _in_namespace(name: str, namespace: JsonObject | None) -> str:
    return name if namespace is None else flat_name(namespace["name"], name)


def _tool_extras(
    tool: JsonObject, consumed: tuple[str, ...], namespace: JsonObject | None, name: str
) -> Extras | None:
    extras = kept_fields(tool, consumed)
    if namespace is None:
        return extras
    left = (extras or {}).get(FORMAT_NAME, {})
    return {FORMAT_NAME: {**left, "name": name, "namespace": _group(namespace)}}


def _group(namespace: JsonObject) -> JsonObject:
    """The namespace without its tools."""
    return {key: value for key, value in namespace.items() if key != "tools"}


def _read_hosted(tool: JsonObject, kind: str, namespace: JsonObject | None) -> HostedTool:
    kind = _canonical_kind(kind)
    label = tool.get("server_label") if kind == "mcp" else None
    name = label if isinstance(label, str) and label else kind
    options: JsonObject = {}
    if kind == "web_search":
        options = _search_options(tool)
    elif kind == "image_generation":
        options = {key: tool[key] for key in IMAGE_OPTIONS if tool.get(key) is not None}
    # `namespace` is the key under which the group is remembered, so a client's own must not stay.
    kept = {key: value for key, value in tool.items() if key != "namespace"}
    if namespace is not None:
        kept["namespace"] = _group(namespace)
    bare = len(kept) == 1 and kept["type"] == kind
    return HostedTool(kind, name, options, None if bare else {FORMAT_NAME: kept})


def _search_options(tool: JsonObject) -> JsonObject:
    options: JsonObject = {}
    filters = tool.get("filters")
    if isinstance(filters, dict):
        for key in ("allowed_domains", "blocked_domains"):
            if isinstance(filters.get(key), list):
                options[key] = filters[key]
    location = tool.get("user_location")
    if isinstance(location, dict):
        options["user_location"] = {
            key: location[key]
            for key in ("city", "country", "region", "timezone")
            if location.get(key) is not None
        }
    if isinstance(tool.get("search_context_size"), str):
        options["context_size"] = tool["search_context_size"]
    return options
