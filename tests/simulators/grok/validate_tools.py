"""What xAI refuses in tools, in the choice among them, and in their schemas."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from gateway_core.json import JsonObject, dumps
from simulators.grok.catalogue import ModelFacts
from simulators.grok.problem import Problem, check_keys, one_of

__all__ = ["choice_problems", "object_problems", "tool_problems"]

_MOST_TOOLS: Final = 128
_MOST_DOMAINS: Final = 5
_LARGE: Final = 8192
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_HOSTED: Final[dict[str, frozenset[str]]] = {
    "web_search": frozenset(
        {
            "filters",
            "allowed_domains",
            "excluded_domains",
            "enable_image_understanding",
            "enable_image_search",
        }
    ),
    "x_search": frozenset(
        {
            "allowed_x_handles",
            "excluded_x_handles",
            "from_date",
            "to_date",
            "enable_image_understanding",
            "enable_video_understanding",
        }
    ),
    "code_interpreter": frozenset(),
    "view_image": frozenset(),
    "view_x_video": frozenset(),
    "file_search": frozenset({"vector_store_ids", "max_num_results"}),
    "mcp": frozenset(
        {
            "server_url",
            "server_label",
            "server_description",
            "allowed_tools",
            "headers",
            "authorization",
        }
    ),
    "image_generation": frozenset(),
}


def tool_problems(tools: object, facts: ModelFacts | None) -> Iterator[Problem]:
    """All that is wrong with the tools of a request; None is no tools at all."""
    if tools is None:
        return
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        yield Problem("`tools` must be a list of objects", 422)
        return
    if not tools:
        yield Problem("`tools` must be left out when there are none")
    if len(tools) > _MOST_TOOLS:
        yield Problem(f"Maximum tools limit reached: {len(tools)} > {_MOST_TOOLS}")
    names: set[object] = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        name = tool.get("name") if tool.get("type") == "function" else tool.get("type")
        if name == "mcp":
            name = f"mcp {tool.get('server_label')}"
        if name in names:
            yield Problem(f"{where}: Duplicate tool name {name!r}")
        names.add(name)
        if tool.get("type") == "function":
            yield from _function_problems(tool, where)
        else:
            yield from _hosted_problems(tool, where, facts)


def choice_problems(body: JsonObject) -> Iterator[Problem]:
    """All that is wrong with `tool_choice` and `parallel_tool_calls` beside these tools."""
    tools = body.get("tools")
    if not tools:
        for key in ("tool_choice", "parallel_tool_calls"):
            if key in body:
                yield Problem(f"A {key} was set on the request but no tools were specified.")
        return
    choice = body.get("tool_choice", "auto")
    listed = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    match choice:
        case str():
            yield from one_of(choice, ("auto", "none", "required"), "tool_choice")
        case {"type": "function"}:
            yield from check_keys(choice, ("type", "name"), "tool_choice")
            if not _is_listed(choice, listed):
                yield Problem(f"tool_choice: there is no function {choice.get('name')!r}")
        case {"type": "allowed_tools", "tools": list(allowed)}:
            yield from check_keys(choice, ("type", "mode", "tools"), "tool_choice")
            yield from one_of(choice.get("mode"), ("auto", "required"), "tool_choice.mode")
            for tool in allowed:
                if not isinstance(tool, dict) or not _is_listed(tool, listed):
                    yield Problem(f"tool_choice: {tool!r} is none of the tools")
        case _:
            yield Problem(f"tool_choice: unknown choice {choice!r}", 422)


def object_problems(schema: object, where: str) -> Iterator[Problem]:
    """All that is wrong with a schema of an object."""
    if not isinstance(schema, dict):
        yield Problem(f"{where}: missing field `parameters`", 422)
        return
    for key in ("anyOf", "oneOf"):
        branches = schema.get(key, [])
        if not all(isinstance(each, dict) and each.get("type") == "object" for each in branches):
            yield Problem(f"{where}: the branches of `{key}` must be objects")
    written = dumps(schema)
    if len(written) > _LARGE and b'"oneOf"' in written and b'"$ref"' in written:
        yield Problem(f"{where}: a schema like this is taken and never answered")


def _is_listed(chosen: JsonObject, tools: list[JsonObject]) -> bool:
    return any(all(tool.get(key) == value for key, value in chosen.items()) for tool in tools)


def _function_problems(tool: JsonObject, where: str) -> Iterator[Problem]:
    yield from check_keys(tool, ("type", "name", "description", "parameters", "strict"), where)
    name = tool.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield Problem(f"{where}: {name!r} cannot be the name of a function")
    if not isinstance(tool.get("description", ""), str):
        yield Problem(f"{where}: `description` must be a string", 422)
    if not isinstance(tool.get("strict", False), bool):
        yield Problem(f"{where}: `strict` must be a boolean", 422)
    parameters = tool.get("parameters")
    yield from object_problems(parameters, where)
    if isinstance(parameters, dict) and parameters.get("type") != "object":
        yield Problem(f"{where}: parameters must be of type object")


def _hosted_problems(tool: JsonObject, where: str, facts: ModelFacts | None) -> Iterator[Problem]:
    kind = tool.get("type")
    if kind not in _HOSTED:
        yield from one_of(kind, ("function", *_HOSTED), f"{where}.type")
        return
    yield from check_keys(tool, {"type", *_HOSTED[kind]}, where)
    if kind == "web_search":
        yield from _domain_problems(tool, where)
    elif kind == "x_search":
        yield from _x_problems(tool, where)
    elif kind == "mcp" and not tool.get("server_url"):
        yield Problem(f"{where}: missing field `server_url`", 422)
    elif kind == "file_search" and not tool.get("vector_store_ids"):
        yield Problem(f"{where}: missing field `vector_store_ids`", 422)
    elif kind == "image_generation" and facts is not None and not facts.draws:
        yield Problem(f"{where}: model {facts.id} does not support image_generation")


def _domain_problems(tool: JsonObject, where: str) -> Iterator[Problem]:
    filters = tool.get("filters", {})
    if not isinstance(filters, dict):
        yield Problem(f"{where}: `filters` must be an object", 422)
        return
    known = ("allowed_domains", "excluded_domains")
    yield from check_keys(filters, known, f"{where}.filters")
    lists = [place[key] for place in (filters, tool) for key in known if key in place]
    if len(lists) > 1:
        yield Problem(f"{where}: only one of allowed_domains and excluded_domains can be set")
    for domains in lists:
        if not isinstance(domains, list) or not 1 <= len(domains) <= _MOST_DOMAINS:
            yield Problem(f"{where}: between 1 and {_MOST_DOMAINS} domains can be named")


def _x_problems(tool: JsonObject, where: str) -> Iterator[Problem]:
    if "allowed_x_handles" in tool and "excluded_x_handles" in tool:
        yield Problem(f"{where}: only one of allowed_x_handles and excluded_x_handles can be set")
    days: list[date] = []
    for key in ("from_date", "to_date"):
        text = tool.get(key)
        if text is None:
            continue
        try:
            if not isinstance(text, str) or not _DAY.fullmatch(text):
                raise ValueError(text)
            days.append(date.fromisoformat(text))
        except ValueError:
            yield Problem(f"{where}: {key} must be a day like 2026-08-01, not {text!r}")
    if len(days) == 2 and days[1] < days[0]:
        yield Problem(f"{where}: to_date is before from_date")
