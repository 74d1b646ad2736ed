"""Transcripts that something happened to: garbage in them, wrong types, an event grown huge."""

import copy
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from gateway_core.events import Delta
from gateway_core.testing.decoding import Decoding, sampled
from gateway_core.testing.framing import (
    framed,
    is_framed,
    payload_places,
    payloads,
    rewritten,
    with_payload,
)
from gateway_core.testing.transcripts import Transcript

__all__ = ["READ_BYTES", "grown", "misshapen", "spoiled"]

READ_BYTES = 65_536
_WORD = re.compile(r"[A-Za-z]{3,}")
_GARBAGE = (
    b"\x00\xff\xfe\r\n\x80garbage\n",
    b"<!DOCTYPE html>\n<html><head><title>502</title></head><body>Bad Gateway</body></html>\n",
)
_ODD_PAYLOADS = (b"null", b"[]", b"5", b'"words"', b"{}", b"{", b"\xff\xfe")
_WRONG: tuple[object, ...] = (None, 5, "words", [], {}, [None], {"type": 5})
_SOME_PLACES = 6


def spoiled(decoding: Decoding) -> Iterator[tuple[str, bytes]]:
    """The transcript with garbage at the start, inside, and in place of the rest: how, and the
    bytes.

    Of framings that the kit knows only payloads are spoiled inside, because protocols such as SSE
    ask readers to overlook lines that they do not understand.
    """
    transcript, data = decoding.transcript, decoding.data
    inside = payload_places(transcript) if is_framed(transcript) else range(1, len(data))
    for garbage in _GARBAGE:
        name = repr(garbage[:12])
        start = framed(transcript, garbage) if is_framed(transcript) else garbage
        yield f"with {name} at the start", start + data
        for at in sampled(inside, _SOME_PLACES):
            yield f"with {name} at byte {at}", data[:at] + garbage + data[at:]
        for at in sampled((0, *decoding.boundaries, *inside), _SOME_PLACES):
            yield f"with {name} from byte {at} on", data[:at] + garbage
    if is_framed(transcript):
        for payload in _ODD_PAYLOADS:
            yield f"with an event that is {payload!r}", framed(transcript, payload) + data
            at = decoding.boundaries[0] if decoding.boundaries else 0
            spoilt = data[:at] + framed(transcript, payload) + data[at:]
            yield f"with an event that is {payload!r} at byte {at}", spoilt


def misshapen(transcript: Transcript, most: int) -> Iterator[tuple[str, bytes]]:
    """The transcript with one field of one event of another type, at most so many times: how, and
    the bytes.
    """
    changes = [
        (number, payload, path)
        for number, payload in payloads(transcript)
        for path in _paths(payload)
    ]
    for turn, at in enumerate(sampled(range(len(changes)), most)):
        number, payload, path = changes[at]
        wrong = _WRONG[turn % len(_WRONG)]
        value = copy.deepcopy(payload)
        place = value
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = wrong
        named = ".".join(map(str, path))
        yield f"{named} = {wrong!r} in event {number}", with_payload(transcript, number, value)


def _paths(value: Any, depth: int = 3) -> Iterator[tuple[Any, ...]]:
    """The ways to all fields, some levels deep."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield (key,)
        if depth > 1:
            for rest in _paths(item, depth - 1):
                yield (key, *rest)


def grown(decoding: Decoding, more: str) -> tuple[bytes, str] | None:
    """The transcript with more text after a word of its longest, and all of the text that it must
    say; None when it says no text that can be found in its payloads.
    """
    if decoding.whole.end is None:
        return None
    deltas = [event.text for event in decoding.whole_events if type(event) is Delta]
    text = "".join(part.text for part in decoding.whole.parts)
    transcript = decoding.transcript
    leaves = {leaf for _, payload in payloads(transcript) for leaf in _texts(payload)}
    words = {word for delta in deltas for word in _WORD.findall(delta)}
    for word in sorted(words, key=lambda word: (-len(word), word)):
        # Once in the answer, so that no word across two deltas grows in the whole text alone; and
        # nowhere but in texts of the answer, so that no name of a kind grows.
        once = text.count(word) == sum(delta.count(word) for delta in deltas) == 1
        if once and all(leaf in text for leaf in leaves if word in leaf):
            data = rewritten(transcript, partial(_grown, word=word, more=more))
            return data, text.replace(word, word + more)
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _grown(value: Any, word: str, more: str) -> Any:
    """The JSON value with more text after the word, wherever it is."""
    if isinstance(value, str):
        return value.replace(word, word + more)
    if isinstance(value, list):
        return [_grown(item, word, more) for item in value]
    if isinstance(value, dict):
        return {key: _grown(item, word, more) for key, item in value.items()}
    return value
