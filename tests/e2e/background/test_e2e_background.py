"""Responses in the background: polled, cancelled and deleted with the real SDK."""

from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_core.testing.upstream import ThreadedUpstream, chunks
from support.background import Start, ask, events_of, finish, rows, said_hello, wait_for, writing
from support.line_http import LineHttpProvider
from support.server import Gateway


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
    upstream.answer(chunks(b"hello\n.\n"))
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
    with start(state__max_background=1) as gateway, gateway.openai() as client:
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
        ({"state__stored_responses": "never"}, {}, "background", r"\[state\] stored_responses"),
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
        start(**settings) as gateway,
        gateway.openai() as client,
        pytest.raises(openai.APIStatusError, match=words) as caught,
    ):
        client.responses.create(**asked)
    assert caught.value.param == param
    assert not rows(tmp_path, "SELECT * FROM response")


def test_only_so_many_may_wait(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_core.background.responses.LONGEST_QUEUE", 0)
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
    with writing(tmp_path), pytest.raises(openai.InternalServerError, match="cannot be kept"):
        ask(client)
    assert len(upstream.requests) == 1


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


def test_each_is_told_to_plugins_once_with_how_it_ended(
    start: Start, upstream: ThreadedUpstream
) -> None:
    provider = LineHttpProvider(upstream.url)
    with start(provider) as gateway, gateway.openai() as client:
        ask(client)
        finish(said_hello(upstream))
        complete = provider.exchanges.get()
        ask(client)
        said_hello(upstream).cut()
        failed = provider.exchanges.get()
        made = ask(client)
        said_hello(upstream)
        client.responses.cancel(made.id)
        cancelled = provider.exchanges.get()
    assert provider.exchanges.empty()
    assert [(each.status, each.error) for each in (complete, failed, cancelled)] == [
        (200, None),
        (200, "upstream_failed"),
        (499, None),
    ]


def test_an_upstream_that_says_nothing_any_more_is_given_up(
    start: Start, upstream: ThreadedUpstream
) -> None:
    provider = LineHttpProvider(upstream.url, idle_timeout=0.05)
    with start(provider) as gateway, gateway.openai() as client:
        made = ask(client)
        request = said_hello(upstream)
        response = wait_for(client, made.id, "failed")
        request.wait_until_left()
    assert "sent nothing for 0.05 s" in response.error.message
