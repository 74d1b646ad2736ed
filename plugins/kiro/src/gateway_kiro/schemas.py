"""JSON Schemas of tools within what the service takes.

Pure; a schema that is fine as it is comes back as the same object.
"""

from typing import Any, Final

from gateway_core.json import JsonObject
from gateway_core.schemas import walk_schema

__all__ = ["plain_schema", "strict_schema"]

_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_REFUSED_STRICTLY: Final = frozenset(
    {
        "$id",
        "$schema",
        "contentEncoding",
        "else",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "if",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "patternProperties",
        "propertyNames",
        "then",
        "uniqueItems",
    }
)


def plain_schema(schema: JsonObject) -> JsonObject:
    """A schema for a tool's input: of type object with `properties`, and without the keywords that
    the service always refuses.
    """
    return _rooted(walk_schema(schema, _plain))


def strict_schema(schema: JsonObject) -> JsonObject:
    """The same with little more than types, descriptions and enums left: for a schema that was
    refused in its plain form. A choice at the root becomes all of its properties.
    """
    walked = walk_schema(_flat(schema), _bare)
    if not _refers(walked):
        walked = {key: walked[key] for key in walked if key not in ("definitions", "$defs")}
    return _rooted(walked)


def _rooted(schema: JsonObject) -> JsonObject:
    properties = schema.get("properties")
    if schema.get("type") == "object" and isinstance(properties, dict):
        return schema
    return {**schema, "type": "object", "properties": properties or {}}


def _plain(schema: JsonObject) -> JsonObject:
    gone = {key for key, value in schema.items() if _refused(key, value)}
    return {key: schema[key] for key in schema if key not in gone} if gone else schema


def _refused(key: str, value: object) -> bool:
    if key == "additionalProperties":
        return True
    if key == "required":
        return not isinstance(value, list) or not value
    return key == "properties" and not isinstance(value, dict)


def _bare(schema: JsonObject) -> JsonObject:
    bare = {key: value for key, value in _plain(schema).items() if key not in _REFUSED_STRICTLY}
    if "const" in bare:
        bare.setdefault("enum", [bare.pop("const")])
        bare.pop("const", None)
    return bare


def _flat(schema: JsonObject) -> JsonObject:
    if not any(key in schema for key in _CHOICES):
        return schema
    properties: JsonObject = {}
    for key in _CHOICES:
        branches = schema.get(key)
        for branch in branches if isinstance(branches, list) else ():
            if isinstance(branch, dict) and isinstance(branch.get("properties"), dict):
                properties = {**branch["properties"], **properties}
    own = schema.get("properties")
    properties.update(own if isinstance(own, dict) else {})
    left = {key: value for key, value in schema.items() if key not in _CHOICES}
    return {**left, "properties": properties}


def _refers(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "$ref" in schema or any(_refers(value) for value in schema.values())
    return isinstance(schema, list) and any(_refers(value) for value in schema)
