"""Two hosts for one login: who is asked, and what happens when one of them says no."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway_core.json import JsonObject
from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from simulators.grok.state import FULL_SCOPE, OLD_SCOPE, Account
from support.dialects import ANTHROPIC, DIALECTS, RESPONSES, Dialect
from support.server import Gateway

MODEL = "grok-4.5"
LOOK: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}


@pytest.fixture(scope="module")
def running() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: GrokSimulator) -> Iterator[GrokSimulator]:
    """The simulator, without what earlier tests asked; whatever it refused was its own doing."""
    running.forget_requests()
    yield running
    assert running.violations == []


@pytest.fixture
def gateway(simulator: GrokSimulator, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that has learnt nothing yet of the account."""
    with grok_gateway(simulator, tmp_path) as gateway:
        yield gateway


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


def ask(gateway: Gateway, dialect: Dialect = RESPONSES, **more: object) -> httpx.Response:
    with gateway.http() as http:
        return http.post(dialect.path, json=dialect.body(MODEL, **more))


def steps(simulator: GrokSimulator) -> list[tuple[str, int]]:
    """Who was asked, and with what outcome."""
    return [(request.rail, request.status) for request in simulator.requests]


@pytest.mark.parametrize(
    ("more", "rail"),
    [({}, "proxy"), ({"store": False}, "proxy"), ({"store": True}, "api")],
)
def test_only_what_is_to_be_stored_starts_at_the_public_api(
    simulator: GrokSimulator, gateway: Gateway, more: JsonObject, rail: str
) -> None:
    assert ask(gateway, **more).status_code == 200
    assert steps(simulator) == [(rail, 200)]


@pytest.mark.parametrize("fixed", ["api", "proxy"])
def test_the_settings_may_name_the_rail(
    simulator: GrokSimulator, tmp_path: Path, fixed: str
) -> None:
    with grok_gateway(simulator, tmp_path, {"providers.grok.rail": fixed}) as gateway:
        assert ask(gateway, store=True).status_code == 200
        assert ask(gateway, ANTHROPIC).status_code == 200
    assert steps(simulator) == [(fixed, 200)] * 2


def test_a_plan_without_api_credit_is_served_by_the_proxy(
    simulator: GrokSimulator, gateway: Gateway
) -> None:
    """Once per account it is asked in vain; that the answer is not stored is told."""
    simulator.account.api = "no-credit"
    answers = [ask(gateway, store=True) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert ["not_stored" in answer.headers["x-gateway-notice"] for answer in answers] == [True] * 2
    assert steps(simulator) == [("api", 402), ("proxy", 200), ("proxy", 200)]


@pytest.mark.parametrize("why", ["denied", "outdated"])
def test_who_may_not_use_the_proxy_is_served_by_the_public_api(
    simulator: GrokSimulator,
    gateway: Gateway,
    dialect: Dialect,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if why == "denied":
        simulator.account.proxy = "denied"
    else:
        monkeypatch.setattr(simulator.state, "minimal_version", (9, 0, 0))
    assert [ask(gateway, dialect).status_code for _ in range(2)] == [200, 200]
    refused = 403 if why == "denied" else 426
    assert steps(simulator) == [("proxy", refused), ("api", 200), ("api", 200)]
    assert [request.body["store"] for request in simulator.requests] == [False] * 3


@pytest.mark.parametrize(
    ("scope", "expected"),
    [(OLD_SCOPE, [("proxy", 403), ("api", 200)]), (FULL_SCOPE, [("proxy", 200)])],
    ids=["old", "full"],
)
def test_old_permissions_are_enough_for_the_public_api(
    simulator: GrokSimulator,
    tmp_path: Path,
    scope: str,
    expected: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulator.state, "needs_conversations", True)
    with grok_gateway(simulator, tmp_path, scope=scope) as gateway:
        assert ask(gateway).status_code == 200
    assert steps(simulator) == expected


@pytest.mark.parametrize("store", [True, False])
def test_when_both_refuse_both_are_asked_once_and_both_are_told(
    simulator: GrokSimulator, gateway: Gateway, store: bool
) -> None:
    simulator.account.api, simulator.account.proxy = "no-credit", "denied"
    response = ask(gateway, store=store)
    message = RESPONSES.error(response.content)["message"]
    assert response.status_code == 403
    assert "spending limit" in message
    assert "denied" in message
    expected = [("api", 402), ("proxy", 403)]
    assert steps(simulator) == (expected if store else expected[::-1])


@pytest.mark.parametrize(("state", "status"), [("used-up", 429), ("spent", 429)])
def test_used_up_credits_do_not_lead_to_the_other_rail(
    simulator: GrokSimulator, gateway: Gateway, dialect: Dialect, state: Any, status: int
) -> None:
    simulator.account.proxy = state
    response = ask(gateway, dialect)
    assert response.status_code == status
    assert response.headers["x-should-retry"] == "false"
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("field", ["temperature", "top_p"])
def test_a_field_that_the_public_api_happens_to_refuse_is_left_out_once(
    simulator: GrokSimulator, tmp_path: Path, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "not_taken", (field,))
    with grok_gateway(simulator, tmp_path, {"providers.grok.rail": "api"}) as gateway:
        assert ask(gateway, RESPONSES, **{field: 0.5}).status_code == 200
    assert steps(simulator) == [("api", 400), ("api", 200)]
    assert field not in simulator.requests[1].body


def test_stop_sequences_that_are_forwarded_are_not_insisted_on(
    simulator: GrokSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "not_taken", ("stop",))
    settings = {"providers.grok.rail": "api", "providers.grok.forward_stop": True}
    simulator.play("text: one STOP two")
    with grok_gateway(simulator, tmp_path, settings) as gateway:
        response = ask(gateway, ANTHROPIC, stop_sequences=["STOP"])
    assert response.json()["content"][0]["text"] == "one "
    assert steps(simulator) == [("api", 400), ("api", 200)]


# Stored responses


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


@pytest.fixture
def forgetful(simulator: GrokSimulator, tmp_path: Path) -> Iterator[openai.OpenAI]:
    """Of a gateway that has no copy of what xAI stores."""
    settings = {"state.stored_responses": "never"}
    with grok_gateway(simulator, tmp_path, settings) as gateway, gateway.openai() as client:
        yield client


@pytest.mark.parametrize("stream", [True, False])
def test_a_stored_response_is_found_goes_on_and_is_deleted(
    simulator: GrokSimulator, client: openai.OpenAI, stream: bool
) -> None:
    simulator.play("think: Hm.\ntool: look\n---\ntext: Seen.")
    more: Any = {"model": MODEL, "tools": [LOOK], "store": True}
    first: Any = client.responses.create(input="Look around", stream=stream, **more)
    if stream:
        first = list(first)[-1].response
    call = next(item for item in first.output if item.type == "function_call")
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "a tree"}]
    second = client.responses.create(input=result, previous_response_id=first.id, **more)
    assert second.output_text == "Seen."
    assert second.previous_response_id == first.id

    found = client.responses.retrieve(second.id)
    assert (found.id, found.output_text) == (second.id, "Seen.")
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)
    assert len(simulator.requests[1].body["input"]) == 1
    assert len(simulator.requests[1].of_type("function_call")) == 1
    assert steps(simulator) == [("api", 200)] * 2


