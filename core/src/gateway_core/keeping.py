"""The responses that the gateway keeps itself, for clients that ask for it, whether or not an
upstream keeps them too.

Decides which answers are kept, keeps them when they have ended well, and tells them again: to who
asks for one by its id, and to the model when a request goes on from one. A store that fails costs a
line in the log and never an answer.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from gateway_core.errors import Internal, InvalidRequest, NotFound
from gateway_core.formats.responses import StreamWriter
from gateway_core.formats.responses.compact import since_compaction
from gateway_core.formats.responses.read_tools import with_added_tools
from gateway_core.formats.responses.schema import FORMAT_NAME
from gateway_core.formats.responses.stored_items import (
    ItemPage,
    input_items,
    item_list,
    messages_after,
)
from gateway_core.json import JsonObject, dumps, loads, loads_object
from gateway_core.request import Request, Source
from gateway_core.response_ids import is_bare, unpack_id
from gateway_core.state.store import StateError, StateStore, StoredResponse

if TYPE_CHECKING:
    from gateway_core.exchange import Turn
    from gateway_core.formats import base
    from gateway_core.provider import StoredAction
    from gateway_core.settings import StateSettings

__all__ = ["Keep", "KeptResponses", "in_time", "insist", "not_kept"]

log = logging.getLogger(__name__)

T = TypeVar("T")

PRUNE_SECONDS = 3600.0
"""How often what is too old or too much is removed."""
LONGEST_CONVERSATION = 1000
"""Responses that one request may go on from, one after the other."""
LARGEST_CONVERSATION = 64 * 1024 * 1024
"""Bytes of such a conversation: as much as a client may send at once by default."""
Keep: TypeAlias = Callable[[], Awaitable[bool]]
"""To be called when an answer was written and before its end is sent; False when that failed."""
LONGEST_WAIT = 3.0
"""Seconds that an answer waits for the store, at its beginning and at its end."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between tries to write what a client was told is stored."""
MOST_LATE = 100
"""Answers that may wait for such a try."""
MOST_DELETED = 1000
"""Deleted responses that are remembered, as they may not have been kept yet."""
_DAY = 86_400.0
_MEGABYTE = 1_000_000


class KeptResponses:
    """Keeps responses in a store, within the bounds of the settings."""

    def __init__(self, store: StateStore, settings: "StateSettings") -> None:
        self._store = store
        self._settings = settings
        self._told: str | None = None
        self._max_bytes = settings.max_megabytes * _MEGABYTE
        self._put = 0
        self._much_was_put = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()
        self._deleted: OrderedDict[str, None] = OrderedDict()

    async def begin(self, turn: "Turn", writer: "base.StreamWriter") -> Keep | None:
        """How to keep the answer of a prepared turn, when it is going to be kept; the writer, which
        has written nothing yet, then says so.

        What an upstream stores is kept here too, under the same id: the upstream may not tell what
        was asked, nor go on from it for ever, nor for another provider.
        """
        if not isinstance(writer, StreamWriter) or not self._is_wanted(turn.request):
            return None
        try:
            await in_time(self._store.open())
        except StateError as error:
            self._tell(error)
            return None
        writer.keep()
        return partial(self._finish, turn, writer)

    async def replayed(self, request: Request, left_to: str | None = None) -> Request:
        """The request with the whole conversation in it that it goes on from, and no mention of a
        response any more; itself when it goes on from none that is kept here, or from one that is
        left to this provider.

        Instructions are not inherited, as in OpenAI's service. Raises `InvalidRequest` when a part
        of the conversation was removed or it is too long, `Internal` when the store fails.
        """
        previous = request.session.previous_response_id
        found = unpack_id(previous) if previous is not None else None
        if previous is None or (found is not None and found.provider == left_to):
            return request
        try:
            turns = await self._store.responses.conversation(
                previous, LONGEST_CONVERSATION, LARGEST_CONVERSATION
            )
        except StateError as error:
            raise self._failed(error) from error
        if not turns:
            return request
        if turns[-1].previous is not None:
            raise _incomplete(previous, turns)
        said = input_items(request.source.body.get("input"))
        earlier = await asyncio.to_thread(_items, turns, said)
        messages = await asyncio.to_thread(messages_after, earlier, request.messages)
        messages, tools = with_added_tools(messages, request.tools)
        body = {key: value for key, value in request.source.body.items() if key not in _REPLACED}
        body["input"] = [*earlier, *said]
        return replace(
            request,
            messages=messages,
            tools=tools,
            session=replace(request.session, previous_response_id=None),
            source=Source(FORMAT_NAME, body),
        )

    async def act(self, action: "StoredAction", id: str, query: Mapping[str, str]) -> JsonObject:
        """The answer to a request about one response. `query` says which input items.

        Raises `NotFound` when it is not kept, `InvalidRequest` for what cannot be done with it,
        `Internal` when the store fails.
        """
        page = ItemPage.read(query) if action == "input_items" else ItemPage()
        try:
            if action == "delete":
                self._note_deleted(id)
                if await self._store.responses.delete(id):
                    return {"id": id, "object": "response", "deleted": True}
                stored = None
            else:
                stored = await self._store.responses.get(id)
        except StateError as error:
            raise self._failed(error) from error
        if stored is None:
            raise not_kept(id)
        if action == "cancel":
            raise InvalidRequest(
                f"Cannot cancel a synchronous response: {id!r} was not made with "
                "`background: true`, and is complete",
                param="id",
            )
        if action == "input_items":
            items = await asyncio.to_thread(loads, stored.input)
            return item_list(id, items, page)
        return await asyncio.to_thread(loads_object, stored.response)

    async def prune_now_and_then(self) -> None:
        """Until cancelled: remove what is too old or too much, at once, each hour, and soon after a
        tenth of the room was filled.
        """
        while True:
            self._much_was_put.clear()
            self._put = 0
            await self.prune()
            try:
                # Not `wait_for`, which may lose a cancellation in Python 3.11.
                async with asyncio.timeout(PRUNE_SECONDS):
                    await self._much_was_put.wait()
            except TimeoutError:
                continue

    async def prune(self) -> int:
        """Remove what is too old or too much; how many responses that were."""
        before = time.time() - self._settings.max_age_days * _DAY
        try:
            return await self._store.responses.prune(before, self._max_bytes)
        except StateError as error:
            self._tell(error)
            return 0

    async def aclose(self) -> None:
        """Close the store."""
        for task in self._late:
            task.cancel()
        await self._store.aclose()

    async def _finish(self, turn: "Turn", writer: StreamWriter) -> bool:
        """Keep the answer that was written, if it has ended well; whether it is stored at all."""
        written, route = writer.written, turn.route
        if written is None or route is None:
            return True
        request = turn.request
        items = input_items(request.source.body.get("input"))
        stored = StoredResponse(
            id=written.id,
            previous=turn.previous,
            provider=route.provider,
            model=route.model,
            created=written.created_at,
            response=written.body,
            input=await asyncio.to_thread(dumps, items),
        )
        try:
            await in_time(self._put_unless_deleted(stored))
        except StateError as error:
            self._tell(error)
            if request.stream and len(self._late) < MOST_LATE:  # its client was told that it is
                task = asyncio.create_task(self._put_late(stored))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
            return written.upstream
        self.was_put(len(stored.response) + len(stored.input))
        return True

    async def _put_late(self, stored: StoredResponse) -> None:
        async def put() -> None:
            if await self._store.responses.get(stored.id) is None:
                await self._put_unless_deleted(stored)

        await insist(put)

    async def _put_unless_deleted(self, stored: StoredResponse) -> None:
        """A client knows the id of a response from its first event on, and may have deleted it."""
        if stored.id not in self._deleted:
            await self._store.responses.put(stored)

    def _note_deleted(self, id: str) -> None:
        self._deleted[id] = None
        if len(self._deleted) > MOST_DELETED:
            self._deleted.popitem(last=False)

    def was_put(self, size: int) -> None:
        """Prune soon, when much was put: `size` bytes more."""
        self._put += size
        if self._put > self._max_bytes // 10:
            self._much_was_put.set()

    def _is_wanted(self, request: Request) -> bool:
        if request.source.format != FORMAT_NAME or self._settings.stored_responses == "never":
            return False
        store = request.session.store
        if store is None:
            goes_on = request.session.previous_response_id is not None
            return goes_on or self._settings.stored_responses == "always"
        return store

    def _tell(self, error: StateError) -> None:
        """Log a failure, the same one once."""
        text = str(error)
        level = logging.DEBUG if text == self._told else logging.WARNING
        self._told = text
        log.log(level, "responses are not stored (%s); if the file is damaged, move it away", text)

    def _failed(self, error: StateError) -> Internal:
        self._tell(error)
        return Internal(f"stored responses cannot be read: {error}")


