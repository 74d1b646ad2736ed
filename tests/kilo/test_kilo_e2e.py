"""The real SDKs and plain clients through a gateway with the Kilo provider.

The simulator refuses what Kilo would, or a vendor behind it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from simulators.kilo.installed import kilo_gateway
from simulators.kilo.server import KiloSimulator
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk, Turn
from support.dialects import ANTHROPIC, CHAT, DIALECTS, Dialect
from support.server import Gateway

PAID = "kilo/anthropic/claude-opus-5"
FREE = "kilo-auto/free"
SHAPES = ("comments split", "no-index stop-with-calls", "usage-in-choice comments", "no-done")
STEP = 'think: Which?\ntext: Both.\ntool: lookup {"topic": "one"}\ntool: clock\n'
REFUSALS = {
    "400 unsupported_field providerOptions": (400, "providerOptions"),
    "403 feature_exclusive_model Not here": (403, "Not here"),
    "404 discontinued_free_model Gone": (404, "kilo-auto/free"),
    "404 model_not_allowed Not allowed": (404, "organization"),
    "429 rate_limit_exceeded Free model limit reached": (429, "limit reached"),
}


@pytest.fixture
def simulator() -> Iterator[KiloSimulator]:
    with KiloSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def gateway(simulator: KiloSimulator, tmp_path: Path) -> Iterator[Gateway]:
    with kilo_gateway(simulator, tmp_path / "home") as gateway:
        yield gateway


@pytest.fixture
def anonymous(simulator: KiloSimulator, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway in which nobody is logged in."""
    with kilo_gateway(simulator, tmp_path / "home", logged_in=False) as gateway:
        yield gateway


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def kind(request: pytest.FixtureRequest) -> Callable[..., Talk]:
    """A dialect."""
    made: Callable[..., Talk] = request.param
    return made


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"the result of {call.name}" for call in turn.calls}


def ask(gateway: Gateway, dialect: Dialect, model: str = FREE, **more: object) -> httpx.Response:
    with gateway.http() as http:
        return http.post(dialect.path, json=dialect.body(model, **more))


def error_of(response: httpx.Response) -> str:
    return str(response.json()["error"]["message"])


def test_a_turn_of_any_shape_with_tools_and_signed_reasoning(
    simulator: KiloSimulator, gateway: Gateway, kind: Callable[..., Talk]
) -> None:
    """The vendor's own record of its reasoning goes back unchanged."""
    for shapes in SHAPES:
        simulator.play(f"shape: signed {shapes}\n{STEP}---\nthink: So.\ntext: Done.")
        talk = kind(gateway, True, PAID)
        turn = talk.say("Look both up")
        assert (turn.thoughts, turn.text) == ("Which?", "Both.")
        assert [call.name for call in turn.calls] == ["lookup", "clock"]
        assert talk.give(results_for(turn)).text == "Done."

        first, last = simulator.requests
        assert last.prefix_kept
        assert last.headers["x-kilocode-taskid"] == first.headers["x-kilocode-taskid"]
        (assistant,) = last.of_role("assistant")
        (detail,) = assistant["reasoning_details"]
        assert detail["text"] == "Which?"
        assert detail["signature"].startswith("signed-")


def test_free_models_serve_without_a_login(
    simulator: KiloSimulator, anonymous: Gateway, dialect: Dialect
) -> None:
    simulator.play("text: Hello")
    with anonymous.http() as http:
        listed = [model["id"] for model in http.get("/v1/models").json()["data"]]
    assert "kilo/kilo-auto/free" in listed or "kilo-auto/free" in listed
    assert not any("claude" in id for id in listed)
    assert ask(anonymous, dialect, "kilo").status_code == 200
    (asked,) = simulator.requests
    assert asked.body["model"] == "kilo-auto/free"
    assert "authorization" not in asked.headers


def test_a_paid_model_needs_a_login(
    simulator: KiloSimulator, anonymous: Gateway, dialect: Dialect
) -> None:
    response = ask(anonymous, dialect, PAID)
    assert response.status_code in (401, 403)  # Claude Code would log itself out at a 401
    assert "gateway login kilo" in error_of(response)
    assert len(simulator.requests) == 1


def test_claude_names_never_go_to_free_models_by_themselves(
    simulator: KiloSimulator, anonymous: Gateway
) -> None:
    assert ask(anonymous, ANTHROPIC, "claude-haiku-4-5").status_code == 404
    assert simulator.requests == []


def test_the_allowance_without_a_login_ends(simulator: KiloSimulator, anonymous: Gateway) -> None:
    simulator.allowance = 0
    response = ask(anonymous, CHAT)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "30"


def test_an_empty_balance_says_where_credits_are(
    simulator: KiloSimulator, gateway: Gateway, dialect: Dialect
) -> None:
    simulator.balance = 0.0
    response = ask(gateway, dialect, PAID)
    assert response.status_code == 429
    assert "https://app.kilo.ai/credits" in error_of(response)


def test_a_dead_token_asks_for_a_new_login(simulator: KiloSimulator, gateway: Gateway) -> None:
    simulator.revoke()
    response = ask(gateway, CHAT)
    assert response.status_code == 401
    assert "gateway login kilo" in error_of(response)


def test_refusals_are_told_apart(
    simulator: KiloSimulator, gateway: Gateway, dialect: Dialect
) -> None:
    for refusal, (status, words) in REFUSALS.items():
        simulator.play(f"http: {refusal}")
        response = ask(gateway, dialect, stream=True)
        assert response.status_code == status
        assert words in error_of(response)
        assert len(simulator.requests) == 1


def test_what_may_pass_is_tried_again(simulator: KiloSimulator, gateway: Gateway) -> None:
    for fault in ("http: 503 temporarily_unavailable", "page: 502", "fail: 502", "cut:", "reset:"):
        simulator.play(f"shape: comments\n{fault} times=1\ntext: Hello")
        assert ANTHROPIC.success in ask(gateway, ANTHROPIC, stream=True).content
        assert len(simulator.requests) == 2


def test_half_an_answer_is_a_failure(
    simulator: KiloSimulator, gateway: Gateway, dialect: Dialect
) -> None:
    for end in ("cut:", "reset:", "fail: server_error Provider disconnected"):
        simulator.play(f"text: Half of\n{end}")
        response = ask(gateway, dialect, stream=True)
        assert dialect.failure in response.content
        assert dialect.success not in response.content


def test_what_a_model_does_not_know_is_left_out(simulator: KiloSimulator, gateway: Gateway) -> None:
    simulator.play("text: Yes.")
    model, more = "vendor/no-tools:free", {"temperature": 0.5, "reasoning_effort": "high"}
    assert ask(gateway, CHAT, model, max_completion_tokens=3, **more).status_code == 200
    body = simulator.requests[-1].body
    assert body.keys() == {"model", "messages", "stream", "stream_options", "max_tokens"}
    assert body["max_tokens"] == 16
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert "cannot call tools" in error_of(ask(gateway, CHAT, model, tools=[tool]))
