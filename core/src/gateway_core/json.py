"""JSON at the boundary: the aliases, one decoder and one encoder.

The only module that knows which codec is used. Everything else says `loads` and `dumps`.
"""

import json as _stdlib
from typing import Any, TypeAlias

from pydantic_core import from_json, to_json

JsonObject: TypeAlias = dict[str, Any]

__all__ = ["JsonObject", "dumps", "dumps_text", "loads", "loads_object"]


def loads(data: bytes | str) -> Any:
    """Decode one JSON document. Raises `ValueError` when it is malformed.

    JavaScript clients may cut a string inside a surrogate pair, which the fast codec refuses; such
    documents are decoded again with the half pair replaced by U+FFFD, so that the turn is not lost.
    """
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        if not any(word in str(error) for word in ("surrogate", "hex escape")):
            raise
    return _without_lone_surrogates(_stdlib.loads(data))


def loads_object(data: bytes | str) -> JsonObject:
    """Decode a document that must be an object. Raises `ValueError` otherwise."""
    value = loads(data)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value


def dumps(value: Any) -> bytes:
    """Encode as compact UTF-8 JSON, keys in the order given."""
    return to_json(value)


def dumps_text(value: Any) -> str:
    """Encode as compact JSON text."""
    return to_json(value).decode()


def _without_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            _without_lone_surrogates(key): _without_lone_surrogates(item)
            for key, item in value.items()
        }
    return value
