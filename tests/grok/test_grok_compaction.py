"""Compaction by xAI itself: when it is asked for, with what, and what becomes of the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway_core import (
    Event,
    Foreign,
    InvalidRequest,
    JsonObject,
    Message,
    Request,
    Seal,
    Text,
    Unsupported,
    UpstreamCall,
    UpstreamProtocol,
    UpstreamStream,
    seals,
)
from gateway_core.compaction import as_summary_request
from gateway_core.events import Begin, End, Fail, Usage, Whole
from gateway_core.formats import responses
from gateway_core.json import dumps
from gateway_core.request import HostedTool, SessionHints, ToolChoice
from gateway_grok.models import CAPABILITIES, STATIC_MODELS
from gateway_grok.names import account_scope
from gateway_grok.rails import RailMemory, opened
from gateway_grok.settings import GrokSettings, Rail
from support.about import each
from support.grok_asking import ACCOUNT, asked, body_of, decoded, degraded, hello, translated

SCOPE = account_scope(ACCOUNT)
COMPACT = "https://api.x.ai/v1/responses/compact"
ITEM: JsonObject = {"type": "compaction", "id": "cmp_1", "encrypted_content": "q0XhP"}
SEALED = {**ITEM, "encrypted_content": seals.pack(Seal("grok", "q0XhP", None, SCOPE))}
TRIGGER: JsonObject = {"type": "compaction_trigger"}
HELLO: JsonObject = {"role": "user", "content": "Hello"}
API = GrokSettings(rail="api")
PROXY = GrokSettings(rail="proxy")
JSON = {"content-type": "application/json"}


def said(text: str, role: str = "user") -> JsonObject:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def compacting(*items: JsonObject, **more: Any) -> Request:
    """A request of the Responses API that ends in a trigger."""
    body = {"model": "grok-4.5", "input": [*(items or (HELLO,)), TRIGGER], **more}
    return degraded(responses.FORMAT.read_request(body, {}))


# --- when xAI is asked --------------------------------------------------------------------------


@each(
    "request_, rail, native",
    [
        (compacting(), "api", True),
        (compacting(store=False), "api", True),
        (compacting(), "auto", False),
        (compacting(store=False), "auto", False),
        (compacting(store=True), "auto", True),
        (compacting(previous_response_id="resp_01"), "auto", True),
        (compacting(ITEM, HELLO), "auto", True),
        (compacting(ITEM, HELLO), "proxy", False),
        (compacting(store=True), "proxy", False),
    ],
)
def test_xai_compacts_what_belongs_to_the_public_api(
    request_: Request, rail: Any, native: bool
) -> None:
    settings = GrokSettings(rail=rail)
    if native:
        assert translated(request_, settings=settings).url == COMPACT
        return
    with pytest.raises(Unsupported, match="only the public API") as caught:
        translated(request_, settings=settings)
    assert caught.value.code == "compaction_unavailable"


def test_every_model_that_writes_may_compact_by_itself() -> None:
    writers = [model for model in STATIC_MODELS if model.private.get("paints") != "yes"]
    assert CAPABILITIES.native_compaction
    assert all(model.capabilities and model.capabilities.native_compaction for model in writers)


def test_a_conversation_that_only_the_public_api_can_read_has_no_summary_at_the_proxy() -> None:
    summary = as_summary_request(compacting(ITEM, HELLO))
    with pytest.raises(Unsupported, match=r"takes 'compaction' items: set `rail`"):
        translated(summary, settings=PROXY)
    assert translated(summary).state.rail == "api"


def test_the_proxy_compacts_no_stored_response() -> None:
    """What is stored comes first: told as a whole conversation it can be summarised."""
    with pytest.raises(InvalidRequest) as caught:
        translated(compacting(previous_response_id="resp_01"), settings=PROXY)
    assert caught.value.code == "previous_response_not_found"


# --- what it is asked ---------------------------------------------------------------------------


def test_the_conversation_is_sent_and_nothing_else() -> None:
    request = compacting(
        instructions="Be brief.",
        tools=[{"type": "function", "name": "f"}, {"type": "web_search"}],
        tool_choice="required",
        parallel_tool_calls=True,
        max_output_tokens=100,
        temperature=0.5,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_object"}},
        prompt_cache_key="6a5c1b1e-0000-4000-8000-000000000001",
        stream=True,
        store=True,
        include=["reasoning.encrypted_content"],
    )
    call = translated(request)
    assert body_of(call) == {
        "model": "grok-4.5",
        "input": [said("Be brief.", "system"), said("Hello")],
        "prompt_cache_key": "6a5c1b1e-0000-4000-8000-000000000001",
    }
    assert call.headers["accept"] == "application/json"
    assert not call.state.stored
    assert call.notices == []


def test_calls_and_earlier_compactions_are_part_of_it() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "ok"}
    body = asked(compacting(ITEM, TRIGGER, HELLO, call, output))
    assert body["input"] == [ITEM, said("Hello"), call, output]


@each("items", [[], [HELLO]])
def test_a_stored_response_is_compacted_where_it_is(items: list[JsonObject]) -> None:
    """That the client had nothing to add is said in words that allow the model nothing."""
    body = {"model": "grok-4.5", "input": [*items, TRIGGER], "previous_response_id": "resp_01"}
    sent = asked(responses.FORMAT.read_request(body, {}))
    expected = "Hello" if items else "Compact the conversation up to here."
    assert sent["input"] == [said(expected)]
    assert sent["previous_response_id"] == "resp_01"


def test_a_tool_that_paints_does_not_turn_it_into_a_picture() -> None:
    request = compacting()
    request.tools = [HostedTool("image_generation", "image_generation")]
    request.tool_choice = ToolChoice("required")
    assert translated(request, settings=API).url == COMPACT


# --- what it answers ----------------------------------------------------------------------------


def events_of(body: Any, headers: dict[str, str] | None = None) -> list[Event]:
    call = translated(compacting(), settings=API)
    data = body if isinstance(body, bytes) else dumps(body)
    whole = decoded([data], call, JSON if headers is None else headers)
    pieces = decoded(
        [data[n : n + 1] for n in range(len(data))], call, JSON if headers is None else headers
    )
    assert pieces == whole
    return whole


ANSWER: JsonObject = {"id": "cmp_1", "object": "response.compaction", "output": [ITEM]}


@each("headers", [JSON, {}, {"content-type": "text/plain"}])
def test_the_answer_is_one_item(headers: dict[str, str]) -> None:
    begin, item, end = events_of(ANSWER, headers)
    assert isinstance(begin, Begin)
    assert not begin.stored
    assert item == Whole(0, Foreign("responses", "compaction", SEALED))
    assert end == End("stop")


def test_what_it_cost_is_told_when_xai_tells_it() -> None:
    usage = {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 12}}
    end = events_of({**ANSWER, "usage": usage})[-1]
    assert isinstance(end, End)
    assert end.usage == Usage(input=9, cache_read=9, output=2, raw=usage)


def test_messages_that_are_kept_beside_the_item_are_no_words_of_the_model() -> None:
    events = events_of({**ANSWER, "output": [said("Hello"), ITEM, "nonsense"]})
    assert [type(event) for event in events] == [Begin, Whole, End]


def test_an_item_in_a_stream_is_read_as_well() -> None:
    done = {"type": "response.output_item.done", "output_index": 0, "item": ITEM}
    ended = {"type": "response.completed", "response": {"output": []}}
    data = b"".join(b"data: %b\n\n" % dumps(event) for event in (done, ended))
    events = events_of(data, {"content-type": "text/event-stream"})
    assert Whole(0, Foreign("responses", "compaction", SEALED)) in events


@each(
    "body, kind, code",
    [
        ({**ANSWER, "output": [said("A summary.")]}, Unsupported, "compaction_unavailable"),
        ({**ANSWER, "output": []}, Unsupported, "compaction_unavailable"),
        ({"output": None}, UpstreamProtocol, None),
        (dumps(ANSWER)[:-1], UpstreamProtocol, None),
        (b"", UpstreamProtocol, None),
    ],
)
def test_an_answer_without_an_item_fails(body: Any, kind: type, code: str | None) -> None:
    (failure,) = events_of(body)
    assert isinstance(failure, Fail)
    assert isinstance(failure.error, kind)
    assert failure.error.code == code


# --- and afterwards -----------------------------------------------------------------------------


@each("kind", ["compaction", "item_reference"])
@each("session", [SessionHints(), SessionHints(store=True)])
def test_what_only_the_public_api_can_read_never_goes_to_the_proxy(
    kind: str, session: SessionHints
) -> None:
    item = {"type": kind, "id": "x_1"}
    held = Message("assistant", [Foreign("responses", kind, item)])
    request = hello(messages=[held, Message("user", [Text("On")])], session=session)
    call = translated(request)
    assert body_of(call)["input"] == [item, said("On")]
    assert call.url == "https://api.x.ai/v1/responses"
    assert not call.state.other


@asynccontextmanager
async def unasked(call: UpstreamCall) -> AsyncIterator[UpstreamStream]:
    """A host that nobody may ask."""
    raise AssertionError(call.url)
    yield


class Nobody:
    stream = staticmethod(unasked)


@each("rail, native", [("proxy", False), ("api", True), (None, True)])
async def test_an_account_known_to_be_served_by_the_proxy_is_not_compacted_in_vain(
    rail: Rail | None, native: bool
) -> None:
    memory = RailMemory()
    if rail is not None:
        memory.keep(ACCOUNT, rail)
    call = translated(compacting(store=True))
    expected = AssertionError if native else Unsupported
    with pytest.raises(expected, match="responses/compact" if native else "by the proxy for now"):
        async with opened(call, Nobody(), memory):  # type: ignore[arg-type]  # all it needs
            pass
