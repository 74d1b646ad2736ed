"""Counting and compaction with every provider against its simulated upstream: the number is that of
what is really sent, and a conversation goes on from what its compaction left.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway_core.json import JsonObject, dumps, dumps_text, loads_object
from gateway_core.sent_tokens import count_sent
from gateway_core.tokens import count_text
from gateway_kiro import counting
from simulators.codex.installed import codex_gateway
from simulators.codex.server import CodexSimulator
from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from simulators.kilo.installed import kilo_gateway
from simulators.kilo.server import KiloSimulator
from simulators.kimi.installed import kimi_gateway
from simulators.kimi.server import KimiSimulator
from simulators.kiro.installed import kiro_gateway
from simulators.kiro.server import KiroSimulator
from support.about import about
from support.pictures import PNG_BASE64
from support.server import Gateway

PROVIDERS: dict[str, tuple[Any, Any, str]] = {
    "codex": (CodexSimulator, codex_gateway, "codex/gpt-5.5"),
    "grok": (GrokSimulator, grok_gateway, "grok/grok-4.5"),
    "kiro": (KiroSimulator, kiro_gateway, "kiro/claude-sonnet-4.5"),
    "kimi": (KimiSimulator, kimi_gateway, "kimi/kimi-for-coding"),
    "kilo": (KiloSimulator, kilo_gateway, "kilo/anthropic/claude-opus-5"),
}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "where it is"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "look",
        "description": "Look\nit up. " * 200,
        "parameters": SCHEMA,
    },
    {"type": "custom", "name": "patch", "description": "Patches files."},
]
IMAGE = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG_BASE64}"}
HISTORY: list[Any] = [
    {"role": "user", "content": [{"type": "input_text", "text": "Where? " * 50}, IMAGE]},
    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"city": "Riga"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "line\n" * 40},
    {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin\n*** End"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"},
    {"role": "assistant", "content": "In Riga."},
    {"role": "user", "content": "And then?"},
]
ASKED: dict[str, Any] = {
    "input": HISTORY,
    "instructions": "Be brief and friendly.",
    "tools": TOOLS,
}
STRUCTURED = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}


@pytest.fixture(params=PROVIDERS)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Gateway, str]]:
    """A simulated upstream, a gateway that is logged in to it, and a model."""
    simulate, gateway_to, model = PROVIDERS[request.param]
    with ExitStack() as stack:
        simulator = stack.enter_context(simulate())
        running: AbstractContextManager[Gateway] = gateway_to(simulator, tmp_path / "home")
        (tmp_path / "home").mkdir(exist_ok=True)
        yield simulator, stack.enter_context(running), model


def tokens_of(body: JsonObject) -> int | None:
    """What the latest request to an upstream counts."""
    return counting.count_sent(body) if "conversationState" in body else count_sent(dumps(body))


def test_the_count_is_that_of_what_is_sent(served: tuple[Any, Gateway, str]) -> None:
    simulator, gateway, model = served
    with gateway.http() as http:

        def post(path: str, body: JsonObject) -> JsonObject:
            answer = http.post(path, json={"model": model, **body})
            assert answer.status_code == 200, answer.text
            return loads_object(answer.content)

        def counted_and_sent(path: str, counting: str, body: JsonObject) -> int:
            count: int = post(f"{path}/{counting}", body)["input_tokens"]
            before = len(simulator.requests)
            post(path, body)
            assert len(simulator.requests) == before + 1
            assert count == tokens_of(simulator.requests[-1].body)
            return count

        for more in ({}, {"text": STRUCTURED}, {"tool_choice": "none"}):
            with about(model, *more):
                body = {**ASKED, **more, "store": False}
                count = counted_and_sent("/v1/responses", "input_tokens", body)
                assert count > count_text(dumps_text(HISTORY[2]))
        if not model.startswith("grok"):  # xAI would keep it itself, and count what it keeps
            kept = post("/v1/responses", {**ASKED, "store": True})
            body = {"previous_response_id": kept["id"], "input": "Go on"}
            assert counted_and_sent("/v1/responses", "input_tokens", body) > 150
        said = [{"role": "user", "content": "Hello there"}]
        body = {"messages": said, "system": "Be brief.", "max_tokens": 100}
        counted_and_sent("/v1/messages", "count_tokens", body)


def test_a_conversation_goes_on_from_its_compaction(served: tuple[Any, Gateway, str]) -> None:
    simulator, gateway, model = served
    simulator.play("text: We went to Riga.")
    native = model.startswith("codex")
    with gateway.openai() as client:
        compacted = client.responses.compact(model=model, input=HISTORY)
        assert compacted.object == "response.compaction"
        assert [item.type for item in compacted.output] == ["message", "message", "compaction"]
        output: Any = [
            item.model_dump(exclude_none=True, warnings=False) for item in compacted.output
        ]
        counted = client.responses.input_tokens.count(model=model, input=output)
        answer = client.responses.create(model=model, input=output, store=False)
    body = simulator.requests[-1].body
    assert answer.status == "completed"
    assert counted.input_tokens == tokens_of(body)
    text = dumps_text(body)
    assert ('"type":"compaction"' in text) is native
    assert ("replaced by the following summary" in text) is not native
    assert simulator.violations == []


def test_what_the_upstream_keeps_is_compacted_there(tmp_path: Path) -> None:
    with GrokSimulator() as simulator, grok_gateway(simulator, tmp_path) as gateway:
        simulator.play("text: We went to Riga.")
        with gateway.openai() as client:
            kept = client.responses.create(model="grok-4.5", input="Where?", store=True)
            compacted = client.responses.compact(model="grok-4.5", previous_response_id=kept.id)
        assert [item.type for item in compacted.output] == ["message", "compaction"]
        (asked,) = simulator.asked("POST", "/responses/compact")
        assert kept.id.endswith(asked.body["previous_response_id"])
        assert simulator.violations == []
