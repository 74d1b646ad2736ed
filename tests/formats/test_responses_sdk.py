"""The real OpenAI SDK reads what we write: streamed and whole answers come out the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest

from gateway_core.content import Text, ToolCall
from gateway_core.errors import ContextOverflow, Overloaded, RateLimited
from gateway_core.events import Begin, Delta, End, Event, Fail, Open
from gateway_core.formats.responses import FORMAT, StreamWriter, read_request
from gateway_core.json import JsonObject, loads_object
from gateway_core.parts import collect
from support.about import each
from support.corpus import ANSWERS

# The stream helper knows only completed responses as final ones.
INCOMPLETE = {"stop-at-length", "stop-at-context-window", "stop-by-refusal"}
COMPLETED = [name for name in ANSWERS if name not in INCOMPLETE]
PARSED_ALONG_THE_WAY = {"parsed", "parsed_arguments"}


@contextmanager
def client(answer: Any) -> Iterator[openai.OpenAI]:
    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        openai.OpenAI(
            base_url="http://127.0.0.1/v1", api_key="local", http_client=http, max_retries=0
        ) as connected,
    ):
        yield connected


@contextmanager
def sdk(events: list[Event]) -> Iterator[openai.OpenAI]:
    """A client whose every request is answered with these events, in the form it asked for."""

    def answer(http: httpx2.Request) -> httpx2.Response:
        request = read_request(loads_object(http.content), {})
        writer = StreamWriter(request, request.model, "resp_1", 1_700_000_000)
        if not request.stream:
            return httpx2.Response(200, json=writer.body(collect(events)))
        data = writer.ping() + writer.feed(events)
        return httpx2.Response(200, content=data, headers={"content-type": "text/event-stream"})

    with client(answer) as connected:
        yield connected


def bare(value: Any) -> Any:
    """Without what the stream helper adds."""
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if key not in PARSED_ALONG_THE_WAY}
    return [bare(item) for item in value] if isinstance(value, list) else value


def body_of(name: str) -> JsonObject:
    request = read_request({"model": "m", "input": "Hi"}, {})
    return StreamWriter(request, "m", "resp_1", 1_700_000_000).body(collect(ANSWERS[name]))


@each("name", ANSWERS)
def test_the_whole_answer_is_what_we_said(name: str) -> None:
    with sdk(ANSWERS[name]) as connected:
        response = connected.responses.create(model="m", input="Hi")
    assert response.to_dict() == body_of(name)


@each("name", COMPLETED)
def test_the_streamed_answer_is_the_collected_one(name: str) -> None:
    with (
        sdk(ANSWERS[name]) as connected,
        connected.responses.stream(model="m", input="Hi") as stream,
    ):
        final = stream.get_final_response()
    assert bare(final.to_dict()) == body_of(name)


@each("name", ANSWERS)
def test_the_last_event_of_a_bare_stream_holds_the_answer(name: str) -> None:
    with sdk(ANSWERS[name]) as connected:
        *_, last = connected.responses.create(model="m", input="Hi", stream=True)
    assert last.type in ("response.completed", "response.incomplete")
    assert last.response.to_dict() == body_of(name)


def test_the_snapshots_grow_with_the_text() -> None:
    with (
        sdk(ANSWERS["text"]) as connected,
        connected.responses.stream(model="m", input="Hi") as stream,
    ):
        grown = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
    assert grown == ["Hello", "Hello, world."]


def test_text_and_calls_are_found_where_users_look() -> None:
    with sdk(ANSWERS["tool-after-text"]) as connected:
        response = connected.responses.create(model="m", input="Hi")
    assert response.output_text == "Let me look that up."
    call = response.output[1]
    assert call.type == "function_call"
    assert (call.call_id, call.name, call.arguments) == (
        "call_1",
        "get_weather",
        '{"city":"Paris"}',
    )


def test_what_the_sdk_sends_back_is_read_as_it_was_said() -> None:
    seen: list[JsonObject] = []

    def answer(http: httpx2.Request) -> httpx2.Response:
        body = loads_object(http.content)
        seen.append(body)
        writer = StreamWriter(read_request(body, {}), "m", "resp_1", 1_700_000_000)
        return httpx2.Response(200, json=writer.body(collect(ANSWERS["thinking-only-before-tool"])))

    with client(answer) as connected:
        first = connected.responses.create(model="m", input="Hi")
        result: Any = {"type": "function_call_output", "call_id": "call_1", "output": "text"}
        history: Any = [{"role": "user", "content": "Hi"}, *first.output, result]
        connected.responses.create(model="m", input=history)
    said = read_request(seen[1], {}).messages[1].parts
    expected = collect(ANSWERS["thinking-only-before-tool"]).parts
    for part in said:
        part.extras = None  # type: ignore[union-attr]  # reasoning and calls have them
    assert said == expected


def test_a_failure_in_the_stream_is_not_taken_for_an_answer() -> None:
    events: list[Event] = [Begin(), Open(0, Text("")), Delta(0, "so"), Fail(Overloaded("busy"))]
    with (
        sdk(events) as connected,
        connected.responses.stream(model="m", input="Hi") as stream,
        pytest.raises(RuntimeError, match=r"response\.completed"),
    ):
        stream.get_final_response()


def test_a_failure_in_the_middle_of_a_call_shows_no_call() -> None:
    events: list[Event] = [Open(0, ToolCall("c", "f", "")), Delta(0, "{"), Fail(Overloaded("busy"))]
    with sdk(events) as connected:
        *_, last = connected.responses.create(model="m", input="Hi", stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "busy"
    assert last.response.output == []


def test_an_answer_cut_by_a_filter_says_so() -> None:
    with sdk([End("refusal")]) as connected:
        response = connected.responses.create(model="m", input="Hi")
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "content_filter"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ContextOverflow("too long"), openai.BadRequestError),
        (RateLimited("slow down"), openai.RateLimitError),
        (Overloaded("busy"), openai.InternalServerError),
    ],
)
def test_an_error_before_the_answer_has_its_own_class(
    error: Any, expected: type[openai.APIStatusError]
) -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(FORMAT.error_status(error), json=FORMAT.error_body(error, "req_1"))

    with client(answer) as connected, pytest.raises(expected, match=error.message) as caught:
        connected.responses.create(model="m", input="Hi")
    assert caught.value.code == FORMAT.error_body(error, "req_1")["error"]["code"]
