"""Compaction and token counting of the Responses format, with the real SDK and a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_core import (
    Capabilities,
    Event,
    Foreign,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.compaction import read_summary
from gateway_core.content import Message
from gateway_core.events import Begin, Close, Delta, End, Fail, Open, Usage, Whole
from gateway_core.json import loads_object
from gateway_core.provider import Model
from support.about import about
from support.dialects import RESPONSES
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway

SUMMARY: list[Event] = [
    Open(0, Text("")),
    Delta(0, "We fixed "),
    Delta(0, "it."),
    Close(0),
    End("stop", usage=Usage(input=50, output=5)),
]
HELLO: list[Event] = [Open(0, Text("")), Delta(0, "Hello"), Close(0), End("stop")]
BLOB = {"type": "compaction", "id": "cmp_up", "encrypted_content": "gAAAAAB"}
NATIVE: list[Event] = [Whole(0, Foreign("responses", "compaction", BLOB)), End("stop")]
TRIGGER = {"type": "compaction_trigger"}
TOOL = {"type": "function", "name": "Bash", "parameters": {"type": "object", "properties": {}}}
HISTORY: list[Any] = [
    {"role": "user", "content": "Fix it"},
    {"type": "function_call", "call_id": "call_1", "name": "Bash", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "ok"},
]


@pytest.fixture
def provider() -> ScriptedProvider:
    models = [
        Model("plain"),
        Model("native", capabilities=Capabilities(native_compaction=True)),
    ]
    return ScriptedProvider(models=models)


@pytest.fixture
def gateway(provider: ScriptedProvider, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[provider]) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


def texts(messages: list[Message]) -> list[str]:
    return [part.text for m in messages for part in m.parts if isinstance(part, Text)]


def as_input(output: list[Any]) -> list[Any]:
    """The items of an answer as a client sends them back."""
    return [item.model_dump(exclude_none=True, warnings=False) for item in output]


def test_the_sdk_compacts_and_goes_on(client: openai.OpenAI, provider: ScriptedProvider) -> None:
    provider.script = [SUMMARY, HELLO]
    compacted = client.responses.compact(model="plain", input=HISTORY)
    assert compacted.object == "response.compaction"
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    assert compacted.usage.total_tokens == 55
    client.responses.create(
        model="plain", input=[*as_input(compacted.output), {"role": "user", "content": "Go on"}]
    )
    first, summary, last = texts(provider.requests[-1].messages)
    assert (first, last) == ("Fix it", "Go on")
    assert summary.endswith("\n\nWe fixed it.")


def test_the_model_is_asked_in_a_plain_turn(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [SUMMARY]
    client.responses.compact(model="plain", input=HISTORY, instructions="Be brief.")
    (asked,) = provider.requests
    assert asked.tools == []
    assert asked.instructions == [Text("Be brief.")]
    assert not [p for m in asked.messages for p in m.parts if isinstance(p, Foreign)]


def test_a_compaction_is_an_exchange_like_any_other(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [SUMMARY]
    client.responses.compact(model="plain", input="Fix it")
    exchange = provider.exchanges.get(timeout=10)
    assert (exchange.format, exchange.status, exchange.model) == ("responses", 200, "plain")
    assert exchange.usage == Usage(input=50, output=5)


@pytest.mark.parametrize("stream", [False, True])
def test_a_trigger_in_the_input_is_answered_with_one_item(
    gateway: Gateway, provider: ScriptedProvider, stream: bool
) -> None:
    provider.script = [SUMMARY]
    body = {"model": "plain", "input": [*HISTORY, TRIGGER], "tools": [TOOL], "stream": stream}
    with gateway.http() as http:
        answer = http.post(RESPONSES.path, json=body)
    assert answer.status_code == 200
    if stream:
        assert RESPONSES.success in answer.content
        last = answer.content.split(b"data: ")[-1]
        (item,) = loads_object(last)["response"]["output"]
    else:
        (item,) = loads_object(answer.content)["output"]
    assert item["type"] == "compaction"
    assert item["id"].startswith("cmp_")
    assert (read_summary(item["encrypted_content"]) or "").endswith("We fixed it.")
    assert provider.requests[0].tools == []


def test_the_sdk_reads_the_item_in_a_stream(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [SUMMARY]
    conversation: Any = [*HISTORY, TRIGGER]
    stream = client.responses.create(model="plain", input=conversation, stream=True)
    done = [event.item for event in stream if event.type == "response.output_item.done"]
    assert [item.type for item in done] == ["compaction"]


def test_a_provider_that_compacts_gets_trigger_and_tools(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.script = [NATIVE]
    body = {"model": "native", "input": [*HISTORY, TRIGGER], "tools": [TOOL]}
    with gateway.http() as http:
        answer = http.post(RESPONSES.path, json=body)
    assert loads_object(answer.content)["output"] == [BLOB]
    (asked,) = provider.requests
    assert asked.messages[-1].parts == [Foreign("responses", "compaction_trigger", TRIGGER)]
    assert [tool.name for tool in asked.tools] == ["Bash"]


def test_the_call_of_its_own_goes_the_same_way(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [NATIVE, HELLO]
    compacted = client.responses.compact(model="native", input="Fix it")
    assert as_input(compacted.output)[-1] == BLOB
    client.responses.create(model="native", input=as_input(compacted.output))
    parts = [part for message in provider.requests[-1].messages for part in message.parts]
    assert parts[-1] == Foreign("responses", "compaction", BLOB)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True], ids=["refused", "in the stream"])
def test_an_upstream_that_cannot_compact_this_time_is_asked_for_a_summary(
    gateway: Gateway, provider: ScriptedProvider, stream: bool, begun: bool
) -> None:
    refusal = Unsupported("not for this account", code="compaction_unavailable")
    provider.script = [[Begin(), Fail(refusal)] if begun else refusal, SUMMARY]
    body = {"model": "native", "input": [*HISTORY, TRIGGER], "tools": [TOOL], "stream": stream}
    with gateway.http() as http:
        answer = http.post(RESPONSES.path, json=body)
    last = answer.content.split(b"data: ")[-1] if stream else answer.content
    response = loads_object(last)["response"] if stream else loads_object(last)
    (item,) = response["output"]
    assert (read_summary(item["encrypted_content"]) or "").endswith("We fixed it.")
    native, plain = provider.requests
    assert [tool.name for tool in native.tools] == ["Bash"]
    assert plain.tools == []
    assert not [p for m in plain.messages for p in m.parts if isinstance(p, Foreign)]


def test_that_happens_once(client: openai.OpenAI, provider: ScriptedProvider) -> None:
    refusal = Unsupported("not for this account", code="compaction_unavailable")
    provider.script = [refusal, refusal]
    with pytest.raises(openai.BadRequestError, match="not for this account"):
        client.responses.compact(model="native", input=HISTORY)
    assert len(provider.requests) == 2


def test_no_turn_but_a_compaction_becomes_a_summary(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [Unsupported("a mistaken word", code="compaction_unavailable")]
    with pytest.raises(openai.BadRequestError, match="a mistaken word"):
        client.responses.create(model="native", input="Hi")


def test_a_stored_conversation_is_compacted_and_counted(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [HELLO, SUMMARY, HELLO]
    kept = client.responses.create(model="plain", input="Fix it", store=True)
    count = client.responses.input_tokens.count
    alone = count(model="plain", input="And test it").input_tokens
    whole = count(model="plain", input="And test it", previous_response_id=kept.id).input_tokens
    assert whole > alone
    compacted = client.responses.compact(
        model="plain", input="And test it", previous_response_id=kept.id
    )
    assert texts(provider.requests[-1].messages)[:3] == ["Fix it", "Hello", "And test it"]
    told = [item.content[0].text for item in compacted.output if item.type == "message"]  # type: ignore[union-attr]
    assert told == ["Fix it", "And test it"]
    client.responses.create(model="plain", input=as_input(compacted.output))
    assert texts(provider.requests[-1].messages)[-1].endswith("\n\nWe fixed it.")


def test_a_conversation_goes_on_from_a_stored_compaction(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    """With what it stands for in it, and not once more what it was made of."""
    provider.script = [HELLO, SUMMARY, HELLO]
    first = client.responses.create(model="plain", input="Fix it", store=True)
    asked: Any = [{"role": "user", "content": "And test it"}, TRIGGER]
    compacted = client.responses.create(model="plain", input=asked, previous_response_id=first.id)
    client.responses.create(model="plain", input="Go on", previous_response_id=compacted.id)
    *told, last = texts(provider.requests[-1].messages)
    assert told[:2] == ["Fix it", "And test it"]
    assert [text.endswith("We fixed it.") for text in told[2:]] == [True]
    assert last == "Go on"


def test_a_call_that_was_open_at_a_stored_compaction_gets_its_result(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    call = ToolCall("call_1", "Bash", "")
    calling: list[Event] = [Open(0, call), Delta(0, "{}"), Close(0), End("tool_use")]
    provider.script = [calling, SUMMARY, HELLO]
    tools: Any = [TOOL]
    asked: Any = [TRIGGER]
    first = client.responses.create(model="plain", input="Fix it", tools=tools, store=True)
    compacted = client.responses.create(
        model="plain", input=asked, tools=tools, previous_response_id=first.id
    )
    result: Any = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
    client.responses.create(
        model="plain", input=[result], tools=tools, previous_response_id=compacted.id
    )
    parts = [part for message in provider.requests[-1].messages for part in message.parts]
    kinds = [type(part) for part in parts]
    assert kinds == [Text, Text, ToolCall, ToolResult]
    assert isinstance(parts[1], Text) and parts[1].text.endswith("We fixed it.")


def test_no_upstream_is_to_store_a_summary(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [SUMMARY]
    asked: Any = [*HISTORY, TRIGGER]
    made = client.responses.create(model="plain", input=asked, store=True)
    assert provider.requests[0].session.store is False
    assert client.responses.retrieve(made.id).output[0].type == "compaction"


def test_a_conversation_that_is_not_kept_is_named(client: openai.OpenAI) -> None:
    for ask in (client.responses.compact, client.responses.input_tokens.count):
        with about(ask), pytest.raises(openai.BadRequestError, match="resp_gone") as caught:
            ask(model="plain", input="Hi", previous_response_id="resp_gone")
        assert caught.value.param == "previous_response_id"
    with pytest.raises(openai.BadRequestError, match="name the model"):
        client.responses.input_tokens.count(input="Hi", previous_response_id="resp_gone")


def test_a_compaction_is_neither_streamed_nor_made_in_the_background(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    for field in ("stream", "background"):
        with about(field), pytest.raises(openai.BadRequestError, match="at once") as caught:
            client.responses.compact(model="plain", input="Hi", extra_body={field: True})
        assert caught.value.param == field
    assert provider.requests == []


def test_a_summary_that_failed_is_an_error(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    provider.script = [[Open(0, Text("", refusal=True)), Delta(0, "No."), Close(0), End("stop")]]
    with pytest.raises(openai.BadRequestError, match=r"declined to summarise: No\."):
        client.responses.compact(model="plain", input="Fix it")


def test_compaction_of_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no-such-model"):
        client.responses.compact(model="no-such-model", input="Fix it")


def test_the_sdk_counts_input_tokens(client: openai.OpenAI) -> None:
    few = client.responses.input_tokens.count(model="plain", input="Hello")
    many = client.responses.input_tokens.count(model="plain", input="Hello " * 100)
    assert few.object == "response.input_tokens"
    assert 0 < few.input_tokens < 30
    assert 100 < many.input_tokens < 200


def test_tokens_are_counted_without_a_model(client: openai.OpenAI) -> None:
    named = client.responses.input_tokens.count(model="plain", input="Hello")
    unnamed = client.responses.input_tokens.count(input="Hello")
    assert unnamed.input_tokens == named.input_tokens


def test_counting_names_what_is_wrong(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="input"):
        client.responses.input_tokens.count(model="plain", input=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/v1/responses/compact", "/v1/responses/input_tokens"])
def test_malformed_json_is_refused(gateway: Gateway, path: str) -> None:
    with gateway.http() as http:
        answer = http.post(path, content=b"{")
    assert answer.status_code == 400
    assert "not valid JSON" in RESPONSES.error(answer.content)["message"]
