"""The prompt cache: which part of a request was seen before, byte for byte."""

from dataclasses import dataclass, field
from typing import Final

from gateway_core.json import JsonObject, dumps

__all__ = ["Lookup", "PromptCache", "estimate_tokens"]

_BYTES_PER_TOKEN: Final = 4
_IMAGE_BYTES: Final = 8_000
_LARGE: Final = 16_384
_HEAD: Final = ("model", "instructions", "tools")


@dataclass(slots=True, frozen=True)
class Lookup:
    """What the cache knew of a request.

    cached: input tokens that it need not read again. broken_at: index of the first input item that
    differs from the nearest earlier request under the same key (-1: instructions or tools differ);
    None when the request repeats an earlier one whole, or is the first.
    """

    cached: int
    total: int
    broken_at: int | None


@dataclass(slots=True)
class PromptCache:
    """The requests of the past, by cache key."""

    _seen: dict[tuple[str, str], list[tuple[bytes, list[bytes]]]] = field(default_factory=dict)

    def look_up(self, account_id: str, body: JsonObject) -> Lookup:
        """What is known of a request; from then on, all of it is."""
        head = dumps([body.get(key) for key in _HEAD])
        items = [dumps(item) for item in body["input"]]
        total = _tokens(head) + sum(map(_tokens, items))
        key = body.get("prompt_cache_key")
        if not isinstance(key, str):
            return Lookup(0, total, None)
        seen = self._seen.setdefault((account_id, key), [])
        nearest, broken_at = -1, None
        for past_head, past in seen:
            same = _common(past, items) if past_head == head else -1
            if same == len(past):
                nearest, broken_at = same, None
                break
            if same >= nearest:
                nearest, broken_at = same, same
        seen.insert(0, (head, items))
        cached = _tokens(head) + sum(map(_tokens, items[:nearest])) if nearest > 0 else 0
        return Lookup(cached, total, broken_at)


def estimate_tokens(body: JsonObject) -> int:
    """About how many input tokens a request has; images count a flat number."""
    return sum(_tokens(dumps(value)) for value in (*(body.get(k) for k in _HEAD), *body["input"]))


def _tokens(data: bytes) -> int:
    size = len(data)
    if size > _LARGE and b";base64," in data:
        size = _IMAGE_BYTES
    return size // _BYTES_PER_TOKEN


def _common(past: list[bytes], items: list[bytes]) -> int:
    for index, (one, other) in enumerate(zip(past, items, strict=False)):
        if one != other:
            return index
    return min(len(past), len(items))
