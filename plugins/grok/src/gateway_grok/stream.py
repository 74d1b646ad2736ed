"""xAI's answers to canonical events, sans-IO.

`gateway_core.formats.responses` reads the Responses part of a stream. Here is what is xAI's own:
tools that it ran by itself, numbers that contradict each other, errors in its own terms, and
answers that come as one JSON object instead of a stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway_core import Event, HostedCall, JsonObject, UpstreamFailed, UpstreamProtocol, Usage
from gateway_core.errors import GatewayError
from gateway_core.events import Begin, End, Fail, NoticeSeen, WholePart
from gateway_core.formats.responses import StreamReader
from gateway_core.json import dumps, dumps_text, loads_object
from gateway_grok.errors import read_told, refine
from gateway_grok.images import read_picture
from gateway_grok.rails import CallState
from gateway_grok.refusals import in_other_words, no_compaction
from gateway_grok.stops import StopFilter

__all__ = ["GrokDecoder"]

_ISSUER: Final = "grok"
_MOST_BYTES: Final = 64 * 1024 * 1024
_X_TOOLS: Final = frozenset(
    {"x_user_search", "x_semantic_search", "x_keyword_search", "x_thread_fetch"}
)
_SILENT: Final = frozenset({"view_image_call", "view_x_video_call", "code_execution_call"})


class GrokDecoder:
    """A `StreamDecoder` for one answer. headers: of the answer, names in lower case."""

    def __init__(self, state: CallState, headers: Mapping[str, str]) -> None:
        self._state = state
        self._reader = StreamReader(
            _ISSUER, state.scope, own_item=_own_item, tool_names=state.tool_names
        )
        self._stops = StopFilter(state.stop) if any(state.stop) else None
        self._started = False
        self._over = False
        kind = headers.get("content-type", "")
        is_json = "json" in kind or state.paints is not None
        is_json = is_json or (state.compacts and "event-stream" not in kind)
        self._json: bytearray | None = bytearray() if is_json else None

    def feed(self, data: bytes) -> list[Event]:
        """Events completed by these bytes; none after the answer is over."""
        if self._over:
            return []
        if self._json is None:
            events = self._reader.feed(data)
            return self._finish(events) if events else events
        self._json += data
        if len(self._json) > _MOST_BYTES:
            return self._finish([Fail(UpstreamProtocol("xAI's answer is endless"))])
        return []

    def end(self) -> list[Event]:
        """The upstream closed the stream: a `Fail` unless the answer was over."""
        if self._over:
            return []
        if self._json is None:
            return self._finish(self._reader.end())
        return self._finish(self._whole(bytes(self._json)))

    def data_to_send(self) -> bytes:
        """Nothing: the protocol does not answer back."""
        return b""

    def _whole(self, data: bytes) -> list[Event]:
        """An answer in one JSON object: a picture, a compaction, a response, or an error under
        status 200.
        """
        try:
            body = loads_object(data)
        except ValueError:
            return [
                Fail(UpstreamProtocol("xAI's answer broke off, or is something else than JSON"))
            ]
        if body.get("error") and not isinstance(body.get("output"), list):
            return [Fail(_error_in(data))]
        if self._state.paints is not None:
            return read_picture(body, self._state.paints)
        if not isinstance(body.get("output"), list):
            return [Fail(UpstreamProtocol("xAI answered with JSON that is no response"))]
        if self._state.compacts:
            body["output"] = [item for item in body["output"] if _is_compaction(item)]
            if not body["output"]:
                return [Fail(no_compaction("its answer has no `compaction` item"))]
        created = {"type": "response.created", "response": {**body, "output": []}}
        ended = {"type": "response.completed", "response": body}
        return [
            *self._reader.feed_event(dumps(created)),
            *self._reader.feed_event(dumps(ended)),
        ]

    def _finish(self, events: Sequence[Event]) -> list[Event]:
        events = list(events)
        if not self._started and events:
            self._started = True
            self._start(events)
        last = events[-1] if events else None
        if type(last) is Fail:
            last.error = in_other_words(refine(last.error), self._state)
        elif type(last) is End and last.usage is not None:
            last.usage = _consistent(last.usage)
        if self._stops is not None:
            events = self._stops.feed(events)
            last = events[-1] if events else None
        self._over = type(last) is End or type(last) is Fail
        return events

    def _start(self, events: list[Event]) -> None:
        """What came up while the call was opened goes to the front."""
        first = events[0]
        begun = type(first) is Begin
        if type(first) is Begin:
            first.stored = self._state.stored and first.id is not None
        notices = [NoticeSeen(notice) for notice in self._state.notices]
        events[int(begun) : int(begun)] = notices


def _is_compaction(item: object) -> bool:
    """Whether it is what a conversation was compacted to, and not a message kept beside it."""
    return isinstance(item, dict) and item.get("type") == "compaction"


def _own_item(item: JsonObject) -> list[WholePart] | None:
    """What xAI ran by itself and is no call of the client's. Searches of X are shown as what they
    are to a client: searches of the web. The rest is in the words of the answer.
    """
    kind = _text(item, "type")
    if kind == "custom_tool_call":
        ran = _text(item, "name") in _X_TOOLS or _text(item, "call_id").startswith("xs_call")
        return [] if ran else None
    if kind == "x_search_call":
        return _x_search(item)
    return [] if kind in _SILENT else None


def _x_search(item: JsonObject) -> list[WholePart]:
    action = item.get("action")
    action = action if isinstance(action, dict) else {}
    queries = action.get("queries")
    query: Any = action.get("query") or (queries[0] if type(queries) is list and queries else None)
    if not isinstance(query, str):
        return []
    sources = action.get("sources")
    found = [
        {"url": source["url"]}
        | ({"title": source["title"]} if isinstance(source.get("title"), str) else {})
        for source in (sources if type(sources) is list else ())
        if isinstance(source, dict) and isinstance(source.get("url"), str)
    ]
    return [
        HostedCall(
            _text(item, "id") or "x_search",
            "web_search",
            dumps_text({"query": query}),
            {"sources": found} if type(sources) is list else None,
        )
    ]


def _text(item: JsonObject, key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _consistent(usage: Usage) -> Usage:
    """Totals that contain their parts: at times more tokens are told as cached than as read."""
    cached, reasoning = usage.cache_read, usage.reasoning
    if usage.input is not None and cached is not None:
        cached = min(cached, usage.input)
    if usage.output is not None and reasoning is not None:
        reasoning = min(reasoning, usage.output)
    return replace(usage, cache_read=cached, reasoning=reasoning)


def _error_in(data: bytes) -> GatewayError:
    told = read_told({}, data)
    assert told is not None  # it is JSON
    return refine(UpstreamFailed(told.words or "xAI reported an error", code=told.slug))
