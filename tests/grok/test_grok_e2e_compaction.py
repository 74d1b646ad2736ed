"""Compaction through a real gateway: by xAI where the public API serves, else by a summary; and
responses that xAI does not know (any more).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_core import seals
from gateway_core.compaction import read_summary
from gateway_core.json import JsonObject
from simulators.grok.backend import Recorded
from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from support.dialects import RESPONSES
from support.server import Gateway

MODEL = "grok-4.5"
TALK = "/responses"
COMPACT = "/responses/compact"
GO_ON: Any = {"role": "user", "content": "Go on"}
TRIGGER: Any = {"type": "compaction_trigger"}
HISTORY: Any = [
    {"role": "user", "content": "Fix it"},
    {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "a tree"},
]


@pytest.fixture(scope="module")
def running() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: GrokSimulator) -> Iterator[GrokSimulator]:
    """The simulator, whose model says `We fixed it.`; it finds no fault with any request."""
    running.forget_requests()
    running.play("text: We fixed it.\n---\nmatch: Go on\ntext: Done.")
    yield running
    assert running.violations == []


@pytest.fixture
def gateway(simulator: GrokSimulator, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with the rail `auto`, that has learnt nothing yet of the account."""
    with grok_gateway(simulator, tmp_path) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


@pytest.fixture
def api_client(simulator: GrokSimulator, tmp_path: Path) -> Iterator[openai.OpenAI]:
    """Of a gateway with the rail `api`."""
    settings = {"providers.grok.rail": "api"}
    with grok_gateway(simulator, tmp_path, settings) as gateway, gateway.openai() as client:
        yield client


def asked(simulator: GrokSimulator) -> list[Recorded]:
    """The requests that were about responses, oldest first."""
    return [one for one in simulator.backend.requests if one.path.startswith(TALK)]


def steps(simulator: GrokSimulator) -> list[tuple[str, str, int]]:
    """Who was asked for what, and with what outcome."""
    return [(request.rail, request.path, request.status) for request in asked(simulator)]


def as_input(output: list[Any]) -> list[Any]:
    """The items of an answer as a client sends them back."""
    return [item.model_dump(exclude_none=True, warnings=False) for item in output]


def compaction_in(items: list[JsonObject]) -> JsonObject:
    (item,) = (item for item in items if item["type"] == "compaction")
    return item


def summary_in(item: JsonObject) -> str | None:
    """What our own item says; None for one of xAI's."""
    return read_summary(item["encrypted_content"])


def test_xai_compacts_and_goes_on(simulator: GrokSimulator, api_client: openai.OpenAI) -> None:
    compacted = api_client.responses.compact(model=MODEL, input=HISTORY, instructions="Be brief.")
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    item = compaction_in(as_input(compacted.output))
    assert summary_in(item) is None

    answer = api_client.responses.create(
        model=MODEL, input=[*as_input(compacted.output), GO_ON], store=False
    )
    assert answer.output_text == "Done."
    assert steps(simulator) == [("api", COMPACT, 200), ("api", TALK, 200)]
    first, second = asked(simulator)
    assert [sent["type"] for sent in first.body["input"]][-2:] == [
        "function_call",
        "function_call_output",
    ]
    seal = seals.unpack(item["encrypted_content"])
    assert seal is not None and seal.issuer == "grok"
    assert second.of_type("compaction") == [{**item, "encrypted_content": seal.data}]


