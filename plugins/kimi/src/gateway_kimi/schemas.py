"""JSON Schemas of tools as Kimi takes them: every nested schema has a `type`.

Its validator refuses a property without one (`At path 'properties.mode': type is not defined`), so
a type is inferred as Kimi's own programs do, and local references are put in place. Pure.
"""

from collections.abc import Iterable
from typing import Final

from gateway_core.json import JsonObject
from gateway_core.schemas import walk_schema, without_references

__all__ = ["tool_schema"]

_SAYS_ENOUGH: Final = {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"}
_KEYWORDS: Final = {
    "object": (
        *("properties", "required", "additionalProperties", "patternProperties"),
        *("propertyNames", "minProperties", "maxProperties"),
    ),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_NAMES: Final[dict[type, str]] = {
    **{bool: "boolean", int: "integer", float: "number", str: "string"},
    **{list: "array", dict: "object", type(None): "null"},
}


def tool_schema(schema: JsonObject) -> JsonObject:
    """The parameters of a function as Kimi takes them; the given schema stays as it is."""
    fitted = walk_schema(without_references(schema), _typed)
    properties = fitted.get("properties")
    return {**fitted, "type": "object", "properties": properties or {}}


def _typed(schema: JsonObject) -> JsonObject:
    """With a type that fits its values, or else its keywords."""
    values = schema["enum"] if isinstance(schema.get("enum"), list) else []
    if "const" in schema:
        values = [*values, schema["const"]]
    said = _type_of(values)
    kind = schema.get("type")
    if isinstance(kind, str):
        if said in (None, kind) or (said, kind) == ("integer", "number"):
            return schema
        right = "number" if said == "integer" else said
        wrong = {word for name, words in _KEYWORDS.items() if name != right for word in words}
        return {key: schema[key] for key in schema if key not in wrong} | {"type": said}
    if kind is not None or not schema.keys().isdisjoint(_SAYS_ENOUGH):
        return schema
    told = (name for name, words in _KEYWORDS.items() if not schema.keys().isdisjoint(words))
    return {**schema, "type": said or next(told, "string")}


def _type_of(values: Iterable[object]) -> str | None:
    """The one type that all values have; None for none, and for several."""
    kinds = {_NAMES.get(type(value), "") for value in values}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() or None if len(kinds) == 1 else None
