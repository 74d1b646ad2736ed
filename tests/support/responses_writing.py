"""A writer of Responses streams as tests use it, with fixed ids and times."""

from typing import Any

from gateway_core.events import Close, Delta, End, Event, Open, StreamedPart
from gateway_core.formats.responses import StreamWriter, read_request
from gateway_core.json import JsonObject
from gateway_core.request import Request
from support.responses_wire import parse


def asked(**fields: Any) -> Request:
    return read_request({"model": "m", "input": "Hi", **fields}, {})


def writer(**fields: Any) -> StreamWriter:
    return StreamWriter(asked(**fields), "m", "resp_1", 1_700_000_000)


def written(*events: Event, **fields: Any) -> list[JsonObject]:
    return parse(writer(**fields).feed(events))


def streamed(part: StreamedPart, *pieces: str, close: Close | None = None) -> list[Event]:
    return [Open(0, part), *(Delta(0, piece) for piece in pieces), close or Close(0)]


def kinds(events: list[JsonObject]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def between(*events: Event, **fields: Any) -> list[JsonObject]:
    """What is written for these events between the two first and the last of a stream, without
    sequence numbers.
    """
    found = written(*events, End("stop"), **fields)[2:-1]
    return [{key: value for key, value in e.items() if key != "sequence_number"} for e in found]
