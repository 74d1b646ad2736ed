"""Conversations that are too large for Kiro: clients of Messages are told so in the words on which
they compact, the others go on with what fits and a notice.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway_core.json import JsonObject
from simulators.kiro.installed import kiro_gateway
from simulators.kiro.server import KiroSimulator
from support.dialects import ANTHROPIC, CHAT, DIALECTS, RESPONSES, Dialect
from support.pictures import PNG_BASE64
from support.server import Gateway

MODEL = "claude-sonnet-4.5"
LIMIT = 40_000
TURNS = 12


@pytest.fixture(scope="module")
def running() -> Iterator[KiroSimulator]:
    with KiroSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(running: KiroSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose guard is much smaller than the service's own limit."""
    small = {"providers.kiro.payload_limit_bytes": LIMIT}
    with kiro_gateway(running, tmp_path_factory.mktemp("home"), small) as gateway:
        yield gateway


@pytest.fixture
def simulator(running: KiroSimulator) -> Iterator[KiroSimulator]:
    running.forget_requests()
    yield running
    assert running.violations == []


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.http() as http:
        yield http


def conversation(dialect: Dialect) -> list[JsonObject]:
    """Turns with tools, larger than the limit; the last of them goes on with a result."""
    messages: list[Any] = []
    for number in range(TURNS):
        said = f"Question {number}: {'word ' * 1000}"
        id = f"call_{number}"
        call = {"name": "lookup", "arguments": '{"topic": "rain"}'}
        messages.append({"role": "user", "content": said})
        if dialect is ANTHROPIC:
            use = {"type": "tool_use", "id": id, "name": "lookup", "input": {"topic": "rain"}}
            found = {"type": "tool_result", "tool_use_id": id, "content": "It rains."}
            messages += [
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [found]},
            ]
        elif dialect is CHAT:
            calls = [{"id": id, "type": "function", "function": call}]
            messages += [
                {"role": "assistant", "content": None, "tool_calls": calls},
                {"role": "tool", "tool_call_id": id, "content": "It rains."},
            ]
        else:
            kind = "function_call_output"
            messages += [
                {"type": "function_call", "call_id": id, **call},
                {"type": kind, "call_id": id, "output": "It rains."},
            ]
        if number < TURNS - 1:
            messages.append({"role": "assistant", "content": f"Answer {number}."})
    return messages


def sent_in(dialect: Dialect, messages: list[JsonObject], **more: object) -> JsonObject:
    """A request of the dialect with these messages."""
    extra = {"max_tokens": 100} if dialect is ANTHROPIC else {}
    return {"model": MODEL, dialect.field: messages, **extra, **more}


@pytest.mark.parametrize("stream", [True, False])
def test_clients_of_messages_get_the_error_that_makes_them_compact(
    simulator: KiroSimulator, http: httpx.Client, stream: bool
) -> None:
    body = sent_in(ANTHROPIC, conversation(ANTHROPIC), stream=stream)
    response = http.post(ANTHROPIC.path, json=body)
    error = ANTHROPIC.error(response.content)
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    words = error["message"].split()
    assert error["message"].startswith("prompt is too long: ")
    assert int(words[4]) > int(words[7])
    assert simulator.requests == []


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", [CHAT, RESPONSES], ids=str)
def test_other_clients_go_on_with_what_fits_and_are_told(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect, stream: bool
) -> None:
    simulator.play("text: No.\n---\ntext: Still here.")
    instructions = {"role": "system", "content": "Be terse."}
    body = sent_in(dialect, [instructions, *conversation(dialect)], stream=stream)
    response = http.post(dialect.path, json=body)
    assert response.status_code == 200, response.text
    assert "here." in response.text
    assert "oldest messages were left out" in response.headers["x-gateway-notice"]
    (request,) = simulator.requests
    first = request.messages[0]["content"]
    assert first.startswith("Be terse.\n\nQuestion ")
    assert "Question 0" not in first
    assert f"Question {TURNS - 1}: word" in request.prompt
    assert request.results[0]["toolUseId"] == f"call_{TURNS - 1}"


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_one_message_that_is_too_large_cannot_be_trimmed(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    body = sent_in(dialect, [{"role": "user", "content": "word " * LIMIT}])
    response = http.post(dialect.path, json=body)
    assert response.status_code == 400
    error = dialect.error(response.content)
    if dialect is not ANTHROPIC:
        assert error["code"] == "context_length_exceeded"
    assert simulator.requests == []


def test_images_weigh_nothing(simulator: KiroSimulator, http: httpx.Client) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    pictures: list[JsonObject] = [{"type": "image", "source": source}] * 20
    many: JsonObject = {"role": "user", "content": pictures}
    messages = [many, {"role": "assistant", "content": "Nice."}] * 20 + [many]
    assert len(str(messages)) > LIMIT
    response = http.post(ANTHROPIC.path, json=sent_in(ANTHROPIC, messages))
    assert response.status_code == 200, response.text


def test_what_the_service_refuses_without_a_word_is_taken_for_too_large_near_the_limit(
    simulator: KiroSimulator, http: httpx.Client
) -> None:
    simulator.play("http: improper")
    text = "word " * (LIMIT // 5 - 400)
    for content, words in ((text, "prompt is too long"), ("Hi", "Improperly formed request")):
        body = sent_in(ANTHROPIC, [{"role": "user", "content": content}])
        response = http.post(ANTHROPIC.path, json=body)
        assert response.status_code == 400
        assert words in ANTHROPIC.error(response.content)["message"]
    assert len(simulator.requests) == 2
