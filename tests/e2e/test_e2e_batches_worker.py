"""What runs message batches: in turns, with patience, and never twice, whoever dies meanwhile."""

import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anthropic
import pytest

from gateway_core import Event, RateLimited, Text
from gateway_core.events import Begin, Delta, Fail, Open
from gateway_core.testing.upstream import (
    RequestInHand,
    ThreadedUpstream,
    json_answer,
    threaded_upstream,
)
from support.batching import AskingProvider, asked, ended, params, reply, requests, results
from support.command import GatewayCommand
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway


@pytest.fixture
def upstream() -> Iterator[ThreadedUpstream]:
    with threaded_upstream() as upstream:
        yield upstream


@pytest.fixture
def settings(upstream: ThreadedUpstream) -> dict[str, object]:
    return {"providers.asking.url": upstream.url, "batches.at_once": 1}


@pytest.fixture
def gateway(tmp_path: Path, settings: dict[str, object]) -> Iterator[Gateway]:
    plugins = [AskingProvider()]
    with running_gateway(tmp_path, extra_plugins=plugins, settings=settings) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with gateway.anthropic() as client:
        yield client


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes are looked at all the time, and a stop waits for nobody."""
    monkeypatch.setattr("gateway_core.batches.worker.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("gateway_core.batches.worker.GRACE_SECONDS", 0.05)


def answer(request: RequestInHand) -> None:
    """By hand what `reply` does."""
    request.head()
    request.send(b"re: " + request.body + b"\n.\n")
    request.finish()


def test_only_so_many_run_at_once(tmp_path: Path, upstream: ThreadedUpstream) -> None:
    settings: dict[str, object] = {"providers.asking.url": upstream.url, "batches.at_once": 3}
    plugins = [AskingProvider()]
    with (
        running_gateway(tmp_path, extra_plugins=plugins, settings=settings) as gateway,
        gateway.anthropic() as client,
    ):
        id = client.messages.batches.create(requests=requests("abcde")).id
        begun = [upstream.next_request() for _ in range(3)]
        client.messages.batches.retrieve(id)
        assert sorted(asked(upstream)) == ["a", "b", "c"]
        upstream.answer(reply, reply)
        for request in begun:
            answer(request)
        assert ended(client, id).request_counts.succeeded == 5


def test_batches_take_turns(client: anthropic.Anthropic, upstream: ThreadedUpstream) -> None:
    first = client.messages.batches.create(requests=requests(["a1", "a2", "a3"])).id
    begun = upstream.next_request()
    second = client.messages.batches.create(requests=requests(["b1", "b2"])).id
    upstream.answer(*[reply] * 4)
    answer(begun)
    ended(client, first)
    ended(client, second)
    assert asked(upstream) == ["a1", "b1", "a2", "b2", "a3"]


def test_a_refusal_is_waited_out_and_costs_no_request(
    client: anthropic.Anthropic, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.batches.patience.FIRST_PAUSE", 0.01)
    upstream.answer(
        json_answer({"error": "slow down"}, 429, {"retry-after": "0.05"}),
        json_answer({"error": "slow down"}, 429),
        *[reply] * 3,
    )
    id = client.messages.batches.create(requests=requests(["one", "two", "three"])).id
    assert ended(client, id).request_counts.succeeded == 3
    assert asked(upstream) == ["one", "two", "three", "one", "two"], "who was refused comes last"


def test_a_provider_that_is_held_holds_up_no_other(
    tmp_path: Path, upstream: ThreadedUpstream, settings: dict[str, object]
) -> None:
    plugins = [AskingProvider(), AskingProvider("other", "other-1")]
    settings["providers.other.url"] = upstream.url
    upstream.answer(json_answer({"error": "slow down"}, 429, {"retry-after": "3600"}), reply)
    with (
        running_gateway(tmp_path, extra_plugins=plugins, settings=settings) as gateway,
        gateway.anthropic() as client,
    ):
        held = client.messages.batches.create(requests=requests(["one", "two"])).id
        asking: Any = [{"custom_id": "x", "params": params("from another", model="other-1")}]
        other = client.messages.batches.create(requests=asking).id
        assert results(client, ended(client, other).id) == {"x": "re: from another"}
        assert client.messages.batches.cancel(held).request_counts.canceled == 2
    assert asked(upstream) == ["one", "from another"]


def test_who_is_refused_for_ever_gets_an_error(
    client: anthropic.Anthropic, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.batches.patience.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("gateway_core.batches.worker.MOST_TRIES", 3)
    upstream.answer(*[json_answer({"error": "slow down"}, 429)] * 3, reply)
    id = client.messages.batches.create(requests=requests(["one"])).id
    ended(client, id)
    assert results(client, id) == {"one": "rate_limit_error"}
    assert len(asked(upstream)) == 3


def test_a_refusal_in_the_middle_of_an_answer_is_an_error(tmp_path: Path) -> None:
    """Some of it was done, and would be done again."""
    broken_off: list[Event] = [
        Begin(),
        Open(0, Text("")),
        Delta(0, "Hi"),
        Fail(RateLimited("slow down")),
    ]
    provider = ScriptedProvider(script=[broken_off])
    asking: Any = [{"custom_id": "one", "params": params("one", model="scripted-1")}]
    with (
        running_gateway(tmp_path, extra_plugins=[provider]) as gateway,
        gateway.anthropic() as client,
    ):
        id = client.messages.batches.create(requests=asking).id
        ended(client, id)
        assert results(client, id) == {"one": "rate_limit_error"}
    assert len(provider.requests) == 1


def test_what_runs_out_of_time_is_never_begun(
    tmp_path: Path, upstream: ThreadedUpstream, settings: dict[str, object]
) -> None:
    settings["batches.expire_hours"] = 1e-9
    plugins = [AskingProvider()]
    with (
        running_gateway(tmp_path, extra_plugins=plugins, settings=settings) as gateway,
        gateway.anthropic() as client,
    ):
        id = client.messages.batches.create(requests=requests(["one", "two"])).id
        assert ended(client, id).request_counts.expired == 2
        assert results(client, id) == {"one": "expired", "two": "expired"}
    assert asked(upstream) == []


def test_a_result_that_the_store_does_not_take_is_not_lost(
    tmp_path: Path,
    client: anthropic.Anthropic,
    upstream: ThreadedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gateway_core.batches.worker.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 0.01)
    id = client.messages.batches.create(requests=requests(["one"])).id
    begun = upstream.next_request()
    file = tmp_path / "state" / "gateway.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        answer(begun)
        while "do not go on" not in caplog.text:
            continue
        connection.execute("ROLLBACK")
    ended(client, id)
    assert results(client, id) == {"one": "re: one"}


@pytest.mark.usefixtures("in_a_hurry")
def test_two_gateways_share_a_batch(
    tmp_path: Path, upstream: ThreadedUpstream, settings: dict[str, object]
) -> None:
    texts = [f"text-{number}" for number in range(12)]
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(
                running_gateway(tmp_path, extra_plugins=[AskingProvider()], settings=settings)
            )
            for _ in range(2)
        ]
        client, other = [stack.enter_context(gateway.anthropic()) for gateway in gateways]
        id = client.messages.batches.create(requests=requests(texts)).id
        # Each of them runs one at a time.
        begun = [upstream.next_request(), upstream.next_request()]
        upstream.answer(*[reply] * 10)
        for request in begun:
            answer(request)
        ended(other, id)
        assert results(other, id) == {text: f"re: {text}" for text in texts}
    assert sorted(asked(upstream)) == sorted(texts)


@pytest.mark.usefixtures("in_a_hurry")
def test_a_stop_cuts_what_runs_and_a_start_goes_on(
    tmp_path: Path, upstream: ThreadedUpstream, settings: dict[str, object]
) -> None:
    plugin = AskingProvider()
    with (
        running_gateway(tmp_path, extra_plugins=[plugin], settings=settings) as gateway,
        gateway.anthropic() as client,
    ):
        id = client.messages.batches.create(requests=requests(["one", "two", "three"])).id
        begun = upstream.next_request()
    begun.wait_until_left()
    assert plugin.exchanges.get(timeout=5).error == "internal"

    upstream.answer(reply, reply)
    with (
        running_gateway(tmp_path, extra_plugins=[AskingProvider()], settings=settings) as gateway,
        gateway.anthropic() as client,
    ):
        ended(client, id)
        assert results(client, id) == {"one": "api_error", "two": "re: two", "three": "re: three"}
    assert asked(upstream) == ["one", "two", "three"]


def test_a_stop_waits_a_moment_for_what_runs(
    tmp_path: Path, upstream: ThreadedUpstream, settings: dict[str, object]
) -> None:
    with ExitStack() as stack:
        starting = running_gateway(tmp_path, extra_plugins=[AskingProvider()], settings=settings)
        gateway = stack.enter_context(starting)
        with gateway.anthropic() as client:
            id = client.messages.batches.create(requests=requests(["one"])).id
        begun = upstream.next_request()
        stopping = threading.Thread(target=stack.close)
        stopping.start()
        while listens(gateway.url):
            continue
        answer(begun)
        stopping.join()
    starting = running_gateway(tmp_path, extra_plugins=[AskingProvider()], settings=settings)
    with starting as gateway, gateway.anthropic() as client:
        assert client.messages.batches.retrieve(id).processing_status == "ended"
        assert results(client, id) == {"one": "re: one"}


def listens(url: str) -> bool:
    """Whether anybody accepts connections there."""
    place = urlsplit(url)
    with socket.socket() as trying:
        return trying.connect_ex((place.hostname, place.port)) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_loses_nothing_and_nothing_runs_twice(
    tmp_path: Path, upstream: ThreadedUpstream
) -> None:
    command = GatewayCommand(tmp_path / "home")
    command.with_plugin("asking", "support.batching:AskingProvider")
    command.environ["GATEWAY_PROVIDERS__ASKING__URL"] = upstream.url
    command.environ["GATEWAY_BATCHES__AT_ONCE"] = "2"
    upstream.answer(reply)
    with command.serve() as serving, client_of(serving.url, serving.key) as client:
        id = client.messages.batches.create(requests=requests("abcdef")).id
        cut = sorted(upstream.next_request().body.decode() for _ in range(2))
        serving.process.send_signal(signal.SIGKILL)
        serving.process.wait()

    upstream.answer(*[reply] * 3)
    with command.serve() as serving, client_of(serving.url, serving.key) as client:
        counts = ended(client, id).request_counts
        assert (counts.succeeded, counts.errored) == (4, 2)
        told = results(client, id)
        assert sorted(told) == list("abcdef")
        assert sorted(text for text, what in told.items() if what == "api_error") == cut
        assert [told[text] for text in told if text not in cut] == [
            f"re: {text}" for text in told if text not in cut
        ]
        (line,) = [line for line in client.messages.batches.results(id) if line.custom_id == cut[0]]
        assert line.result.type == "errored"
        assert "the gateway was stopped" in line.result.error.error.message
    assert sorted(asked(upstream)) == list("abcdef"), "each of them once"


def client_of(url: str, key: str | None) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=15)
