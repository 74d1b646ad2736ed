"""Responses over WebSocket: `GET /v1/responses` with an upgrade, for Codex CLI and OpenAI's SDKs.

A client sends `response.create` events, one JSON object a text frame, with the fields of a `POST`
body. The answer's events come back one a frame, the same JSON as in a stream over HTTP. Requests on
one connection are answered one after the other. A response can be gone on from by its id as long as
the connection lives, whether it is stored or not, and `generate: false` makes one of nothing but
input: clients use it to send the long beginning of a conversation ahead.

Sources: `ResponsesClientEvent` and `ResponsesServerEvent` of the official SDK, and what Codex CLI
was seen to send.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.types import Message, Receive, Scope, Send

from gateway_core.endpoint import (
    CLIENT_LEFT,
    ClientLeftError,
    id_headers,
    known_error,
    send_error,
)
from gateway_core.errors import GatewayError, InvalidRequest, RateLimited
from gateway_core.events import End, Event, Fail, Usage
from gateway_core.exchange import Turn
from gateway_core.formats import responses
from gateway_core.formats.base import optional, required
from gateway_core.formats.responses.compact import since_compaction
from gateway_core.formats.responses.stored_items import input_items
from gateway_core.json import JsonObject, dumps, loads, loads_object

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["ResponsesSocket", "as_handshake_refusal"]

log = logging.getLogger(__name__)

MOST_WAITING = 16
"""Requests of one connection that may wait for their turn."""
MOST_REMEMBERED = 8
"""Responses of one connection that can be gone on from without being stored."""
_INTERNAL_ERROR = 1011
_WENT_WELL = (b'{"type":"response.completed"', b'{"type":"response.incomplete"')
_NO_LONGER_NEEDED = frozenset({"response.processed"})
_ENVELOPE = frozenset({"type", "stream_id", "event_id"})


class ResponsesSocket:
    """The ASGI endpoint of the upgrade."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, from its handshake to its end."""
        await receive()  # websocket.connect
        id: str = scope["gateway.request_id"]
        if not self._runtime.settings.server.websocket:
            # Codex falls back to HTTP at once on 426, and only after seven tries on anything else.
            off = InvalidRequest(
                "Responses over WebSocket is switched off ([server] websocket); use POST"
            )
            await send_error(as_handshake_refusal(send, 426), responses.FORMAT, off, id)
            return
        await send({"type": "websocket.accept", "headers": id_headers(id)})
        await _Connection(self._runtime, scope, send).serve(receive)


def as_handshake_refusal(send: Send, status: int | None = None) -> Send:
    """A `send` that takes an HTTP answer and gives it in place of an accepted upgrade; `status`
    replaces its own.
    """

    async def send_refusal(message: Message) -> None:
        message = {**message, "type": f"websocket.{message['type']}"}
        if status is not None and "status" in message:
            message["status"] = status
        await send(message)

    return send_refusal


class _Remembered(NamedTuple):
    """The whole conversation up to a response, and whether that is also stored."""

    items: list[JsonObject]
    stored: bool


class _Connection:
    """One accepted connection: reads ahead, answers in order, ends with the client."""

    def __init__(self, runtime: "Runtime", scope: Scope, send: Send) -> None:
        self._runtime = runtime
        self._headers: Mapping[str, str] = scope["gateway.headers"]
        self._id: str = scope["gateway.request_id"]
        self._send = send
        self._count = 0
        self._waiting: asyncio.Queue[JsonObject] = asyncio.Queue()
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    async def serve(self, receive: Receive) -> None:
        """Until the client leaves, which cancels the turn that runs."""
        answering = asyncio.create_task(self._answer_all())
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                await self._take(message)
        except ClientLeftError:
            pass
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _take(self, message: Message) -> None:
        """Read one frame; what is wrong with it is told at once, and the connection goes on."""
        stream_id: str | None = None
        try:
            event = _read_event(message)
            stream_id = optional(event, "stream_id", str)
            kind = required(event, "type", str)
            if kind in _NO_LONGER_NEEDED:
                return
            if kind == "response.steer":
                await self._write(dumps(_not_steered(event)), None)
            elif kind != "response.create":
                raise InvalidRequest(
                    f"type: expected 'response.create', got {kind[:80]!r}", param="type"
                )
            elif self._waiting.qsize() >= MOST_WAITING:
                raise RateLimited(f"{MOST_WAITING} requests wait on this connection already")
            else:
                self._waiting.put_nowait(event)
        except GatewayError as error:
            await self._write(_error_event(error, self._id), stream_id)

    async def _answer_all(self) -> None:
        try:
            while True:
                await self._answer(await self._waiting.get())
        except ClientLeftError:
            return
        except Exception:  # what a turn raises is answered, so this is about the connection
            log.exception("the WebSocket connection %s failed", self._id)
            await self._send({"type": "websocket.close", "code": _INTERNAL_ERROR})

    async def _answer(self, event: JsonObject) -> None:
        """Answer one `response.create` to its end, well or badly."""
        self._count += 1
        id = self._id if self._count == 1 else f"{self._id}_{self._count}"
        stream_id: str | None = event.get("stream_id")
        answer: _Answer | None = None
        error: GatewayError | None = None
        status = 200
        try:
            request = responses.FORMAT.read_request(self._body(event), self._headers)
            answer = _Answer(self, Turn(self._runtime, request, id), stream_id)
            if event.get("generate") is False:
                await answer.warm_up()
            else:
                await answer.run()
        except (asyncio.CancelledError, ClientLeftError):
            status = CLIENT_LEFT
            raise
        except Exception as raised:
            error = known_error(raised, id)
            status = responses.FORMAT.error_status(error)
            if answer is not None and answer.started:
                await answer.deliver([Fail(error)])
            else:
                await self._write(_error_event(error, id), stream_id)
        finally:
            if answer is not None:
                answer.turn.finish(responses.FORMAT.name, status, error)

    def _body(self, event: JsonObject) -> JsonObject:
        """The body of the `POST` that the event stands for, with the conversation in it that it
        goes on from, if this connection remembers it.
        """
        body = {key: value for key, value in event.items() if key not in _ENVELOPE}
        body["stream"] = True
        if body.get("background"):
            raise InvalidRequest(
                "background: a response over WebSocket cannot run in the background; use POST",
                param="background",
            )
        previous = body.get("previous_response_id")
        earlier = self._remembered.get(previous) if isinstance(previous, str) else None
        # One that is to be stored must be stored as going on from the other, if that is stored.
        if earlier is not None and not (earlier.stored and body.get("store") is not False):
            del body["previous_response_id"]
            said = body.get("input")
            if said is not None and not isinstance(said, str | list):
                raise InvalidRequest("input: expected a string or a list", param="input")
            items = input_items(said)
            known = [item for item in items if isinstance(item, dict)]
            body["input"] = [*since_compaction(earlier.items, known), *items]
        return body

    def remember(self, said: Any, response: JsonObject, *, stored: bool) -> None:
        """Let later requests go on from this response to what was said. stored: whether it can be
        found elsewhere by now.
        """
        items = [*input_items(said), *response["output"]]
        self._remembered[response["id"]] = _Remembered(items, stored)
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    async def write(self, events: Sequence[bytes], stream_id: str | None) -> None:
        """Send events in order."""
        for event in events:
            await self._write(event, stream_id)

    async def _write(self, event: bytes, stream_id: str | None) -> None:
        if stream_id is not None:
            event = b'{"stream_id":%b,%b' % (dumps(stream_id), event[1:])
        try:
            await self._send({"type": "websocket.send", "text": event.decode()})
        except OSError as error:  # the client is gone, and `receive` is about to say so
            raise ClientLeftError from error

    @property
    def runtime(self) -> "Runtime":
        """The gateway that serves the connection."""
        return self._runtime


