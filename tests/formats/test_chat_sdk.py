"""The real OpenAI SDK reads what we write: streamed and whole answers come out the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from gateway_core.content import Text
from gateway_core.errors import ContextOverflow, Overloaded, RateLimited
from gateway_core.events import Begin, Delta, Event, Fail, Open
from gateway_core.formats.chat import StreamWriter, error_body, error_status, read_request
from gateway_core.json import JsonObject, dumps, loads_object
from gateway_core.parts import collect
from support.about import each
from support.corpus_answers import ANSWERS

HI: Any = [{"role": "user", "content": "Hi"}]
BUILT_ALONG_THE_WAY = {"index", "parsed", "parsed_arguments", "logprobs"}


@contextmanager
def sdk(events: list[Event]) -> Iterator[openai.OpenAI]:
    """A client whose every request is answered with these events, in the form it asked for."""

    def answer(http: httpx2.Request) -> httpx2.Response:
        request = read_request(loads_object(http.content), {})
        writer = StreamWriter(request, request.model, "chatcmpl-1", 1_700_000_000)
        if not request.stream:
            return httpx2.Response(200, json=writer.body(collect(events)))
        data = writer.feed(events)
        return httpx2.Response(200, content=data, headers={"content-type": "text/event-stream"})

    with client(answer) as connected:
        yield connected


@contextmanager
def client(answer: Any) -> Iterator[openai.OpenAI]:
    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        openai.OpenAI(
            base_url="http://127.0.0.1/v1", api_key="local", http_client=http, max_retries=0
        ) as connected,
    ):
        yield connected


def bare(value: Any) -> Any:
    """Without what only says where in a stream something stood, and without nulls."""
    if isinstance(value, dict):
        return {
            key: bare(item)
            for key, item in value.items()
            if key not in BUILT_ALONG_THE_WAY and item is not None
        }
    return [bare(item) for item in value] if isinstance(value, list) else value


def whole(name: str) -> JsonObject:
    with sdk(ANSWERS[name]) as connected:
        return connected.chat.completions.create(model="m", messages=HI).to_dict()


@each("name", ANSWERS)
def test_the_collected_answer_is_what_we_said(name: str) -> None:
    request = read_request({"model": "m", "messages": HI}, {})
    body = StreamWriter(request, "m", "chatcmpl-1", 1_700_000_000).body(collect(ANSWERS[name]))
    assert whole(name) == body


@each("name", ANSWERS)
def test_the_streamed_answer_is_the_collected_one(name: str) -> None:
    with (
        sdk(ANSWERS[name]) as connected,
        connected.chat.completions.stream(
            model="m", messages=HI, stream_options={"include_usage": True}
        ) as stream,
    ):
        stream.until_done()
        snapshot = stream.current_completion_snapshot
    assert bare(snapshot.to_dict()) == bare(whole(name))


@each("name", ANSWERS)
def test_bare_chunks_add_up_to_the_collected_answer(name: str) -> None:
    state = ChatCompletionStreamState()
    with sdk(ANSWERS[name]) as connected:
        chunks = connected.chat.completions.create(
            model="m", messages=HI, stream=True, stream_options={"include_usage": True}
        )
        for chunk in chunks:
            list(state.handle_chunk(chunk))
    assert bare(state.current_completion_snapshot.to_dict()) == bare(whole(name))


def test_usage_comes_only_when_asked_for() -> None:
    with sdk(ANSWERS["text"]) as connected:
        chunks = list(connected.chat.completions.create(model="m", messages=HI, stream=True))
    assert [chunk.usage for chunk in chunks if chunk.usage] == []
    assert all(chunk.choices for chunk in chunks)


def test_an_error_in_the_stream_is_raised_with_its_code() -> None:
    events: list[Event] = [
        Begin(),
        Open(0, Text("")),
        Delta(0, "so"),
        Fail(Overloaded("try later")),
    ]
    with sdk(events) as connected:
        chunks = connected.chat.completions.create(model="m", messages=HI, stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(chunks)
    assert (caught.value.message, caught.value.code) == ("try later", "server_overloaded")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ContextOverflow("too long"), openai.BadRequestError, "context_length_exceeded"),
        (RateLimited("slow"), openai.RateLimitError, "rate_limit_exceeded"),
        (Overloaded("full"), openai.InternalServerError, "server_overloaded"),
    ],
)
def test_an_error_answer_is_the_sdks_own_exception(error: Any, kind: Any, code: str) -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(error_status(error), content=dumps(error_body(error, "req_1")))

    with client(answer) as connected, pytest.raises(kind) as caught:
        connected.chat.completions.create(model="m", messages=HI)
    assert (caught.value.code, caught.value.body["message"]) == (code, error.message)
