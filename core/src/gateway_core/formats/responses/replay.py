"""The events of a stored response, told again.

They are made up from the response object: nobody stores the events themselves. Where the course of
the original events is known (`BackgroundWriter.course`) they come in the same pieces and under the
same numbers, so that a client can go on behind the last one that it has seen; otherwise each text
comes in one piece.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway_core.json import JsonObject, dumps, loads_object

__all__ = ["NumberedEvent", "has_ended", "last_event", "replay"]

_TERMINAL = {"completed": "response.completed", "incomplete": "response.incomplete"}
_ARGUMENTS = {
    "function_call": ("arguments", "function_call_arguments"),
    "custom_tool_call": ("input", "custom_tool_call_input"),
    "mcp_call": ("arguments", "mcp_call_arguments"),
}
_PROGRESS = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
}
_UNENDED = ("queued", "in_progress")


class NumberedEvent(NamedTuple):
    """An event as JSON, and its sequence number in it."""

    number: int
    data: bytes


def replay(response: JsonObject, course: bytes = b"") -> list[NumberedEvent]:
    """All events of a response; without a last one when it has not ended.

    course: how its events came, where that is known.
    """
    known = loads_object(course) if course else {}
    events = _Replay({index: facts for index, *facts in known.get("items", ())})
    envelope = {**response, "output": [], "usage": None, "error": None, "incomplete_details": None}
    status = response.get("status")
    going = {**envelope, "status": "in_progress"}
    if response.get("background") is True:
        queued = {**envelope, "status": "queued"}
        events.emit("response.created", response=queued)
        events.emit("response.queued", response=queued)
    else:
        events.emit("response.created", response=going)
    if status != "queued":
        events.emit("response.in_progress", response=going)
    if has_ended(response):
        events.tell(response.get("output") or [])
        events.number = max(events.number, known.get("last", 0))
        events.events.append(last_event(response, events.number))
    return events.events


def has_ended(response: JsonObject) -> bool:
    """Whether nothing more will come to a response."""
    return response.get("status") not in _UNENDED


def last_event(response: JsonObject, number: int) -> NumberedEvent:
    """The event that ends the stream of a response. There is none for a cancelled one: it comes as
    failed, which every client knows for an end, with its status in the object.
    """
    kind = _TERMINAL.get(response.get("status") or "", "response.failed")
    event = {"type": kind, "response": response, "sequence_number": number}
    return NumberedEvent(number, dumps(event))


class _Replay:
    """Events in their order. facts: by place of an item, the number of its first event and the
    lengths of its pieces.
    """

    def __init__(self, facts: Mapping[int, Sequence[int]]) -> None:
        self.events: list[NumberedEvent] = []
        self.number = 0
        self._facts = facts
        self._places = sorted(facts)
        self._place: JsonObject = {}

    def emit(self, kind: str, **fields: Any) -> None:
        """One event under the next number."""
        event = {"type": kind, **fields, "sequence_number": self.number}
        self.events.append(NumberedEvent(self.number, dumps(event)))
        self.number += 1

    def tell(self, output: Sequence[JsonObject]) -> None:
        """The items of a complete answer. An item that was never complete is not among them, and
        the others keep their places.
        """
        for place, item in enumerate(output):
            index = self._places[place] if place < len(self._places) else place
            start, *lengths = self._facts.get(index, (self.number,))
            self.number = max(self.number, start)
            self._place = {"item_id": item.get("id"), "output_index": index}
            self._item(index, item, lengths)
            self.emit("response.output_item.done", output_index=index, item=item)

    def _item(self, index: int, item: JsonObject, lengths: Sequence[int]) -> None:
        kind = item.get("type", "")
        if kind == "message":
            self._added(index, {**item, "status": "in_progress", "content": []})
            for place, part in enumerate(item.get("content") or ()):
                self._content(place, part, lengths)
        elif kind == "reasoning" and (item.get("summary") or item.get("content")):
            self._added(index, {"type": kind, "id": item.get("id"), "summary": []})
            for place, part in enumerate(item.get("summary") or ()):
                self._summary(place, part, lengths)
            for place, part in enumerate(item.get("content") or ()):
                self._reasoning(place, part)
        elif kind in _ARGUMENTS:
            key, name = _ARGUMENTS[kind]
            text = item.get(key) or ""
            self._added(index, {**item, "status": "in_progress", key: ""})
            self._deltas(f"response.{name}.delta", text, lengths)
            self.emit(f"response.{name}.done", **self._place, **{key: text})
        elif kind in _PROGRESS:
            early = {"type": kind, "id": item.get("id"), "status": "in_progress"}
            self._added(index, early | ({"result": None} if "result" in item else {}))
            *before, last = _PROGRESS[kind]
            for step in before:
                self.emit(f"response.{kind}.{step}", **self._place)
            self.number += len(lengths)  # those of pictures on their way
            self.emit(f"response.{kind}.{last}", **self._place)
        else:
            self._added(index, item)

    def _added(self, index: int, item: JsonObject) -> None:
        self.emit("response.output_item.added", output_index=index, item=item)

    def _content(self, place: int, part: JsonObject, lengths: Sequence[int]) -> None:
        at = {**self._place, "content_index": place}
        if part.get("type") == "refusal":
            text = part.get("refusal") or ""
            self.emit("response.content_part.added", **at, part={**part, "refusal": ""})
            self._deltas("response.refusal.delta", text, lengths, **at)
            self.emit("response.refusal.done", **at, refusal=text)
        else:
            text = part.get("text") or ""
            empty = {**part, "text": "", "annotations": [], "logprobs": []}
            self.emit("response.content_part.added", **at, part=empty)
            self._deltas("response.output_text.delta", text, lengths, **at, logprobs=[])
            for number, annotation in enumerate(part.get("annotations") or ()):
                self.emit(
                    "response.output_text.annotation.added",
                    **at,
                    annotation_index=number,
                    annotation=annotation,
                )
            self.emit("response.output_text.done", **at, logprobs=[], text=text)
        self.emit("response.content_part.done", **at, part=part)

    def _summary(self, place: int, part: JsonObject, lengths: Sequence[int]) -> None:
        at = {**self._place, "summary_index": place}
        text = part.get("text") or ""
        self.emit("response.reasoning_summary_part.added", **at, part={**part, "text": ""})
        self._deltas("response.reasoning_summary_text.delta", text, lengths, **at)
        self.emit("response.reasoning_summary_text.done", **at, text=text)
        self.emit("response.reasoning_summary_part.done", **at, part=part)

    def _reasoning(self, place: int, part: JsonObject) -> None:
        at = {**self._place, "content_index": place}
        text = part.get("text") or ""
        self._deltas("response.reasoning_text.delta", text, (), **at)
        self.emit("response.reasoning_text.done", **at, text=text)

    def _deltas(self, kind: str, text: str, lengths: Sequence[int], **at: Any) -> None:
        for piece in _cut(text, lengths):
            self.emit(kind, **(at or self._place), delta=piece)


def _cut(text: str, lengths: Sequence[int]) -> Iterator[str]:
    """A text in its pieces; in one when the lengths are not those of its pieces."""
    if sum(lengths) != len(text) or not lengths:
        if text:
            yield text
        return
    start = 0
    for length in lengths:
        yield text[start : start + length]
        start += length