class _Answer:
    """One turn on a connection."""

    def __init__(self, connection: _Connection, turn: Turn, stream_id: str | None) -> None:
        self.turn = turn
        self.started = False
        self._connection = connection
        self._stream_id = stream_id
        self._is_kept = True
        self._writer = responses.StreamWriter(turn.request, turn.request.model)

    async def warm_up(self) -> None:
        """An answer of nothing, to a request that a turn could be made of."""
        await self.turn.prepare(whole=True)
        if self.turn.recalled.session.previous_response_id is not None:
            raise InvalidRequest(
                "previous_response_id: only its provider has that response, so nothing can be sent "
                "ahead for it; leave `generate` out, or send the whole conversation in `input`",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        await self.deliver([End("stop", usage=Usage(input=0, output=0))])

    async def run(self) -> None:
        """The whole turn. Raises `GatewayError` when it failed before its first part."""
        turn = self.turn
        await turn.prepare()
        keep = await self._connection.runtime.responses.begin(turn, self._writer)

        async def deliver(events: Sequence[Event]) -> None:
            if keep is not None and type(events[-1]) is End:
                frames = self._writer.events(events)
                try:
                    self._is_kept = await keep()
                finally:
                    await self._send(frames)
            else:
                await self.deliver(events)

        await turn.run(deliver)

    async def deliver(self, events: Sequence[Event]) -> None:
        """Send a batch of events."""
        await self._send(self._writer.events(events))

    async def _send(self, frames: list[bytes]) -> None:
        self.started = self.started or bool(frames)
        await self._connection.write(frames, self._stream_id)
        if frames and frames[-1].startswith(_WENT_WELL):
            asked = self.turn.recalled
            if asked.session.previous_response_id is None:  # else only an upstream knows it all
                response = loads_object(frames[-1])["response"]
                stored = response["store"] and self._is_kept  # which may yet be tried again
                said = asked.source.body.get("input")
                self._connection.remember(said, response, stored=stored)


def _read_event(message: Message) -> JsonObject:
    """The event in a frame. Raises `InvalidRequest`."""
    text = message.get("text")
    if text is None:
        raise InvalidRequest("expected a text frame with one JSON object, got a binary frame")
    try:
        event: Any = loads(text.encode())
    except ValueError as error:
        raise InvalidRequest(f"the frame is not valid JSON: {error}") from error
    if not isinstance(event, dict):
        raise InvalidRequest("the frame must be one JSON object")
    return event


def _error_event(error: GatewayError, request_id: str) -> bytes:
    """An error that belongs to no event stream, as `ResponseWsError` has it."""
    format = responses.FORMAT
    told: JsonObject = dict(format.error_body(error, request_id)["error"])
    if error.retry_after is not None:
        told["headers"] = {"retry-after": f"{error.retry_after:g}"}
    return dumps({"type": "error", "status": format.error_status(error), "error": told})


def _not_steered(event: JsonObject) -> JsonObject:
    """The answer to input for a response that runs already: no upstream takes it."""
    steer = {key: event.get(key) for key in ("input", "previous_response_id")}
    return {
        "type": "response.steer.failed",
        "steer": steer,
        "error": {
            "type": "invalid_request_error",
            "code": "steering_not_supported",
            "message": "a response that runs cannot be steered; send another one when it is over",
        },
    }
