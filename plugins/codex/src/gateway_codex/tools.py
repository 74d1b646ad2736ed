"""Tools and the choice among them, as the backend takes them.

Works on what `gateway_core.formats.responses` wrote: keeps an allow-list of fields, fits names and
schemas, and refuses by name what does not exist there.
"""

from collections.abc import Iterable
from typing import Any, Final

from gateway_codex.schemas import complies_strictly, tool_schema
from gateway_core import InvalidRequest, ToolAliases, Unsupported
from gateway_core.json import JsonObject

__all__ = ["clean_choice", "clean_tools", "fits_lite"]

_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "function": ("type", "name", "description", "strict", "parameters"),
    "custom": ("type", "name", "description", "format"),
    "web_search": (
        "type",
        "external_web_access",
        "search_context_size",
        "filters",
        "user_location",
        "search_content_types",
    ),
    "image_generation": (
        "type",
        "output_format",
        "output_compression",
        "size",
        "quality",
        "background",
        "partial_images",
        "model",
        "moderation",
        "action",
        "input_fidelity",
    ),
    "local_shell": ("type",),
    "tool_search": ("type", "execution", "description", "parameters"),
    "namespace": ("type", "name", "description", "tools"),
}
_CLIENT_RUN: Final = frozenset({"function", "custom"})


def clean_tools(tools: Iterable[Any], aliases: ToolAliases) -> list[JsonObject]:
    """The tools with nothing in them that the backend refuses; the first of a name stays.

    Raises `Unsupported`, naming it, for a kind of tool that the backend does not have, and
    `InvalidRequest` for a tool without a name.
    """
    cleaned: list[JsonObject] = []
    seen: set[str] = set()
    for tool in tools:
        if not isinstance(tool, dict):
            continue
        clean = _clean(tool, aliases)
        name = clean.get("name")
        if name in seen:
            continue
        if name is not None:
            seen.add(name)
        cleaned.append(clean)
    return cleaned


def clean_choice(choice: Any, tools: list[JsonObject], aliases: ToolAliases) -> Any:
    """The choice among these tools; one that the backend cannot follow becomes `auto`.

    It answers a forced tool that is not listed with a failure of its own.
    """
    if not isinstance(choice, dict):
        return "auto" if choice == "required" and not tools else choice
    if choice.get("type") == "allowed_tools":
        allowed = [clean_choice(tool, tools, aliases) for tool in choice["tools"]]
        listed = [tool for tool in allowed if tool != "auto"]
        return {**choice, "tools": listed} if listed else "auto"
    kind = choice["type"]
    if kind not in _CLIENT_RUN:
        return {"type": kind} if any(tool["type"] == kind for tool in tools) else "auto"
    name = aliases.wire(choice["name"])
    # A tool inside a namespace cannot be chosen: the choice has no place for that.
    found = any((tool["type"], tool.get("name")) == (kind, name) for tool in tools)
    return {"type": kind, "name": name} if found and "namespace" not in choice else "auto"


def fits_lite(tools: list[JsonObject]) -> bool:
    """Whether the Responses Lite lane takes all of these: nothing that runs at the backend."""
    return all(
        tool["type"] in ("function", "custom", "namespace")
        or (tool["type"] == "tool_search" and tool.get("execution") == "client")
        for tool in tools
    )


def _clean(tool: JsonObject, aliases: ToolAliases, *, nested: bool = False) -> JsonObject:
    kind = tool.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise Unsupported(
            f"Codex models have no tool of type {kind!r}: send the request without it",
            param="tools",
        )
    if nested:
        fields = (*fields, "defer_loading")
    clean = {key: tool[key] for key in fields if tool.get(key) is not None}
    if "name" in fields:
        if not isinstance(clean.get("name"), str):
            raise InvalidRequest(f"a tool of type {kind!r} needs a name", param="tools")
        clean["name"] = aliases.wire(clean["name"])
    if kind == "function":
        parameters = clean.get("parameters")
        clean["parameters"] = tool_schema(parameters if isinstance(parameters, dict) else {})
        # An open schema under `strict` is refused, so the client's wish counts only if it can.
        clean["strict"] = clean.get("strict") is True and complies_strictly(clean["parameters"])
    elif kind == "namespace":
        inner = clean.get("tools")
        inner = [item for item in inner if isinstance(item, dict)] if type(inner) is list else []
        clean["tools"] = [_clean(item, aliases, nested=True) for item in inner]
    elif kind == "tool_search":
        clean.setdefault("execution", "client")
    elif kind == "image_generation" and type(partial := clean.get("partial_images")) is int:
        clean["partial_images"] = max(0, min(3, partial))
    return clean
