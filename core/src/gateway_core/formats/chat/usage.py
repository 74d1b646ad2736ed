"""Token totals and finish reasons, between the words of chat and the canonical ones."""

from collections.abc import Mapping
from typing import Any

from gateway_core.events import StopReason, Usage
from gateway_core.json import JsonObject

__all__ = ["FINISH_REASONS", "read_usage", "stop_reason", "write_usage"]

FINISH_REASONS: Mapping[StopReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause": "stop",
    "context_window": "length",
    "other": "stop",
}

# Calls are not "tool_use" here: the part writer knows better whether there were any, and some
# upstreams say "stop" with calls, or "tool_calls" without.
_STOP_REASONS: Mapping[str, StopReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
}


def stop_reason(finish: str | None) -> StopReason:
    """The canonical reason; no reason at all, on a stream marked as done, means `stop`."""
    return "stop" if finish is None else _STOP_REASONS.get(finish, "other")


def read_usage(usage: JsonObject) -> Usage:
    """Totals of an upstream. Cached tokens are found where each vendor puts them: in
    `prompt_tokens_details`, on top (Kimi), or as cache hits (DeepSeek).
    """
    prompt = _object(usage, "prompt_tokens_details")
    completion = _object(usage, "completion_tokens_details")
    input_ = _count(usage, "prompt_tokens")
    output = _count(usage, "completion_tokens")
    reasoning = _first(completion, "reasoning_tokens", usage, "reasoning_tokens")
    total = _count(usage, "total_tokens")
    if reasoning and output is not None and total == (input_ or 0) + output + reasoning:
        output += reasoning  # xAI counts reasoning beside the completion, not within it
    cached = _first(prompt, "cached_tokens", usage, "cached_tokens")
    return Usage(
        input=input_,
        cache_read=_count(usage, "prompt_cache_hit_tokens") if cached is None else cached,
        cache_write=_count(prompt, "cache_write_tokens"),
        output=output,
        reasoning=reasoning,
        raw=usage,
    )


def write_usage(usage: Usage | None) -> JsonObject:
    """The `usage` object for a client; what is unknown counts as 0, because clients do sums."""
    usage = usage or Usage()
    input_, output = usage.input or 0, usage.output or 0
    prompt = {"cached_tokens": usage.cache_read or 0}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": input_,
        "completion_tokens": output,
        "total_tokens": input_ + output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }


def _object(usage: JsonObject, key: str) -> JsonObject:
    value = usage.get(key)
    return value if isinstance(value, dict) else {}


def _count(usage: Mapping[str, Any], key: str) -> int | None:
    value = usage.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def _first(one: JsonObject, key: str, other: JsonObject, other_key: str) -> int | None:
    found = _count(one, key)
    return _count(other, other_key) if found is None else found