def test_at_the_proxy_the_model_writes_a_summary(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    compacted = client.responses.compact(model=MODEL, input=HISTORY)
    item = compaction_in(as_input(compacted.output))
    assert (summary_in(item) or "").endswith("We fixed it.")
    assert client.responses.create(
        model=MODEL, input=[*as_input(compacted.output), GO_ON]
    ).output_text == ("Done.")
    assert steps(simulator) == [("proxy", TALK, 200)] * 2


def test_the_settings_may_rule_out_the_public_api(simulator: GrokSimulator, tmp_path: Path) -> None:
    settings = {"providers.grok.rail": "proxy"}
    with grok_gateway(simulator, tmp_path, settings) as gateway, gateway.openai() as client:
        compacted = client.responses.compact(model=MODEL, input=HISTORY)
    assert summary_in(compaction_in(as_input(compacted.output)))
    assert steps(simulator) == [("proxy", TALK, 200)]


@pytest.mark.parametrize("stream", [True, False])
def test_a_trigger_in_the_input_is_answered_with_xais_own_item(
    simulator: GrokSimulator, client: openai.OpenAI, stream: bool
) -> None:
    answer: Any = client.responses.create(
        model=MODEL, input=[*HISTORY, TRIGGER], stream=stream, store=True
    )
    if stream:
        events = list(answer)
        done = [event.item.type for event in events if event.type == "response.output_item.done"]
        assert done == ["compaction"]
        answer = events[-1].response
    (item,) = as_input(answer.output)
    assert item["type"] == "compaction"
    assert summary_in(item) is None
    assert steps(simulator) == [("api", COMPACT, 200)]


def test_a_compacted_conversation_stays_with_the_public_api(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    """Which alone can read it, whatever is asked to be stored; the proxy never sees it."""
    compacted: Any = client.responses.create(model=MODEL, input=[*HISTORY, TRIGGER], store=True)
    items = [*as_input(compacted.output), GO_ON]
    assert client.responses.create(model=MODEL, input=items).output_text == "Done."
    simulator.account.api = "no-credit"
    for trigger in ([], [TRIGGER]):
        with pytest.raises(openai.PermissionDeniedError, match="not open to this subscription"):
            client.responses.create(model=MODEL, input=[*items, *trigger])
    assert {rail for rail, _, _ in steps(simulator)} == {"api"}


@pytest.mark.parametrize("why", ["no-credit", "denied"])
def test_a_plan_without_the_public_api_gets_a_summary(
    simulator: GrokSimulator, gateway: Gateway, why: Any
) -> None:
    """And is not compacted in vain again."""
    simulator.account.api = why
    body = {"model": MODEL, "input": [*HISTORY, TRIGGER], "store": True, "stream": True}
    with gateway.http() as http:
        answers = [http.post(RESPONSES.path, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(RESPONSES.success in answer.content for answer in answers)
    refused = 402 if why == "no-credit" else 403
    assert steps(simulator) == [
        ("api", COMPACT, refused),
        ("proxy", TALK, 200),
        ("proxy", TALK, 200),
    ]


# --- responses that xAI stores ------------------------------------------------------------------


def test_a_stored_response_is_compacted_where_it_is(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    made = client.responses.create(model=MODEL, input="Fix it", store=True)
    compacted = client.responses.create(
        model=MODEL, input=[TRIGGER], previous_response_id=made.id, store=False
    )
    assert summary_in(compaction_in(as_input(compacted.output))) is None
    assert steps(simulator) == [("api", TALK, 200), ("api", COMPACT, 200)]
    assert asked(simulator)[-1].of_type("message")[0]["content"][0]["text"] == "Fix it"


def test_a_response_that_xai_has_lost_is_told_again(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    made = client.responses.create(model=MODEL, input="Fix it", store=True)
    simulator.state.stored.clear()
    answer = client.responses.create(
        model=MODEL, input="Go on", previous_response_id=made.id, store=False
    )
    assert answer.output_text == "Done."
    assert steps(simulator) == [("api", TALK, 200), ("api", TALK, 404), ("proxy", TALK, 200)]
    said = [item["content"][0]["text"] for item in simulator.requests[-1].of_type("message")]
    assert said == ["Fix it", "We fixed it.", "Go on"]


def test_a_response_that_nobody_has_is_an_error_of_the_request(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError, match="not found") as caught:
        client.responses.create(model=MODEL, input="Go on", previous_response_id="resp_abc")
    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"
    assert steps(simulator) == [("api", TALK, 404)]


@pytest.mark.parametrize("id", ["resp_abc", "resp_abc%2F..%2F..%2Fmodels", "resp_" + "x" * 300])
def test_an_unknown_id_is_not_found(simulator: GrokSimulator, gateway: Gateway, id: str) -> None:
    with gateway.http() as http:
        answers = [http.request(verb, f"{RESPONSES.path}/{id}") for verb in ("GET", "DELETE")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert {status for _, _, status in steps(simulator)} <= {404}
