"""Whatever clients lose or double of a history, what goes out is something the backend takes.

The histories are recorded ones, cut and shuffled at random.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway_codex.models import STATIC_MODELS
from gateway_codex.plugin import CodexProvider
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, InvalidRequest, Request, Route, Unsupported
from gateway_core.degrade import degrade
from gateway_core.formats import anthropic, chat, responses
from gateway_core.json import JsonObject, loads_object
from simulators.codex.validation import violations

CAPTURES = Path(__file__).parents[1] / "captures"
CREDENTIAL = Credential(provider="codex", account="account", access_token=SecretStr("token"))
MODELS = {model.id: model for model in STATIC_MODELS}
ASKED = ("gpt-5.5", "gpt-5.6-sol")
Reader = Callable[[JsonObject, dict[str, str]], Request]
RECORDED: dict[str, tuple[Reader, str]] = {
    "claude-2.1.197-thinking-history": (anthropic.read_request, "messages"),
    "claude-2.1.329-parallel-results": (anthropic.read_request, "messages"),
    "claude-2.1.329-tool-reference": (anthropic.read_request, "messages"),
    "openai-python-3.52-chat-tools": (chat.read_request, "messages"),
    "codex-0.169-tools-turn4": (responses.read_request, "input"),
    "codex-0.169-chatgpt-http-turn2": (responses.read_request, "input"),
}


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
    route = Route("codex", model, model, model_info=MODELS[model])
    capabilities = MODELS[model].capabilities
    assert capabilities is not None
    try:
        request, _ = degrade(reader(body, {}), capabilities, f"codex/{model}")
        call = CodexProvider().gateway_translate(request, route, CREDENTIAL, CodexSettings())
    except (InvalidRequest, Unsupported):
        return
    assert violations(call.headers, loads_object(call.body)) == []
