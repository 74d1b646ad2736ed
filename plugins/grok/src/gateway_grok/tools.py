"""Tools and the choice among them, as xAI takes them.

Works on what `gateway_core.formats.responses` wrote: keeps an allow-list of fields, fits schemas,
refuses by name what does not exist there, and says what was left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway_core import HostedTool, InvalidRequest, Unsupported
from gateway_core.events import Notice
from gateway_core.json import JsonObject, dumps
from gateway_core.request import Tool

__all__ = ["MOST_TOOLS", "clean_choice", "clean_tools", "with_exclusions"]

MOST_TOOLS: Final = 128
MOST_DOMAINS: Final = 5

_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "web_search": ("enable_image_understanding", "enable_image_search"),
    "x_search": (
        "allowed_x_handles",
        "excluded_x_handles",
        "from_date",
        "to_date",
        "enable_image_understanding",
        "enable_video_understanding",
    ),
    "code_interpreter": (),
    "view_image": (),
    "view_x_video": (),
    "file_search": ("vector_store_ids", "max_num_results"),
    "mcp": (
        "server_url",
        "server_label",
        "server_description",
        "allowed_tools",
        "headers",
        "authorization",
    ),
    "image_generation": (),
}
_DOMAINS: Final = ("allowed_domains", "blocked_domains", "excluded_domains")
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
# Above this many bytes, schemas of this kind were seen to be taken and never answered.
_LARGE_SCHEMA: Final = 8192


def with_exclusions(tools: list[Tool]) -> list[Tool]:
    """The tools with domains that a client excludes in xAI's own words in the canonical place.

    Raises `InvalidRequest` for domains that are no list: without them the search would be wider
    than it was meant.
    """
    return [_with_exclusions(tool) for tool in tools]


def _with_exclusions(tool: Tool) -> Tool:
    if not isinstance(tool, HostedTool) or tool.kind != "web_search":
        return tool
    filters = (tool.extras or {}).get("responses", {}).get("filters")
    if filters is None:
        return tool
    if not isinstance(filters, dict):
        raise InvalidRequest("filters: expected an object", param="tools")
    for name in _DOMAINS:
        if not isinstance(filters.get(name), list | None):
            raise InvalidRequest(f"filters.{name}: expected a list", param="tools")
    excluded = filters.get("excluded_domains")
    if excluded is None or "blocked_domains" in tool.options:
        return tool
    return replace(tool, options={**tool.options, "blocked_domains": excluded})


def clean_tools(
    tools: Iterable[JsonObject], notices: list[Notice], *, draws: bool
) -> list[JsonObject]:
    """The tools with nothing in them that xAI refuses; the first of a name stays.

    notices: told what is left out. draws: whether the model has the hosted `image_generation`.
    Raises `Unsupported`, naming it, for a kind of tool that xAI does not have, and for too many.
    """
    listed = list(tools)
    functions = {_name(tool) for tool in listed if tool.get("type") == "function"}
    cleaned: list[JsonObject] = []
    seen: set[str] = set()
    for tool in listed:
        kind = tool.get("type")
        if kind == "function":
            clean = _clean_function(tool)
            name = clean["name"]
        else:
            if kind in functions:
                said = f"a function is called {kind!r} already, so the hosted tool was left out"
                notices.append(Notice("dropped_hosted_tool", said))
                continue
            if kind == "image_generation" and not draws:
                said = "the model paints only when it is made to: `image_generation` was left out"
                notices.append(Notice("dropped_hosted_tool", said))
                continue
            clean = _clean_hosted(tool, notices)
            name = f"{kind} {clean.get('server_label', '')}"
        if name not in seen:
            seen.add(name)
            cleaned.append(clean)
    if len(cleaned) > MOST_TOOLS:
        raise Unsupported(
            f"xAI takes at most {MOST_TOOLS} tools, and these are {len(cleaned)}: switch some off",
            param="tools",
        )
    return cleaned


def clean_choice(choice: Any, tools: Sequence[JsonObject]) -> Any:
    """The choice among these tools; one that cannot be followed becomes `auto`.

    A single hosted tool is forced as the only allowed one: there is no other way to.
    """
    if not isinstance(choice, dict):
        return choice
    if choice.get("type") == "allowed_tools":
        allowed = [tool for tool in choice["tools"] if _listed(tool, tools)]
        return {**choice, "tools": allowed} if allowed else "auto"
    if not _listed(choice, tools):
        return "auto"
    if choice["type"] == "function":
        return {"type": "function", "name": choice["name"]}
    return {"type": "allowed_tools", "mode": "required", "tools": [choice]}


def _listed(chosen: JsonObject, tools: Sequence[JsonObject]) -> bool:
    return any(all(tool.get(key) == value for key, value in chosen.items()) for tool in tools)


def _clean_function(tool: JsonObject) -> JsonObject:
    clean: JsonObject = {"type": "function", "name": _name(tool)}
    if isinstance(description := tool.get("description"), str):
        clean["description"] = description
    parameters = tool.get("parameters")
    clean["parameters"] = _schema(parameters if isinstance(parameters, dict) else {})
    if tool.get("strict") is True:
        clean["strict"] = True
    return clean


def _name(tool: JsonObject) -> str:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("a function needs a name", param="tools")
    return name


def _schema(schema: JsonObject) -> JsonObject:
    """Parameters that are an object, without the forms that xAI refuses or never answers."""
    for key in _CHOICES:
        branches = schema.get(key)
        if branches is not None and not _all_objects(branches):
            schema = {name: value for name, value in schema.items() if name != key}
    written = dumps(schema)
    if len(written) > _LARGE_SCHEMA and b'"oneOf"' in written and b'"$ref"' in written:
        return {"type": "object", "properties": {}, "additionalProperties": True}
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        properties = schema.get("properties")
        kept = properties if isinstance(properties, dict) else {}
        schema = {**schema, "type": "object", "properties": kept}
    return schema


def _all_objects(branches: object) -> bool:
    return isinstance(branches, list) and all(
        isinstance(branch, dict) and branch.get("type") == "object" for branch in branches
    )


def _clean_hosted(tool: JsonObject, notices: list[Notice]) -> JsonObject:
    kind = tool.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise Unsupported(
            f"xAI has no tool of type {kind!r}: send the request without it", param="tools"
        )
    clean: JsonObject = {"type": kind}
    clean |= {key: tool[key] for key in fields if tool.get(key) is not None}
    if kind == "web_search":
        clean |= _filters(tool, notices)
    elif kind == "x_search" and "allowed_x_handles" in clean and "excluded_x_handles" in clean:
        del clean["excluded_x_handles"]
        _dropped("excluded_x_handles", "beside `allowed_x_handles`", notices)
    return clean


def _filters(tool: JsonObject, notices: list[Notice]) -> JsonObject:
    """`filters` with one list of at most five domains, which is all that xAI takes."""
    said = tool.get("filters")
    said = said if isinstance(said, dict) else {}
    allowed = said.get("allowed_domains") or tool.get("allowed_domains")
    excluded = said.get("blocked_domains") or tool.get("excluded_domains")
    if allowed and excluded:
        _dropped("blocked_domains", "beside `allowed_domains`", notices)
        excluded = None
    for name in ("user_location", "search_context_size"):
        if tool.get(name) is not None:
            _dropped(name, "in a web search", notices)
    domains = allowed or excluded
    if not domains:
        return {}
    name = "allowed_domains" if allowed else "excluded_domains"
    if not isinstance(domains, list):  # left out, it would widen the search
        raise InvalidRequest(f"{name}: expected a list", param="tools")
    if len(domains) > MOST_DOMAINS:
        raise Unsupported(
            f"xAI takes at most {MOST_DOMAINS} domains in a web search, not {len(domains)}",
            param="tools",
        )
    return {"filters": {name: domains}}


def _dropped(name: str, where: str, notices: list[Notice]) -> None:
    notices.append(Notice(f"dropped_{name}", f"xAI takes no `{name}` {where}: it was left out"))
