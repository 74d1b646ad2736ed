"""JSON Schemas of tools within what the service takes: without choices between schemas.

`oneOf`, `anyOf` and `allOf` anywhere in a schema can make a whole request fail. What they say is
kept as far as one schema can say it, in doubt more is allowed. Pure; a schema that is fine is
returned itself.
"""

from functools import reduce
from typing import Any, Final

from gateway_core.json import JsonObject
from gateway_core.schemas import walk_schema, without_references

__all__ = ["flat_schema"]

_ALTERNATIVES: Final = ("anyOf", "oneOf")
_DEFINITIONS: Final = ("$defs", "definitions")
# The last two say of a choice what it leaves open, and may hide another.
_GONE: Final = frozenset(
    {"$schema", "allOf", *_ALTERNATIVES, "unevaluatedItems", "unevaluatedProperties"}
)
_MERGED: Final = frozenset(
    {
        "additionalProperties",
        "const",
        "description",
        "enum",
        "items",
        "properties",
        "required",
        "type",
    }
)


def flat_schema(schema: JsonObject) -> JsonObject:
    """A tool's schema, of type object: alternatives of objects become one with the members of all,
    alternatives of other types a list of types. Where a choice is between definitions, these are
    put in place first.
    """
    if any(key in schema for key in _DEFINITIONS) and _chooses_definitions(schema):
        schema = without_references(schema)
    flat: JsonObject = walk_schema(schema, _flat)
    properties = flat.get("properties")
    if flat.get("type") == "object" and isinstance(properties, dict):
        return flat
    return {**flat, "type": "object", "properties": properties or {}}


def _chooses_definitions(schema: JsonObject) -> bool:
    found = False

    def look(part: JsonObject) -> JsonObject:
        nonlocal found
        for key in ("allOf", *_ALTERNATIVES):
            branches = [one for one in _branches(part, key) if one.get("type") != "null"]
            found = found or (len(branches) > 1 and any("$ref" in one for one in branches))
        return part

    walk_schema(schema, look)
    return found


def _flat(schema: JsonObject) -> JsonObject:
    if _GONE.isdisjoint(schema):
        return schema
    left = {key: value for key, value in schema.items() if key not in _GONE}
    for branch in _branches(schema, "allOf"):
        left = _both(left, branch)
    for key in _ALTERNATIVES:
        if branches := _branches(schema, key):
            left = _both(left, _either(branches))
    return left


def _branches(schema: JsonObject, key: str) -> list[JsonObject]:
    given = schema.get(key)
    return [branch for branch in given if isinstance(branch, dict)] if type(given) is list else []


def _both(one: JsonObject, other: JsonObject) -> JsonObject:
    """What holds when both do; of what cannot be merged, the first says it."""
    both = {**other, **one}
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        both["properties"] = {**other["properties"], **one["properties"]}
    if required := list(dict.fromkeys([*_names(one), *_names(other)])):
        both["required"] = required
    return both


def _either(branches: list[JsonObject]) -> JsonObject:
    """What holds when one of them does."""
    told = [branch for branch in branches if branch.get("type") != "null"]
    if len(told) < 2:
        return told[0] if told else {}
    either: JsonObject = {}
    if types := _types(told):
        either["type"] = types[0] if len(types) == 1 else types
    values = [_values(branch) for branch in told]
    if all(values):
        either["enum"] = list({repr(item): item for some in values for item in some}.values())
    properties: JsonObject = {}
    for branch in told:
        members = branch.get("properties")
        for name, member in members.items() if isinstance(members, dict) else ():
            properties[name] = _one_of(properties.get(name), member)
    if properties:
        either["properties"] = properties
    if required := _required(told):
        either["required"] = required
    if items := [branch["items"] for branch in told if "items" in branch]:
        either["items"] = reduce(_one_of, items)
    texts = [text for branch in told if isinstance(text := branch.get("description"), str)]
    if texts:
        either["description"] = " Or: ".join(dict.fromkeys(texts))
    for branch in told:
        for key, value in branch.items():
            if key not in _MERGED and all(_bears(other, branch, key) for other in told):
                either.setdefault(key, value)
    return either


def _bears(other: JsonObject, branch: JsonObject, key: str) -> bool:
    """Whether what a branch says of itself takes nothing away from another: that one says the same,
    or is about values of other types.
    """
    if key in other and other[key] == branch[key]:
        return True
    ours, theirs = _types([branch]), _types([other])
    return bool(ours and theirs) and not set(ours) & set(theirs)


def _one_of(known: Any, member: Any) -> Any:
    """A member that several alternatives may have, with what any of them allows."""
    if not isinstance(known, dict) or not isinstance(member, dict) or known == member:
        return member
    return _either([known, member])


def _types(branches: list[JsonObject]) -> list[str]:
    """All types that they name; none when one of them takes any."""
    types: list[str] = []
    for branch in branches:
        said: Any = branch.get("type")
        named: list[Any] = said if isinstance(said, list) else [said]
        if not all(isinstance(name, str) for name in named):
            return []
        types += named
    return list(dict.fromkeys(types))


def _values(branch: JsonObject) -> list[Any]:
    if "const" in branch:
        return [branch["const"]]
    enum = branch.get("enum")
    return enum if isinstance(enum, list) else []


def _required(branches: list[JsonObject]) -> list[str]:
    first, *others = [_names(branch) for branch in branches]
    return [name for name in first if all(name in other for other in others)]


def _names(schema: JsonObject) -> list[str]:
    """The members that it requires."""
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
