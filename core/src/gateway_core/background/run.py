"""The making of one response in the background, from its place in the queue to its end.

Writes what the turn gives into a buffer for whoever reads along, and at the end into the store. All
that goes wrong becomes part of the response.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway_core.background.live_events import LiveEvents
from gateway_core.endpoint import CLIENT_LEFT, known_error
from gateway_core.errors import GatewayError, Internal, NotFound
from gateway_core.events import End, Event, Fail
from gateway_core.exchange import Turn
from gateway_core.formats.openai_errors import error_object
from gateway_core.formats.responses import FORMAT, read_request
from gateway_core.formats.responses.replay import last_event
from gateway_core.formats.responses.schema import FORMAT_NAME
from gateway_core.formats.responses.write_background import BackgroundWriter
from gateway_core.json import JsonObject, dumps, loads, loads_object
from gateway_core.keeping import in_time, insist
from gateway_core.request import Request, Source
from gateway_core.state.store import StateError, StateStore, StoredResponse

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["BackgroundRun", "error_event", "pack_request", "turn_request", "unpack_request"]

log = logging.getLogger(__name__)

_SESSION_HEADER = "session-id"
_OWN_FIELDS = ("background", "store", "stream", "stream_options")


class BackgroundRun:
    """One response that this process makes, or is going to make.

    events: those it has written, for clients. made: whether all of it is written. final: the
    response object at its end, while the store fails and nobody else can know it. turn: a prepared
    one; without it the request is taken from the store when the run begins.
    """

    def __init__(
        self,
        runtime: "Runtime",
        store: StateStore,
        writer: BackgroundWriter,
        turn: Turn | None = None,
    ) -> None:
        self.events = LiveEvents()
        self.events.add(writer.queue())
        written = writer.written
        assert written is not None
        self.id = written.id
        self.queued = written
        self.made = False
        self.final: bytes | None = None
        self.task: asyncio.Task[None] | None = None
        self._runtime = runtime
        self._store = store
        self._owner = runtime.presence.id
        self._writer = writer
        self._turn = turn
        self._last: list[bytes] = []
        self._stopped: GatewayError | None = None

    async def make(self) -> None:
        """Begin the answer, and write it to its end. Nothing happens, and it is not `made`, when
        somebody else has ended the response.
        """
        runs = self._store.runs
        packed = await insist(lambda: runs.request(self.id)) if self._turn is None else b""
        first = self._writer.begin()
        if not await insist(lambda: runs.start(self.id, self._owner, self._body())):
            return
        self.events.add(first)
        error: GatewayError | None = None
        status = CLIENT_LEFT  # as when it is cut
        try:
            turn = self._turn or await self._prepared(packed)
            await turn.run(self._deliver)
            status = 200
        except asyncio.CancelledError:
            error = self._stopped
            if error is None:
                raise
        except Exception as raised:
            error = known_error(raised, self.id)
        finally:
            if error is not None:
                status = FORMAT.error_status(error)
            if self._turn is not None:
                self._turn.finish(FORMAT_NAME, status, error)
        if error is not None:
            self._write([Fail(error)])
        self.made = True

    async def settle(self) -> bool:
        """Store the end of the answer, then tell it; False when somebody else has ended it before.

        A store that fails is asked until it does not, and clients do not wait for that.
        """
        body, course = self._body(), self._writer.course()
        runs = self._store.runs
        try:
            ended = await in_time(runs.finish(self.id, self._owner, body, course))
        except StateError as error:
            log.warning("the background response %s is not stored yet: %s", self.id, error)
            self.final = body
            self.events.end(self._last)
            ended = await insist(lambda: runs.finish(self.id, self._owner, body, course))
        if ended:
            self.events.end(self._last)
            self._runtime.responses.was_put(len(body))
        else:
            self.final = None
        return ended

    def postpone(self) -> None:
        """Take the request from the store when its turn comes: what waits is not in memory."""
        self._turn = None

    def cut(self, body: bytes | None) -> None:
        """End it as somebody else has: with this response object, or none after a deletion."""
        if body is None:
            gone = NotFound(f"the response {self.id!r} was deleted")
            self.events.end([error_event(gone, self.events.next)])
        else:
            self.events.end([last_event(loads_object(body), self.events.next).data])
        if self.task is not None:
            self.task.cancel()

    def stop(self, reason: GatewayError) -> None:
        """End it with a failure, if it has begun; otherwise leave it to the next process."""
        self._stopped = reason
        if self.task is not None and not self.made:
            self.task.cancel()

    async def _prepared(self, packed: bytes) -> Turn:
        """A turn for what the store has kept. Raises what is wrong with it."""
        stored = await insist(lambda: self._store.responses.get(self.id))
        if stored is None:
            raise Internal(f"the response {self.id!r} is in the store no more")
        request = await asyncio.to_thread(unpack_request, packed, stored)
        self._turn = turn = Turn(self._runtime, turn_request(request), self.id)
        await turn.prepare()
        return turn

    async def _deliver(self, events: Sequence[Event]) -> None:
        self._write(events)

    def _write(self, events: Sequence[Event]) -> None:
        """Hold back the last event of all: who has seen it must find the response in the store."""
        written = self._writer.events(events)
        last = type(events[-1])
        if written and (last is End or last is Fail):
            self._last = [written.pop()]
        self.events.add(written)

    def _body(self) -> bytes:
        written = self._writer.written
        assert written is not None
        return written.body


def turn_request(request: Request) -> Request:
    """What a provider is asked: neither to run it in the background nor to store it, as the gateway
    does both.
    """
    body = {key: value for key, value in request.source.body.items() if key not in _OWN_FIELDS}
    session = replace(request.session, store=False)
    return replace(request, session=session, source=Source(FORMAT_NAME, body | {"store": False}))


def pack_request(request: Request) -> bytes:
    """A request without its input, which is stored beside it."""
    body = {key: value for key, value in request.source.body.items() if key != "input"}
    return dumps({"body": body, "session_id": request.session.session_id})


def unpack_request(packed: bytes, stored: StoredResponse) -> Request:
    """The request again. Raises `InvalidRequest` when this version cannot read it."""
    kept: JsonObject = loads_object(packed)
    headers = {_SESSION_HEADER: kept["session_id"]} if kept["session_id"] else {}
    return read_request({**kept["body"], "input": loads(stored.input)}, headers)


def error_event(error: GatewayError, number: int) -> bytes:
    """The event of a stream that cannot go on, while the response itself may."""
    shown = error_object(error)
    facts = {key: shown[key] for key in ("code", "message", "param")}
    return dumps({"type": "error", **facts, "sequence_number": number})
