"""Responses streams as tests write and read them: events to SSE bytes and back, in any split."""

from collections.abc import Iterable
from typing import Any

from gateway_core.events import Event, Tick
from gateway_core.formats.responses import StreamReader
from gateway_core.grammar import check_stream
from gateway_core.json import JsonObject, dumps, loads_object

ENVELOPE: JsonObject = {"id": "resp_1", "object": "response", "model": "upstream-model"}
USAGE: JsonObject = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 40},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}


def event(kind: str, **fields: Any) -> JsonObject:
    """An event; `response.` is put before its type."""
    return {"type": f"response.{kind}", **fields}


def created() -> JsonObject:
    return event("created", response={**ENVELOPE, "status": "in_progress", "output": []})


def completed(*output: JsonObject, **more: Any) -> JsonObject:
    response = {**ENVELOPE, "status": "completed", "output": [*output], "usage": USAGE, **more}
    return event("completed", response=response)


def added(index: int, kind: str, **fields: Any) -> JsonObject:
    item = {"type": kind, "id": f"item_{index}", **fields}
    return event("output_item.added", output_index=index, item=item)


def done(index: int, kind: str, **fields: Any) -> JsonObject:
    item = {"type": kind, "id": f"item_{index}", **fields}
    return event("output_item.done", output_index=index, item=item)


def delta(index: int, kind: str, text: str, **place: int) -> JsonObject:
    where = {"item_id": f"item_{index}", "output_index": index, **place}
    return event(f"{kind}.delta", **where, delta=text)


def text_delta(index: int, text: str, content: int = 0) -> JsonObject:
    return delta(index, "output_text", text, content_index=content)


def message(index: int, *content: JsonObject, **fields: Any) -> JsonObject:
    return done(index, "message", role="assistant", content=[*content], **fields)


def said(text: str, *annotations: JsonObject) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [*annotations]}


def sse(*events: JsonObject) -> bytes:
    """The events as a stream; one without type has no name either."""
    return b"".join(
        b"%bdata: %b\n\n"
        % (b"event: %b\n" % item["type"].encode() if item.get("type") else b"", dumps(item))
        for item in events
    )


def parse(data: bytes) -> list[JsonObject]:
    """The JSON objects of a stream, whose event names must repeat their types."""
    found = []
    for block in data.decode().split("\n\n")[:-1]:
        name, line = block.split("\n", 1)
        payload = loads_object(line.removeprefix("data: "))
        assert name == f"event: {payload['type']}"
        found.append(payload)
    return found


def decode(reads: Iterable[bytes], issuer: str = "vendor") -> list[Event]:
    """The events of a stream that comes in these reads; checked against the grammar."""
    reader = StreamReader(issuer)
    events = [event for data in reads for event in reader.feed(data)]
    events += reader.end()
    check_stream(events)
    return events


def decode_everywhere(data: bytes) -> list[Event]:
    """The events of a stream, the same for every cut in two and byte by byte."""
    events = decode([data])
    assert decode([data[at : at + 1] for at in range(len(data))]) == events
    for at in range(1, len(data)):
        assert decode([data[:at], data[at:]]) == events
    return events


def without_ticks(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Tick)]
