"""A turn in which the model searches the web: searches go to the service, and the turn goes on.

The search runs at the service's own endpoint; here is only the going to and fro. The answers of all
rounds become one stream of bytes, with a message of our own for each search between them.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from gateway_core import GatewayError, JsonObject, UpstreamCall, UpstreamProtocol, UpstreamStream
from gateway_core.http import Transport, read_body
from gateway_core.json import dumps, loads_object
from gateway_kiro.calls import CompleteCall, ToolCalls
from gateway_kiro.endpoints import Form, generate_call, mcp_call
from gateway_kiro.errors import Failure, concerns_account, error_of, read_failure
from gateway_kiro.eventstream import Message, MessageReader, encode_message
from gateway_kiro.repair import RESULTS_ATTACHED
from gateway_kiro.search import (
    FAILED,
    TOO_MANY,
    SearchOutcome,
    outcome_text,
    read_outcome,
    search_request,
)
from gateway_kiro.state import CallState, SearchPlan
from gateway_kiro.stream import SEARCH_EVENT, event_payload
from gateway_kiro.tags import TagSplitter

__all__ = ["SearchingStream", "play_rounds"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class SearchingStream:
    """An `UpstreamStream` whose body is that of several rounds."""

    status: int
    headers: Mapping[str, str]
    reads: AsyncGenerator[bytes, None]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.reads

    async def send(self, data: bytes) -> None:
        """The service takes nothing while it answers."""
        raise UpstreamProtocol("Kiro takes no bytes after the request")


async def play_rounds(
    first: UpstreamStream,
    call: UpstreamCall,
    transport: Transport,
    form: Form,
    on_failure: Callable[[Failure], None],
) -> AsyncGenerator[bytes, None]:
    """The answer to `call`, which `first` has begun, and those to the rounds after its searches.

    A model that has no search left is told so, and has one more round to answer in. form: in which
    the first was asked. on_failure: told of a round that was refused, and of a search that was
    refused to the account. Raises the `GatewayError` of these.
    """
    state: CallState = call.state
    plan = state.search
    assert plan is not None
    searched, told_enough = 0, False
    heard = _Round(state)
    async for data in first:
        heard.feed(data)
        yield data
    while searches := heard.end(plan.tool):
        outcomes = []
        last = told_enough
        for asked in searches:
            if searched < plan.rounds:
                searched += 1
                outcome = await _search(_query_of(asked), state, form, transport, on_failure)
            else:
                told_enough = True
                outcome = SearchOutcome(_query_of(asked), error=TOO_MANY)
            outcomes.append(outcome)
            yield _told(asked.id, outcome)
        if heard.waits_for_client or last:
            return
        call = _next_call(call, heard, outcomes, form)
        heard = _Round(state)
        async with transport.stream(call) as stream:
            if not 200 <= stream.status < 300:
                failure = read_failure(stream.status, stream.headers, await read_body(stream))
                on_failure(failure)
                raise error_of(failure, state)
            async for data in stream:
                heard.feed(data)
                yield data


class _Round:
    """What the model said in one round, as far as the next one must repeat it."""

    def __init__(self, state: CallState) -> None:
        self.calls: list[CompleteCall] = []
        self.waits_for_client = False
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._signature = ""
        self._redacted = ""
        self._reader = MessageReader()
        self._open = ToolCalls()
        self._splitter = TagSplitter() if state.tags else None
        self._broken = False

    def feed(self, data: bytes) -> None:
        """The bytes of one read."""
        messages, fault = self._reader.feed(data)
        self._broken = self._broken or fault is not None
        for message in messages:
            self._take(message)

    def end(self, tool: str | None) -> list[CompleteCall]:
        """The searches that were asked for; none when the round did not end well, which whoever
        decodes the same bytes will say.
        """
        if self._broken or self._reader.end() is not None:
            return []
        self.calls += self._open.end()
        if self._open.cut is not None:
            return []
        if self._splitter is not None:
            self._texts += [text for kind, text in self._splitter.flush() if kind == "text"]
        searches = [call for call in self.calls if call.name == tool]
        self.waits_for_client = len(searches) < len(self.calls)
        return searches

    @property
    def text(self) -> str:
        """The words of the round."""
        return "".join(self._texts)

    @property
    def reasoning(self) -> JsonObject | None:
        """The thought of the round, which the service wants back beside its calls."""
        if self._redacted:
            return {"redactedContent": self._redacted}
        thought = "".join(self._thoughts)
        if thought and self._signature:
            told = {"text": thought, "signature": self._signature}
            return {"reasoningText": told}
        return None

    def _take(self, message: Message) -> None:
        if message.headers.get(":message-type", "event") != "event":
            self._broken = True
            return
        kind = message.headers.get(":event-type", "")
        try:
            payload = event_payload(message, kind) or {}
        except ValueError:
            return
        if kind == "toolUseEvent":
            self.calls += self._open.take(payload)
        elif kind in ("assistantResponseEvent", "codeEvent"):
            self._said(_text(payload, "content"))
        elif kind == "reasoningContentEvent":
            self._thoughts.append(_text(payload, "text"))
            self._signature = _text(payload, "signature") or self._signature
            self._redacted = _text(payload, "redactedContent") or self._redacted

    def _said(self, text: str) -> None:
        if self._splitter is None:
            self._texts.append(text)
        else:
            self._texts += [part for kind, part in self._splitter.feed(text) if kind == "text"]


def _text(payload: JsonObject, key: str) -> str:
    value = payload.get(key)
    return value if isinstance(value, str) else ""


async def _search(
    query: str,
    state: CallState,
    form: Form,
    transport: Transport,
    on_failure: Callable[[Failure], None],
) -> SearchOutcome:
    """Ask the service to search. One that does not work is an outcome too: the turn goes on, unless
    the account is refused, which would be asked again at once.
    """
    url, headers = mcp_call(state.credential, state.settings, form)
    call = UpstreamCall("POST", url, headers, search_request(query))
    try:
        async with transport.stream(call) as stream:
            body = await read_body(stream)
    except GatewayError as error:
        _log.warning("a web search did not work: %s", error.message)
        return SearchOutcome(query, error=FAILED)
    if 200 <= stream.status < 300:
        return read_outcome(query, body, state.search or SearchPlan())
    failure = read_failure(stream.status, stream.headers, body)
    if concerns_account(failure):
        on_failure(failure)
        raise error_of(failure, state)
    _log.warning("a web search was refused with status %d", stream.status)
    return SearchOutcome(query, error=FAILED)


def _query_of(call: CompleteCall) -> str:
    try:
        query = loads_object(call.arguments).get("query")
    except ValueError:
        return ""
    return query if isinstance(query, str) else ""


def _told(id: str, outcome: SearchOutcome) -> bytes:
    """The search as a message among those of the service."""
    payload = {
        "id": id,
        "query": outcome.query,
        "results": [{"url": found.url, "title": found.title} for found in outcome.results],
        "error": outcome.error,
    }
    return encode_message({":message-type": "event", ":event-type": SEARCH_EVENT}, dumps(payload))


def _next_call(
    call: UpstreamCall, heard: _Round, outcomes: list[SearchOutcome], form: Form
) -> UpstreamCall:
    """The call that goes on after the searches: what was said becomes history, and their results
    are what the user says now.
    """
    state: CallState = call.state
    body = loads_object(call.body)
    conversation: JsonObject = body["conversationState"]
    asked: JsonObject = conversation["currentMessage"]["userInputMessage"]
    context: JsonObject = dict(asked.get("userInputMessageContext", {}))
    tools = context.pop("tools", [])
    earlier = {key: value for key, value in asked.items() if key != "userInputMessageContext"}
    if context:
        earlier["userInputMessageContext"] = context
    said: JsonObject = {
        "content": heard.text or " ",
        "toolUses": [
            {"toolUseId": each.id, "name": each.name, "input": {"query": _query_of(each)}}
            for each in heard.calls
        ],
    }
    if heard.reasoning:
        said["reasoningContent"] = heard.reasoning
    results = [
        {
            "toolUseId": each.id,
            "content": [{"text": outcome_text(outcome)}],
            "status": "error" if outcome.error else "success",
        }
        for each, outcome in zip(heard.calls, outcomes, strict=True)
    ]
    now = {
        "content": RESULTS_ATTACHED,
        "modelId": asked["modelId"],
        "origin": asked["origin"],
        "userInputMessageContext": {"toolResults": results, "tools": tools},
    }
    history = [
        *conversation.get("history", []),
        {"userInputMessage": earlier},
        {"assistantResponseMessage": said},
    ]
    body["conversationState"] = {
        **conversation,
        "currentMessage": {"userInputMessage": now},
        "history": history,
    }
    url, headers, data = generate_call(body, state.credential, state.settings, form)
    return replace(call, url=url, headers=headers, body=data)
