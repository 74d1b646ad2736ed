"""Responses that the gateway keeps itself, through the routes of the API and the real SDK."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_core import (
    Event,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    load_settings,
)
from gateway_core.content import Message, ToolResult
from gateway_core.errors import NotFound, UpstreamFailed
from gateway_core.events import Begin, Close, Delta, End, Fail, Open
from gateway_core.runtime import Runtime
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway

MODEL = "scripted-1"
STATE_FILE = Path("state", "gateway.sqlite3")


def saying(text: str, end: Event | None = None) -> list[Event]:
    return [Begin(), Open(0, Text("")), Delta(0, text), Close(0), end or End("stop")]


CALL: list[Event] = [
    Begin(),
    Open(0, Reasoning("")),
    Delta(0, "I should look."),
    Close(0, Seal("scripted", "sealed thought")),
    Open(1, ToolCall("call_1", "look", "")),
    Delta(1, '{"at":"it"}'),
    Close(1),
    End("tool_use"),
]
RESULT: Any = {"type": "function_call_output", "call_id": "call_1", "output": "a tree"}
HISTORY = [
    Message("user", [Text("Look at it")]),
    Message(
        "assistant",
        [
            Reasoning("I should look.", Seal("scripted", "sealed thought")),
            ToolCall("call_1", "look", '{"at":"it"}'),
        ],
    ),
    Message("user", [ToolResult("call_1", [Text("a tree")])]),
    Message("assistant", [Text("A tree.")]),
    Message("user", [Text("Is it green?")]),
]


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def gateway(provider: ScriptedProvider, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[provider]) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


def create(client: openai.OpenAI, input: Any, *, stream: bool = False, **more: Any) -> Any:
    """The response object as the client has it at the end."""
    answer: Any = client.responses.create(model=MODEL, input=input, stream=stream, **more)
    return list(answer)[-1].response if stream else answer


def bare(messages: list[Message]) -> list[Message]:
    """The messages without what formats keep beside them."""
    for message in messages:
        message.extras = None
        for part in message.parts:
            if hasattr(part, "extras"):
                part.extras = None
    return messages


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("end", [End("stop"), End("length")])
def test_an_answer_is_kept_as_it_was_given(
    client: openai.OpenAI, provider: ScriptedProvider, stream: bool, end: Event
) -> None:
    provider.script = [saying("Hi", end)]
    made = create(client, "Hello", stream=stream, store=True)
    found = client.responses.retrieve(made.id)
    assert found.to_dict() == made.to_dict()
    assert found.output_text == "Hi"
    assert made.to_dict()["store"] is True


def test_a_stream_says_from_its_first_event_that_it_is_kept(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hi")]
    events: Any = client.responses.create(model=MODEL, input="Hello", store=True, stream=True)
    said = [event.to_dict()["response"] for event in events if hasattr(event, "response")]
    assert [(each["store"], each["id"]) for each in said] == [(True, said[0]["id"])] * 3


@pytest.mark.parametrize(
    ("setting", "store"),
    [("asked", None), ("asked", False), ("always", False), ("never", True)],
)
def test_what_nobody_asked_to_keep_leaves_nothing(
    tmp_path: Path, provider: ScriptedProvider, setting: str, store: bool | None
) -> None:
    provider.script = [saying("Hi")]
    settings = {"state.stored_responses": setting, "state.usage_days": 0}
    with (
        running_gateway(tmp_path, extra_plugins=[provider], settings=settings) as gateway,
        gateway.openai() as client,
    ):
        made = create(client, "Hello", store=store)
        assert made.to_dict()["store"] is False
        with pytest.raises(openai.NotFoundError, match="no stored response"):
            client.responses.retrieve(made.id)
    assert not (tmp_path / STATE_FILE).exists()


def test_the_settings_may_keep_what_openai_would(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hi")]
    settings = {"state.stored_responses": "always"}
    with (
        running_gateway(tmp_path, extra_plugins=[provider], settings=settings) as gateway,
        gateway.openai() as client,
    ):
        made = create(client, "Hello")
        assert client.responses.retrieve(made.id).output_text == "Hi"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_broke_off_is_not_kept(
    client: openai.OpenAI, provider: ScriptedProvider, tmp_path: Path, stream: bool
) -> None:
    provider.script = [saying("Hi", Fail(UpstreamFailed("gone")))]
    if stream:
        made = create(client, "Hello", stream=True, store=True)
        assert (made.status, made.to_dict()["store"]) == ("failed", False)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
    else:
        with pytest.raises(openai.InternalServerError):
            create(client, "Hello", store=True)


def test_a_conversation_goes_on_over_a_restart(tmp_path: Path) -> None:
    """Seals and calls come back to the upstream as if the client had sent all of it."""
    before, after = ScriptedProvider(script=[CALL, saying("A tree.")]), ScriptedProvider()
    with running_gateway(tmp_path, extra_plugins=[before]) as gateway, gateway.openai() as client:
        first = create(client, "Look at it", stream=True, store=True)
        second = create(client, [RESULT], previous_response_id=first.id)
    assert bare(before.requests[1].messages) == HISTORY[:3]

    after.script = [saying("Yes.")]
    with running_gateway(tmp_path, extra_plugins=[after]) as gateway, gateway.openai() as client:
        third = create(client, "Is it green?", previous_response_id=second.id, stream=True)
        assert third.previous_response_id == second.id
        assert client.responses.retrieve(third.id).output_text == "Yes."
    assert bare(after.requests[0].messages) == HISTORY
    assert after.requests[0].session.previous_response_id is None


def test_two_gateways_go_on_from_each_others_responses(tmp_path: Path) -> None:
    one, other = ScriptedProvider(), ScriptedProvider(script=[saying("B")])
    one.script = [saying("A"), saying("C")]
    with (
        running_gateway(tmp_path, extra_plugins=[one]) as here,
        running_gateway(tmp_path, extra_plugins=[other]) as there,
        here.openai() as client,
        there.openai() as second_client,
    ):
        first = create(client, "a", store=True)
        second = create(second_client, "b", previous_response_id=first.id)
        create(client, "c", previous_response_id=second.id)
    texts = [part.text for message in one.requests[1].messages for part in message.parts]  # type: ignore[union-attr]
    assert texts == ["a", "A", "b", "B", "c"]


def test_instructions_are_not_inherited(client: openai.OpenAI, provider: ScriptedProvider) -> None:
    provider.script = [saying("Arr"), saying("Hi")]
    first = create(client, "Hello", store=True, instructions="Talk like a pirate")
    create(client, "Again", previous_response_id=first.id, instructions="Be brief")
    assert [text.text for text in provider.requests[1].instructions] == ["Be brief"]
    assert [message.role for message in provider.requests[1].messages].count("system") == 0


def test_who_says_no_goes_on_without_being_kept(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [saying("A"), saying("B")]
    first = create(client, "a", store=True)
    second = create(client, "b", previous_response_id=first.id, store=False)
    assert second.to_dict()["store"] is False
    with pytest.raises(openai.BadRequestError, match="ask for `store: true`") as caught:
        create(client, "c", previous_response_id=second.id)
    assert caught.value.code == "previous_response_not_found"


ITEMS: Any = [
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "three"}]},
    {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}", "id": "fc_1"},
    RESULT,
]


def test_input_items_come_in_pages(client: openai.OpenAI, provider: ScriptedProvider) -> None:
    provider.script = [saying("Hi")]
    made = create(client, ITEMS, store=True)
    items: list[Any] = list(client.responses.input_items.list(made.id, limit=2, order="asc"))
    kinds = ["message"] * 3 + ["function_call", "function_call_output"]
    assert [item.type for item in items] == kinds
    assert [item.content[0].text for item in items[:3]] == ["one", "two", "three"]
    ids = [item.id for item in items]
    assert len(set(ids)) == 5
    assert ids[3] == "fc_1"
    latest_first = client.responses.input_items.list(made.id)
    assert [item.id for item in latest_first] == ids[::-1]
    assert latest_first.has_more is False


def test_a_page_knows_its_ends(
    gateway: Gateway, client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hi")]
    made = create(client, ITEMS, store=True)
    with gateway.http() as http:
        path = f"/v1/responses/{made.id}/input_items"
        page = http.get(path, params={"order": "asc", "limit": 3, "after": "fc_1"}).json()
        refused = [
            http.get(path, params=query)
            for query in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}, {"after": "msg_0"})
        ]
    (item,) = page["data"]
    assert page == {
        "object": "list",
        "data": [item],
        "first_id": item["id"],
        "last_id": item["id"],
        "has_more": False,
    }
    assert [answer.status_code for answer in refused] == [400] * 4
    params = [answer.json()["error"]["param"] for answer in refused]
    assert params == ["limit", "limit", "order", "after"]


def test_what_is_deleted_is_gone_and_so_is_what_goes_on_from_it(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [saying("A"), saying("B")]
    first = create(client, "a", store=True)
    second = create(client, "b", previous_response_id=first.id)
    client.responses.delete(first.id)
    for ask in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError, match="no stored response"):
            ask(first.id)
    assert client.responses.retrieve(second.id).output_text == "B"
    with pytest.raises(openai.BadRequestError, match="was deleted or has grown too old") as caught:
        create(client, "c", previous_response_id=second.id)
    assert caught.value.code == "previous_response_not_found"
    assert len(provider.requests) == 2


def test_a_complete_response_cannot_be_cancelled(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [saying("A")]
    made = create(client, "a", store=True)
    with pytest.raises(openai.BadRequestError, match="is complete"):
        client.responses.cancel(made.id)


def test_the_endpoints_beside_it_see_the_whole_conversation(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [saying("A " * 100), saying("Summary")]
    made = create(client, "Tell me", store=True)
    more: Any = {"model": MODEL, "input": "Go on"}
    short = client.responses.input_tokens.count(**more)
    whole = client.responses.input_tokens.count(**more, previous_response_id=made.id)
    assert whole.input_tokens > short.input_tokens + 50
    compacted = client.responses.compact(**more, previous_response_id=made.id)
    told: list[Any] = compacted.output[:-1]
    assert [item.content[0].text for item in told] == ["Tell me", "Go on"]
    assert "A A A" in repr(provider.requests[-1].messages)


def test_a_damaged_store_costs_no_answer_and_one_line_in_the_log(
    tmp_path: Path, provider: ScriptedProvider, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / STATE_FILE).parent.mkdir()
    (tmp_path / STATE_FILE).write_bytes(b"this is no database" * 100)
    provider.script = [saying("A"), saying("B"), saying("C")]
    with (
        caplog.at_level(logging.WARNING, "gateway_core.keeping"),
        running_gateway(tmp_path, extra_plugins=[provider]) as gateway,
        gateway.openai() as client,
    ):
        made = [create(client, text, stream=stream, store=True) for text, stream in ASKED]
        with pytest.raises(openai.InternalServerError, match="cannot be read"):
            client.responses.retrieve(made[0].id)
    assert [each.output_text for each in made] == ["A", "B", "C"]
    assert [each.to_dict()["store"] for each in made] == [False] * 3
    (line,) = [record.message for record in caplog.records if record.name.endswith("keeping")]
    assert "responses are not stored" in line


@pytest.mark.parametrize("stream", [False, True])
def test_a_store_that_fails_at_the_end_costs_no_answer(
    client: openai.OpenAI, provider: ScriptedProvider, tmp_path: Path, stream: bool
) -> None:
    provider.script = [saying("A"), saying("B")]
    create(client, "a", store=True)
    with closing(sqlite3.connect(tmp_path / STATE_FILE)) as connection:
        connection.execute("DROP TABLE response_body")
    made = create(client, "b", stream=stream, store=True)
    assert (made.status, made.output_text) == ("completed", "B")
    assert made.to_dict()["store"] is stream, "a stream has said so before"


def test_an_answer_does_not_wait_for_a_store_that_is_held_up(
    client: openai.OpenAI,
    provider: ScriptedProvider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is kept when the store goes on, whoever held it up."""
    monkeypatch.setattr("gateway_core.keeping.LONGEST_WAIT", 0.1)
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 60.0)
    provider.script = [saying("A"), saying("B")]
    create(client, "a", store=True)
    with closing(sqlite3.connect(tmp_path / STATE_FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        made = create(client, "b", stream=True, store=True, timeout=5)
        connection.execute("ROLLBACK")
    assert made.output_text == "B"
    assert client.responses.retrieve(made.id).output_text == "B"


@pytest.mark.parametrize(
    ("bound", "words"),
    [("LONGEST_CONVERSATION", "more than 1 responses"), ("LARGEST_CONVERSATION", "1 bytes")],
)
def test_a_conversation_has_bounds(
    client: openai.OpenAI,
    provider: ScriptedProvider,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    words: str,
) -> None:
    provider.script = [saying("A"), saying("B")]
    first = create(client, "a", store=True)
    second = create(client, "b", previous_response_id=first.id)
    monkeypatch.setattr(f"gateway_core.keeping.{bound}", 1)
    with pytest.raises(openai.BadRequestError, match=words):
        create(client, "c", previous_response_id=second.id)


ASKED = [("a", False), ("b", True), ("c", False)]


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [("max_age_days", 1e-9, []), ("max_megabytes", 1, ["b"]), ("max_megabytes", 200, ["a", "b"])],
)
async def test_a_start_removes_what_is_too_old_or_too_much(
    tmp_path: Path, provider: ScriptedProvider, key: str, value: float, left: list[str]
) -> None:
    provider.script = [saying("A"), saying("B")]
    ids = await asyncio.to_thread(two_large_responses, tmp_path, provider)
    flags = {"plugins.enabled": "none-installed", f"state.{key}": value}
    settings = load_settings(flags, {"GATEWAY_HOME": str(tmp_path)})
    async with Runtime(settings) as runtime, asyncio.timeout(10):
        while await found(runtime, ids) != left:
            continue
        assert await runtime.responses.prune() == 0
        assert await found(runtime, ids) == left


async def found(runtime: Runtime, ids: dict[str, str]) -> list[str]:
    """The names of the responses that are still there."""
    names = []
    for name, id in ids.items():
        try:
            await runtime.responses.act("retrieve", id, {})
            names.append(name)
        except NotFound:
            continue
    return names


def two_large_responses(home: Path, provider: ScriptedProvider) -> dict[str, str]:
    """Their ids by name; together they are larger than a megabyte."""
    with running_gateway(home, extra_plugins=[provider]) as gateway, gateway.openai() as client:
        return {name: create(client, name * 600_000, store=True).id for name in ("a", "b")}


def test_tools_inside_of_a_stored_input_are_offered_again(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hi"), saying("again")]
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    added: Any = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    first = create(client, [added, {"role": "user", "content": "Hello"}], store=True)
    create(client, "And?", previous_response_id=first.id)
    assert [[tool.name for tool in request.tools] for request in provider.requests] == [
        ["look"],
        ["look"],
    ]


def test_a_free_text_tool_of_a_stored_input_is_called_as_one(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    """The provider knows functions only, so its call comes back as the tool it stands for."""
    call: list[Event] = [Begin(), Open(0, ToolCall("call_1", "patch", ""))]
    call += [Delta(0, '{"input":"a diff"}'), Close(0), End("tool_use")]
    provider.script = [saying("Hi"), call]
    added: Any = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "custom", "name": "patch", "format": {"type": "text"}}],
    }
    first = create(client, [added, {"role": "user", "content": "Hello"}], store=True)
    (item,) = create(client, "Mend it", previous_response_id=first.id).output
    assert (item.type, item.name, item.input) == ("custom_tool_call", "patch", "a diff")
