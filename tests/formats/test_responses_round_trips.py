"""The two sides of the Responses format are inverses, up to the losses that are documented."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.content import Text, ToolCall
from gateway_core.events import Event
from gateway_core.formats.responses import StreamWriter, read_request, write_request
from gateway_core.json import JsonObject, dumps, loads_object
from gateway_core.parts import Response, collect
from gateway_core.request import Request, Source
from support.about import each
from support.corpus import ANSWERS
from support.responses_strategies import ISSUER, REQUESTS, answers, expected_response
from support.responses_wire import decode, parse, without_ticks

ASKED = Request("m", [])


def write_body(request: Request) -> JsonObject:
    return write_request(request, "m", issuer=ISSUER, item_fields=("id", "status", "phase"))


def write(events: list[Event], *cuts: int) -> bytes:
    """The bytes of a stream, written in batches that end at these places."""
    writer = StreamWriter(ASKED, "m", "resp_1", 0)
    bounds = [0, *sorted(cuts), len(events)]
    return b"".join(writer.feed(events[start:end]) for start, end in pairwise(bounds))


@given(REQUESTS)
def test_a_written_request_is_read_as_the_same(request: Request) -> None:
    body = loads_object(dumps(write_body(request)))
    assert read_request(body, {}) == replace(request, source=Source("responses", body))


@given(REQUESTS)
def test_writing_is_deterministic_and_leaves_the_request_alone(request: Request) -> None:
    before = deepcopy(request)
    first = dumps(write_body(request))
    assert request == before
    assert dumps(write_body(before)) == first


@given(REQUESTS, st.data())
def test_a_longer_conversation_begins_with_the_shorter(
    request: Request, data: st.DataObject
) -> None:
    until = data.draw(st.integers(0, len(request.messages)))
    shorter = write_body(replace(request, messages=request.messages[:until]))["input"]
    assert write_body(request)["input"][: len(shorter)] == shorter


@given(answers())
def test_a_written_answer_is_read_as_the_same(answer: tuple[Response, list[Event]]) -> None:
    response, events = answer
    written = write(events)
    ids = [item["id"] for item in parse(written)[-1]["response"]["output"]]
    read = collect(decode([written]))
    assert read.usage is not None
    read.usage.raw = None
    expected = expected_response(response, "vendor", ids)
    assert (read.parts, read.stop, read.usage) == (expected.parts, expected.stop, expected.usage)


@given(answers())
def test_the_body_is_what_the_stream_ends_with(answer: tuple[Response, list[Event]]) -> None:
    _, events = answer
    last = parse(write(events))[-1]["response"]
    assert StreamWriter(ASKED, "m", "resp_1", 0).body(collect(events)) == last


@given(answers(), st.data())
def test_batches_do_not_change_the_bytes(
    answer: tuple[Response, list[Event]], data: st.DataObject
) -> None:
    _, events = answer
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=4))
    assert write(events, *cuts) == write(events)


@given(answers(), st.data())
def test_reads_do_not_change_the_events(
    answer: tuple[Response, list[Event]], data: st.DataObject
) -> None:
    written = write(answer[1])
    at = data.draw(st.integers(0, len(written)))
    assert decode([written[:at], written[at:]]) == decode([written])


@each("name", ANSWERS)
def test_every_answer_of_the_corpus_can_be_read_back(name: str) -> None:
    def said(response: Response) -> list[str]:
        return [
            part.text if isinstance(part, Text) else part.arguments or "{}"
            for part in response.parts
            if isinstance(part, Text | ToolCall)
        ]

    read = collect(without_ticks(decode([write(ANSWERS[name])])))
    assert said(read) == said(collect(ANSWERS[name]))