async def in_time(work: Coroutine[Any, Any, T]) -> T:
    """What the store gives, if that does not take long: the work goes on, whoever waits for it.

    Raises `StateError` when it fails, or takes too long.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(_seen)
    done, _ = await asyncio.wait((task,), timeout=LONGEST_WAIT)
    if not done:
        raise StateError(f"the disk takes more than {LONGEST_WAIT:g} s")
    return task.result()


async def insist(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the store gives at last, however often it fails before. Ends only when cancelled."""
    wait = FIRST_PAUSE
    while True:
        try:
            return await work()
        except StateError as error:
            log.debug("the store is asked again in %g s: %s", wait, error)
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_PAUSE)


def _seen(task: asyncio.Task[Any]) -> None:
    """Nobody may be left to be told of a failure."""
    if not task.cancelled():
        task.exception()


def not_kept(id: str) -> NotFound:
    """That the gateway has no such response."""
    return NotFound(
        f"no stored response {id!r}: only responses that were made with `store: true` can be found "
        "again",
        param="id",
    )


_REPLACED = ("input", "previous_response_id")


def _items(turns: Sequence[StoredResponse], then: Sequence[JsonObject]) -> list[JsonObject]:
    """All items of a conversation whose latest turn comes first, in the order of their telling.
    then: the items that come behind them.

    Raises `InvalidRequest` when one of them has not ended.
    """
    items: list[JsonObject] = []
    for stored in reversed(turns):
        response = loads_object(stored.response)
        if response.get("status") in ("queued", "in_progress"):
            raise InvalidRequest(
                f"previous_response_id: the response {stored.id!r} is {response['status']}; wait "
                "until it has ended",
                param="previous_response_id",
            )
        items += loads(stored.input)
        items += response["output"]
    return since_compaction(items, then)


def _incomplete(previous: str, turns: Sequence[StoredResponse]) -> InvalidRequest:
    if len(turns) >= LONGEST_CONVERSATION:
        why = f"the conversation has more than {LONGEST_CONVERSATION} responses"
    elif sum(len(stored.response) + len(stored.input) for stored in turns) > LARGEST_CONVERSATION:
        why = f"the conversation has more than {LARGEST_CONVERSATION} bytes"
    elif unpack_id(turns[-1].previous or "") or is_bare(turns[-1].previous or ""):
        why = f"the response {turns[-1].previous!r} before it is not kept here"
    else:
        why = f"the response {turns[-1].previous!r} before it was deleted or has grown too old"
    return InvalidRequest(
        f"previous_response_id: {previous!r} cannot be gone on from, as {why}; send the whole "
        "conversation in `input` instead",
        param="previous_response_id",
        code="previous_response_not_found",
    )
