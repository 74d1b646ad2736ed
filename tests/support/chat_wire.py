"""Chat streams as tests write and read them: chunks to SSE bytes and back, decoded in any split."""

from collections.abc import Iterable
from typing import Any

from gateway_core.events import Event, Tick
from gateway_core.formats.chat import StreamReader
from gateway_core.grammar import check_stream
from gateway_core.json import JsonObject, dumps, loads_object

DONE = b"data: [DONE]\n\n"


def chunk(delta: JsonObject | None = None, finish: str | None = None, **more: Any) -> JsonObject:
    """A chunk with one choice; `more` goes to the top of the object."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "upstream-model", "choices": [choice], **more}


def call(**fragment: Any) -> JsonObject:
    """A delta with one fragment of a call; name and arguments go into its function."""
    function = {key: fragment.pop(key) for key in ("name", "arguments") if key in fragment}
    return {"tool_calls": [{**fragment, "function": function}]}


def sse(*chunks: JsonObject, done: bool = True) -> bytes:
    """The chunks as a stream, with its end mark."""
    body = b"".join(b"data: %b\n\n" % dumps(item) for item in chunks)
    return body + DONE if done else body


def parse(data: bytes) -> list[JsonObject]:
    """The JSON objects of a stream that holds nothing else but its end mark."""
    lines = data.decode().removesuffix(DONE.decode()).split("\n\n")
    return [loads_object(line.removeprefix("data: ")) for line in lines if line]


def decode(reads: Iterable[bytes], issuer: str = "vendor") -> list[Event]:
    """The events of a stream that comes in these reads; checked against the grammar.

    Life signs are left out, because how many there are depends on the reads.
    """
    reader = StreamReader(issuer)
    events: list[Event] = []
    for read in reads:
        events += reader.feed(read)
    events += reader.end()
    check_stream(events)
    return [event for event in events if not isinstance(event, Tick)]
