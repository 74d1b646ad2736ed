"""JSON values as the service carries them, in `google.protobuf.Value`, and back.

There all numbers are floats and members have no order. On the way back a schema, where there is
one, tells which numbers are whole and in which order the members stand. Pure.
"""

import math
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Value

from gateway_core import JsonObject

__all__ = ["from_value", "restored", "to_value"]

_DEEPEST: Final = 60
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_NOTHING: Final[JsonObject] = {}


def to_value(value: Any) -> bytes:
    """A JSON value as a serialized `Value`, the same bytes for the same value.

    Numbers beyond all floats become null. Raises `ValueError` for a value nested more than 60 deep,
    which the protobuf runtime would not read back.
    """
    message = Value()
    _fill(message, value, 0)
    return message.SerializeToString(deterministic=True)


def from_value(data: bytes, schema: Any = None) -> Any:
    """The JSON value of a serialized `Value`; what is none is taken for UTF-8 text.

    Whole numbers are integers unless the schema says `number` and not `integer`. Members stand in
    the order of the schema, the others after them by name.
    """
    try:
        message = Value.FromString(data)
    except DecodeError:
        return data.decode("utf-8", "replace")
    if data and message.WhichOneof("kind") is None:
        return data.decode("utf-8", "replace")
    return _read(message, schema if isinstance(schema, dict) else _NOTHING)


def restored(members: dict[str, Any], schema: JsonObject) -> dict[str, Any]:
    """Serialized values by name, each read with its part of an object's schema and in its order."""
    return {
        name: from_value(members[name], _member(schema, name)) for name in _order(members, schema)
    }


def _fill(message: Value, value: Any, depth: int) -> None:
    kind = type(value)
    if depth > _DEEPEST:
        raise ValueError(f"a value is nested more than {_DEEPEST} deep")
    if kind is str:
        message.string_value = value
    elif kind is dict:
        message.struct_value.SetInParent()
        fields = message.struct_value.fields
        for name, item in value.items():
            _fill(fields[name], item, depth + 1)
    elif kind is list:
        message.list_value.SetInParent()
        values = message.list_value.values
        for item in value:
            _fill(values.add(), item, depth + 1)
    elif kind is bool:
        message.bool_value = value
    elif value is None or (number := _float(value)) is None:
        message.null_value = 0  # type: ignore[assignment]  # a number is taken
    else:
        message.number_value = number


def _float(value: int | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _read(message: Value, schema: JsonObject) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        return _number(message.number_value, schema)
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        fields = message.struct_value.fields
        return {name: _read(fields[name], _member(schema, name)) for name in _order(fields, schema)}
    if kind == "list_value":
        items = schema.get("items")
        of = items if isinstance(items, dict) else _NOTHING
        return [_read(item, of) for item in message.list_value.values]
    return None


def _number(number: float, schema: JsonObject) -> int | float | None:
    if not math.isfinite(number):
        return None
    if not number.is_integer():
        return number
    types = set(_types(schema))
    return number if "number" in types and "integer" not in types else int(number)


def _types(schema: JsonObject) -> list[str]:
    """The types that a schema names, those of its alternatives included."""
    said = schema.get("type")
    types = [said] if isinstance(said, str) else list(said) if isinstance(said, list) else []
    for key in _CHOICES:
        branches = schema.get(key)
        for branch in branches if isinstance(branches, list) else ():
            if isinstance(branch, dict):
                types += _types(branch)
    return types


def _member(schema: JsonObject, name: str) -> JsonObject:
    properties = schema.get("properties")
    member = properties.get(name) if isinstance(properties, dict) else None
    if member is None:
        member = schema.get("additionalProperties")
    return member if isinstance(member, dict) else _NOTHING


def _order(members: Any, schema: JsonObject) -> list[str]:
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else _NOTHING
    return [name for name in known if name in members] + sorted(
        name for name in members if name not in known
    )
