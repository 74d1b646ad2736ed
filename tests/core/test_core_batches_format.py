"""What a request for a batch must be, and how batches and results are told."""

from typing import Any

import pytest
from anthropic.types.messages import MessageBatch

from gateway_core.errors import InvalidRequest, RateLimited
from gateway_core.formats.anthropic.batches import (
    BatchPage,
    batch_list,
    batch_object,
    errored_result,
    new_batch_id,
    read_batch,
    result_line,
    succeeded_result,
)
from gateway_core.json import loads
from gateway_core.state.store import BatchResult, StoredBatch

MADE = 1_700_000_000.125
BATCH = StoredBatch("msgbatch_1", MADE, MADE + 86_400, 3)


def asking(*ids: Any, **params: Any) -> dict[str, Any]:
    return {"requests": [{"custom_id": id, "params": params} for id in ids]}


@pytest.mark.parametrize("id", ["a", "A-1_b", "x" * 64])
def test_a_custom_id_comes_back_with_its_params(id: str) -> None:
    assert read_batch(asking(id, model="m")) == [(id, {"model": "m"})]


def test_what_is_wrong_inside_params_is_not_looked_at() -> None:
    assert len(read_batch(asking("a", model=3, messages="none"))) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "requests"),
        ({"requests": {}}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": [None] * 100_001}, "requests"),
        ({"requests": [[]]}, "requests.0"),
        ({"requests": [{"params": {}}]}, "requests.0.custom_id"),
        (asking("a", 3), "requests.1.custom_id"),
        (asking("a", ""), "requests.1.custom_id"),
        (asking("a", "x" * 65), "requests.1.custom_id"),
        (asking("a", "b c"), "requests.1.custom_id"),
        (asking("a", "b\n"), "requests.1.custom_id"),
        (asking("a", "ä"), "requests.1.custom_id"),
        (asking("a", "b", "a"), "requests.2.custom_id"),
        ({"requests": [{"custom_id": "a"}]}, "requests.0.params"),
        ({"requests": [{"custom_id": "a", "params": []}]}, "requests.0.params"),
        (asking("a", stream=True), "requests.0.params.stream"),
    ],
)
def test_what_cannot_be_a_batch_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_batch(body)
    assert caught.value.param == param
    assert caught.value.message.startswith(f"{param}: ")


def test_the_sdk_reads_a_batch_that_runs() -> None:
    told = batch_object(BATCH, "http://gateway.test")
    assert told["created_at"] == "2023-11-14T22:13:20.125000Z"
    batch = MessageBatch.model_validate(told, strict=False)
    assert batch.processing_status == "in_progress"
    assert batch.request_counts.processing == 3
    assert batch.results_url is None


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, "in_progress"),
        ({"cancel_initiated": MADE}, "canceling"),
        ({"cancel_initiated": MADE, "ended": MADE}, "ended"),
        ({"ended": MADE}, "ended"),
        ({"ended": MADE, "archived": MADE}, "ended"),
    ],
)
def test_the_status_follows_from_the_times(facts: dict[str, float], status: str) -> None:
    batch = StoredBatch("msgbatch_1", MADE, MADE, 1, **facts)  # type: ignore[arg-type]  # parametrized
    told = batch_object(batch, "http://gateway.test")
    assert told["processing_status"] == status
    has_results = status == "ended" and "archived" not in facts
    assert told["results_url"] == (
        "http://gateway.test/v1/messages/batches/msgbatch_1/results" if has_results else None
    )


def test_numbers_move_when_the_batch_has_ended() -> None:
    batch = StoredBatch(
        "msgbatch_1", MADE, MADE, 10, ended=MADE, succeeded=1, errored=2, canceled=3, expired=4
    )
    assert batch_object(batch, "")["request_counts"] == {
        "processing": 0,
        "succeeded": 1,
        "errored": 2,
        "canceled": 3,
        "expired": 4,
    }


def test_ids_are_in_the_order_of_their_making() -> None:
    ids = [new_batch_id(MADE + seconds) for seconds in (0, 0.5, 100, 1e6)]
    assert ids == sorted(ids)
    assert len({new_batch_id(MADE) for _ in range(100)}) == 100


def test_a_page_without_batches_has_no_ends() -> None:
    assert batch_list([], BatchPage(), lambda batch: {}) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    said = "two\nlines\r\u2028 and more"
    line = result_line(BatchResult(0, "a", "succeeded", succeeded_result({"content": said})))
    assert line.splitlines() == [line.rstrip(b"\n")]
    result = {"type": "succeeded", "message": {"content": said}}
    assert loads(line) == {"custom_id": "a", "result": result}


def test_an_error_is_that_of_the_messages_api() -> None:
    result = errored_result(RateLimited("slow down"), "req_1")
    assert loads(result_line(BatchResult(0, "a", "errored", result)))["result"] == {
        "type": "errored",
        "error": {
            "type": "error",
            "error": {"type": "rate_limit_error", "message": "slow down"},
            "request_id": "req_1",
        },
    }


@pytest.mark.parametrize("state", ["canceled", "expired"])
def test_what_was_not_asked_has_no_more_to_say(state: Any) -> None:
    line = result_line(BatchResult(0, "a", state, None))
    assert loads(line) == {"custom_id": "a", "result": {"type": state}}
