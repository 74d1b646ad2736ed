"""Responses that an upstream keeps, through the routes of the Responses API and the real SDK."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from gateway_core.credentials.store import MemoryStore
from gateway_core.response_ids import new_id
from support.keeper import KEPT, KEPT_ID, LOGIN, Keeper
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway

if TYPE_CHECKING:
    from gateway_core import JsonObject

ID = KEPT_ID


@pytest.fixture
def keeper() -> Keeper:
    kept: JsonObject = {
        "id": "up-1",
        "object": "response",
        "created_at": 1,
        "model": "scripted-1",
        "status": "completed",
        "previous_response_id": "up-0",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    return Keeper(kept={"up-1": kept})


@pytest.fixture
def gateway(keeper: Keeper, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[keeper], store=MemoryStore(LOGIN)) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


@pytest.mark.parametrize("stream", [True, False])
def test_a_stored_response_is_known_by_an_id_that_leads_back(
    client: openai.OpenAI, keeper: Keeper, stream: bool
) -> None:
    keeper.script = [KEPT]
    more: Any = {"model": "scripted-1", "input": "Hello", "store": True}
    if stream:
        ids = {
            event.response.id
            for event in client.responses.create(**more, stream=True)
            if event.type in ("response.created", "response.completed")
        }
        assert ids == {ID}
    else:
        assert client.responses.create(**more).id == ID


def test_it_is_retrieved_under_this_id_and_deleted(client: openai.OpenAI, keeper: Keeper) -> None:
    found = client.responses.retrieve(ID)
    assert (found.id, found.previous_response_id) == (ID, "resp_scripted_up-0")
    client.responses.delete(ID)
    assert keeper.kept == {}
    assert [act[:2] for act in keeper.acted] == [("retrieve", "up-1"), ("delete", "up-1")]
    with pytest.raises(openai.NotFoundError, match="no such response"):
        client.responses.retrieve(ID)


def test_a_conversation_goes_on_from_it(client: openai.OpenAI, keeper: Keeper) -> None:
    keeper.script = [KEPT]
    answer = client.responses.create(
        model="scripted-1", input="More", previous_response_id=ID, store=True
    )
    (request,) = keeper.requests
    assert request.session.previous_response_id == "up-1"
    assert answer.previous_response_id == ID


def test_a_conversation_cannot_go_on_from_what_nobody_keeps(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    with pytest.raises(openai.BadRequestError, match="send the whole conversation") as caught:
        client.responses.create(model="scripted-1", input="More", previous_response_id=new_id())
    assert caught.value.code == "previous_response_not_found"
    assert keeper.requests == []


def test_a_refused_token_is_renewed_once(client: openai.OpenAI, keeper: Keeper) -> None:
    keeper.refuse = 1
    assert client.responses.retrieve(ID).id == ID
    assert [act[2] for act in keeper.acted] == ["token-1", "token-2"]


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/responses/resp_0123", 404, "no stored response 'resp_0123'"),
        ("DELETE", "/v1/responses/resp_elsewhere_1", 404, "no stored response"),
        ("POST", "/v1/responses/resp_0123/cancel", 404, "no stored response"),
        ("GET", "/v1/responses/resp_0123/input_items", 404, "no stored response"),
        ("POST", "/v1/responses/resp_scripted_up-9/cancel", 400, "nothing can be cancelled"),
        ("GET", "/v1/responses/resp_scripted_up-9/input_items", 400, "cancelled or listed"),
        ("GET", "/v1/responses/resp_scripted_up-9?stream=true", 404, "no such response"),
    ],
)
def test_what_cannot_be_had_is_told_in_openais_words(
    gateway: Gateway, method: str, path: str, status: int, words: str
) -> None:
    with gateway.http() as http:
        answer = http.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_provider_that_keeps_nothing_is_not_logged_in_to_for_it(tmp_path: Path) -> None:
    with (
        running_gateway(tmp_path, extra_plugins=[ScriptedProvider()]) as gateway,
        gateway.http() as http,
    ):
        answer = http.get("/v1/responses/resp_scripted_up-1")
    assert answer.status_code == 404
    assert "no stored response" in answer.json()["error"]["message"]


def test_a_plugin_that_answers_nonsense_is_named(gateway: Gateway, keeper: Keeper) -> None:
    keeper.kept["up-2"] = []  # type: ignore[assignment]  # it is what this is about
    with gateway.http() as http:
        answer = http.get("/v1/responses/resp_scripted_up-2")
    assert answer.status_code == 500
    told = "failed in gateway_stored_response (returned list, not dict)"
    assert told in answer.json()["error"]["message"]


def test_what_an_upstream_keeps_can_be_read_as_a_stream(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    keeper.kept["up-1"]["output"] = [{**message, "content": [{"type": "output_text", "text": "A"}]}]
    events: list[Any] = list(client.responses.retrieve(ID, stream=True))
    assert "".join(event.delta for event in events if event.type.endswith("text.delta")) == "A"
    assert events[-1].response == client.responses.retrieve(ID)


def test_the_gateway_itself_keeps_what_runs_in_the_background(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    """The upstream is not asked to keep it too, and may go on from what it keeps."""
    keeper.script = [KEPT, KEPT]
    fields: Any = {"model": "scripted-1", "background": True}
    made = client.responses.create(input="Hello", previous_response_id=ID, **fields)
    assert made.previous_response_id == ID
    while (found := client.responses.retrieve(made.id)).status != "completed":
        continue
    assert (found.id, found.output_text) == (made.id, "Hi")
    (request,) = keeper.requests
    assert (request.session.previous_response_id, request.session.store) == ("up-1", False)
    assert "background" not in request.source.body
    with pytest.raises(openai.BadRequestError, match="before it is not kept here"):
        client.responses.create(input="Again", previous_response_id=made.id, **fields)
