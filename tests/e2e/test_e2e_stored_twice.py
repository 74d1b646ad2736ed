"""Responses that an upstream keeps and the gateway too, and those that only an upstream knows."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import SecretStr

from gateway_core import (
    CONTRACT,
    Event,
    GatewayError,
    InvalidRequest,
    Model,
    ProviderInfo,
    Unauthorized,
    UpstreamCall,
    hookimpl,
)
from gateway_core.content import Message, Text
from gateway_core.credentials.store import CredentialStore, MemoryStore
from gateway_core.errors import Forbidden, LoginRequired, NotFound, UpstreamFailed
from gateway_core.events import Begin, Fail, Notice, NoticeSeen, Usage, UsageSeen
from gateway_core.response_ids import new_id
from support.about import about
from support.keeper import KEPT, KEPT_ID, LOGIN, Keeper
from support.replay import ReplayStream
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway

MODEL = "scripted-1"
PLAIN: list[Event] = [Begin(), *KEPT[1:]]
GONE = InvalidRequest("no such response", code="previous_response_not_found")


class Other(ScriptedProvider):
    """A provider that keeps nothing, beside the one that does."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("other", "Other", CONTRACT)


@dataclass(slots=True, eq=False)
class Slow(Keeper):
    """Its answers stop after the beginning until they may `go_on`."""

    go_on: threading.Event = field(default_factory=threading.Event)

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[ReplayStream]:
        yield ReplayStream(len(call.state), before_the_last=self.go_on.wait)


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def other() -> Other:
    return Other(models=(Model("other-1"),))


@pytest.fixture
def store() -> CredentialStore:
    return MemoryStore(LOGIN)


@pytest.fixture
def gateway(
    keeper: Keeper, other: Other, store: CredentialStore, tmp_path: Path
) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[keeper, other], store=store) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


def create(client: openai.OpenAI, input: str, model: str = MODEL, **more: Any) -> Any:
    """The response object as the client has it at the end."""
    answer: Any = client.responses.create(model=model, input=input, **more)
    return list(answer)[-1].response if more.get("stream") else answer


def texts(messages: list[Message]) -> list[str]:
    return [part.text for each in messages for part in each.parts if isinstance(part, Text)]


@pytest.mark.parametrize("stream", [True, False])
def test_what_was_asked_is_listed_though_the_upstream_does_not_tell(
    client: openai.OpenAI, keeper: Keeper, stream: bool
) -> None:
    keeper.script = [KEPT]
    made = create(client, "Hello", store=True, stream=stream)
    assert (made.id, made.to_dict()["store"]) == (KEPT_ID, True)
    (item,) = client.responses.input_items.list(KEPT_ID)
    assert "Hello" in item.to_json()
    assert keeper.acted == []


