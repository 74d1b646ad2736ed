"""Tools as they are offered: names, schemas, sizes (section 5 of the protocol)."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf import json_format, struct_pb2
from google.protobuf.message import DecodeError

from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.faults import error, with_details
from simulators.cursor.problem import Problem

__all__ = ["COLLIDING", "schema_of", "tool_problems"]

COLLIDING: Final = (
    "Read",
    "Write",
    "Grep",
    "Glob",
    "WebFetch",
    "WebSearch",
    "Shell",
    "Delete",
    "Task",
    "TodoWrite",
    "AskQuestion",
    "ListMcpResources",
    "ReadLints",
    "SwitchMode",
)
"""Names of tools that Cursor has itself; offering them makes the whole run fail."""

_MOST_BYTES: Final = 120_000
_UNWANTED: Final = ("oneOf", "anyOf", "allOf", "$schema")
_PROVIDER: Final = with_details(
    "resource_exhausted", 57, "Provider Error", "The model provider returned an error."
)
_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_BY_PLACE: Final = ("prefixItems",)
_ONE: Final = (
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
)


def schema_of(tool: pb.McpToolDefinition) -> Any:
    """The JSON Schema of a tool. Raises `ValueError` when its bytes are no `Value`."""
    try:
        return json_format.MessageToDict(struct_pb2.Value.FromString(tool.input_schema))
    except DecodeError as wrong:
        raise ValueError(f"the schema of {tool.tool_name!r} is no Value") from wrong


def tool_problems(tools: Iterable[pb.McpToolDefinition]) -> Iterator[Problem]:
    """All that is wrong with an offer of tools."""
    tools = list(tools)
    for kind in ("name", "tool_name"):
        names = [getattr(tool, kind) for tool in tools]
        if "" in names:
            yield Problem(f"a tool has no {kind}", _PROVIDER)
        if repeated := {name for name in names if names.count(name) > 1}:
            yield Problem(f"the {kind} of tools is not unique: {sorted(repeated)}", _PROVIDER)
    if len({tool.provider_identifier for tool in tools}) > 1:
        yield Problem("tools are of several providers")
    for tool in tools:
        if not tool.provider_identifier:
            yield Problem(f"{tool.name!r} is of no provider")
        if tool.name in COLLIDING:
            yield Problem(f"{tool.name!r} is the name of a tool of Cursor's own", _PROVIDER)
        try:
            schema = schema_of(tool)
        except ValueError as wrong:
            yield Problem(str(wrong), _PROVIDER)
            continue
        if not isinstance(schema, dict) or schema.get("type") != "object":
            yield Problem(f"the schema of {tool.name!r} is not that of an object", _PROVIDER)
            continue
        for found in sorted(set(_keywords(schema)) & set(_UNWANTED)):
            yield Problem(f"the schema of {tool.name!r} has {found!r}", _PROVIDER)
    size = sum(tool.ByteSize() for tool in tools)
    if size > _MOST_BYTES:
        yield Problem(f"tools of {size} bytes are too much", error("invalid_argument"))


def _keywords(schema: Any) -> Iterator[str]:
    """The keywords of a schema and of those in it; names of properties are no keywords."""
    if not isinstance(schema, dict):
        return
    yield from schema
    for key in _ONE:
        yield from _keywords(schema.get(key))
    for key in _BY_NAME:
        inside = schema.get(key)
        for value in inside.values() if isinstance(inside, dict) else ():
            yield from _keywords(value)
    for key in (*_BY_PLACE, "items"):
        listed = schema.get(key)
        for value in listed if isinstance(listed, list) else ():
            yield from _keywords(value)
