"""Message batches through the routes of the API and the real SDK."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anthropic
import pytest

from gateway_core.testing.upstream import ThreadedUpstream, json_answer, threaded_upstream
from support.batching import AskingProvider, asked, ended, params, reply, requests, results
from support.server import Gateway, running_gateway

STATE_FILE = Path("state", "gateway.sqlite3")


@pytest.fixture
def upstream() -> Iterator[ThreadedUpstream]:
    with threaded_upstream() as upstream:
        yield upstream


@pytest.fixture
def provider() -> AskingProvider:
    return AskingProvider()


@pytest.fixture
def settings(upstream: ThreadedUpstream) -> dict[str, object]:
    return {"providers.asking.url": upstream.url, "batches.at_once": 1}


@pytest.fixture
def gateway(
    tmp_path: Path, provider: AskingProvider, settings: dict[str, object]
) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[provider], settings=settings) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test leaves running is cut at once."""
    monkeypatch.setattr("gateway_core.batches.worker.GRACE_SECONDS", 0.05)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with gateway.anthropic() as client:
        yield client


def test_a_batch_is_answered_without_anybody_waiting(
    client: anthropic.Anthropic, upstream: ThreadedUpstream, provider: AskingProvider
) -> None:
    upstream.answer(reply, reply, reply)
    made = client.messages.batches.create(requests=requests(["one", "two", "three"]))
    assert (made.type, made.processing_status) == ("message_batch", "in_progress")
    assert made.request_counts.processing == 3
    assert (made.results_url, made.ended_at, made.cancel_initiated_at) == (None, None, None)
    assert (made.expires_at - made.created_at).total_seconds() == 24 * 3600

    batch = ended(client, made.id)
    assert batch.request_counts.to_dict() == {
        "processing": 0,
        "succeeded": 3,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
    assert made.created_at <= batch.ended_at
    assert results(client, made.id) == {"one": "re: one", "two": "re: two", "three": "re: three"}
    assert sorted(asked(upstream)) == ["one", "three", "two"]
    exchange = provider.exchanges.get(timeout=5)
    assert (exchange.format, exchange.id, exchange.status) == ("batches", f"{made.id}_0", 200)


def test_results_are_found_on_the_host_that_the_client_uses(
    gateway: Gateway, client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    upstream.answer(reply)
    id = client.messages.batches.create(requests=requests(["one"])).id
    ended(client, id)
    there = gateway.url.replace("127.0.0.1", "localhost")
    with gateway.http() as http:
        batch = http.get(f"{there}/v1/messages/batches/{id}").json()
        assert batch["results_url"] == f"{there}/v1/messages/batches/{id}/results"
        answer = http.get(batch["results_url"])
    assert answer.headers["content-type"] == "application/x-jsonl"
    assert answer.text.count("\n") == 1


def test_a_message_is_that_of_the_messages_api(
    client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    upstream.answer(reply, reply)
    direct = client.messages.create(**params("one"))
    id = client.messages.batches.create(requests=requests(["one"])).id
    ended(client, id)
    (line,) = client.messages.batches.results(id)
    assert line.result.type == "succeeded"
    assert line.result.message.to_dict() == {
        **direct.to_dict(),
        "id": line.result.message.id,
    }


def test_what_is_wrong_with_one_request_is_its_result(
    client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    upstream.answer(reply, json_answer({"error": "no"}, 403))
    batch = client.messages.batches.create(
        requests=[
            {"custom_id": "malformed", "params": params("x", messages=3)},
            {"custom_id": "unknown", "params": params("x", model="nobody-1")},
            {"custom_id": "empty", "params": {}},  # type: ignore[typeddict-item]  # on purpose
            *requests(["good", "refused"]),
        ]
    )
    counts = ended(client, batch.id).request_counts
    assert (counts.succeeded, counts.errored) == (1, 4)
    assert results(client, batch.id) == {
        "malformed": "invalid_request_error",
        "unknown": "not_found_error",
        "empty": "invalid_request_error",
        "good": "re: good",
        "refused": "permission_error",
    }
    errors: Any = [line.result for line in client.messages.batches.results(batch.id)]
    assert errors[0].error.error.message == "messages: expected a list, got int"
    assert errors[0].error.request_id == f"{batch.id}_0"


def test_a_batch_that_cannot_be_is_refused_by_name(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match=r"requests\.1\.custom_id") as caught:
        client.messages.batches.create(requests=requests(["same", "same"]))
    body: Any = caught.value.body
    assert body["error"]["type"] == "invalid_request_error"
    assert list(client.messages.batches.list()) == []


def test_the_beta_client_finds_the_same(
    client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    upstream.answer(reply)
    batches = client.beta.messages.batches
    id = batches.create(requests=requests(["one"]), betas=["message-batches-2024-09-24"]).id
    ended(client, id)
    assert [line.custom_id for line in batches.results(id)] == ["one"]
    assert [batch.id for batch in batches.list()] == [id]
    assert batches.delete(id).type == "message_batch_deleted"


def test_the_list_comes_in_pages_newest_first(
    client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    made = [client.messages.batches.create(requests=requests(["one"])).id for _ in range(5)]
    newest_first = sorted(made, reverse=True)
    listing = client.messages.batches.list
    assert [batch.id for batch in listing(limit=2)] == newest_first
    first = listing(limit=2)
    assert (first.has_more, first.first_id, first.last_id) == (True, *newest_first[:2])
    last = listing(limit=2, after_id=newest_first[3])
    assert ([batch.id for batch in last.data], last.has_more) == (newest_first[4:], False)
    before = listing(limit=2, before_id=newest_first[4])
    assert ([batch.id for batch in before.data], before.has_more) == (newest_first[2:4], True)
    assert [batch.id for batch in listing(limit=1, before_id=newest_first[4])] == newest_first[
        3::-1
    ]
    upstream.next_request()


def test_batches_can_be_deleted_while_they_are_listed(
    client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    upstream.answer(*[reply] * 4)
    for _ in range(4):
        ended(client, client.messages.batches.create(requests=requests(["one"])).id)
    deleted = [
        client.messages.batches.delete(batch.id) for batch in client.messages.batches.list(limit=1)
    ]
    assert len(deleted) == 4
    assert list(client.messages.batches.list()) == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "²"}, "limit"),
        ({"after_id": "b1"}, "after_id"),
        ({"after_id": "msgbatch_1", "before_id": "msgbatch_2"}, "before_id"),
    ],
)
def test_a_page_that_cannot_be_is_refused_by_name(
    gateway: Gateway, query: dict[str, str], param: str
) -> None:
    with gateway.http() as http:
        answer = http.get("/v1/messages/batches", params=query)
    assert answer.status_code == 400
    assert param in answer.json()["error"]["message"]


def test_a_cancelled_batch_finishes_what_was_begun(
    client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    id = client.messages.batches.create(requests=requests(["one", "two", "three"])).id
    begun = upstream.next_request()
    canceling = client.messages.batches.cancel(id)
    assert canceling.processing_status == "canceling"
    assert canceling.cancel_initiated_at is not None
    assert client.messages.batches.cancel(id) == canceling
    begun.head()
    begun.send(b"re: one\n.\n")
    begun.finish()
    batch = ended(client, id)
    assert (batch.request_counts.succeeded, batch.request_counts.canceled) == (1, 2)
    assert results(client, id) == {"one": "re: one", "two": "canceled", "three": "canceled"}
    assert asked(upstream) == ["one"]
    assert client.messages.batches.cancel(id) == batch


def test_only_a_batch_that_has_ended_can_be_deleted_or_gives_results(
    gateway: Gateway, client: anthropic.Anthropic, upstream: ThreadedUpstream
) -> None:
    id = client.messages.batches.create(requests=requests(["one"])).id
    begun = upstream.next_request()
    with pytest.raises(anthropic.BadRequestError, match="has not ended; cancel it first"):
        client.messages.batches.delete(id)
    with pytest.raises(anthropic.AnthropicError, match="No `results_url`"):
        client.messages.batches.results(id)
    with gateway.http() as http:
        answer = http.get(f"/v1/messages/batches/{id}/results")
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    begun.head()
    begun.send(b"re: one\n.\n")
    begun.finish()
    ended(client, id)
    assert client.messages.batches.delete(id).to_dict() == {
        "id": id,
        "type": "message_batch_deleted",
    }


def test_what_is_not_there_is_not_found(client: anthropic.Anthropic) -> None:
    for ask in (
        client.messages.batches.retrieve,
        client.messages.batches.cancel,
        client.messages.batches.delete,
        client.messages.batches.results,
    ):
        with pytest.raises(
            anthropic.NotFoundError, match="no message batch 'msgbatch_1'"
        ) as caught:
            ask("msgbatch_1")
        body: Any = caught.value.body
        assert body["error"]["type"] == "not_found_error"


def test_nothing_is_on_disk_before_and_nothing_after(
    client: anthropic.Anthropic, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    """Questions go when they are answered, answers when they are deleted."""

    def told() -> bytes:
        return b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*.sqlite3*"))

    assert not (tmp_path / STATE_FILE).exists()
    assert not (tmp_path / "state" / "alive").exists()
    upstream.answer(json_answer({"error": "no"}, 403), reply)
    asking: Any = [
        {"custom_id": "one", "params": params("a private question")},
        {"custom_id": "two", "params": params("a question")},
    ]
    batch = client.messages.batches.create(requests=asking)
    ended(client, batch.id)
    while b"a private question" in told():
        continue
    assert b"re: a question" in told()
    client.messages.batches.delete(batch.id)
    assert b"re: a question" not in told()


def test_long_results_are_told_in_pieces(
    client: anthropic.Anthropic, upstream: ThreadedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.batches.keeper.CHUNK_BYTES", 600)
    texts = [f"text-{number}" for number in range(8)]
    upstream.answer(*[reply] * 8)
    id = client.messages.batches.create(requests=requests(texts)).id
    ended(client, id)
    assert results(client, id) == {text: f"re: {text}" for text in texts}


def test_a_full_store_takes_no_more(
    tmp_path: Path, provider: AskingProvider, settings: dict[str, object]
) -> None:
    settings["batches.max_megabytes"] = 1
    with (
        running_gateway(tmp_path, extra_plugins=[provider], settings=settings) as gateway,
        gateway.anthropic() as client,
        pytest.raises(anthropic.APIStatusError, match="no room for this batch") as caught,
    ):
        client.messages.batches.create(
            requests=[{"custom_id": "large", "params": params("x" * 1_000_000)}]
        )
    assert caught.value.status_code == 413


def test_a_damaged_store_says_so_in_the_dialect(tmp_path: Path, provider: AskingProvider) -> None:
    (tmp_path / STATE_FILE).parent.mkdir()
    (tmp_path / STATE_FILE).write_bytes(b"this is no database" * 100)
    with (
        running_gateway(tmp_path, extra_plugins=[provider]) as gateway,
        gateway.anthropic() as client,
    ):
        with pytest.raises(anthropic.InternalServerError, match="cannot be kept or read"):
            client.messages.batches.create(requests=requests(["one"]))
        with pytest.raises(anthropic.InternalServerError, match="cannot be kept or read"):
            client.messages.batches.list()


def test_removed_results_end_the_answer_before_its_time(
    client: anthropic.Anthropic,
    upstream: ThreadedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Half of them must not look like all."""
    upstream.answer(reply, reply)
    id = client.messages.batches.create(requests=requests(["one", "two"])).id
    ended(client, id)
    monkeypatch.setattr("gateway_core.batches.keeper.CHUNK_BYTES", 1)
    with closing(sqlite3.connect(tmp_path / STATE_FILE)) as connection:
        connection.execute("DELETE FROM batch_item WHERE custom_id = 'two'")
        connection.commit()
    with pytest.raises(Exception, match="without sending complete"):
        results(client, id)
