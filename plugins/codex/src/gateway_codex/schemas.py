"""JSON Schemas within what the backend takes: those of tools, and those of structured answers.

Pure; a schema that is fine as it is comes back as the same object.
"""

from typing import Final

from gateway_core.json import JsonObject
from gateway_core.schemas import SUBSCHEMA_KEYS, walk_schema

__all__ = ["complies_strictly", "strict_schema", "tool_schema"]

_REFUSED: Final = ("$schema", "cache_control", "defer_loading", "eager_input_streaming")
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_NOT_AT_THE_TOP: Final = (*_CHOICES, "enum", "not")
# What a strict schema cannot express, so that it must not be strict.
_NOT_STRICT: Final = frozenset(
    {
        "allOf",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "not",
        "oneOf",
        "patternProperties",
        "propertyNames",
        "then",
        "unevaluatedProperties",
    }
)


_VALUES: Final = frozenset({"const", "default", "enum", "examples", "required", "type"})


def tool_schema(schema: JsonObject) -> JsonObject:
    """A schema for a function's parameters: of type object, with `properties`, lists with `items`,
    and without what the backend refuses.

    A choice between schemas at the top is refused too; their properties are then all offered.
    """
    schema = walk_schema(schema, _plain)
    if any(key in schema for key in _NOT_AT_THE_TOP):
        schema = _without_choice(schema)
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        schema = {**schema, "type": "object", "properties": properties}
    return schema


def complies_strictly(schema: JsonObject) -> bool:
    """Whether the schema follows the strict rules as it is: every object closed, every property
    required.
    """
    return strict_schema(schema) == schema


def strict_schema(schema: JsonObject) -> JsonObject | None:
    """The schema under the strict rules, or None when it cannot follow them.

    Properties that were optional become required, which an answer under the original allows.
    """
    try:
        strict: JsonObject = walk_schema(schema, _strict)
    except _CannotBeStrict:
        return None
    return strict


class _CannotBeStrict(Exception):
    """The schema says something that strict schemas cannot."""


def _plain(schema: JsonObject) -> JsonObject:
    if any(key in schema for key in _REFUSED):
        schema = {key: value for key, value in schema.items() if key not in _REFUSED}
    if schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema:
        schema = {**schema, "items": {}}
    return schema


def _without_choice(schema: JsonObject) -> JsonObject:
    properties: JsonObject = {}
    for key in _CHOICES:
        branches = schema.get(key)
        for branch in branches if isinstance(branches, list) else ():
            if isinstance(branch, dict) and isinstance(branch.get("properties"), dict):
                properties = {**branch["properties"], **properties}
    own = schema.get("properties")
    properties.update(own if isinstance(own, dict) else {})
    left = {key: value for key, value in schema.items() if key not in _NOT_AT_THE_TOP}
    return {**left, "properties": properties}


def _strict(schema: JsonObject) -> JsonObject:
    schema = _plain(schema)
    known = SUBSCHEMA_KEYS | _VALUES
    if any(type(value) in (dict, list) and key not in known for key, value in schema.items()):
        raise _CannotBeStrict  # it may hide a schema that nobody has made strict
    if not _NOT_STRICT.isdisjoint(schema):
        raise _CannotBeStrict
    kind, properties = schema.get("type"), schema.get("properties")
    if kind != "object" and not (type(kind) is list and "object" in kind) and properties is None:
        return schema
    if schema.get("additionalProperties") not in (None, False) or not isinstance(properties, dict):
        raise _CannotBeStrict
    required = schema.get("required")
    names: list[str] = required if isinstance(required, list) else []
    if not all(isinstance(name, str) and name in properties for name in names):
        raise _CannotBeStrict
    missing = [name for name in properties if name not in names]
    if not missing and "required" in schema and schema.get("additionalProperties") is False:
        return schema
    return {**schema, "required": [*names, *missing], "additionalProperties": False}
