"""Responses in the background: polled, streamed, cancelled and deleted with the real SDK."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeAlias

import openai
import pytest

from gateway_core.testing.upstream import RequestInHand, ThreadedUpstream, threaded_upstream
from support.background import ask, events_of, finish, said_hello, wait_for
from support.line_http import LineHttpProvider
from support.server import Gateway, running_gateway

STATE_FILE = Path("state", "gateway.sqlite3")
Start: TypeAlias = Callable[..., Gateway]


@pytest.fixture
def upstream() -> Iterator[ThreadedUpstream]:
    with threaded_upstream() as upstream:
        yield upstream


@pytest.fixture
def start(upstream: ThreadedUpstream, tmp_path: Path) -> Iterator[Start]:
    """Starts gateways on one home; arguments are settings of `[state]`."""
    with ExitStack() as stack:

        def start(**settings: object) -> Gateway:
            dotted = {f"state.{name}": value for name, value in settings.items()}
            plugins = [LineHttpProvider(upstream.url)]
            running = running_gateway(tmp_path, extra_plugins=plugins, settings=dotted)
            return stack.enter_context(running)

        yield start


@pytest.fixture
def gateway(start: Start) -> Gateway:
    return start()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


def test_it_is_queued_runs_and_can_be_polled(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    made = ask(client, "Hi", metadata={"topic": "trees"})
    assert (made.status, made.background, made.output) == ("queued", True, [])
    request = said_hello(upstream)
    assert wait_for(client, made.id, "in_progress").output == []
    finish(request, b" there")
    response = wait_for(client, made.id, "completed")
    assert response.output_text == "hello there"
    assert (response.id, response.created_at) == (made.id, made.created_at)
    assert (response.background, response.metadata) == (True, {"topic": "trees"})
    assert response.to_dict()["store"] is True
    (item,) = client.responses.input_items.list(made.id)
    assert item.content[0].text == "Hi"  # type: ignore[union-attr, index]


async def test_the_asynchronous_sdk_polls_and_cancels(
    gateway: Gateway, upstream: ThreadedUpstream
) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0
    ) as client:
        made = await client.responses.create(model="line-1", input="Hi", background=True)
        cancelled = await client.responses.cancel(made.id)
        assert (made.status, cancelled.status) == ("queued", "cancelled")
        found = await client.responses.retrieve(made.id)
        assert found == cancelled


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
    upstream.answer(answered)
    made = client.responses.create(model="line-1", input="Hi", store=True)
    events = events_of(client, made.id)
    assert events[0]["type"] == "response.created"
    assert events[-1]["response"] == made.to_dict()
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(len(events)))
    assert events_of(client, made.id, starting_after=numbers[-2]) == events[-1:]


async def answered(request: Any) -> None:
    await request.head()
    await request.send(b"hello\n.\n")
    await request.finish()


def test_only_a_number_is_a_place_in_a_stream(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="sequence number") as caught:
        client.responses.retrieve("resp_0", stream=True, extra_query={"starting_after": "x"})
    assert caught.value.param == "starting_after"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_0", stream=True)


def test_cancelling_closes_the_upstream_and_can_be_repeated(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    stream = ask(client, stream=True)
    request = said_hello(upstream)
    id = next(iter(stream)).response.id
    first = client.responses.cancel(id)
    request.wait_until_left()
    assert (first.status, first.output, first.error) == ("cancelled", [], None)
    assert client.responses.cancel(id) == first == client.responses.retrieve(id)
    last = list(stream)[-1]
    assert (last.type, last.response.status) == ("response.failed", "cancelled")
    assert events_of(client, id)[-1]["response"] == first.to_dict()


def test_a_complete_one_stays_as_it_is_when_it_is_cancelled(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    made = ask(client)
    finish(said_hello(upstream))
    response = wait_for(client, made.id, "completed")
    assert client.responses.cancel(made.id) == response


def test_only_what_runs_in_the_background_can_be_cancelled(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    upstream.answer(answered)
    made = client.responses.create(model="line-1", input="Hi", store=True)
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_0")


def test_deleting_closes_the_upstream_and_leaves_nothing(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    stream = ask(client, stream=True)
    request = said_hello(upstream)
    id = next(iter(stream)).response.id
    client.responses.delete(id)
    request.wait_until_left()
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(id)
    last = list(stream)[-1]
    assert last.type == "error"
    assert "was deleted" in last.message


def test_so_many_run_at_once_and_the_others_wait(start: Start, upstream: ThreadedUpstream) -> None:
    with start(max_background=1).openai() as client:
        first, second, third = (ask(client, text) for text in ("a", "b", "c"))
        request = said_hello(upstream)
        wait_for(client, first.id, "in_progress")
        assert client.responses.retrieve(second.id).status == "queued"
        assert client.responses.cancel(second.id).status == "cancelled"
        finish(request)
        finish(said_hello(upstream))
        wait_for(client, third.id, "completed")
    assert [b"'c'" in request.body for request in upstream.requests] == [False, True]


def test_what_fails_is_told_by_the_response(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    made = ask(client)
    said_hello(upstream).cut()
    response = wait_for(client, made.id, "failed")
    assert response.output_text == "hello"
    assert response.error.code == "server_error"
    assert events_of(client, made.id)[-1]["type"] == "response.failed"


@pytest.mark.parametrize(
    ("settings", "fields", "param", "words"),
    [
        ({}, {"store": False}, "store", "requires `store` to be true"),
        ({"stored_responses": "never"}, {}, "background", r"\[state\] stored_responses"),
        ({}, {"model": "none-1"}, "model", "none-1"),
        ({}, {"extra_body": {"background": "yes"}}, "background", "expected a boolean"),
        ({}, {"previous_response_id": "resp_0"}, "previous_response_id", "kept neither"),
    ],
)
def test_what_cannot_run_is_refused_at_once_and_leaves_nothing(
    start: Start,
    tmp_path: Path,
    settings: dict[str, object],
    fields: dict[str, Any],
    param: str,
    words: str,
) -> None:
    asked = {"model": "line-1", "input": "Hi", "background": True, **fields}
    with (
        start(**settings).openai() as client,
        pytest.raises(openai.APIStatusError, match=words) as caught,
    ):
        client.responses.create(**asked)
    assert caught.value.param == param
    assert not list(rows(tmp_path, "response"))


def test_only_so_many_may_wait(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_core.background.LONGEST_QUEUE", 0)
    with pytest.raises(openai.RateLimitError, match="max_background"):
        ask(client)


def test_what_cannot_be_kept_is_not_begun(
    client: openai.OpenAI,
    upstream: ThreadedUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 0.0)
    made = ask(client)
    finish(said_hello(upstream))
    wait_for(client, made.id, "completed")
    with closing(sqlite3.connect(tmp_path / STATE_FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(openai.InternalServerError, match="cannot be kept"):
            ask(client)
    assert len(upstream.requests) == 1


def test_what_another_version_has_stored_is_told_as_failed(
    start: Start, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    plugins = [LineHttpProvider(upstream.url)]
    settings = {"state.max_background": 1}
    with (
        running_gateway(tmp_path, extra_plugins=plugins, settings=settings) as gateway,
        gateway.openai() as client,
    ):
        ask(client, "one")
        waiting = ask(client, "two")
        said_hello(upstream)
    with closing(sqlite3.connect(tmp_path / STATE_FILE)) as connection, connection:
        connection.execute("UPDATE response_run SET request = x'7b7d'")
    with start().openai() as client:
        response = wait_for(client, waiting.id, "failed")
    assert "another version" in response.error.message


def rows(home: Path, table: str) -> list[Any]:
    """What a table of the store holds."""
    if not (home / STATE_FILE).exists():
        return []
    with closing(sqlite3.connect(home / STATE_FILE)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608


def test_the_next_turn_waits_for_the_end_of_the_one_before(
    client: openai.OpenAI, upstream: ThreadedUpstream
) -> None:
    first = ask(client, "one")
    request = said_hello(upstream)
    wait_for(client, first.id, "in_progress")
    with pytest.raises(openai.BadRequestError, match="wait until it has ended"):
        ask(client, "two", previous_response_id=first.id)
    finish(request)
    wait_for(client, first.id, "completed")
    second = ask(client, "two", previous_response_id=first.id)
    finish(said_hello(upstream))
    assert wait_for(client, second.id, "completed").previous_response_id == first.id


def test_a_stop_tells_of_what_it_cut_and_leaves_the_rest_to_the_next(
    start: Start, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    plugins = [LineHttpProvider(upstream.url)]
    settings = {"state.max_background": 1}
    with (
        running_gateway(tmp_path, extra_plugins=plugins, settings=settings) as gateway,
        gateway.openai() as client,
    ):
        cut, waiting = ask(client, "one", instructions="Be brief"), ask(client, "two")
        request = said_hello(upstream)
        wait_for(client, cut.id, "in_progress")
    request.wait_until_left()
    with start().openai() as client:
        response = client.responses.retrieve(cut.id)
        assert response.status == "failed"
        assert "was stopped" in response.error.message  # type: ignore[union-attr]
        finish(said_hello(upstream))
        later = wait_for(client, waiting.id, "completed")
        assert later.output_text == "hello"
        assert events_of(client, waiting.id)[-1]["response"] == later.to_dict()
    assert len(upstream.requests) == 2
    assert rows(tmp_path, "response_run") == []


def test_what_waited_too_long_for_a_gateway_is_not_begun_any_more(
    start: Start, upstream: ThreadedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.background.OLDEST_START", -1.0)
    plugins = [LineHttpProvider(upstream.url)]
    settings = {"state.max_background": 1}
    with (
        running_gateway(tmp_path, extra_plugins=plugins, settings=settings) as gateway,
        gateway.openai() as client,
    ):
        ask(client, "one")
        waiting = ask(client, "two")
        said_hello(upstream)
    with start().openai() as client:
        response = wait_for(client, waiting.id, "failed")
    assert "waited too long" in response.error.message


def asked_for(text: bytes, requests: list[RequestInHand]) -> RequestInHand:
    return next(request for request in requests if b"'%b'" % text in request.body)


def test_other_gateways_can_watch_cancel_and_delete_it(
    start: Start, upstream: ThreadedUpstream
) -> None:
    with start().openai() as here, start().openai() as there:
        watched, cancelled, deleted = (ask(here, text) for text in ("a", "b", "c"))
        requests = [said_hello(upstream) for _ in range(3)]
        stream = there.responses.retrieve(watched.id, stream=True)
        assert next(stream).type == "response.created"
        assert there.responses.cancel(cancelled.id).status == "cancelled"
        assert there.responses.cancel(cancelled.id).status == "cancelled"
        there.responses.delete(deleted.id)
        for text in (b"b", b"c"):
            asked_for(text, requests).wait_until_left()
        finish(asked_for(b"a", requests), b" there")
        last = list(stream)[-1].response  # type: ignore[union-attr]
        assert last.output_text == "hello there"
        assert here.responses.retrieve(watched.id) == last
        assert here.responses.retrieve(cancelled.id).status == "cancelled"


def test_a_store_that_is_held_up_at_the_end_gets_it_later(
    client: openai.OpenAI,
    upstream: ThreadedUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 0.0)
    monkeypatch.setattr("gateway_core.keeping.FIRST_PAUSE", 0.01)
    stream = ask(client, stream=True)
    request = said_hello(upstream)
    id = next(stream).response.id
    with closing(sqlite3.connect(tmp_path / STATE_FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        finish(request)
        last = list(stream)[-1].response
        assert client.responses.retrieve(id) == last, "its process knows it"
        connection.execute("ROLLBACK")
    assert last.status == "completed"
    while rows(tmp_path, "response_run"):
        continue
    assert client.responses.retrieve(id) == last


def test_a_reader_that_is_too_slow_is_told_when_to_come_again(
    client: openai.OpenAI, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.live_events.LARGEST_BUFFER", 1)
    made = ask(client)
    request = said_hello(upstream)
    wait_for(client, made.id, "in_progress")
    (told,) = events_of(client, made.id)
    assert told["type"] == "error"
    assert "not held any more" in told["message"]
    finish(request)
    wait_for(client, made.id, "completed")
    assert events_of(client, made.id)[0]["type"] == "response.created"
