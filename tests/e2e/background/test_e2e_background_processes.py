"""Background responses of several gateways on one store: in turn, at once, killed.

Those that are not killed share the test's process: the store and its locks tell them apart.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import openai
import pytest

from gateway_core.testing.upstream import ThreadedUpstream
from support.background import (
    Start,
    ask,
    asked_for,
    events_of,
    finish,
    rows,
    said_hello,
    wait_for,
    writing,
)
from support.command import GatewayCommand, Serving
from support.line_http import LineHttpProvider

LOOK_SECONDS = "gateway_core.background.responses.LOOK_SECONDS"
TAKE_OVER_SECONDS = "gateway_core.background.responses.TAKE_OVER_SECONDS"


@pytest.fixture
def process(tmp_path: Path, upstream: ThreadedUpstream) -> Iterator[Serving]:
    """A gateway in a process of its own, which makes one response at a time."""
    command = GatewayCommand(tmp_path, {"LINES_URL": upstream.url})
    command.environ["GATEWAY_STATE__MAX_BACKGROUND"] = "1"
    command.with_plugin("lines", "support.lines_plugin:LinesProvider")
    with command.serve() as serving:
        yield serving


def test_a_killed_gateway_loses_nothing_and_nothing_runs_twice(
    process: Serving, start: Start, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TAKE_OVER_SECONDS, 0.05)
    with start() as living, living.openai() as here:
        with openai.OpenAI(
            base_url=f"{process.url}/v1", api_key=process.key, max_retries=0
        ) as client:
            complete = ask(client, "zero")
            finish(said_hello(upstream))
            wait_for(client, complete.id, "completed")
            cut, waiting = ask(client, "one"), ask(client, "two")
            request = said_hello(upstream)
            wait_for(here, cut.id, "in_progress")
        process.process.kill()
        process.process.wait()
        request.wait_until_left()
        response = wait_for(here, cut.id, "failed")
        assert "the gateway ended before" in response.error.message
        with start() as later, later.openai() as there:
            finish(said_hello(upstream), b" again")
            assert wait_for(there, waiting.id, "completed").output_text == "hello again"
            assert there.responses.cancel(cut.id) == response
            assert there.responses.retrieve(complete.id).output_text == "hello"
            assert events_of(there, waiting.id) == events_of(here, waiting.id)
    asked = [request.body.split(b"'")[1] for request in upstream.requests]
    assert asked == [b"zero", b"one", b"two"]


def test_a_stop_tells_of_what_it_cut_and_leaves_the_rest_to_the_next(
    start: Start, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    with start(state__max_background=1) as gateway, gateway.openai() as client:
        cut, waiting = ask(client, "one"), ask(client, "two")
        request = said_hello(upstream)
        wait_for(client, cut.id, "in_progress")
    request.wait_until_left()
    with start() as gateway, gateway.openai() as client:
        response = client.responses.retrieve(cut.id)
        assert response.status == "failed"
        assert "was stopped" in response.error.message  # type: ignore[union-attr]
        finish(said_hello(upstream))
        later = wait_for(client, waiting.id, "completed")
        assert later.output_text == "hello"
        assert events_of(client, waiting.id)[-1]["response"] == later.to_dict()
    assert len(upstream.requests) == 2
    assert rows(tmp_path, "SELECT * FROM response_run") == []


def test_a_stop_does_not_wait_for_a_store_that_is_held_up(
    start: Start, upstream: ThreadedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 0.0)
    monkeypatch.setattr("gateway_core.background.responses.CLOSING_SECONDS", 0.1)
    with ExitStack() as held:
        with start() as gateway, gateway.openai() as client:
            made = ask(client)
            request = said_hello(upstream)
            wait_for(client, made.id, "in_progress")
            held.enter_context(writing(tmp_path))
        request.wait_until_left()
    left = rows(tmp_path, "SELECT id, started FROM response_run")
    assert left == [(made.id, 1)], "the next gateway tells its end"


@pytest.fixture
def left(start: Start, upstream: ThreadedUpstream) -> list[str]:
    """The ids of two responses that a gateway has not begun before it stopped."""
    with start(state__max_background=1) as gateway, gateway.openai() as client:
        ask(client, "begun")
        ids = [ask(client, text).id for text in ("two", "three")]
        said_hello(upstream)
    return ids


def test_what_another_version_has_stored_is_told_as_failed(
    left: list[str], start: Start, tmp_path: Path
) -> None:
    rows(tmp_path, "UPDATE response_run SET request = x'7b7d'")
    with start() as gateway, gateway.openai() as client:
        response = wait_for(client, left[0], "failed")
    assert "another version" in response.error.message


def test_what_is_damaged_does_not_keep_the_others_waiting(
    left: list[str], start: Start, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    damaged, sound = left
    rows(tmp_path, "UPDATE response_run SET request = x'5b5d' WHERE id = ?", damaged)
    rows(tmp_path, "UPDATE response_body SET response = x'5b' WHERE id = ?", damaged)
    with start() as gateway, gateway.openai() as client:
        finish(said_hello(upstream))
        wait_for(client, sound, "completed")


def test_what_waited_too_long_for_a_gateway_is_not_begun_any_more(
    left: list[str], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.background.responses.OLDEST_START", -1.0)
    with start() as gateway, gateway.openai() as client:
        response = wait_for(client, left[0], "failed")
    assert "waited too long" in response.error.message


def test_other_gateways_can_watch_cancel_and_delete_it(
    start: Start, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOOK_SECONDS, 0.05)
    with start() as one, start() as other, one.openai() as here, other.openai() as there:
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


def test_what_another_gateway_has_ended_is_ended_at_once(
    start: Start, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for clients of the one that still makes it, and when it is complete there."""
    monkeypatch.setattr(LOOK_SECONDS, 600.0)
    provider = LineHttpProvider(upstream.url)
    with (
        start(provider) as one,
        start() as other,
        one.openai() as here,
        other.openai() as there,
    ):
        cancelled, deleted = ask(here, "a"), ask(here, "b")
        requests = [said_hello(upstream) for _ in range(2)]
        assert there.responses.cancel(cancelled.id).status == "cancelled"
        there.responses.delete(deleted.id)
        with pytest.raises(openai.NotFoundError):
            here.responses.retrieve(deleted.id, stream=True)
        finish(asked_for(b"a", requests))
        assert provider.exchanges.get().status == 200
        assert here.responses.retrieve(cancelled.id).status == "cancelled"
        assert events_of(here, cancelled.id)[-1]["response"]["status"] == "cancelled"
        here.responses.delete(cancelled.id)


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
    with writing(tmp_path):
        finish(request)
        last = list(stream)[-1].response
        assert client.responses.retrieve(id) == last, "its process knows it"
    assert last.status == "completed"
    while rows(tmp_path, "SELECT * FROM response_run"):
        continue
    assert client.responses.retrieve(id) == last
