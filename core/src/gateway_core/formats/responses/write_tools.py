"""Canonical tools and tool choice, written for a Responses upstream."""

from gateway_core.content import Extras
from gateway_core.errors import Unsupported
from gateway_core.formats.responses.read_tools import IMAGE_OPTIONS
from gateway_core.formats.responses.schema import extras_of
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice

__all__ = ["ToolNames", "write_tool_choice", "write_tools"]

_SEARCH_KEYS = frozenset({"type", "namespace", "filters", "user_location", "search_context_size"})


class ToolNames:
    """The names under which a client or upstream knows tools that live in namespaces."""

    __slots__ = ("_names",)

    def __init__(self, tools: list[Tool]) -> None:
        self._names: dict[str, tuple[str, str]] = {}
        for tool in tools:
            if type(tool) is HostedTool:
                continue
            kept = extras_of(tool.extras)
            if namespace := kept.get("namespace"):
                self._names[tool.name] = (namespace["name"], kept["name"])

    def fields(self, name: str, extras: Extras | None) -> JsonObject:
        """`name`, and `namespace` when it has one, of a call's item.

        What the call itself brought along wins over the list of tools.
        """
        kept = extras_of(extras)
        if isinstance(namespace := kept.get("namespace"), str) and "name" in kept:
            return {"name": kept["name"], "namespace": namespace}
        found = self._names.get(name) if self._names else None
        return {"name": name} if found is None else {"name": found[1], "namespace": found[0]}


def write_tools(tools: list[Tool], *, namespaces: bool) -> list[JsonObject]:
    """The `tools` of a request.

    namespaces: whether tools of a namespace are put back into it; otherwise each stands alone under
    its flat name. Raises `Unsupported` for a hosted tool that has no Responses form.
    """
    written: list[JsonObject] = []
    for tool in tools:
        group = extras_of(tool.extras).get("namespace") if namespaces else None
        form = _write_tool(tool, grouped=group is not None)
        if group is None:
            written.append(form)
            continue
        last = written[-1] if written else {}
        if last.get("type") == "namespace" and last.get("name") == group["name"]:
            last["tools"].append(form)
        else:
            written.append({**group, "tools": [form]})
    return written


def write_tool_choice(choice: ToolChoice, tools: list[Tool], *, namespaces: bool) -> object:
    """The `tool_choice` of a request. A name that no tool has counts as a function's."""
    if choice.mode != "tool":
        return choice.mode
    by_name = {tool.name: tool for tool in tools}
    names = ToolNames(tools) if namespaces else ToolNames([])
    chosen = [_chosen(name, by_name.get(name), names) for name in choice.names]
    if len(chosen) == 1 and choice.required_among:
        return chosen[0]
    mode = "required" if choice.required_among else "auto"
    return {"type": "allowed_tools", "mode": mode, "tools": chosen}


def _chosen(name: str, tool: Tool | None, names: ToolNames) -> JsonObject:
    if isinstance(tool, HostedTool):
        if tool.kind == "mcp":
            return {"type": "mcp", "server_label": name}
        return {"type": tool.kind}
    kind = "custom" if isinstance(tool, CustomTool) else "function"
    return {"type": kind, **names.fields(name, None)}


def _write_tool(tool: Tool, *, grouped: bool) -> JsonObject:
    if isinstance(tool, HostedTool):
        return _write_hosted(tool)
    kept = {
        key: value
        for key, value in extras_of(tool.extras).items()
        if key not in ("name", "namespace")
    }
    name = extras_of(tool.extras)["name"] if grouped else tool.name
    described = {} if tool.description is None else {"description": tool.description}
    if isinstance(tool, FunctionTool):
        return {
            "type": "function",
            "name": name,
            **described,
            # Said in any case: the API's own default is strict, which refuses open schemas.
            "strict": tool.strict or False,
            "parameters": _with_properties(tool.parameters),
            **kept,
        }
    format = {} if tool.format is None else {"format": tool.format}
    return {"type": "custom", "name": name, **described, **format, **kept}


def _with_properties(parameters: JsonObject) -> JsonObject:
    """An object schema without `properties` is refused."""
    if "properties" in parameters or parameters.get("type", "object") != "object":
        return parameters
    return {"type": "object", **parameters, "properties": {}}


def _write_hosted(tool: HostedTool) -> JsonObject:
    kept = extras_of(tool.extras)
    if tool.kind == "web_search":
        return _write_search(tool, kept)
    if tool.kind == "image_generation":
        left = {
            key: value
            for key, value in kept.items()
            if key not in IMAGE_OPTIONS and key not in ("type", "namespace")
        }
        options = {key: tool.options[key] for key in IMAGE_OPTIONS if key in tool.options}
        return {"type": "image_generation", **left, **options}
    if not kept:
        if tool.kind != tool.name or tool.options:
            raise Unsupported(f"the hosted tool {tool.name!r} ({tool.kind}) has no Responses form")
        return {"type": tool.kind}
    return {key: value for key, value in kept.items() if key != "namespace"}


def _write_search(tool: HostedTool, kept: JsonObject) -> JsonObject:
    written: JsonObject = {"type": "web_search"}
    written |= {key: value for key, value in kept.items() if key not in _SEARCH_KEYS}
    domains = {
        key: tool.options[key]
        for key in ("allowed_domains", "blocked_domains")
        if tool.options.get(key)
    }
    if domains:
        written["filters"] = domains
    if location := tool.options.get("user_location"):
        written["user_location"] = {"type": "approximate", **location}
    if size := tool.options.get("context_size"):
        written["search_context_size"] = size
    return written
