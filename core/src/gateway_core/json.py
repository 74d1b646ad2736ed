"""JSON at the boundary: the aliases, one decoder and one encoder.

The only module that knows which codec is used. Everything else says `loads` and `dumps`.
"""

import re
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

JsonObject: TypeAlias = dict[str, Any]

__all__ = ["JsonObject", "dumps", "dumps_text", "loads", "loads_object"]


def loads(data: bytes | str) -> Any:
    """Decode one JSON document. Raises `ValueError` when it is malformed or nested too deep.

    JavaScript clients may cut a string inside a surrogate pair, which the codec refuses; such
    documents are decoded again with the half pair replaced by U+FFFD, so that the turn is not lost.
    """
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        if not any(word in str(error) for word in ("surrogate", "hex escape")):
            raise
    except TypeError:  # a text that holds half pairs itself
        if not isinstance(data, str):
            raise
        return loads(data.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    text = data if isinstance(data, str) else data.decode()
    return from_json(_ESCAPE.sub(_without_half_pair, text), allow_inf_nan=False)


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


# Every escape is matched, so that a backslash never counts for two; only half pairs are replaced.
_ESCAPE: Final = re.compile(
    r"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _without_half_pair(escape: re.Match[str]) -> str:
    return escape[0] if escape[2] is None else "\\ufffd"
