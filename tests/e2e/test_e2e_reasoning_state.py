"""Reasoning that its upstream cannot read any more does not end the conversation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_core import (
    Event,
    InvalidRequest,
    Reasoning,
    Request,
    Seal,
    Text,
    UpstreamFailed,
)
from gateway_core.events import Begin, Close, Delta, End, Fail, Open
from gateway_core.seals import pack
from support.dialects import RESPONSES
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway

HELLO: list[Event] = [Begin(), Open(0, Text("")), Delta(0, "Hello"), Close(0), End("stop")]
CODE = "invalid_encrypted_content"
SEAL = pack(Seal("scripted", "blob of another account"))
INPUT = [
    {"role": "user", "content": "Hi"},
    {"type": "reasoning", "summary": [], "encrypted_content": SEAL},
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "I see."}],
        "encrypted_content": SEAL,
    },
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Go on"},
]


def unreadable() -> InvalidRequest:
    return InvalidRequest("The encrypted content could not be verified.", code=CODE)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def gateway(provider: ScriptedProvider, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[provider]) as gateway:
        yield gateway


def thoughts(request: Request) -> list[Reasoning]:
    """The reasoning in a request that the provider was asked for."""
    parts = [part for message in request.messages for part in message.parts]
    return [part for part in parts if isinstance(part, Reasoning)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "failure", [unreadable(), [Begin(), Fail(unreadable())]], ids=["status 400", "in the stream"]
)
def test_the_turn_is_tried_again_without_sealed_reasoning(
    gateway: Gateway,
    provider: ScriptedProvider,
    failure: InvalidRequest | list[Event],
    stream: bool,
) -> None:
    provider.script = [failure, HELLO]
    with gateway.http() as http:
        response = http.post(
            RESPONSES.path, json={"model": "scripted-1", "input": INPUT, "stream": stream}
        )
    assert response.status_code == 200
    assert "Hello" in response.text
    first, second = provider.requests
    assert all(thought.seal for thought in thoughts(first))
    assert thoughts(second) == [Reasoning("I see.")]
    assert "dropped_reasoning_state" in response.headers["x-gateway-notice"]


def test_it_is_tried_once(gateway: Gateway, provider: ScriptedProvider) -> None:
    provider.script = [unreadable(), unreadable(), HELLO]
    with gateway.http() as http:
        response = http.post(RESPONSES.path, json={"model": "scripted-1", "input": INPUT})
    assert response.status_code == 400
    assert RESPONSES.error(response.content)["code"] == CODE
    assert len(provider.requests) == 2


def test_without_sealed_reasoning_there_is_nothing_to_try(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.script = [unreadable(), HELLO]
    with gateway.http() as http:
        response = http.post(RESPONSES.path, json=RESPONSES.body("scripted-1"))
    assert response.status_code == 400
    assert len(provider.requests) == 1


def test_it_does_not_use_up_the_tries_of_other_failures(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    busy = UpstreamFailed("busy", retry_after=0)
    provider.script = [busy, busy, unreadable(), HELLO]
    with gateway.http() as http:
        response = http.post(RESPONSES.path, json={"model": "scripted-1", "input": INPUT})
    assert response.status_code == 200
    assert len(provider.requests) == 4


def test_an_answer_that_has_begun_is_not_tried_again(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.script = [[*HELLO[:3], Fail(unreadable())], HELLO]
    with gateway.http() as http:
        response = http.post(
            RESPONSES.path, json={"model": "scripted-1", "input": INPUT, "stream": True}
        )
    assert RESPONSES.failure in response.content
    assert len(provider.requests) == 1


def test_observers_are_told(gateway: Gateway, provider: ScriptedProvider) -> None:
    provider.script = [unreadable(), HELLO]
    with gateway.http() as http:
        http.post(RESPONSES.path, json={"model": "scripted-1", "input": INPUT})
    exchange = provider.exchanges.get(timeout=10)
    assert (exchange.status, exchange.error) == (200, None)
    assert exchange.notices == ["dropped_reasoning_state"]