def test_a_deletion_may_be_confirmed_without_a_word(
    simulator: GrokSimulator, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "empty_delete", True)
    made = client.responses.create(model=MODEL, input="Hello", store=True)
    client.responses.delete(made.id)
    assert len(simulator.asked("GET", "/responses")) == 0
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_what_was_not_stored_cannot_be_found(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    made = client.responses.create(model=MODEL, input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input="On", previous_response_id=made.id)
    assert steps(simulator) == [("proxy", 200)]


def test_a_stored_response_is_not_taken_to_the_other_rail(
    simulator: GrokSimulator, forgetful: openai.OpenAI
) -> None:
    """The proxy knows nothing of it, and the input is only its end."""
    made = forgetful.responses.create(model=MODEL, input="Hello", store=True)
    simulator.account.api = "no-credit"
    with pytest.raises(openai.BadRequestError, match="not open to this subscription") as caught:
        forgetful.responses.create(model=MODEL, input="On", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"
    assert steps(simulator) == [("api", 200), ("api", 402)]


def test_the_whole_conversation_is_taken_there_by_who_has_it(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    made = client.responses.create(model=MODEL, input="Hello", store=True)
    simulator.account.api = "no-credit"
    client.responses.create(model=MODEL, input="On", previous_response_id=made.id)
    assert steps(simulator) == [("api", 200), ("api", 402), ("proxy", 200)]
    assert len(simulator.requests[-1].of_type("message")) == 3


def test_what_xai_cannot_do_with_a_stored_response_is_said(
    simulator: GrokSimulator, forgetful: openai.OpenAI
) -> None:
    made = forgetful.responses.create(model=MODEL, input="Hello", store=True)
    with pytest.raises(openai.APIStatusError, match="close the stream"):
        forgetful.responses.cancel(made.id)
    with pytest.raises(openai.APIStatusError, match="does not tell"):
        forgetful.responses.input_items.list(made.id)
    assert steps(simulator) == [("api", 200)]


def test_a_stored_response_is_found_after_its_token_ended(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    made = client.responses.create(model=MODEL, input="Hello", store=True)
    simulator.state.end_access_tokens()
    assert client.responses.retrieve(made.id).id == made.id


def test_reasoning_of_one_account_never_reaches_another(
    simulator: GrokSimulator, tmp_path: Path
) -> None:
    other = simulator.state.add_account(Account("another"))
    simulator.play("think: Hm.\ntext: One.\n---\nmatch: Two?\ntext: Two.")
    more: Any = {"model": MODEL, "store": False, "include": ["reasoning.encrypted_content"]}
    with grok_gateway(simulator, tmp_path) as gateway, gateway.openai() as client:
        items: Any = client.responses.create(input="One?", **more).output
    with grok_gateway(simulator, tmp_path / "other", account=other) as gateway:
        items = [{"role": "user", "content": "One?"}, *items, {"role": "user", "content": "Two?"}]
        with gateway.openai() as client:
            assert client.responses.create(input=items, **more).output_text == "Two."
    assert simulator.requests[-1].of_type("reasoning") == []
