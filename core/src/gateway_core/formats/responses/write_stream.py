"""An answer in the Responses format: the event stream, and the whole object.

The writer owns every id, except that of an answer which is stored upstream. Item ids are made from
the response's id and the item's place, so an injected response id makes all bytes repeatable. Each
text part is a message item of its own with one content part. The same events go out as SSE (`feed`)
or as bare JSON, one object for each WebSocket frame (`events`).

Not carried: parts of other formats, hosted tools other than search and images, seals of calls.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic_core import to_json

from gateway_core.content import HostedCall, Part, Reasoning, Seal, Text, ToolCall, ToolResult
from gateway_core.errors import GatewayError, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Open,
    Partial,
    StreamedPart,
    Usage,
    UsageSeen,
    Whole,
    WholePart,
)
from gateway_core.formats.responses.hosted import partial_image
from gateway_core.formats.responses.output_items import (
    ID_PREFIXES,
    WrittenResponse,
    call_item,
    echo_of,
    failure_of,
    outcome_of,
    reasoning_item,
    text_item,
    usage_of,
    whole_item,
)
from gateway_core.formats.responses.write_tools import ToolNames
from gateway_core.json import JsonObject, dumps, loads_object
from gateway_core.parts import Response
from gateway_core.request import Request
from gateway_core.response_ids import new_id
from gateway_core.sse import COMMENT_PING

__all__ = ["StreamWriter"]

_EMPTY = "the model returned an empty answer"
_PROGRESS = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
}


class StreamWriter:
    """Writes one answer. Use either the streaming methods or `body`, not both.

    model: the name the client asked for. response_id, created_at (Unix seconds): made up and now,
    unless given.
    """

    __slots__ = (
        "_created_at",
        "_echo",
        "_framed",
        "_heads",
        "_id",
        "_index",
        "_item_id",
        "_items",
        "_kept",
        "_may_be_empty",
        "_names",
        "_out",
        "_part",
        "_partials",
        "_pieces",
        "_refused",
        "_sequence",
        "_state",
        "_stored",
        "_suffix",
        "_upstream",
        "_usage",
        "written",
    )

    def __init__(
        self,
        request: Request,
        model: str,
        response_id: str | None = None,
        created_at: int | None = None,
    ) -> None:
        self._use_id(response_id or new_id())
        self._created_at = int(time.time()) if created_at is None else created_at
        self._stored = False
        self._kept = False
        self._upstream = False
        self.written: WrittenResponse | None = None
        self._echo = dumps({"model": model, **echo_of(request)})[1:-1]
        self._names = ToolNames(request.tools)
        # A WebSocket client warms up the prompt without asking for an answer.
        self._may_be_empty = request.source.body.get("generate") is False
        self._state: Literal["new", "running", "over"] = "new"
        self._framed = True
        self._sequence = 0
        self._out: list[bytes] = []
        # By place in the output. An item that was announced and is not complete holds its place
        # with nothing in it.
        self._items: list[bytes] = []
        self._index = 0
        self._partials: dict[str, tuple[int, str]] = {}
        self._usage: Usage | None = None
        self._refused = False
        self._part: StreamedPart | None = None
        self._pieces: list[str] = []
        self._item_id = ""
        self._heads: tuple[bytes, bytes] | None = None

    def keep(self) -> None:
        """Say that the answer is stored, and have it in `written` when it has ended well.

        To be called before anything is written. An answer that an upstream stores too is in
        `written` under the id that it has there.
        """
        self._stored = self._kept = True

    def feed(self, events: Sequence[Event]) -> bytes:
        """A batch as SSE. After `End` or `Fail` everything gives `b""`."""
        return b"".join(self._write(events, framed=True))

    def events(self, events: Sequence[Event]) -> list[bytes]:
        """A batch as JSON objects, one for each event of the format."""
        return self._write(events, framed=False)

    def ping(self) -> bytes:
        """An SSE comment."""
        return COMMENT_PING

    def body(self, response: Response) -> JsonObject:
        """The response object. Raises `UpstreamProtocol` when the model said nothing at all."""
        if response.stored and response.id is not None:
            self._stored_as(response.id)
        for part in response.parts:
            item = self._item_of(part)
            if item is not None:
                self._items.append(dumps(self._with_id(item, len(self._items))))
        if response.stop == "stop" and not self._items and not self._may_be_empty:
            raise UpstreamProtocol(_EMPTY)
        outcome = outcome_of(response.stop, refused=self._refused, extras=response.extras)
        return loads_object(self._final(outcome, usage_of(response.usage)))

    def _write(self, events: Sequence[Event], *, framed: bool) -> list[bytes]:
        if self._state == "over" or not events:
            return []
        out = self._out = []
        self._framed = framed
        tail = b',"sequence_number":%d}\n\n' if framed else b',"sequence_number":%d}'
        if self._state == "new":
            first = events[0]
            if type(first) is Begin and first.stored and first.id is not None:
                self._stored_as(first.id)
            self._start()
        for event in events:
            if type(event) is Delta:
                text = event.text
                self._pieces.append(text)
                heads = self._heads or self._open_summary()
                out.append(heads[framed] + to_json(text) + tail % self._sequence)
                self._sequence += 1
            elif type(event) is Open:
                self._open(event.part)
            elif type(event) is Close:
                self._close(event)
            elif type(event) is Whole:
                self._whole(event.part)
            elif type(event) is UsageSeen:
                self._usage = event.usage
            elif type(event) is End:
                self._end(event)
                break
            elif type(event) is Fail:
                self._fail(event.error)
                break
            elif type(event) is Partial:
                self._partial(event)
        return out

    def _stored_as(self, id: str) -> None:
        """The upstream can be asked for the answer again, by this id."""
        self._stored = self._upstream = True
        self._use_id(id)

    def _use_id(self, id: str) -> None:
        self._id = id
        # Item ids may be 64 characters long at most.
        self._suffix = id.removeprefix("resp_")[-48:]

    def _start(self) -> None:
        self._state = "running"
        going = {"status": "in_progress", "error": None, "incomplete_details": None}
        self._emit_response("response.created", going, None)
        self._emit_response("response.in_progress", going, None)

    def _open(self, part: StreamedPart) -> None:
        self._part = part
        self._pieces = []
        self._heads = None
        if type(part) is Text:
            self._refused |= part.refusal
            item = text_item(part, "", status="in_progress")
            self._added({**item, "content": []})
            place = {**self._place(), "content_index": 0}
            self._emit("response.content_part.added", {**place, "part": item["content"][0]})
            name = "refusal" if part.refusal else "output_text"
            self._set_heads(f"response.{name}.delta", place if part.refusal else _logged(place))
        elif type(part) is ToolCall:
            self._added(call_item(part, "", self._names, status="in_progress"))
            self._set_heads(f"response.{_arguments_name(part)}.delta", self._place())
        else:
            # The summary part comes with the first text: a reasoning may have none.
            self._added(reasoning_item("", None))

    def _open_summary(self) -> tuple[bytes, bytes]:
        place = {**self._place(), "summary_index": 0}
        empty = {"type": "summary_text", "text": ""}
        self._emit("response.reasoning_summary_part.added", {**place, "part": empty})
        return self._set_heads("response.reasoning_summary_text.delta", place)

    def _close(self, close: Close, status: str = "completed") -> None:
        part = self._part
        if type(part) is ToolCall and not part.custom and not self._pieces:
            self._say("{}")  # clients parse the arguments, and nothing is no JSON
        self._part = None
        text = "".join(self._pieces)
        if type(part) is Text:
            self._close_text(part, text, close, status)
        elif type(part) is ToolCall:
            key = "input" if part.custom else "arguments"
            self._emit(f"response.{_arguments_name(part)}.done", {**self._place(), key: text})
            self._done(call_item(part, text, self._names, status=status))
        elif type(part) is Reasoning:
            self._close_reasoning(text, close.seal or part.seal)

    def _close_text(self, part: Text, text: str, close: Close, status: str) -> None:
        known = replace(
            part,
            citations=close.citations or part.citations,
            extras={**(part.extras or {}), **(close.extras or {})},
        )
        item = text_item(known, text, status=status)
        content = item["content"][0]
        place = {**self._place(), "content_index": 0}
        if part.refusal:
            self._emit("response.refusal.done", {**place, "refusal": text})
        else:
            for index, annotation in enumerate(content["annotations"]):
                self._emit(
                    "response.output_text.annotation.added",
                    {**place, "annotation_index": index, "annotation": annotation},
                )
            self._emit("response.output_text.done", {**_logged(place), "text": text})
        self._emit("response.content_part.done", {**place, "part": content})
        self._done(item)

    def _close_reasoning(self, text: str, seal: Seal | None) -> None:
        if text:
            place = {**self._place(), "summary_index": 0}
            self._emit("response.reasoning_summary_text.done", {**place, "text": text})
            part = {"type": "summary_text", "text": text}
            self._emit("response.reasoning_summary_part.done", {**place, "part": part})
        self._done(reasoning_item(text, seal))

    def _whole(self, part: WholePart) -> None:
        if type(part) is Reasoning and part.text:
            self._replay(Reasoning(""), part.text, Close(0, part.seal))
            return
        item = whole_item(part)
        if item is None:
            return
        if item["type"] == "message":
            self._replay(Text(""), item["content"][0]["text"], Close(0))
            return
        kind = item["type"]
        if type(part) is HostedCall and (announced := self._partials.pop(part.id, None)):
            self._index, self._item_id = announced
            self._emit(f"response.{kind}.completed", self._place())
        elif progress := _PROGRESS.get(kind):
            self._announce(item, progress)
        else:
            self._added(item)
        self._done(item)

    def _announce(self, item: JsonObject, progress: Sequence[str]) -> None:
        kind = item["type"]
        early: JsonObject = {"type": kind, "status": "in_progress"}
        self._added(early | ({"result": None} if "result" in item else {}))
        for step in progress:
            self._emit(f"response.{kind}.{step}", self._place())

    def _partial(self, partial: Partial) -> None:
        """A picture on its way: the first of a call announces the item."""
        current = self._index, self._item_id
        if partial.id not in self._partials:
            kind = "image_generation_call"
            self._announce({"type": kind, "result": None}, _PROGRESS[kind][:2])
            self._partials[partial.id] = self._index, self._item_id
        self._index, self._item_id = self._partials[partial.id]
        fields = {"partial_image_index": partial.number, **partial_image(partial.media)}
        self._emit("response.image_generation_call.partial_image", {**self._place(), **fields})
        self._index, self._item_id = current  # of the part that may be open

    def _replay(self, part: Text | Reasoning, text: str, close: Close) -> None:
        """A part known as a whole, said in the events of one that streams."""
        self._open(part)
        self._say(text)
        self._close(close)

    def _say(self, text: str) -> None:
        """A delta of the open part, off the hot path."""
        self._pieces.append(text)
        heads = self._heads or self._open_summary()
        self._push(heads[False] + to_json(text) + b',"sequence_number":%d}' % self._sequence)

    def _end(self, end: End) -> None:
        if end.reason == "stop" and not any(self._items) and not self._may_be_empty:
            self._fail(UpstreamProtocol(_EMPTY))
            return
        outcome = outcome_of(end.reason, refused=self._refused, extras=end.extras)
        usage = usage_of(end.usage or self._usage)
        self._emit_envelope(f"response.{outcome['status']}", self._final(outcome, usage))
        self._state = "over"

    def _fail(self, error: GatewayError) -> None:
        if self._kept or self._upstream:
            self._stored = False  # half an answer: not kept here, and elsewhere for nobody to tell
        # An open call stays without `done`: a client would run it with half its arguments.
        if self._part is not None and type(self._part) is not ToolCall:
            self._close(Close(0), status="incomplete")
        outcome = {"status": "failed", "error": failure_of(error), "incomplete_details": None}
        usage = None if self._usage is None else usage_of(self._usage)
        self._emit_response("response.failed", outcome, usage)
        self._state = "over"

    def _item_of(self, part: Part) -> JsonObject | None:
        """The item of a collected part, without id."""
        if isinstance(part, Text):
            self._refused |= part.refusal
            return text_item(part, part.text, status="completed")
        if isinstance(part, ToolCall):
            text = part.arguments or ("" if part.custom else "{}")
            return call_item(part, text, self._names, status="completed")
        return None if isinstance(part, ToolResult) else whole_item(part)

    def _place(self) -> JsonObject:
        return {"item_id": self._item_id, "output_index": self._index}

    def _with_id(self, item: JsonObject, index: int) -> JsonObject:
        """The item with an id: a foreign one keeps what it has."""
        prefix = ID_PREFIXES.get(item["type"], "item")
        own = item.get("id")
        return {**item, "id": own or f"{prefix}_{self._suffix}_{index}"}

    def _added(self, item: JsonObject) -> None:
        """An item starts, at the next free place."""
        self._index = len(self._items)
        self._items.append(b"")
        item = self._with_id(item, self._index)
        self._item_id = item["id"]
        self._emit("response.output_item.added", {"output_index": self._index, "item": item})

    def _done(self, item: JsonObject) -> None:
        """The item at the current place is complete."""
        written = dumps(self._with_id(item, self._index))
        self._push(
            b'{"type":"response.output_item.done","output_index":%d,"item":%b,'
            b'"sequence_number":%d}' % (self._index, written, self._sequence)
        )
        self._items[self._index] = written

    def _set_heads(self, name: str, fields: JsonObject) -> tuple[bytes, bytes]:
        """What a delta event starts with, up to its text: bare and framed."""
        bare = dumps({"type": name, **fields})[:-1] + b',"delta":'
        self._heads = (bare, b"event: %b\ndata: %b" % (name.encode(), bare))
        return self._heads

    def _emit_response(self, name: str, outcome: JsonObject, usage: JsonObject | None) -> None:
        self._emit_envelope(name, self._envelope(outcome, usage))

    def _emit_envelope(self, name: str, envelope: bytes) -> None:
        self._push(
            b'{"type":"%b","response":%b,"sequence_number":%d}'
            % (name.encode(), envelope, self._sequence)
        )

    def _final(self, outcome: JsonObject, usage: JsonObject | None) -> bytes:
        """The response object of an answer that ended well."""
        envelope = self._envelope(outcome, usage)
        if self._kept:
            self.written = WrittenResponse(
                self._id, self._created_at, envelope, upstream=self._upstream
            )
        return envelope

    def _envelope(self, outcome: JsonObject, usage: JsonObject | None) -> bytes:
        start = {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "store": self._stored,
            **outcome,
        }
        return b'%b,%b,"output":[%b],"usage":%b}' % (
            dumps(start)[:-1],
            self._echo,
            b",".join(filter(None, self._items)),
            dumps(usage),
        )

    def _emit(self, name: str, fields: JsonObject) -> None:
        self._push(dumps({"type": name, **fields, "sequence_number": self._sequence}))

    def _push(self, payload: bytes) -> None:
        """One event, whose first key is its type."""
        self._sequence += 1
        if self._framed:
            name = payload[9 : payload.index(b'"', 9)]
            payload = b"event: %b\ndata: %b\n\n" % (name, payload)
        self._out.append(payload)


def _arguments_name(call: ToolCall) -> str:
    return "custom_tool_call_input" if call.custom else "function_call_arguments"


def _logged(place: JsonObject) -> JsonObject:
    """The SDK reads `logprobs` of every text event."""
    return {**place, "logprobs": []}
