"""The shared conversations: each is translated or refused by name, and always the same way."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import pytest

from gateway_core import JsonObject, Request
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.json import dumps
from support.about import about
from support.corpus import CONVERSATIONS
from support.grok_asking import body_of, degraded, translated

FIELDS = {
    "model",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "max_output_tokens",
    "temperature",
    "top_p",
    "user",
    "store",
    "stream",
    "include",
    "prompt_cache_key",
    "previous_response_id",
    "prompt",
    "n",
    "response_format",
    "aspect_ratio",
}
REFUSED = ("Grok takes", "does not take", "has no Responses form", "by file id", "cannot", "xAI")


def bodies_of(request: Request, model: str = "grok-4.5") -> JsonObject:
    return body_of(translated(degraded(request, model), model))


@pytest.mark.parametrize("model", ["grok-4.6", "grok-build-0.1"])
def test_they_are_translated_or_refused_by_name(model: str) -> None:
    for name in CONVERSATIONS:
        with about(name):
            check_translation(name, model)


def check_translation(name: str, model: str) -> None:
    request = CONVERSATIONS[name]
    before = deepcopy(request)
    try:
        call = translated(degraded(request, model), model)
    except (Unsupported, InvalidRequest) as error:
        assert any(word in error.message for word in REFUSED), error.message
        return
    finally:
        assert request == before
    body = body_of(call)
    assert body.keys() <= FIELDS
    again = translated(degraded(CONVERSATIONS[name], model), model)
    assert (again, again.body) == (call, call.body)


def calls_in(items: list[JsonObject]) -> list[str]:
    return [item["call_id"] for item in items if item["type"] == "function_call"]


def test_every_call_has_one_result_after_it() -> None:
    for name in CONVERSATIONS:
        with about(name):
            check_results(name)


def check_results(name: str) -> None:
    try:
        items = bodies_of(CONVERSATIONS[name]).get("input", [])
    except (Unsupported, InvalidRequest):
        return
    calls = calls_in(items)
    results = [item["call_id"] for item in items if item["type"] == "function_call_output"]
    assert sorted(calls) == sorted(results)
    assert len(set(calls)) == len(calls)


@pytest.mark.parametrize("name", [name for name in CONVERSATIONS if name.startswith("session-of")])
def test_a_growing_conversation_keeps_its_beginning(name: str) -> None:
    request = CONVERSATIONS[name]
    ends = [place for place, message in enumerate(request.messages, 1) if message.role == "user"]
    bodies = [bodies_of(replace(request, messages=request.messages[:end])) for end in ends]
    assert len(bodies) > 1
    for earlier, later in pairwise(bodies):
        assert dumps(later["input"]).startswith(dumps(earlier["input"])[:-1])
        assert later["prompt_cache_key"] == earlier["prompt_cache_key"]
