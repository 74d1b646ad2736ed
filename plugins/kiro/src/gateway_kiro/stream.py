"""The service's event stream to canonical events, sans-IO.

Text and thinking go on as they come, tool calls when they are whole. An answer is over when the
service closes the stream, and only then: what it says about its end may come before the last words.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway_core import (
    Event,
    GatewayError,
    JsonObject,
    PartWriter,
    Reasoning,
    StopReason,
    UpstreamProtocol,
)
from gateway_core.content import Seal
from gateway_core.json import loads
from gateway_kiro.calls import CompleteCall, ToolCalls
from gateway_kiro.entries import ISSUER
from gateway_kiro.errors import Failure, error_of, failure_in_stream, overflow
from gateway_kiro.eventstream import Message, MessageReader
from gateway_kiro.models import known_window
from gateway_kiro.search import Found, SearchOutcome, hosted_call
from gateway_kiro.state import CallState
from gateway_kiro.tags import Piece, TagSplitter
from gateway_kiro.tokens import TokenCount

__all__ = ["SEARCH_EVENT", "KiroDecoder", "event_payload"]

SEARCH_EVENT: Final = "gatewaySearchEvent"
"""A message of our own among those of the service: what came of a search between two rounds."""

_ENDS: Final[Mapping[str, StopReason]] = {
    "COMPLETE": "stop",
    "CONTENT_FILTER": "refusal",
    "CONTENT_FILTERED": "refusal",
    "END_TURN": "stop",
    "GUARDRAIL_INTERVENED": "refusal",
    "LENGTH": "length",
    "MAX_TOKEN": "length",
    "MAX_TOKENS": "length",
    "MODEL_CONTEXT_WINDOW_EXCEEDED": "context_window",
    "STOP_SEQUENCE": "stop_sequence",
    "TOOL_USE": "stop",
}
_MALFORMED: Final = frozenset({"MALFORMED_MODEL_OUTPUT", "MALFORMED_TOOL_USE"})
_MAY_BE_EMPTY: Final = frozenset({"refusal", "length", "context_window", "stop_sequence"})


def event_payload(message: Message, kind: str) -> JsonObject | None:
    """The event's own members; None when it has none. Some services wrap them once more.

    Raises `ValueError` for a payload that is no JSON.
    """
    if not message.payload:
        return None
    value: Any = loads(message.payload)
    if not isinstance(value, dict):
        return None
    inner = value.get(kind)
    return inner if len(value) == 1 and isinstance(inner, dict) else value


class KiroDecoder:
    """A `StreamDecoder` for one answer.

    on_failure: told of every failure that the stream tells of.
    """

    def __init__(
        self, state: CallState, on_failure: Callable[[Failure], None] | None = None
    ) -> None:
        self._state = state
        self._on_failure = on_failure
        self._restore = dict(state.restore)
        self._search = state.search.tool if state.search else None
        self._reader = MessageReader()
        self._writer = PartWriter()
        self._splitter = TagSplitter() if state.tags else None
        self._calls = ToolCalls()
        self._tokens = TokenCount()
        self._model: str | None = None
        self._begun = self._thought = self._answered = False
        self._stop: str | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Events completed by these bytes."""
        messages, fault = self._reader.feed(data)
        for message in messages:
            if self._writer.ended:
                break
            self._take(message)
        if fault is not None:
            self._fail(UpstreamProtocol(f"the answer of Kiro was damaged on its way: {fault}"))
        return self._writer.take()

    def end(self) -> list[Event]:
        """The upstream closed the stream: the end of the answer, or a `Fail` when it is cut off."""
        fault = self._reader.end()
        if fault is not None:
            self._fail(UpstreamProtocol(f"the answer of Kiro was cut off: {fault}"))
        elif not self._writer.ended:
            self._finish()
        return self._writer.take()

    def data_to_send(self) -> bytes:
        """Nothing: the protocol does not answer back."""
        return b""

    def _take(self, message: Message) -> None:
        headers = message.headers
        kind = headers.get(":message-type", "event")
        if kind == "error":
            told = {"message": headers.get(":error-message", "")}
            self._broke_off(failure_in_stream(headers.get(":error-code", ""), told))
            return
        name = headers.get(":exception-type" if kind == "exception" else ":event-type", "")
        try:
            payload = event_payload(message, name)
        except ValueError:
            if kind == "exception" or name in _HANDLERS:
                self._fail(UpstreamProtocol(f"Kiro sent a {name} that cannot be read"))
            return
        if kind == "exception":
            self._exception(name, payload or {})
        elif (handler := _HANDLERS.get(name)) is not None and payload is not None:
            if not self._begun:
                self._begin(payload)
            handler(self, payload)

    def _begin(self, payload: JsonObject) -> None:
        self._begun = True
        id, model = payload.get("utteranceId"), payload.get("modelId")
        self._writer.begin(
            id if isinstance(id, str) else None, model if isinstance(model, str) else None
        )
        for notice in self._state.notices:
            self._writer.notice(notice.code, notice.message)

    # What the answer says

    def _text(self, payload: JsonObject) -> None:
        model = payload.get("modelId")
        if isinstance(model, str) and model:
            self._model = model
        text = payload.get("content")
        if not isinstance(text, str) or not text:
            return
        self._tokens.wrote(text)
        if self._splitter is None:
            self._answered = True
            self._writer.text("text", text)
        else:
            self._pieces(self._splitter.feed(text))

    def _pieces(self, pieces: Iterable[Piece]) -> None:
        for kind, text in pieces:
            if kind == "text":
                self._answered = True
                self._writer.text("text", text)
            else:
                self._thought = True
                self._writer.reasoning("thinking", text)

    def _flush(self) -> None:
        if self._splitter is not None:
            self._pieces(self._splitter.flush())

    def _reasoning(self, payload: JsonObject) -> None:
        text, signature, redacted = (
            payload.get(key) for key in ("text", "signature", "redactedContent")
        )
        if not any(isinstance(value, str) and value for value in (text, signature, redacted)):
            return
        self._flush()
        self._thought = True
        if isinstance(text, str) and text:
            self._tokens.wrote(text)
            self._writer.reasoning("reasoning", text)
        if isinstance(signature, str) and signature:
            self._writer.close("reasoning", self._seal(signature))
        if isinstance(redacted, str) and redacted:
            seal = self._seal(redacted)
            self._writer.whole("redacted", Reasoning("", seal, redacted=True))

    def _seal(self, data: str) -> Seal:
        return Seal(ISSUER, data, scope=self._state.scope)

    def _tool(self, payload: JsonObject) -> None:
        self._flush()
        self._emit(self._calls.take(payload))
        if self._calls.cut is not None:
            self._cut()

    def _emit(self, calls: list[CompleteCall]) -> None:
        for call in calls:
            self._tokens.wrote(call.arguments)
            if call.name == self._search:
                continue
            self._answered = True
            name = self._restore.get(call.name, call.name)
            self._writer.tool(call.id, id=call.id, name=name)
            self._writer.arguments(call.id, call.arguments)
            self._writer.close(call.id)

    def _searched(self, payload: JsonObject) -> None:
        found = [Found(entry["url"], entry["title"]) for entry in payload["results"]]
        outcome = SearchOutcome(payload["query"], tuple(found), payload["error"])
        self._writer.whole("search", hosted_call(outcome, payload["id"]))
        self._tokens.searches += 1
        self._answered = True
        self._stop = None  # of the round before

    # What it says about itself

    def _context(self, payload: JsonObject) -> None:
        self._tokens.context(payload.get("contextUsagePercentage"))

    def _metering(self, payload: JsonObject) -> None:
        self._tokens.credits(payload.get("usage"))

    def _metadata(self, payload: JsonObject) -> None:
        usage = payload.get("tokenUsage")
        if isinstance(usage, dict):
            self._tokens.told(usage)
        self._stopped(payload)

    def _metrics(self, payload: JsonObject) -> None:
        self._tokens.told_plainly(payload)

    def _stopped(self, payload: JsonObject) -> None:
        reason = payload.get("stopReason")
        if isinstance(reason, str) and reason:
            self._stop = reason.upper()

    def _nothing(self, payload: JsonObject) -> None:
        """The first message of most answers; it only begins."""

    # How it ends

    def _finish(self) -> None:
        self._flush()
        self._emit(self._calls.end())
        if self._calls.cut is not None:
            self._cut()
            return
        if self._stop in _MALFORMED:
            self._fail(
                UpstreamProtocol(f"the model made a call that cannot be read ({self._stop})")
            )
            return
        reason = _ENDS.get(self._stop or "END_TURN", "other")
        if self._stop is None and self._tokens.full:
            reason = "context_window"
        if not self._answered and reason not in _MAY_BE_EMPTY:
            if not self._thought:
                self._fail(UpstreamProtocol("Kiro gave an empty answer"))
                return
            # All it had went into thinking: clients refuse an answer without a word.
            self._writer.text("text", " ")
            reason = "length"
        self._end(reason)

    def _end(self, reason: StopReason) -> None:
        state = self._state
        answering = known_window(self._model) if self._model else None
        # `auto` has the window of whatever model answers.
        window = answering or state.window if state.model == "auto" else state.window or answering
        usage = self._tokens.usage(window, state.tokens)
        self._writer.end(
            reason, usage, raw_reason=self._stop, extras={ISSUER: usage.raw} if usage.raw else None
        )

    def _exception(self, name: str, payload: JsonObject) -> None:
        if name == "ContentLengthExceededException":
            self._flush()
            if self._answered:
                self._end("length")
            else:
                state = self._state
                self._fail(overflow(state.format, state.tokens, state.window))
            return
        self._broke_off(failure_in_stream(name, payload))

    def _invalid_state(self, payload: JsonObject) -> None:
        failure = failure_in_stream("InvalidStateEvent", payload)
        self._fail(UpstreamProtocol(f"Kiro is in an invalid state: {error_of(failure).message}"))

    def _error(self, payload: JsonObject) -> None:
        self._broke_off(failure_in_stream("InternalServerException", payload))

    def _broke_off(self, failure: Failure) -> None:
        if self._on_failure is not None:
            self._on_failure(failure)
        self._fail(error_of(failure, self._state))

    def _cut(self) -> None:
        self._fail(
            UpstreamProtocol(
                f"Kiro cut off the input of the tool {self._calls.cut!r}; it is known to do so "
                "with long ones, so ask for smaller pieces"
            )
        )

    def _fail(self, error: GatewayError) -> None:
        if not self._writer.ended:
            self._flush()
            self._writer.fail(error)


_HANDLERS: Final[Mapping[str, Callable[[KiroDecoder, JsonObject], None]]] = {
    "assistantResponseEvent": KiroDecoder._text,
    "codeEvent": KiroDecoder._text,
    "contextUsageEvent": KiroDecoder._context,
    "error": KiroDecoder._error,
    SEARCH_EVENT: KiroDecoder._searched,
    "invalidStateEvent": KiroDecoder._invalid_state,
    "messageMetadataEvent": KiroDecoder._nothing,
    "messageStopEvent": KiroDecoder._stopped,
    "metadataEvent": KiroDecoder._metadata,
    "meteringEvent": KiroDecoder._metering,
    "metricsEvent": KiroDecoder._metrics,
    "reasoningContentEvent": KiroDecoder._reasoning,
    "toolUseEvent": KiroDecoder._tool,
    "usageEvent": KiroDecoder._metrics,
}
