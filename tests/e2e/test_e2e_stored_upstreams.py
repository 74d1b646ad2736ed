"""Conversations that the gateway keeps, before upstreams that keep nothing and validate all."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from simulators.codex.installed import codex_gateway
from simulators.codex.server import CodexSimulator
from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from support.server import Gateway

SCRIPT = """\
think: Hm.
tool: look {"at": "it"}
---
think: So.
text: A tree.
"""
LOOK: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
Simulator: TypeAlias = CodexSimulator | GrokSimulator


@pytest.fixture(params=["codex", "grok"])
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """An upstream; whatever it refused was our doing."""
    simulator: Simulator = CodexSimulator() if request.param == "codex" else GrokSimulator()
    with simulator:
        simulator.play(SCRIPT)
        yield simulator
    assert simulator.violations == []


@pytest.fixture
def gateway(simulator: Simulator, tmp_path: Path) -> Iterator[Gateway]:
    with ExitStack() as stack:
        if isinstance(simulator, CodexSimulator):
            yield stack.enter_context(codex_gateway(simulator, tmp_path))
        else:
            rail = {"providers.grok.rail": "proxy"}
            yield stack.enter_context(grok_gateway(simulator, tmp_path, rail))


@pytest.mark.parametrize("stream", [False, True])
def test_three_turns_come_to_the_upstream_as_one_conversation(
    simulator: Simulator, gateway: Gateway, stream: bool
) -> None:
    model = "gpt-5.5" if isinstance(simulator, CodexSimulator) else "grok-4.5"
    more: Any = {"model": model, "stream": stream, "tools": [LOOK]}
    with gateway.openai() as client:

        def ask(input: Any, **fields: Any) -> Any:
            answer: Any = client.responses.create(input=input, **more, **fields)
            return list(answer)[-1].response if stream else answer

        first = ask("Look around", store=True)
        call = next(item for item in first.output if item.type == "function_call")
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "a tree"}
        second = ask([result], previous_response_id=first.id)
        third = ask("And again", previous_response_id=second.id)
        assert client.responses.retrieve(third.id).to_dict() == third.to_dict()
    assert second.output_text == "A tree."
    last = simulator.requests[-1]
    assert len(simulator.requests) == 3
    assert [len(last.of_type(kind)) for kind in ("function_call", "function_call_output")] == [1, 1]
    assert all(item["encrypted_content"] for item in last.of_type("reasoning"))
    assert len(last.of_type("reasoning")) == 2
    assert "previous_response_id" not in last.body
