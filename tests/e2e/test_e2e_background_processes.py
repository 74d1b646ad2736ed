"""Gateways as processes on one store: killed, restarted, stopped while somebody holds the store."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import openai
import pytest

from gateway_core.testing.upstream import ThreadedUpstream, threaded_upstream
from support.background import ask, events_of, finish, said_hello, wait_for
from support.command import GatewayCommand, Serving

STATE_FILE = Path("state", "gateway.sqlite3")


@pytest.fixture
def upstream() -> Iterator[ThreadedUpstream]:
    with threaded_upstream() as upstream:
        yield upstream


@pytest.fixture
def command(tmp_path: Path, upstream: ThreadedUpstream) -> GatewayCommand:
    command = GatewayCommand(tmp_path / "home", {"LINES_URL": upstream.url})
    command.environ["GATEWAY_STATE__MAX_BACKGROUND"] = "1"
    command.with_plugin("lines", "support.lines_plugin:LinesProvider")
    return command


def client_of(serving: Serving) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{serving.url}/v1", api_key=serving.key, max_retries=0)


def test_a_killed_gateway_loses_nothing_and_nothing_runs_twice(
    command: GatewayCommand, upstream: ThreadedUpstream
) -> None:
    with command.serve() as serving, client_of(serving) as client:
        complete = ask(client, "zero")
        finish(said_hello(upstream))
        wait_for(client, complete.id, "completed")
        cut, waiting = ask(client, "one"), ask(client, "two")
        request = said_hello(upstream)
        wait_for(client, cut.id, "in_progress")
        serving.process.kill()
        serving.process.wait()
    request.wait_until_left()
    with (
        command.serve() as one,
        command.serve() as other,
        client_of(one) as here,
        client_of(other) as there,
    ):
        response = here.responses.retrieve(cut.id)
        assert response.status == "failed"
        assert "the gateway ended before" in response.error.message  # type: ignore[union-attr]
        finish(said_hello(upstream), b" again")
        assert wait_for(there, waiting.id, "completed").output_text == "hello again"
        assert there.responses.retrieve(cut.id) == response
        assert there.responses.retrieve(complete.id).output_text == "hello"
        assert events_of(there, waiting.id) == events_of(here, waiting.id)
    assert [text in request.body for request, text in zip(upstream.requests, ASKED, strict=True)]


ASKED = [b"'zero'", b"'one'", b"'two'"]


def test_a_living_gateway_tells_the_end_of_a_killed_one_and_cancels_at_others(
    command: GatewayCommand, upstream: ThreadedUpstream
) -> None:
    with command.serve() as one, command.serve() as other, client_of(other) as there:
        with client_of(one) as here:
            first = ask(here, "one")
            request = said_hello(upstream)
            wait_for(there, first.id, "in_progress")
            assert there.responses.cancel(first.id).status == "cancelled"
            request.wait_until_left()
            second = ask(here, "two")
            said_hello(upstream)
            wait_for(there, second.id, "in_progress")
        one.process.kill()
        one.process.wait()
        assert wait_for(there, second.id, "failed").error is not None
        assert there.responses.cancel(second.id).status == "failed"


def test_it_stops_in_time_while_somebody_holds_the_store(
    command: GatewayCommand, upstream: ThreadedUpstream
) -> None:
    with command.serve() as serving, client_of(serving) as client:
        made = ask(client)
        request = said_hello(upstream)
        wait_for(client, made.id, "in_progress")
        with writing(command.home / STATE_FILE):
            exit_code, told = serving.stop()
    assert (exit_code, told.splitlines()[-1]) == (0, "gateway: stopped")
    request.wait_until_left()
    with writing(command.home / STATE_FILE) as connection:
        owners = connection.execute("SELECT id, started FROM response_run").fetchall()
    assert owners == [(made.id, 1)], "the next process tells its end"


@contextmanager
def writing(file: Path) -> Iterator[sqlite3.Connection]:
    """Another process is in the middle of a write."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("ROLLBACK")
