"""The HTTP side of responses that a client comes back for: created in the background, and read
again as a stream.

A client that leaves ends nothing: the response goes on without it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from gateway_core.background.run import BackgroundRun, error_event
from gateway_core.endpoint import (
    ClientLeftError,
    client_watched,
    id_headers,
    known_error,
    send_error,
    send_json,
    server_stops,
    turn_headers,
)
from gateway_core.errors import InvalidRequest, NotFound
from gateway_core.formats import responses
from gateway_core.formats.base import optional
from gateway_core.formats.responses.replay import NumberedEvent, has_ended, last_event, replay
from gateway_core.json import JsonObject, loads_object
from gateway_core.request import Request
from gateway_core.sse import COMMENT_PING
from gateway_core.stored import StoredResponses

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["Background", "EventStream"]

POLL_SECONDS = 0.5
"""How often a response that another process makes is looked at for a client that reads along."""

_Headers = list[tuple[bytes, bytes]]
_GONE = NotFound("the response was deleted")


class Background:
    """Answers requests for responses in the background, and for streams of stored ones."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._stored = StoredResponses(runtime)

    @staticmethod
    def wants(request: Request) -> bool:
        """Whether a request is for `create`. Raises `InvalidRequest`."""
        return optional(request.source.body, "background", bool) or False

    async def create(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the response as it is now, or with its events from now on."""
        id: str = scope["gateway.request_id"]
        try:
            run, turn = await self._runtime.background.submit(request, id)
        except Exception as error:
            await send_error(send, responses.FORMAT, known_error(error, id), id)
            return
        if request.stream:
            headers = turn_headers(turn, None)
            stream = EventStream(_live(run, -1), headers, self._interval)
            await stream(scope, receive, send)
        else:
            headers = turn_headers(turn, b"application/json")
            await send_json(send, 200, loads_object(run.queued.body), headers)

    async def stream(self, id: str, query: Mapping[str, str], request_id: str) -> "EventStream":
        """The events of a stored response behind the one that `query` names.

        Raises as `StoredResponses.act`, and `InvalidRequest`.
        """
        after = _starting_after(query)
        response = await self._stored.act("retrieve", id, query)
        if run := self._runtime.background.find(id):
            events = _live(run, after)
        else:
            events = self._later(id, response, after)
        return EventStream(events, id_headers(request_id), self._interval)

    @property
    def _interval(self) -> float:
        return self._runtime.settings.server.ping_interval

    async def _later(
        self, id: str, response: JsonObject, after: int
    ) -> AsyncIterator[list[NumberedEvent]]:
        """The events of a response that is stored here, which another process may still make."""
        background = self._runtime.background
        while True:
            course = await background.course(id)
            async for batch in _told(response, course, after):
                yield batch
                after = batch[-1].number
            if has_ended(response):
                return
            before = response.get("status")
            while response.get("status") == before:
                await asyncio.sleep(POLL_SECONDS)
                try:
                    response = await self._stored.act("retrieve", id, {})
                except NotFound:
                    yield [NumberedEvent(after + 1, error_event(_GONE, after + 1))]
                    return


class EventStream(HttpResponse):
    """Batches of events as server-sent events, with pings while there are none."""

    def __init__(
        self,
        batches: AsyncIterator[Sequence[NumberedEvent]],
        headers: _Headers,
        ping_interval: float,
    ) -> None:
        super().__init__()
        self.raw_headers = [
            *headers,
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
        ]
        self._batches = batches
        self._interval = ping_interval
        self._number = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, unless the client leaves."""
        finished = False
        try:
            async with client_watched(receive, lambda: finished):
                await send(
                    {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                )
                await self._send_all(send)
                finished = True
        except ClientLeftError:
            return
        except asyncio.CancelledError:
            last = error_event(server_stops(), self._number + 1)
        except Exception as raised:
            last = error_event(known_error(raised, scope["gateway.request_id"]), self._number + 1)
        else:
            last = b""
        await send({"type": "http.response.body", "body": _framed(last) if last else b""})

    async def _send_all(self, send: Send) -> None:
        upcoming: asyncio.Task[Sequence[NumberedEvent] | None] | None = None
        try:
            while True:
                if upcoming is None:
                    upcoming = asyncio.create_task(_next(self._batches))
                done, _ = await asyncio.wait((upcoming,), timeout=self._interval)
                data = COMMENT_PING
                if done:
                    batch = upcoming.result()
                    upcoming = None
                    if batch is None:
                        return
                    self._number = batch[-1].number
                    data = b"".join(_framed(event.data) for event in batch)
                await send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            if upcoming is not None:
                upcoming.cancel()


async def _live(run: BackgroundRun, after: int) -> AsyncIterator[list[NumberedEvent]]:
    """The events of a response that is made here, as they come."""
    async for batch in run.events.after(after):
        yield batch
        after = batch[-1].number
    if not run.events.over:
        lost = InvalidRequest(
            f"starting_after: the events behind {after} are not held any more; ask for them when "
            f"the response {run.id!r} has ended"
        )
        yield [NumberedEvent(after + 1, error_event(lost, after + 1))]


async def _next(
    batches: AsyncIterator[Sequence[NumberedEvent]],
) -> Sequence[NumberedEvent] | None:
    return await anext(batches, None)


async def _told(
    response: JsonObject, course: bytes, after: int
) -> AsyncIterator[list[NumberedEvent]]:
    """The events of a stored response in one batch: at least the last, if it has ended."""
    events = await asyncio.to_thread(replay, response, course)
    left = [event for event in events if event.number > after]
    if not left and has_ended(response):
        left = [last_event(response, after + 1)]  # counted by another course than ours
    if left:
        yield left


def _framed(data: bytes) -> bytes:
    name = data[9 : data.index(b'"', 9)]
    return b"event: %b\ndata: %b\n\n" % (name, data)


def _starting_after(query: Mapping[str, str]) -> int:
    said = query.get("starting_after")
    if said is None:
        return -1
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise InvalidRequest(
            f"starting_after: expected the sequence number of an event, got {said!r}",
            param="starting_after",
        )
    return int(said)
