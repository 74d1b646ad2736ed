"""What the service thinks of tools: their names, descriptions, schemas, and uses in the history."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway_core.json import JsonObject
from simulators.kiro.problem import Problem, unknown_members

__all__ = ["result_problems", "tool_problems", "use_problems"]

_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
_USE_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST_DESCRIPTION: Final = 10_000
_LONGEST_RESULT: Final = 800_000
_MOST_TOOLS: Final = 120
_ONE_SCHEMA: Final = ("items", "not", "if", "then", "else", "contains", "propertyNames")
_MANY_SCHEMAS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED_SCHEMAS: Final = ("properties", "patternProperties", "$defs", "definitions")


def tool_problems(tools: Any) -> Iterator[Problem]:
    """Problems of what is offered."""
    if not isinstance(tools, list):
        yield Problem("tools is no list")
        return
    if len(tools) > _MOST_TOOLS:
        yield Problem(f"{len(tools)} tools are too many")
    names: set[str] = set()
    for place, tool in enumerate(tools):
        at = f"tools[{place}]"
        specification = tool.get("toolSpecification") if isinstance(tool, dict) else None
        if not isinstance(specification, dict) or len(tool) != 1:
            yield Problem(f"{at} is no tool specification")
            continue
        yield from unknown_members(specification, ("name", "description", "inputSchema"), at)
        name, description = specification.get("name"), specification.get("description")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield Problem(f"{at} has the name {name!r}")
            continue
        if name in names:
            yield Problem(f"{name!r} is there twice", "Duplicate tool name.", "TOOL_DUPLICATE")
        names.add(name)
        if not isinstance(description, str) or not description.strip():
            yield Problem(f"{name!r} has no description")
        elif len(description) > _LONGEST_DESCRIPTION:
            yield Problem(f"{name!r} has a description of {len(description)} characters")
        schema = specification.get("inputSchema")
        if not isinstance(schema, dict) or schema.keys() != {"json"}:
            yield Problem(f"{name!r} has no schema")
            continue
        root = schema["json"]
        if not isinstance(root, dict) or root.get("type") != "object":
            yield Problem(f"the schema of {name!r} is of no object")
        for breach in _schema_breaches(root):
            yield Problem(f"the schema of {name!r} has {breach}")


def _schema_breaches(schema: Any) -> Iterator[str]:
    """Keywords that are refused. A property may have any name, that of a keyword included."""
    if not isinstance(schema, dict):
        return
    if "additionalProperties" in schema:
        yield "additionalProperties"
    if "required" in schema and not schema["required"]:
        yield "an empty required"
    if "properties" in schema and not isinstance(schema["properties"], dict):
        yield "properties that are no object"
    for key in _ONE_SCHEMA:
        yield from _schema_breaches(schema.get(key))
    for key in _MANY_SCHEMAS:
        inner = schema.get(key)
        for one in inner if isinstance(inner, list) else ():
            yield from _schema_breaches(one)
    for key in _NAMED_SCHEMAS:
        inner = schema.get(key)
        for one in inner.values() if isinstance(inner, dict) else ():
            yield from _schema_breaches(one)


def use_problems(said: JsonObject, place: str, ids: set[str]) -> Iterator[Problem]:
    """Problems of the uses in an answer of the history. ids: of earlier ones, to be added to."""
    uses = said.get("toolUses", [])
    if not isinstance(uses, list) or ("toolUses" in said and not uses):
        yield Problem(f"{place}.toolUses is no list of uses")
        return
    for use in uses:
        id, name = use.get("toolUseId"), use.get("name")
        yield from unknown_members(use, ("toolUseId", "name", "input"), f"{place}.toolUses")
        if not isinstance(id, str) or not _USE_ID.fullmatch(id):
            yield Problem(f"{place} has a use with the id {id!r}")
        elif id in ids:
            yield Problem(f"{place} has a use with the id of an earlier one")
        else:
            ids.add(id)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield Problem(f"{place} has a use of {name!r}")
        if not isinstance(use.get("input"), dict):
            yield Problem(f"{place} has a use whose input is no object")


def result_problems(
    results: Any, place: str, index: int, uses: Mapping[str, str]
) -> Iterator[Problem]:
    """Problems of the results in one message. uses: id and name of those in the answer just before
    it. index: of the message in the whole conversation.
    """
    if not isinstance(results, list):
        yield Problem(f"{place}.toolResults is no list")
        return
    answered: set[str] = set()
    for result in results:
        id = result.get("toolUseId")
        known = ("toolUseId", "content", "status")
        yield from unknown_members(result, known, f"{place}.toolResults")
        if id in answered:
            yield Problem(f"{place} has two results of one use")
        elif id not in uses:
            yield Problem(f"{place} has a result of no use", reason="TOOL_USE_RESULT_MISMATCH")
        answered.add(str(id))
        if result.get("status", "success") not in ("success", "error"):
            yield Problem(f"{place} has a result with a wrong status")
        yield from _content_problems(result.get("content"), place)
    if missing := [id for id in uses if id not in answered]:
        yield Problem(
            f"{place} leaves uses without a result",
            f"Bedrock error message: Expected toolResult blocks at messages.{index}.content for "
            f"the following Ids: {', '.join(missing)}",
        )


def _content_problems(content: Any, place: str) -> Iterator[Problem]:
    if not isinstance(content, list) or not content:
        yield Problem(f"{place} has a result without content")
        return
    for part in content:
        if not isinstance(part, dict) or part.keys() not in ({"text"}, {"json"}):
            yield Problem(f"{place} has a result with other content than text or JSON")
        elif "text" in part and not (isinstance(part["text"], str) and part["text"]):
            yield Problem(f"{place} has a result with an empty text")
        elif len(str(part.get("text", ""))) > _LONGEST_RESULT:
            yield Problem(f"{place} has a result that is too long")
