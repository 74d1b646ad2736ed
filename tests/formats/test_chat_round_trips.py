"""The two sides of the chat format are inverses, up to the losses that are documented."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.content import Text, ToolCall
from gateway_core.events import Event
from gateway_core.formats.chat import StreamWriter, read_request, write_request
from gateway_core.json import dumps, loads_object
from gateway_core.parts import Response, collect
from gateway_core.request import Request, Source
from support.about import each
from support.chat_strategies import REQUESTS, answers, expected_response
from support.chat_wire import decode
from support.corpus_answers import ANSWERS

ASKED_FOR_USAGE = Request(
    "m", [], source=Source("chat", {"stream_options": {"include_usage": True}})
)


def write(events: list[Event], *cuts: int) -> bytes:
    """The bytes of a stream, written in batches that end at these places."""
    writer = StreamWriter(ASKED_FOR_USAGE, "m", "chatcmpl-1", 0)
    bounds = [0, *sorted(cuts), len(events)]
    return b"".join(writer.feed(events[start:end]) for start, end in pairwise(bounds))


@given(REQUESTS)
def test_a_written_request_is_read_as_the_same(request: Request) -> None:
    body = loads_object(dumps(write_request(request, "m", issuer="chat")))
    read = read_request(body, {})
    assert read == replace(request, source=Source("chat", body))


@given(REQUESTS)
def test_writing_is_deterministic_and_leaves_the_request_alone(request: Request) -> None:
    before = deepcopy(request)
    first = dumps(write_request(request, "m", issuer="chat"))
    assert request == before
    assert dumps(write_request(before, "m", issuer="chat")) == first


@given(REQUESTS, st.data())
def test_a_longer_conversation_begins_with_the_shorter(
    request: Request, data: st.DataObject
) -> None:
    """But for calls that nobody had answered."""
    ends = [
        end
        for end, message in enumerate(request.messages, 1)
        if not any(isinstance(part, ToolCall) for part in message.parts)
    ]
    until = data.draw(st.sampled_from([0, *ends]))
    shorter = replace(request, messages=request.messages[:until])
    written = write_request(shorter, "m", issuer="chat")["messages"]
    assert write_request(request, "m", issuer="chat")["messages"][: len(written)] == written


@given(answers())
def test_a_written_answer_is_read_as_the_same(answer: tuple[Response, list[Event]]) -> None:
    response, events = answer
    read = collect(decode([write(events)]))
    assert read.usage is not None
    read.usage.raw = None
    expected = expected_response(response, "vendor")
    assert (read.parts, read.stop, read.usage) == (expected.parts, expected.stop, expected.usage)


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
    read = collect(decode([write(ANSWERS[name])]))
    wrote = StreamWriter(ASKED_FOR_USAGE, "m", "chatcmpl-1", 0).body(collect(ANSWERS[name]))
    content = "".join(part.text for part in read.parts if isinstance(part, Text))
    message = wrote["choices"][0]["message"]
    assert content == (message["content"] or "") + (message["refusal"] or "")
