"""Message batches of the Anthropic format: the request that makes one, and the objects told of it.

Sources: the API reference, the types of the official Python SDK, and the messages that the service
was reported to give. Only what surrounds the single requests is checked here, and named with its
index; what is wrong inside `params` becomes the result of that request, as in the API.

An id begins with the time of its making, so ids are in the order of their batches, and a cursor
says its place even when its batch was deleted.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from gateway_core.errors import GatewayError, InvalidRequest, NotFound
from gateway_core.formats.anthropic.write_error import error_object
from gateway_core.formats.base import required
from gateway_core.json import JsonObject, dumps

if TYPE_CHECKING:
    from gateway_core.state.store import BatchResult, StoredBatch

__all__ = [
    "MOST_REQUESTS",
    "BatchPage",
    "batch_list",
    "batch_object",
    "deleted_batch",
    "errored_result",
    "new_batch_id",
    "no_such_batch",
    "read_batch",
    "result_line",
    "succeeded_result",
]

MOST_REQUESTS: Final = 100_000
_PREFIX: Final = "msgbatch_"
_CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LARGEST_PAGE: Final = 1000


def new_batch_id(created: float) -> str:
    """An id for a batch that is made now (Unix seconds)."""
    return f"{_PREFIX}{int(created * 1000):012x}{secrets.token_hex(8)}"


def read_batch(body: JsonObject) -> list[tuple[str, JsonObject]]:
    """The requests of a new batch: `custom_id` and `params` of each, in order.

    Raises `InvalidRequest` that names the index of the request at fault.
    """
    requests = required(body, "requests", list)
    if not requests:
        raise InvalidRequest("requests: there must be at least one", param="requests")
    if len(requests) > MOST_REQUESTS:
        raise InvalidRequest(
            f"requests: a batch has at most {MOST_REQUESTS:,}, got {len(requests):,}",
            param="requests",
        )
    places: dict[str, int] = {}
    read: list[tuple[str, JsonObject]] = []
    for index, item in enumerate(requests):
        path = f"requests.{index}"
        if not isinstance(item, dict):
            raise InvalidRequest(
                f"{path}: expected an object, got {type(item).__name__}", param=path
            )
        custom_id = required(item, "custom_id", str, f"{path}.")
        if not _CUSTOM_ID.fullmatch(custom_id):
            raise _bad_custom_id(
                path, f"expected 1 to 64 letters, digits, - or _, got {custom_id[:80]!r}"
            )
        first = places.setdefault(custom_id, index)
        if first != index:
            raise _bad_custom_id(path, f"{custom_id!r} is also that of requests.{first}")
        params = required(item, "params", dict, f"{path}.")
        if params.get("stream") is True:
            raise InvalidRequest(
                f"{path}.params.stream: a batch has no streams", param=f"{path}.params.stream"
            )
        read.append((custom_id, params))
    return read


def _bad_custom_id(path: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{path}.custom_id: {what}", param=f"{path}.custom_id")


def batch_object(batch: "StoredBatch", base_url: str) -> JsonObject:
    """A batch as clients are told of it. base_url: where the client reaches this server."""
    has_results = batch.ended is not None and batch.archived is None
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": _status(batch),
        "request_counts": {
            # Of a batch that has not ended the API tells no other number.
            "processing": batch.requests if batch.ended is None else 0,
            "succeeded": batch.succeeded,
            "errored": batch.errored,
            "canceled": batch.canceled,
            "expired": batch.expired,
        },
        "created_at": _time(batch.created),
        "expires_at": _time(batch.expires),
        "ended_at": _time(batch.ended),
        "cancel_initiated_at": _time(batch.cancel_initiated),
        "archived_at": _time(batch.archived),
        "results_url": f"{base_url}/v1/messages/batches/{batch.id}/results"
        if has_results
        else None,
    }


def deleted_batch(id: str) -> JsonObject:
    """The answer to a deletion."""
    return {"id": id, "type": "message_batch_deleted"}


def no_such_batch(id: str) -> NotFound:
    """The error about an id that names no batch."""
    return NotFound(f"there is no message batch {id!r}; see GET /v1/messages/batches", param="id")


@dataclass(slots=True, frozen=True)
class BatchPage:
    """Which batches of the list a client wants, newest first.

    after_id: those that come after it in the list, so older ones. before_id: the nearest before it.
    """

    limit: int = 20
    after_id: str | None = None
    before_id: str | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """From the query of a request. Raises `InvalidRequest`."""
        text = query.get("limit", "20")
        limit = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
        if not 1 <= limit <= _LARGEST_PAGE:
            raise InvalidRequest(
                f"limit: expected 1 to {_LARGEST_PAGE}, got {text[:80]!r}", param="limit"
            )
        after_id, before_id = query.get("after_id"), query.get("before_id")
        if after_id is not None and before_id is not None:
            raise InvalidRequest(
                "after_id and before_id: give one of them, not both", param="before_id"
            )
        for name, id in (("after_id", after_id), ("before_id", before_id)):
            if id is not None and not id.startswith(_PREFIX):
                raise InvalidRequest(f"{name}: {id[:80]!r} is no id of a batch", param=name)
        return cls(limit, after_id, before_id)


def batch_list(
    batches: Sequence["StoredBatch"], page: BatchPage, write: Callable[["StoredBatch"], JsonObject]
) -> JsonObject:
    """One page of the list. batches: newest first, one more than the page has room for when there
    are more; `has_more` is about the direction of the page.
    """
    has_more = len(batches) > page.limit
    if has_more:
        batches = batches[1:] if page.before_id is not None else batches[: page.limit]
    return {
        "data": [write(batch) for batch in batches],
        "has_more": has_more,
        "first_id": batches[0].id if batches else None,
        "last_id": batches[-1].id if batches else None,
    }


def succeeded_result(message: JsonObject) -> bytes:
    """The result of a request that was answered."""
    return dumps({"type": "succeeded", "message": message})


def errored_result(error: GatewayError, request_id: str | None) -> bytes:
    """The result of a request that failed."""
    told = {**error_object(error), "request_id": request_id}
    return dumps({"type": "errored", "error": told})


def result_line(result: "BatchResult") -> bytes:
    """One line of the results."""
    said = result.result or dumps({"type": result.state})
    return b'{"custom_id":%b,"result":%b}\n' % (dumps(result.custom_id), said)


def _status(batch: "StoredBatch") -> str:
    if batch.ended is not None:
        return "ended"
    return "in_progress" if batch.cancel_initiated is None else "canceling"


def _time(moment: float | None) -> str | None:
    if moment is None:
        return None
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")
