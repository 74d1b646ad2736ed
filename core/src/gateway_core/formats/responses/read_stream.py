"""The event stream of an upstream that speaks Responses, decoded into canonical events.

Tells the type of an event before decoding it, and leaves undecoded what says nothing new: echoes of
the request, and texts whose deltas were seen. Items are assembled by `read_output`. Event types
that it does not know are skipped as signs of life, after a look by the provider that wants one.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway_core.errors import GatewayError, UpstreamProtocol
from gateway_core.events import Event, StopReason, Usage
from gateway_core.formats.openai_errors import bare_error, error_from_object
from gateway_core.formats.responses.read_output import OutputReader, OwnItem
from gateway_core.formats.responses.schema import FORMAT_NAME
from gateway_core.json import DocumentStream, JsonObject, loads_whole
from gateway_core.parts import PartWriter
from gateway_core.sse import SSEReader

__all__ = ["StreamReader", "read_usage"]

_TYPE = re.compile(rb'"type"\s*:\s*"([^"\\]*)"')
_ID = re.compile(rb'"id"\s*:\s*"([^"\\]*)"')
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]*)"')
# An envelope larger than this echoes instructions and tools and is not worth decoding.
_SMALL = 4096
_CUT_SHORT = "the upstream closed the stream before the response was complete"
_INCOMPLETE: dict[str, StopReason] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "refusal",
}
_Handler = Callable[["StreamReader", bytes], None]


class StreamReader:
    """A `StreamDecoder` for one answer.

    issuer, scope: stamped on the seals of reasoning. on_unknown: shown the type and data of every
    event that is skipped as unknown (rate limits, metadata); it may not raise. own_item: see
    `OutputReader`. tool_names: what `ToolAliases.restore` of the request says.
    """

    def __init__(
        self,
        issuer: str,
        scope: str | None = None,
        *,
        on_unknown: Callable[[str, bytes], None] | None = None,
        own_item: OwnItem | None = None,
        tool_names: Mapping[str, str] | None = None,
    ) -> None:
        self._sse = SSEReader()
        self._writer = PartWriter()
        self._output = OutputReader(self._writer, issuer, scope, own_item, tool_names or {})
        self._on_unknown = on_unknown
        self._loads = DocumentStream().loads
        self._begun = False
        self._delta_seen = False

    def feed(self, data: bytes) -> list[Event]:
        """Events completed by these bytes; none after the answer is over."""
        writer = self._writer
        if writer.ended:
            return []
        try:
            texts: list[bytes] = []
            for name, payload in self._sse.feed(data):
                if name == _TEXT_DELTA:
                    texts.append(payload)
                    continue
                if texts:
                    texts = self._text_deltas(texts)
                handler = _HANDLERS.get(name)
                if handler is not None:
                    handler(self, payload)
                else:
                    self._take(name, payload)
                if writer.ended:
                    break
            else:
                self._text_deltas(texts)
                if self._sse.saw_comment:
                    self._alive(b"")
        except GatewayError as error:
            writer.fail(error)
        return writer.take()

    def feed_event(self, payload: bytes) -> list[Event]:
        """Events of one bare JSON event, as WebSocket frames carry it."""
        if not self._writer.ended:
            try:
                self._take(b"", payload)
            except GatewayError as error:
                self._writer.fail(error)
        return self._writer.take()

    def end(self) -> list[Event]:
        """The upstream closed the stream: a `Fail` unless the answer was over."""
        if not self._writer.ended:
            try:
                for name, payload in self._sse.end():
                    self._take(name, payload)
                if not self._writer.ended:
                    told = bare_error(self._sse.unframed)
                    raise UpstreamProtocol(_CUT_SHORT) if told is None else error_from_object(told)
            except GatewayError as error:
                self._writer.fail(error)
        return self._writer.take()

    def data_to_send(self) -> bytes:
        """Nothing: the protocol does not answer back."""
        return b""

    def _take(self, name: bytes, payload: bytes) -> None:
        handler = _HANDLERS.get(name)
        if handler is None:
            found = payload[9 : payload.find(b'"', 9)] if payload[:9] == b'{"type":"' else b""
            handler = _HANDLERS.get(found)
            if handler is None:
                self._take_slowly(payload)
                return
        handler(self, payload)

    def _decode(self, payload: bytes) -> JsonObject:
        try:
            event = self._loads(payload)
        except ValueError as error:
            raise UpstreamProtocol(
                f"the upstream sent an event that is no JSON object: {error}"
            ) from error
        if type(event) is not dict:
            raise UpstreamProtocol("the upstream sent an event that is no JSON object")
        return event

    def _take_slowly(self, payload: bytes) -> None:
        """An event whose type is unknown, missing, or not where it usually stands."""
        if payload.strip() == b"[DONE]":
            return
        head = _TYPE.search(payload, 0, 120)
        handler = _HANDLERS.get(head[1]) if head else None
        if handler is None:
            event = self._decode(payload)
            kind = event.get("type")
            handler = _HANDLERS.get(kind.encode()) if isinstance(kind, str) else None
            if handler is None:
                if "error" in event and kind is None:
                    raise error_from_object(event)
                self._alive(payload)
                if self._on_unknown is not None:
                    self._on_unknown(kind if isinstance(kind, str) else "", payload)
                return
        handler(self, payload)

    def _text_deltas(self, payloads: list[bytes]) -> list[bytes]:
        """Neighbouring pieces of text, decoded in one go if they are all of one part: most of a
        stream is that. Gives the list of those that are left: none.
        """
        found = _decode_together(payloads) if len(payloads) > 1 else []
        try:
            texts = [event["delta"] for event in found]
            places = {(event["output_index"], event["content_index"]) for event in found}
        except (KeyError, TypeError):
            places = set()
        if len(places) == 1 and all(type(text) is str and text for text in texts):
            place, content = places.pop()
            if type(place) is int and type(content) is int:
                self._delta_seen = True
                self._output.texts(place, content, texts)
                return []
        for payload in payloads:
            self._text_delta(payload)
        return []

    def _text_delta(self, payload: bytes) -> None:
        try:
            event = self._loads(payload)
            get = event.get
        except (ValueError, AttributeError):
            event = self._decode(payload)  # says what is wrong with it
            get = event.get
        text = get("delta")
        if type(text) is str and text:
            self._delta_seen = True
            place, content = get("output_index"), get("content_index")
            if type(place) is not int or type(content) is not int:
                place, content = self._output.place(event), _index(event, "content_index")
            self._output.text(place, content, text)

    def _refusal_delta(self, payload: bytes) -> None:
        event = self._decode(payload)
        text = event.get("delta")
        if isinstance(text, str) and text:
            self._delta_seen = True
            place, content = self._output.place(event), _index(event, "content_index")
            self._output.text(place, content, text, refusal=True)

    def _summary_delta(self, payload: bytes) -> None:
        self._reasoning_delta(payload, "summary_index", raw=False)

    def _raw_reasoning_delta(self, payload: bytes) -> None:
        self._reasoning_delta(payload, "content_index", raw=True)

    def _reasoning_delta(self, payload: bytes, section: str, *, raw: bool) -> None:
        event = self._decode(payload)
        text = event.get("delta")
        if isinstance(text, str) and text:
            place = self._output.place(event)
            self._output.reasoning(place, _index(event, section), text, raw=raw)

    def _partial_image(self, payload: bytes) -> None:
        self._begun = True
        event = self._decode(payload)
        self._output.partial_image(self._output.place(event), event)

    def _arguments_delta(self, payload: bytes) -> None:
        event = self._decode(payload)
        text = event.get("delta")
        if isinstance(text, str) and text:
            self._delta_seen = True
            self._output.arguments(self._output.place(event), text)

    def _arguments_done(self, payload: bytes) -> None:
        if self._delta_seen:
            self._delta_seen = False
            return
        event = self._decode(payload)
        text = event.get("arguments", event.get("input"))
        if isinstance(text, str):
            self._output.arguments_complete(self._output.place(event), text)

    def _annotation_added(self, payload: bytes) -> None:
        event = self._decode(payload)
        place, content = self._output.place(event), _index(event, "content_index")
        self._output.annotation(place, content, event.get("annotation"))

    def _text_done(self, payload: bytes) -> None:
        """Says something new only when no delta came before it."""
        if self._delta_seen:
            self._delta_seen = False
            return
        event = self._decode(payload)
        kind = "refusal" if "refusal" in event else "text"
        text = event.get(kind)
        if isinstance(text, str):
            place, content = self._output.place(event), _index(event, "content_index")
            self._output.text_missing(place, content, text, refusal=kind == "refusal")

    def _content_part_done(self, payload: bytes) -> None:
        event = self._decode(payload)
        part = _object(event, "part")
        if part.get("type") in ("output_text", "refusal"):
            place, content = self._output.place(event), _index(event, "content_index")
            self._output.text_complete(place, content, part)

    def _item_added(self, payload: bytes) -> None:
        self._begun = True
        self._delta_seen = False
        event = self._decode(payload)
        self._output.added(self._output.place(event, new=True), _object(event, "item"))

    def _item_done(self, payload: bytes) -> None:
        self._begun = True
        event = self._decode(payload)
        self._output.done(self._output.place(event), _object(event, "item"))

    def _created(self, payload: bytes) -> None:
        if self._begun:
            return
        self._begun = True
        if len(payload) <= _SMALL:
            response = _object(self._decode(payload), "response")
            id, model = response.get("id"), response.get("model")
        else:
            found = _ID.search(payload, 0, _SMALL), _MODEL.search(payload)
            id, model = (match[1].decode() if match else None for match in found)
        self._writer.begin(_text_or_none(id), _text_or_none(model))

    def _alive(self, payload: bytes) -> None:
        # Begin comes before anything else, so what precedes it stays unsaid.
        if self._begun:
            self._writer.tick()

    def _ignore(self, payload: bytes) -> None:
        """Announces or repeats what another event tells."""

    def _ended(self, payload: bytes) -> None:
        """`response.completed`, `response.incomplete` and `response.done` alike: its status
        tells.
        """
        event = self._decode(payload)
        response = _object(event, "response")
        status = response.get("status")
        if status in ("failed", "cancelled"):
            raise _failure(event)
        self._output.finish(response.get("output"))
        incomplete = _object(response, "incomplete_details").get("reason")
        reason: StopReason = "refusal" if self._output.refused else "stop"
        raw_reason = None
        if status == "incomplete" or event.get("type") == "response.incomplete":
            raw_reason = _text_or_none(incomplete)
            reason = _INCOMPLETE.get(raw_reason or "", "other")
        end_turn = response.get("end_turn")
        self._writer.end(
            reason,
            read_usage(response, self._output.searches),
            raw_reason=raw_reason,
            extras=None if end_turn is None else {FORMAT_NAME: {"end_turn": end_turn}},
        )

    def _failed(self, payload: bytes) -> None:
        raise _failure(self._decode(payload))


def read_usage(response: JsonObject, searches: int = 0) -> Usage | None:
    """The totals in a response object, or None when it has none.

    searches: web searches seen, used when the service does not count them itself.
    """
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    inputs, outputs = (
        _object(usage, "input_tokens_details"),
        _object(usage, "output_tokens_details"),
    )
    counted = _object(_object(response, "tool_usage"), "web_search").get("num_requests")
    return Usage(
        input=_int_or_none(usage.get("input_tokens")),
        cache_read=_int_or_none(inputs.get("cached_tokens")),
        cache_write=_int_or_none(inputs.get("cache_write_tokens")),
        output=_int_or_none(usage.get("output_tokens")),
        reasoning=_int_or_none(outputs.get("reasoning_tokens")),
        web_searches=_int_or_none(counted) if counted is not None else (searches or None),
        raw=usage,
    )


def _failure(event: JsonObject) -> GatewayError:
    """The error that an `error`, `response.error` or `response.failed` event nests somewhere."""
    for key in ("response", "body"):
        inner = event.get(key)
        if isinstance(inner, dict) and (isinstance(inner.get("error"), dict) or key == "response"):
            facts: JsonObject = {
                name: event[name] for name in ("status", "status_code") if name in event
            }
            return error_from_object({**facts, "error": inner.get("error") or {}})
    return error_from_object(event)


def _object(event: JsonObject, key: str) -> JsonObject:
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def _index(event: JsonObject, key: str) -> int:
    value = event.get(key)
    return value if type(value) is int else 0


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _int_or_none(value: Any) -> int | None:
    return value if type(value) is int else None


def _decode_together(payloads: list[bytes]) -> list[Any]:
    """The objects in the payloads; nothing when one of them is none, or in several lines."""
    joined = b",\n".join(payloads)
    whole = joined.startswith(b"{") and joined.endswith(b"}")
    if not whole or joined.count(b"},\n{") != len(payloads) - 1:
        return []
    try:
        found: list[Any] = loads_whole(b"[%b]" % joined)
    except ValueError:
        return []
    return found if len(found) == len(payloads) else []


_TEXT_DELTA = b"response.output_text.delta"
_HANDLERS: dict[bytes, _Handler] = {
    _TEXT_DELTA: StreamReader._text_delta,
    b"response.output_text.done": StreamReader._text_done,
    b"response.output_text.annotation.added": StreamReader._annotation_added,
    b"response.refusal.delta": StreamReader._refusal_delta,
    b"response.refusal.done": StreamReader._text_done,
    b"response.reasoning_summary_text.delta": StreamReader._summary_delta,
    b"response.reasoning_text.delta": StreamReader._raw_reasoning_delta,
    b"response.function_call_arguments.delta": StreamReader._arguments_delta,
    b"response.function_call_arguments.done": StreamReader._arguments_done,
    b"response.custom_tool_call_input.delta": StreamReader._arguments_delta,
    b"response.custom_tool_call_input.done": StreamReader._arguments_done,
    b"response.content_part.done": StreamReader._content_part_done,
    b"response.image_generation_call.partial_image": StreamReader._partial_image,
    b"response.output_item.added": StreamReader._item_added,
    b"response.output_item.done": StreamReader._item_done,
    b"response.created": StreamReader._created,
    b"response.completed": StreamReader._ended,
    b"response.done": StreamReader._ended,
    b"response.incomplete": StreamReader._ended,
    b"response.failed": StreamReader._failed,
    b"response.cancelled": StreamReader._failed,
    b"response.error": StreamReader._failed,
    b"error": StreamReader._failed,
    b"response.content_part.added": StreamReader._ignore,
    b"response.reasoning_summary_part.added": StreamReader._ignore,
    b"response.reasoning_summary_part.done": StreamReader._ignore,
    b"response.reasoning_summary_text.done": StreamReader._ignore,
    b"response.reasoning_text.done": StreamReader._ignore,
}
for _sign_of_life in (
    b"response.queued",
    b"response.in_progress",
    b"response.web_search_call.in_progress",
    b"response.web_search_call.searching",
    b"response.web_search_call.completed",
    b"response.image_generation_call.in_progress",
    b"response.image_generation_call.generating",
    b"response.image_generation_call.completed",
):
    _HANDLERS[_sign_of_life] = StreamReader._alive
