"""JSON at the boundary: the aliases, one decoder and one encoder.

The only module that knows which codec is used. Everything else says `loads` and `dumps`.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeAlias

from pydantic_core import from_json, to_json

JsonObject: TypeAlias = dict[str, Any]

__all__ = [
    "DocumentStream",
    "JsonObject",
    "dumps",
    "dumps_text",
    "dumps_texts",
    "loads",
    "loads_object",
    "loads_whole",
]


def loads(data: bytes | str) -> Any:
    """Decode one JSON document. Raises `ValueError` when it is malformed or nested too deep.

    JavaScript clients may cut a string inside a surrogate pair, which the codec refuses; such
    documents are decoded again with the half pair replaced by U+FFFD, so that the turn is not lost.
    """
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        if not _names_half_pair(error):
            raise
    except TypeError:  # a text that holds half pairs itself
        if not isinstance(data, str):
            raise
        return loads(_mended(data))
    text = data if isinstance(data, str) else data.decode()
    return from_json(_ESCAPE.sub(_without_half_pair, text), allow_inf_nan=False)


def loads_whole(data: bytes) -> Any:
    """Decode one JSON document in which a half of a surrogate pair counts as malformed too."""
    return from_json(data, allow_inf_nan=False)


def loads_object(data: bytes | str) -> JsonObject:
    """Decode a document that must be an object. Raises `ValueError` otherwise."""
    value = loads(data)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value


class DocumentStream:
    """Decodes the documents of one stream, whose strings are pieces of longer texts.

    Whoever cuts a text at any UTF-16 unit tears surrogate pairs apart. A first half at the end of a
    string is held until the same field of a later document begins with the second, and left out
    when that never comes. Costs nothing while all strings are whole.
    """

    __slots__ = ("_halves",)

    def __init__(self) -> None:
        self._halves: dict[tuple[str | int, ...], str] = {}

    def loads(self, data: bytes) -> Any:
        """Decode the next document. Raises `ValueError` as `loads` does."""
        try:
            return from_json(data, allow_inf_nan=False)
        except ValueError as error:
            if not _names_half_pair(error):
                raise
        try:
            return self._joined(json.loads(data, parse_constant=_refuse_constant), ())
        except RecursionError as error:
            raise ValueError("the document is nested too deep") from error

    def _joined(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, list):
            return [self._joined(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {_mended(key): self._joined(item, (*path, key)) for key, item in value.items()}
        if not isinstance(value, str) or not _HALF.search(value):
            return value
        half = self._halves.pop(path, "")
        text = half + value if "\udc00" <= value[0] <= "\udfff" else value
        if "\ud800" <= text[-1] <= "\udbff":
            self._halves[path] = text[-1]
            text = text[:-1]
        return _mended(text)


def dumps(value: Any) -> bytes:
    """Encode as compact UTF-8 JSON, keys in the order given.

    A number beyond all floats, such as 1e999, was read as infinity and is written as null, the way
    JavaScript does it: JSON has no word for it.
    """
    return to_json(value, inf_nan_mode="null")


def dumps_text(value: Any) -> str:
    """Encode as compact JSON text, by the rules of `dumps`."""
    return to_json(value, inf_nan_mode="null").decode()


def dumps_texts(texts: Sequence[str], between: bytes) -> bytes:
    """The texts as JSON strings with `between` from each to the next.

    All are encoded at once, which for the pieces of an answer takes a third of the time.
    """
    whole = _MARK.join(texts)
    if whole.count(_MARK) >= len(texts):  # a text holds it itself
        return between.join([dumps(text) for text in texts])
    return dumps(whole).replace(_MARK_BYTES, b'"%b"' % between)


def _names_half_pair(error: ValueError) -> bool:
    text = str(error)
    return "surrogate" in text or "hex escape" in text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_MARK: Final = "\U0010ffff"  # no character, and written as it is
_MARK_BYTES: Final = _MARK.encode()
_HALF: Final = re.compile("[\ud800-\udfff]")


def _mended(text: str) -> str:
    """The text with its pairs joined, and U+FFFD for what is left of others."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# Every escape is matched, so that a backslash never counts for two; only half pairs are replaced.
_ESCAPE: Final = re.compile(
    r"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _without_half_pair(escape: re.Match[str]) -> str:
    return escape[0] if escape[2] is None else "\\ufffd"
