"""Reading what an upstream is sent without knowing its protocol: texts in it, and what stands
around them.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from json import dumps as dumps_ascii

from gateway_core.json import dumps_text
from gateway_core.provider import UpstreamCall

__all__ = ["holds_data", "leaves_of", "says", "surroundings"]

_WORD = re.compile(r"zq\d{4}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def leaves_of(value: object, sort: type = object) -> Iterable[str]:
    """Everything of a sort in a value of dicts and lists, in order and as text; bytes as UTF-8."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves_of(item, sort)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves_of(item, sort)
    elif isinstance(value, sort):
        yield value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def says(readable: str, text: str) -> bool:
    """Whether a text occurs: as it is, or as it stands inside a JSON string; surrounding blanks
    and control characters do not count.
    """
    wanted = _CONTROLS.sub("", text.strip())
    if not wanted or wanted in readable or text in readable:
        return True
    spellings = (text, wanted)
    return any(
        spell(spelling)[1:-1] in readable
        for spell in (dumps_text, dumps_ascii)
        for spelling in spellings
    )


def holds_data(call: UpstreamCall, readable: str, data: str) -> bool:
    """Whether base64 data is in a call: as text, as the bytes that it stands for, or, for data
    that is itself a text, as base64 of it or, if it is JSON, as a part of the body.
    """
    if says(readable, data) or b64encode(data.encode()).decode() in readable:
        return True
    if data.startswith(("{", "[")) and data.encode() in call.body:
        return True
    try:
        return b64decode(data, validate=True) in call.body
    except ValueError:
        return False


def surroundings(value: object) -> dict[str, frozenset[str]]:
    """For each planted word the strings that stand beside it or around it: the values of all
    objects that it is in, but for those that hold the word, and the keys that lead to it.
    """
    found: dict[str, frozenset[str]] = {}
    _walk(value, (), found)
    return {
        word: frozenset(text for text in around if word not in text)
        for word, around in found.items()
    }


def _walk(value: object, around: tuple[str, ...], found: dict[str, frozenset[str]]) -> None:
    if isinstance(value, str):
        for word in _WORD.findall(value):
            found.setdefault(word, frozenset(around))
    elif isinstance(value, Mapping):
        beside = tuple(item for item in value.values() if isinstance(item, str))
        for key, item in value.items():
            _walk(item, (*around, *beside, str(key)), found)
    elif isinstance(value, list | tuple):
        for item in value:
            _walk(item, around, found)
