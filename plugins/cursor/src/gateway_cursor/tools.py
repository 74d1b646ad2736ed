"""The client's tools as tools of a made-up MCP server, and the way back from a call.

The model sees a name that collides with none of Cursor's own tools; the client's own name travels
beside it and comes back with each call. Pure.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gateway_core import FunctionTool, InvalidRequest, JsonObject
from gateway_core.json import dumps_text
from gateway_core.schemas import walk_schema
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.schemas import flat_schema
from gateway_cursor.values import restored, to_value

__all__ = ["MOST_BYTES", "PROVIDER", "ToolTable", "fitting", "shown_name"]

PROVIDER: Final = "gateway"
"""What the MCP server is called wherever it is named."""

MOST_BYTES: Final = 120_000
"""What all definitions together may have; more was not seen to work."""

_LONGEST_DESCRIPTION: Final = 600  # characters, where all together are too large

# A run with a tool of such a name fails as a whole, whatever its case in other places.
_TAKEN: Final = frozenset(
    {
        "AskQuestion",
        "Delete",
        "Glob",
        "Grep",
        "ListMcpResources",
        "Read",
        "ReadLints",
        "Shell",
        "SwitchMode",
        "Task",
        "TodoWrite",
        "WebFetch",
        "WebSearch",
        "Write",
    }
)
_FIT: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
_PREFIXES: Final = (f"mcp_{PROVIDER}_", f"mcp__{PROVIDER}__", f"{PROVIDER}-", "mcp_")


def shown_name(name: str) -> str:
    """The name under which the model knows a tool of the client. It depends on nothing else, so
    that the history of a conversation never changes.
    """
    if name in _TAKEN:
        return f"mcp_{name}"
    if _FIT.fullmatch(name):
        return name
    safe = _UNFIT.sub("_", name)
    if not safe[:1].isalpha():
        safe = f"t{safe}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[:55]}_{digest}"


@dataclass(slots=True, frozen=True, init=False)
class ToolTable:
    """The tools of one run.

    definitions: for the service, in the client's order. names: as the model sees them, in the same
    order.
    """

    definitions: tuple[pb.McpToolDefinition, ...]
    names: tuple[str, ...]
    _schemas: dict[str, JsonObject]
    _shown: dict[str, str]

    def __init__(self, tools: Iterable[FunctionTool] = ()) -> None:
        """Of two tools with one name the first counts. Raises `InvalidRequest` for a tool without a
        name, and for a schema that is nested too deep to be told.
        """
        by_name: dict[str, FunctionTool] = {}
        for tool in tools:
            if not tool.name:
                raise InvalidRequest("a tool needs a name", param="tools")
            by_name.setdefault(tool.name, tool)
        shown: dict[str, str] = {}
        for name in by_name:
            wire = shown_name(name)
            while wire in shown or (wire != name and wire in by_name):
                wire = f"mcp_{wire}"
            shown[wire] = name
        object.__setattr__(self, "_shown", shown)
        object.__setattr__(self, "names", tuple(shown))
        object.__setattr__(self, "_schemas", {name: by_name[name].parameters for name in by_name})
        definitions = tuple(_definition(by_name[name], wire) for wire, name in shown.items())
        object.__setattr__(self, "definitions", definitions)

    def resolve(self, args: pb.McpArgs) -> str | None:
        """The client's name of the tool that is called; None when it is none of them.

        Models put prefixes before names, and the service hands on what they wrote.
        """
        said = [name for name in (args.tool_name, args.name) if name]
        for name in said:
            if name in self._schemas:
                return name
        for name in said:
            if name in self._shown:
                return self._shown[name]
        bare = [
            name.removeprefix(prefix)
            for name in said
            for prefix in _PREFIXES
            if name.startswith(prefix)
        ]
        for name in bare:
            if name in self._schemas:
                return name
            if name in self._shown:
                return self._shown[name]
        for name in (*said, *bare):
            if (found := self._whatever_case(name)) is not None:
                return found
        return None

    def arguments(self, name: str, args: pb.McpArgs) -> str:
        """The arguments of a call of the client's tool `name`, as JSON text: members in the order
        of the tool's schema, whole numbers as integers unless it says `number`.
        """
        return dumps_text(restored(dict(args.args), self._schemas.get(name, {})))

    def _whatever_case(self, name: str) -> str | None:
        folded = name.casefold()
        found = {
            tool
            for shown, tool in self._shown.items()
            if folded in (shown.casefold(), tool.casefold())
        }
        return found.pop() if len(found) == 1 else None


def fitting(tools: Iterable[FunctionTool]) -> tuple[ToolTable, bool]:
    """The table, and whether something had to go to bring it within `MOST_BYTES`: the ends of long
    descriptions, then all words in the schemas. Raises like `ToolTable`.
    """
    tools = list(tools)
    table = ToolTable(tools)
    if _size(table) <= MOST_BYTES:
        return table, False
    tools = [replace(tool, description=_shortened(tool.description)) for tool in tools]
    table = ToolTable(tools)
    if _size(table) > MOST_BYTES:
        table = ToolTable(
            [replace(tool, parameters=walk_schema(tool.parameters, _wordless)) for tool in tools]
        )
    return table, True


def _size(table: ToolTable) -> int:
    return sum(definition.ByteSize() for definition in table.definitions)


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _LONGEST_DESCRIPTION:
        return text
    return f"{text[: _LONGEST_DESCRIPTION - 2]} …"


def _wordless(schema: JsonObject) -> JsonObject:
    if type(schema.get("description")) is not str:
        return schema
    return {key: value for key, value in schema.items() if key != "description"}


def _definition(tool: FunctionTool, shown: str) -> pb.McpToolDefinition:
    try:
        schema = to_value(flat_schema(tool.parameters))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"the schema of the tool {tool.name!r} cannot be told to Cursor: {error}", param="tools"
        ) from error
    return pb.McpToolDefinition(
        name=shown,
        description=tool.description or "",
        input_schema=schema,
        provider_identifier=PROVIDER,
        tool_name=tool.name,
    )
