"""Whatever clients send, and lose or double of it, what goes out is something the service takes.

The rules are the simulator's: they were read from the protocol by somebody else than who wrote the
plugin. The requests are recorded ones, whole and cut at random, and those of the shared corpus.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_core import InvalidRequest, Request, Unsupported
from gateway_core.formats import anthropic, chat, responses
from gateway_core.json import JsonObject, loads_object
from simulators.kiro.catalogue import MODELS
from simulators.kiro.validation import body_problems
from support.about import about
from support.codex_asking import captured_requests
from support.corpus import CONVERSATIONS
from support.kiro_asking import body_of, degraded, translated

CAPTURES = Path(__file__).parents[1] / "captures"
ASKED = ("claude-sonnet-4.5", "claude-opus-4.8")
CAPTURED = dict(captured_requests())
Reader = Callable[[JsonObject, dict[str, str]], Request]
RECORDED: dict[str, tuple[Reader, str]] = {
    "claude-2.1.197-thinking-history": (anthropic.read_request, "messages"),
    "claude-2.1.329-parallel-results": (anthropic.read_request, "messages"),
    "claude-2.1.329-tool-reference": (anthropic.read_request, "messages"),
    "openai-python-3.52-chat-tools": (chat.read_request, "messages"),
    "codex-0.169-tools-turn4": (responses.read_request, "input"),
    "codex-0.169-chatgpt-http-turn2": (responses.read_request, "input"),
}


def problems(request: Request, model: str) -> list[str]:
    """What the service would find in the request as it is sent; nothing where it is refused by
    name.
    """
    try:
        call = translated(degraded(request, model), model)
    except (Unsupported, InvalidRequest) as error:
        assert error.message
        return []
    body = body_of(call)
    if "conversationState" not in body:  # a search
        return []
    found = body_problems(body, MODELS, lambda reasoning: True)
    return [str(problem) for problem in found]


@pytest.mark.parametrize("model", ASKED)
def test_shared_conversations(model: str) -> None:
    for name in CONVERSATIONS:
        with about(name):
            assert problems(CONVERSATIONS[name], model) == []


@pytest.mark.parametrize("model", ASKED)
def test_what_clients_were_seen_to_send(model: str) -> None:
    for name in CAPTURED:
        with about(name):
            assert problems(CAPTURED[name], model) == []


@st.composite
def spoiled(draw: st.DrawFn, entries: list[Any]) -> list[Any]:
    """Some of the entries, some of them twice, in an order that may be another."""
    indexes = list(range(len(entries)))
    kept = draw(st.lists(st.sampled_from(indexes), min_size=1, max_size=2 * len(entries)))
    if draw(st.booleans()):
        kept = sorted(set(kept))
    return [entries[index] for index in kept]


@pytest.mark.parametrize("name", RECORDED)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_spoiled_histories_are_mended(name: str, data: st.DataObject) -> None:
    reader, key = RECORDED[name]
    recorded = loads_object((CAPTURES / f"{name}.json").read_bytes())["request"]["body"]
    model = data.draw(st.sampled_from(ASKED))
    body = {**recorded, "model": model, key: data.draw(spoiled(recorded[key]))}
    try:
        request = reader(body, {})
    except InvalidRequest:
        return
    assert problems(request, model) == []
