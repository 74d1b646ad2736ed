"""JSON Schemas as trees, for providers whose upstreams take less than clients send.

Only places where a schema is expected are looked at, so a property that happens to be called
`required` stays a property. Pure; knows no upstream.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway_core.json import JsonObject

__all__ = ["SUBSCHEMA_KEYS", "walk_schema", "without_references"]

_DEFINITIONS: Final = ("$defs", "definitions")
_MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS})
_NESTED: Final = frozenset(
    {
        "additionalProperties",
        "allOf",
        "anyOf",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "oneOf",
        "prefixItems",
        "propertyNames",
        "then",
    }
)
SUBSCHEMA_KEYS: Final = _MAPS | _NESTED
"""The keys under which JSON Schema expects schemas, alone, in lists or by name."""
_MOST_REFERENCES: Final = 500


def walk_schema(schema: Any, change: Callable[[JsonObject], JsonObject]) -> Any:
    """The schema with every schema in it changed, the inner ones first, copied only where
    something differs. `change` must not change what it is given.
    """
    if type(schema) is list:
        items = [walk_schema(item, change) for item in schema]
        same = all(new is old for new, old in zip(items, schema, strict=True))
        return schema if same else items
    if type(schema) is not dict:
        return schema
    return change(_with_members(schema, lambda item: walk_schema(item, change)))


def without_references(schema: JsonObject) -> JsonObject:
    """The schema with its own definitions in the places that refer to them; what stands beside a
    reference wins over the definition.

    A recursive definition cannot be put in place: references to it stay, and all definitions with
    them. So do references beyond a number that only definitions which double each other reach.
    """
    references = _References(schema)
    bare = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
    placed: JsonObject = references.place(bare, ())
    if references.kept:
        placed |= {key: schema[key] for key in _DEFINITIONS if key in schema}
    return placed


class _References:
    def __init__(self, schema: JsonObject) -> None:
        self.kept = False
        self._left = _MOST_REFERENCES
        self._targets = {
            f"#/{place}/{name}": target
            for place in _DEFINITIONS
            if isinstance(schema.get(place), dict)
            for name, target in schema[place].items()
        }

    def place(self, schema: Any, within: tuple[str, ...]) -> Any:
        if type(schema) is list:
            return [self.place(item, within) for item in schema]
        if type(schema) is not dict:
            return schema
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return _with_members(schema, lambda item: self.place(item, within))
        target = self._targets.get(reference)
        if not isinstance(target, dict) or reference in within or not self._left:
            self.kept = True
            return schema
        self._left -= 1
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return self.place({**target, **beside}, (*within, reference))


def _with_members(schema: JsonObject, walk: Callable[[Any], Any]) -> JsonObject:
    """The schema with `walk` done to the schemas directly in it; itself when nothing differs."""
    changed = schema
    for key, value in schema.items():
        if key in _MAPS and type(value) is dict:
            inner: Any = {name: walk(item) for name, item in value.items()}
            if all(inner[name] is value[name] for name in value):
                continue
        elif key in _NESTED:
            inner = walk(value)
            if inner is value:
                continue
        else:
            continue
        if changed is schema:
            changed = dict(schema)
        changed[key] = inner
    return changed
