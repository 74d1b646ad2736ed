"""Message batches as clients ask for them: made, listed, cancelled, deleted, and their results.

All of a batch is in the state store, so that any process which serves can run and tell it. What
runs them is `gateway_core.batches.worker`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway_core.errors import Internal, InvalidRequest, NotFound, TooLarge
from gateway_core.formats.anthropic.batches import (
    BatchPage,
    new_batch_id,
    no_such_batch,
    read_batch,
    result_line,
)
from gateway_core.json import JsonObject, dumps
from gateway_core.state.store import BatchRequest, StateError, StateStore, StoredBatch

if TYPE_CHECKING:
    from gateway_core.settings import BatchSettings

__all__ = ["MessageBatches"]

log = logging.getLogger(__name__)

CHUNK_BYTES = 1_000_000
"""How much of the results is in memory at once."""
FORGET_DAYS = 365.0
"""When nothing is known any more of a batch, however long its results were kept."""
_HOUR = 3600.0
_DAY = 24 * _HOUR
_MEGABYTE = 1_000_000


class MessageBatches:
    """The batches in a store, within the bounds of the settings.

    All methods raise `Internal` when the store fails, and those that take an id `NotFound`. `news`
    is set when there is something new to run.
    """

    def __init__(self, store: StateStore, settings: "BatchSettings") -> None:
        self.store = store.batches
        self.news = asyncio.Event()
        self._settings = settings

    async def create(self, body: JsonObject) -> StoredBatch:
        """A new batch from the body of a request.

        Raises `InvalidRequest`, and `TooLarge` when there is no room for it.
        """
        read = await asyncio.to_thread(read_batch, body)
        requests = await asyncio.to_thread(_encoded, read)
        now = time.time()
        expires = now + self._settings.expire_hours * _HOUR
        batch = StoredBatch(new_batch_id(now), now, expires, len(requests))
        room = self._settings.max_megabytes * _MEGABYTE
        with _store_errors():
            if not await self.store.put(batch, requests, room):
                raise TooLarge(
                    "requests: there is no room for this batch beside those that are kept; delete "
                    "some that have ended, or raise [batches] max_megabytes "
                    f"({self._settings.max_megabytes})",
                    param="requests",
                )
        self.news.set()
        return batch

    async def get(self, id: str) -> StoredBatch:
        """The batch of an id."""
        with _store_errors():
            batch = await self.store.get(id)
        if batch is None:
            raise no_such_batch(id)
        return batch

    async def page(self, page: BatchPage) -> list[StoredBatch]:
        """What `batch_list` needs for a page."""
        with _store_errors():
            return await self.store.page(page.limit + 1, after=page.after_id, before=page.before_id)

    async def cancel(self, id: str) -> StoredBatch:
        """Begin nothing more of a batch. One that was cancelled or has ended stays as it is."""
        with _store_errors():
            batch = await self.store.cancel(id, time.time())
        if batch is None:
            raise no_such_batch(id)
        return batch

    async def delete(self, id: str) -> None:
        """Forget a batch and its results. Raises `InvalidRequest` while it has not ended."""
        batch = await self.get(id)
        if batch.ended is None:
            raise InvalidRequest(
                f"the message batch {id!r} has not ended; cancel it first, and delete it when its "
                "processing_status is 'ended'",
                param="id",
            )
        with _store_errors():
            if not await self.store.delete(id):
                raise no_such_batch(id)

    async def results(self, id: str) -> AsyncIterator[bytes]:
        """The results as JSON lines, in pieces; raises what is wrong before the first piece is
        asked for, and `NotFound` when they are removed meanwhile.

        Raises `InvalidRequest` while the batch has not ended.
        """
        batch = await self.get(id)
        if batch.ended is None:
            raise InvalidRequest(
                f"the message batch {id!r} has no results yet; ask again when its "
                "processing_status is 'ended'",
                param="id",
            )
        if batch.archived is not None:
            raise _removed(id)
        return self._lines(batch)

    async def prune(self) -> int:
        """Remove results that are too old; of how many batches."""
        now = time.time()
        return await self.store.prune(
            now - self._settings.keep_days * _DAY, now - FORGET_DAYS * _DAY, now
        )

    async def _lines(self, batch: StoredBatch) -> AsyncIterator[bytes]:
        place = -1
        while place < batch.requests - 1:
            with _store_errors():
                results = await self.store.results(batch.id, place, CHUNK_BYTES)
            if not results:
                raise _removed(batch.id)
            yield b"".join([result_line(result) for result in results])
            place = results[-1].place


def _encoded(read: Sequence[tuple[str, JsonObject]]) -> list[BatchRequest]:
    requests = []
    for custom_id, params in read:
        model = params.get("model")
        name = model if isinstance(model, str) else ""
        requests.append(BatchRequest(custom_id, name, dumps(params)))
    return requests


def _removed(id: str) -> NotFound:
    return NotFound(
        f"the results of the message batch {id!r} were removed ([batches] keep_days)", param="id"
    )


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except StateError as error:
        log.warning("message batches: %s; if the file is damaged, move it away", error)
        raise Internal(f"message batches cannot be kept or read: {error}") from error
