"""Tools as the service takes them: names, descriptions, schemas, and stand-ins for missing ones.

The service wants a specification of every tool that the history uses, whatever is offered now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway_core import FunctionTool, HostedTool, InvalidRequest, JsonObject, Unsupported
from gateway_core.request import Tool
from gateway_kiro.names import ToolNames
from gateway_kiro.schemas import plain_schema, strict_schema

__all__ = [
    "LONGEST_DESCRIPTION",
    "SEARCH_TOOL",
    "ToolSet",
    "has_web_search",
    "read_tools",
    "with_strict_schemas",
]

LONGEST_DESCRIPTION: Final = 9_216
"""Characters; between 9,216 and 10,240 were seen to be the most."""

SEARCH_TOOL: Final = "web_search"
"""The function that stands for the hosted search when the model decides itself when to search."""

_SEARCH: Final = FunctionTool(
    SEARCH_TOOL,
    "Search the web. Gives titles, addresses and excerpts of pages that are about the query.",
    {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to search for"}},
        "required": ["query"],
    },
)


@dataclass(slots=True)
class ToolSet:
    """What is offered: specifications in order, and descriptions too long for their place.

    search: the wire name of the hosted search among them, or None.
    """

    specifications: list[JsonObject] = field(default_factory=list)
    long_descriptions: list[str] = field(default_factory=list)
    search: str | None = None

    @property
    def names(self) -> Iterator[str]:
        """Wire names."""
        for entry in self.specifications:
            name: str = entry["toolSpecification"]["name"]
            yield name

    def complete(self, used: Iterable[str]) -> None:
        """Add a stand-in for each tool that was used and is not offered, in order of use."""
        known = set(self.names)
        for name in used:
            if name not in known:
                known.add(name)
                self.specifications.append(_specification(name, f"Tool: {name}", {}))


def has_web_search(tools: Iterable[Tool]) -> bool:
    """Whether the hosted search is among the tools."""
    return any(type(tool) is HostedTool and tool.kind == "web_search" for tool in tools)


def read_tools(tools: Iterable[Tool], names: ToolNames, *, search: bool) -> ToolSet:
    """The tools of a request; of two with one name the first counts.

    search: whether a hosted search may be offered. Raises `Unsupported`, naming it, for a tool that
    the service cannot run, and `InvalidRequest` for one without a name.
    """
    found = ToolSet()
    seen: set[str] = set()
    tools = list(tools)
    taken = {tool.name for tool in tools if type(tool) is FunctionTool}
    for tool in tools:
        if type(tool) is HostedTool and tool.kind == "web_search":
            if not search or SEARCH_TOOL in taken:
                continue
            tool = _SEARCH
            found.search = SEARCH_TOOL
        if type(tool) is not FunctionTool:
            kind = tool.kind if type(tool) is HostedTool else "custom"
            raise Unsupported(
                f"Kiro cannot run the tool {kind!r}: send the request without it", param="tools"
            )
        if not tool.name:
            raise InvalidRequest("a tool needs a name", param="tools")
        wire = names.wire(tool.name)
        if wire in seen:
            continue
        seen.add(wire)
        description = (tool.description or "").strip() or f"Tool: {tool.name}"
        if len(description) > LONGEST_DESCRIPTION:
            found.long_descriptions.append(f"## Tool: {wire}\n\n{description}")
            description = f"The full description of this tool is under '## Tool: {wire}' above."
        found.specifications.append(_specification(wire, description, tool.parameters))
    return found


def with_strict_schemas(body: JsonObject) -> JsonObject | None:
    """The request with bare schemas; None when that changes nothing. The given one stays."""
    state = body["conversationState"]
    message = state["currentMessage"]["userInputMessage"]
    context = message.get("userInputMessageContext", {})
    tools = context.get("tools", [])
    strict = [_with_strict_schema(tool) for tool in tools]
    if strict == tools:
        return None
    message = {**message, "userInputMessageContext": {**context, "tools": strict}}
    state = {**state, "currentMessage": {"userInputMessage": message}}
    return {**body, "conversationState": state}


def _with_strict_schema(tool: JsonObject) -> JsonObject:
    specification = tool["toolSpecification"]
    schema = strict_schema(specification["inputSchema"]["json"])
    return {"toolSpecification": {**specification, "inputSchema": {"json": schema}}}


def _specification(name: str, description: str, schema: JsonObject) -> JsonObject:
    return {
        "toolSpecification": {
            "name": name,
            "description": description,
            "inputSchema": {"json": plain_schema(schema)},
        }
    }