def test_what_is_here_is_told_as_the_client_was_told_it(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    """An upstream has tools and reasoning in its own words, and may be slow or gone."""
    keeper.script = [KEPT]
    made = create(client, "Hello", store=True)
    keeper.kept["up-1"] = {**made.to_dict(), "id": "up-1", "output": []}
    for id in (KEPT_ID, "up-1"):
        with about(id):
            assert client.responses.retrieve(id).to_dict() == {**made.to_dict(), "id": id}
            events: list[Any] = list(client.responses.retrieve(id, stream=True))
            assert events[-1].response.output_text == "Hi"
    assert keeper.acted == []


@pytest.mark.parametrize("id", [KEPT_ID, "up-1"])
def test_both_copies_are_deleted(client: openai.OpenAI, keeper: Keeper, id: str) -> None:
    keeper.script = [KEPT]
    keeper.kept["up-1"] = create(client, "Hello", store=True).to_dict()
    client.responses.delete(id)
    assert keeper.kept == {}
    for each in (KEPT_ID, "up-1"):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(each)


def test_what_is_deleted_while_it_comes_is_not_kept_afterwards(tmp_path: Path) -> None:
    slow = Slow(script=[KEPT], kept={"up-1": {"id": "up-1"}})
    with (
        running_gateway(tmp_path, extra_plugins=[slow], store=MemoryStore(LOGIN)) as gateway,
        gateway.openai() as client,
    ):
        for event in client.responses.create(model=MODEL, input="Hello", store=True, stream=True):
            if event.type == "response.created":
                client.responses.delete(event.response.id)
                slow.go_on.set()
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(KEPT_ID)


@pytest.mark.parametrize(
    "to_others",
    [
        NotFound("no such response"),
        Forbidden("not for this account"),
        LoginRequired("run `gateway login scripted`"),
        Unauthorized("who are you"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_account_that_made_it_is_found(
    tmp_path: Path, keeper: Keeper, to_others: GatewayError
) -> None:
    """And asked to delete it, though another one is active by now."""
    abe, amy = (
        LOGIN.model_copy(update={"account": name, "access_token": SecretStr(f"token-of-{name}")})
        for name in ("abe", "amy")
    )
    keeper.owner, keeper.to_others = "token-1", to_others
    keeper.kept["up-1"] = {"id": "up-1", "object": "response", "output": []}
    store = MemoryStore(abe, amy, LOGIN)
    with (
        running_gateway(tmp_path, extra_plugins=[keeper], store=store) as gateway,
        gateway.openai() as client,
    ):
        assert client.responses.retrieve(KEPT_ID).id == KEPT_ID
        client.responses.delete(KEPT_ID)
    assert {token for _, _, token in keeper.acted} >= {"token-of-abe", "token-of-amy", "token-1"}
    assert keeper.kept == {}


def test_a_copy_is_not_deleted_while_nobody_can_ask_its_upstream(
    tmp_path: Path, keeper: Keeper, other: Other
) -> None:
    """Its plugin was taken away: what is kept upstream would be forgotten, and stay there."""
    keeper.script = [KEPT]
    store = MemoryStore(LOGIN)
    with (
        running_gateway(tmp_path, extra_plugins=[keeper], store=store) as gateway,
        gateway.openai() as client,
    ):
        create(client, "Hello", store=True)
    with (
        running_gateway(tmp_path, extra_plugins=[other], store=store) as gateway,
        gateway.openai() as client,
    ):
        with pytest.raises(openai.BadRequestError, match="'scripted', which is not installed"):
            client.responses.delete(KEPT_ID)
        assert client.responses.retrieve(KEPT_ID).output_text == "Hi"
        with pytest.raises(openai.NotFoundError):
            client.responses.delete("resp_scripted_up-2")


def test_a_copy_whose_original_is_gone_is_deleted(client: openai.OpenAI, keeper: Keeper) -> None:
    keeper.script = [KEPT]
    create(client, "Hello", store=True)
    client.responses.delete(KEPT_ID)
    with pytest.raises(openai.NotFoundError, match="no such response"):
        client.responses.delete(KEPT_ID)


def test_what_could_not_be_deleted_upstream_is_not_said_to_be(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    keeper.script = [KEPT]
    create(client, "Hello", store=True)
    keeper.failure = Forbidden("not yours")
    with pytest.raises(openai.PermissionDeniedError, match="not yours"):
        client.responses.delete(KEPT_ID)
    assert client.responses.retrieve(KEPT_ID).output_text == "Hi"


def test_another_provider_goes_on_from_the_copy(
    client: openai.OpenAI, keeper: Keeper, other: Other
) -> None:
    keeper.script, other.script = [KEPT], [PLAIN, PLAIN]
    create(client, "Hello", store=True)
    second = create(client, "More", "other-1", previous_response_id=KEPT_ID)
    third = create(client, "And more", "other-1", previous_response_id=second.id)
    assert [second.previous_response_id, third.previous_response_id] == [KEPT_ID, second.id]
    assert texts(other.requests[0].messages) == ["Hello", "Hi", "More"]
    assert texts(other.requests[1].messages) == ["Hello", "Hi", "More", "Hi", "And more"]
    assert all(asked.session.previous_response_id is None for asked in other.requests)


@pytest.mark.parametrize("stream", [True, False])
def test_the_copy_is_told_to_an_upstream_that_lost_the_original(
    client: openai.OpenAI, keeper: Keeper, stream: bool
) -> None:
    keeper.script = [KEPT, GONE, PLAIN]
    create(client, "Hello", store=True)
    answer = create(client, "More", previous_response_id=KEPT_ID, stream=stream)
    assert (answer.output_text, answer.previous_response_id) == ("Hi", KEPT_ID)
    forwarded, told = keeper.requests[1:]
    assert (forwarded.session.previous_response_id, texts(forwarded.messages)) == ("up-1", ["More"])
    assert told.session.previous_response_id is None
    assert texts(told.messages) == ["Hello", "Hi", "More"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_turn_that_was_asked_again_counts_as_one_that_went_well(
    client: openai.OpenAI, keeper: Keeper, stream: bool
) -> None:
    said = NoticeSeen(Notice("n", "said"))
    lost: list[Event] = [Begin(), said, UsageSeen(Usage(input=7, output=7)), Fail(GONE)]
    keeper.script = [KEPT, lost, [Begin(), said, *KEPT[1:]]]
    create(client, "Hello", store=True)
    create(client, "More", previous_response_id=KEPT_ID, stream=stream)
    _, exchange = (keeper.exchanges.get(timeout=10) for _ in range(2))
    assert (exchange.status, exchange.error, exchange.usage) == (200, None, None)
    assert list(exchange.notices).count("n") == 1


def test_a_bare_id_leads_to_the_copy_when_the_upstream_has_lost_it(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    keeper.script = [KEPT, GONE, PLAIN, PLAIN]
    create(client, "Hello", store=True)
    second = create(client, "More", previous_response_id="up-1")
    assert texts(keeper.requests[2].messages) == ["Hello", "Hi", "More"]
    create(client, "And more", previous_response_id=second.id)
    assert texts(keeper.requests[3].messages) == ["Hello", "Hi", "More", "Hi", "And more"]


def test_a_background_response_from_a_bare_id_goes_on_from_the_copy(
    client: openai.OpenAI, keeper: Keeper, other: Other
) -> None:
    keeper.script, other.script = [KEPT, PLAIN], [PLAIN]
    create(client, "Hello", store=True)
    queued = create(client, "More", previous_response_id="up-1", background=True)
    *_, last = client.responses.retrieve(queued.id, stream=True)
    assert last.type == "response.completed"
    create(client, "And more", "other-1", previous_response_id=queued.id)
    assert texts(other.requests[0].messages) == ["Hello", "Hi", "More", "Hi", "And more"]


def test_a_loss_without_a_copy_is_told_as_the_upstream_said_it(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    keeper.script = [GONE]
    with pytest.raises(openai.BadRequestError, match="no such response") as caught:
        create(client, "More", previous_response_id=KEPT_ID)
    assert caught.value.code == "previous_response_not_found"
    assert len(keeper.requests) == 1


def test_half_a_conversation_is_not_told(client: openai.OpenAI, keeper: Keeper) -> None:
    """The second answer has a copy, the one before it has none."""
    keeper.script = [KEPT, GONE]
    create(client, "More", previous_response_id="up-0")
    with pytest.raises(openai.BadRequestError, match="no such response"):
        create(client, "And more", previous_response_id=KEPT_ID)


def test_an_upstreams_bare_id_is_forwarded(client: openai.OpenAI, keeper: Keeper) -> None:
    keeper.script = [KEPT]
    keeper.kept["resp_7"] = {"id": "resp_7", "object": "response", "output": []}
    assert client.responses.retrieve("resp_7").id == "resp_7"
    create(client, "More", previous_response_id="resp_7")
    assert keeper.requests[0].session.previous_response_id == "resp_7"
    client.responses.delete("resp_7")
    assert keeper.kept == {}


def test_no_upstream_is_asked_for_what_a_gateway_made(
    client: openai.OpenAI, keeper: Keeper
) -> None:
    for ask in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError, match="no stored response"):
            ask(new_id())
    for ask_locally in (client.responses.cancel, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError, match="no stored response"):
            ask_locally("resp_7")
    assert keeper.acted == []


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (None, 404, "no stored response 'resp_7'"),
        (Forbidden("not for this plan"), 404, "no stored response 'resp_7'"),
        (UpstreamFailed("try again"), 502, "try again"),
    ],
)
def test_a_bare_id_that_no_upstream_tells_of(
    gateway: Gateway, keeper: Keeper, failure: GatewayError | None, status: int, words: str
) -> None:
    keeper.failure = failure
    with gateway.http() as http:
        answer = http.get("/v1/responses/resp_7")
    assert (answer.status_code, words in answer.text) == (status, True)
    assert [act[:2] for act in keeper.acted] == [("retrieve", "resp_7")]


def test_a_login_that_has_ended_is_named_where_nobody_else_has_it(
    gateway: Gateway, keeper: Keeper
) -> None:
    keeper.failure = LoginRequired("run `gateway login scripted`")
    with gateway.http() as http:
        answer = http.get("/v1/responses/resp_7")
    assert (answer.status_code, "gateway login" in answer.text) == (401, True)


def test_nobody_is_logged_in_to_for_a_bare_id(tmp_path: Path, keeper: Keeper) -> None:
    with (
        running_gateway(tmp_path, extra_plugins=[keeper], store=MemoryStore()) as gateway,
        gateway.http() as http,
    ):
        assert http.get("/v1/responses/resp_7").status_code == 404
    assert keeper.acted == []


def test_no_copy_is_made_where_nothing_is_to_be_stored(tmp_path: Path, keeper: Keeper) -> None:
    keeper.script = [KEPT]
    settings = {"state.stored_responses": "never"}
    with (
        running_gateway(
            tmp_path, extra_plugins=[keeper], store=MemoryStore(LOGIN), settings=settings
        ) as gateway,
        gateway.openai() as client,
    ):
        assert create(client, "Hello", store=True).id == KEPT_ID
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(KEPT_ID)


@pytest.mark.parametrize("stream", [True, False])
def test_a_store_that_fails_does_not_make_the_upstream_forget(
    tmp_path: Path, keeper: Keeper, stream: bool
) -> None:
    keeper.script = [KEPT]
    file = tmp_path / "state" / "gateway.sqlite3"
    file.parent.mkdir()
    file.write_bytes(b"this is no database" * 100)
    with (
        running_gateway(tmp_path, extra_plugins=[keeper], store=MemoryStore(LOGIN)) as gateway,
        gateway.openai() as client,
    ):
        made = create(client, "Hello", store=True, stream=stream)
    assert (made.id, made.to_dict()["store"]) == (KEPT_ID, True)
