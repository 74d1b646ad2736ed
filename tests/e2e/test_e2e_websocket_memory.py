"""What a WebSocket connection goes on from when the store has not got it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from gateway_core import StateError, StoredResponse, ToolCall, ToolResult
from gateway_core.events import Close, Delta, End, Event, Open
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway
from support.sockets import create, opened, said_to, saying

TRIGGER = {"type": "compaction_trigger"}
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def gateway(tmp_path: Path, provider: ScriptedProvider) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[provider]) as gateway:
        yield gateway


@pytest.fixture
def socket(gateway: Gateway) -> Iterator[ClientConnection]:
    with opened(gateway) as socket:
        yield socket


def test_a_compaction_takes_the_place_of_what_it_was_made_of(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hello"), saying("We fixed it."), saying("Gladly."), saying("Yes.")]
    *_, first = create(socket, input="Fix it")
    asked = [{"role": "user", "content": "And test it"}, TRIGGER]
    *_, compacted = create(socket, input=asked, previous_response_id=first["response"]["id"])
    [item] = compacted["response"]["output"]
    assert item["type"] == "compaction"
    *_, third = create(socket, input="Go on", previous_response_id=compacted["response"]["id"])
    fix, test, summary, go_on = said_to(provider)
    assert [fix, test, go_on] == ["user: Fix it", "user: And test it", "user: Go on"]
    assert summary.endswith("We fixed it.")
    create(socket, input="Done?", previous_response_id=third["response"]["id"])
    assert said_to(provider)[-3:] == ["user: Go on", "assistant: Gladly.", "user: Done?"]
    assert provider.script == []


def test_a_call_whose_result_comes_after_the_compaction_stays(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    call = ToolCall("call_1", "look", "")
    calling: list[Event] = [Open(0, call), Delta(0, "{}"), Close(0), End("tool_use")]
    provider.script = [calling, saying("We looked."), saying("A tree.")]
    *_, first = create(socket, input="Look", tools=[TOOL])
    *_, compacted = create(
        socket, input=[TRIGGER], tools=[TOOL], previous_response_id=first["response"]["id"]
    )
    result = {"type": "function_call_output", "call_id": "call_1", "output": "a tree"}
    previous = compacted["response"]["id"]
    create(socket, input=[result], tools=[TOOL], previous_response_id=previous)
    parts = [part for message in provider.requests[-1].messages for part in message.parts]
    kinds = [type(part) for part in parts]
    assert kinds.index(ToolCall) < kinds.index(ToolResult)


@pytest.mark.parametrize("store", [True, None, False])
def test_what_could_not_be_written_is_gone_on_from_on_its_connection(
    socket: ClientConnection,
    provider: ScriptedProvider,
    store: bool | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its client was told that it is stored, before that failed."""

    async def put(self: Any, stored: StoredResponse) -> None:
        raise StateError("the disk is full")

    monkeypatch.setattr("gateway_core.state.sqlite_responses.SqliteResponses.put", put)
    provider.script = [saying("Hello"), saying("again")]
    *_, first = create(socket, input="Hi", store=True)
    assert first["response"]["store"] is True
    *_, second = create(
        socket, input="And?", store=store, previous_response_id=first["response"]["id"]
    )
    assert second["type"] == "response.completed"
    assert said_to(provider) == ["user: Hi", "assistant: Hello", "user: And?"]
