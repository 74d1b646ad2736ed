"""Responses that are read as streams: while they are made, again, and afterwards."""

from contextlib import ExitStack
from typing import Any

import openai
import pytest

from gateway_core.testing.upstream import ThreadedUpstream, chunks
from support.background import Start, ask, events_of, finish, said_hello, wait_for


def test_a_client_that_leaves_its_stream_comes_back_to_it(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    first: list[Any] = []
    with ask(client, stream=True) as stream:
        request = said_hello(upstream)
        for event in stream:
            first.append(event.to_dict())
            if event.type == "response.output_text.delta":
                break
    kinds = [event["type"].removeprefix("response.") for event in first]
    assert kinds[:3] == ["created", "queued", "in_progress"]
    id, number = first[0]["response"]["id"], first[-1]["sequence_number"]

    again = client.responses.retrieve(id, stream=True, starting_after=number)
    finish(request, b" there", b" you")
    rest = [event.to_dict() for event in again]
    numbers = [event["sequence_number"] for event in (*first, *rest)]
    assert numbers == list(range(len(numbers)))
    deltas = [event["delta"] for event in (*first, *rest) if "text.delta" in event["type"]]
    assert deltas == ["hello", " there", " you"]
    assert rest[-1]["response"] == client.responses.retrieve(id).to_dict()


def test_what_was_streamed_is_told_again_after_the_end(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    stream = ask(client, stream=True)
    finish(said_hello(upstream), b" there")
    said = [event.to_dict() for event in stream]
    id = said[0]["response"]["id"]
    assert events_of(client, id) == said
    assert events_of(client, id, starting_after=5, include_obfuscation=True) == said[6:]
    with client.responses.stream(response_id=id, starting_after=4) as helper:
        assert next(iter(helper)).sequence_number == 5
        assert helper.get_final_response().output_text == "hello there"


def test_any_stored_response_can_be_read_as_a_stream(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    upstream.answer(chunks(b"hello\n.\n"))
    made = client.responses.create(model="line-1", input="Hi", store=True)
    events = events_of(client, made.id)
    assert events[0]["type"] == "response.created"
    assert events[-1]["response"] == made.to_dict()
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(len(events)))
    assert events_of(client, made.id, starting_after=numbers[-2]) == events[-1:]


def test_only_a_number_is_a_place_in_a_stream(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="sequence number") as caught:
        client.responses.retrieve("resp_0", stream=True, extra_query={"starting_after": "x"})
    assert caught.value.param == "starting_after"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_0", stream=True)


def test_a_reader_that_is_too_slow_is_told_when_to_come_again(
    client: openai.OpenAI, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.background.live_events.LARGEST_BUFFER", 1)
    made = ask(client)
    request = said_hello(upstream)
    wait_for(client, made.id, "in_progress")
    (told,) = events_of(client, made.id)
    assert told["type"] == "error"
    assert "not held any more" in told["message"]
    finish(request)
    wait_for(client, made.id, "completed")
    assert events_of(client, made.id)[0]["type"] == "response.created"


def test_readers_are_told_that_it_goes_on_while_there_is_nothing_to_say(
    start: Start, upstream: ThreadedUpstream
) -> None:
    with start(server__ping_interval=0.05) as gateway, gateway.openai() as client:
        made = ask(client)
        request = said_hello(upstream)
        with client.responses.with_streaming_response.retrieve(made.id, stream=True) as answer:
            lines = answer.iter_lines()
            while not next(lines).startswith(":"):
                continue
            finish(request)
            assert any(line == "event: response.completed" for line in lines)


def test_a_gateway_that_stops_says_so_to_readers(start: Start, upstream: ThreadedUpstream) -> None:
    with ExitStack() as after:
        with start(grace=0) as gateway:
            stream = ask(after.enter_context(gateway.openai()), stream=True)
            said_hello(upstream)
            next(stream)
        last = list(stream)[-1]
    assert last.type == "error"
    assert "is stopping" in last.message
