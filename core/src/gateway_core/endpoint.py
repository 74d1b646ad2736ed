"""One turn over HTTP: the plain ASGI endpoint of a client format.

One write per upstream read, keep-alive pings while the upstream is silent, errors in the client's
own dialect, and the upstream cancelled the moment the client leaves. Knows formats only by their
protocol and no provider at all.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from starlette.types import Message, Receive, Scope, Send

from gateway_core.errors import GatewayError, Internal, InvalidRequest, Overloaded, TooLarge
from gateway_core.events import End, Event, Fail
from gateway_core.exchange import Turn
from gateway_core.formats.base import ClientFormat, StreamWriter
from gateway_core.json import JsonObject, dumps, loads

if TYPE_CHECKING:
    from gateway_core.background import Background
    from gateway_core.runtime import Runtime

__all__ = [
    "CLIENT_LEFT",
    "ClientLeftError",
    "Generate",
    "client_watched",
    "id_headers",
    "known_error",
    "read_bytes",
    "read_json",
    "send_error",
    "send_json",
    "server_stops",
    "turn_headers",
]

log = logging.getLogger(__name__)

_Headers: TypeAlias = list[tuple[bytes, bytes]]

CLIENT_LEFT = 499
"""The status in the log of a request whose client did not wait for the answer."""
LONGEST_NOTICE_HEADER = 2000
_PERMANENT = frozenset(
    {"login_required", "forbidden", "model_not_found", "quota_exhausted", "unsupported"}
)


class Generate:
    """Answers `POST` requests of one format with one turn each, or leaves them to `background`."""

    def __init__(
        self, runtime: "Runtime", format: ClientFormat, background: "Background | None" = None
    ) -> None:
        self._runtime = runtime
        self._format = format
        self._background = background

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers: Mapping[str, str] = scope["gateway.headers"]
        id: str = scope["gateway.request_id"]
        try:
            body = await read_json(receive, headers, self._runtime.settings.server.max_body_bytes)
            request = self._format.read_request(body, headers)
            later = self._background is not None and self._background.wants(request)
        except Exception as error:
            await send_error(send, self._format, known_error(error, id), id)
            return
        if later and self._background is not None:
            await self._background.create(request, scope, receive, send)
            return
        turn = Turn(self._runtime, request, id)
        answer = _Answer(send, self._format, turn)
        error_seen: GatewayError | None = None
        try:
            async with client_watched(receive, lambda: answer.finished):
                error_seen = await self._serve(turn, answer)
        except ClientLeftError:
            answer.status = CLIENT_LEFT
        except asyncio.CancelledError:
            error_seen = server_stops()
            await answer.fail(error_seen)
        finally:
            turn.finish(self._format.name, answer.status, error_seen)

    async def _serve(self, turn: Turn, answer: "_Answer") -> GatewayError | None:
        try:
            await turn.prepare()
            if turn.request.stream:
                await self._stream(turn, answer)
            else:
                await self._collect(turn, answer)
        except Exception as raised:
            error = known_error(raised, turn.id)
            await answer.fail(error)
            return error
        return None

    async def _stream(self, turn: Turn, answer: "_Answer") -> None:
        answer.writer = writer = self._format.writer(turn.request, turn.request.model)
        keep = await self._runtime.responses.begin(turn, writer)

        async def deliver(events: Sequence[Event]) -> None:
            last = type(events[-1])
            data = writer.feed(events)
            try:
                if keep is not None and last is End:
                    await keep()
            finally:  # the answer is whole, even if its time runs out here
                await answer.write(data, final=last is End or last is Fail)

        async with self._pinging(answer):
            await turn.run(deliver)

    async def _collect(self, turn: Turn, answer: "_Answer") -> None:
        response = await turn.collect()
        writer = self._format.writer(turn.request, turn.request.model)
        keep = await self._runtime.responses.begin(turn, writer)
        body = writer.body(response)
        if keep is not None and not await keep():
            body["store"] = False
        await answer.whole(body)

    @asynccontextmanager
    async def _pinging(self, answer: "_Answer") -> AsyncIterator[None]:
        """Beside the turn: the first-event gate and the pings."""
        task = asyncio.create_task(self._ping(answer))
        try:
            yield
        finally:
            task.cancel()

    async def _ping(self, answer: "_Answer") -> None:
        server = self._runtime.settings.server
        loop = asyncio.get_running_loop()
        ping_at = loop.time() + min(server.first_event_wait, server.ping_interval)
        while True:
            await asyncio.sleep(ping_at - loop.time())
            silent_since = await answer.ping_if_silent(server.ping_interval)
            # A client that does not read leaves it in the past: look again an interval later.
            ping_at = silent_since + server.ping_interval
            if ping_at <= loop.time():
                ping_at = loop.time() + server.ping_interval


def known_error(error: Exception, id: str) -> GatewayError:
    """The error to tell the client; what is none of ours is a bug, and goes to the log."""
    if isinstance(error, GatewayError):
        log.info("request %s was refused or failed: %s", id, error.message)
        return error
    log.error("request %s failed", id, exc_info=error)
    return Internal(f"the gateway failed ({type(error).__name__}); see its log")


def server_stops() -> GatewayError:
    """Called when the server cancels a request because it stops: the request goes on for the
    moment that it takes to tell the client.
    """
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    return Overloaded("the gateway is stopping; repeat the request when it runs again")


class ClientLeftError(Exception):
    """The client closed the connection before its answer was complete."""


@asynccontextmanager
async def client_watched(receive: Receive, finished: Callable[[], bool]) -> AsyncIterator[None]:
    """Cancels the body of the block, and so its upstream, when the client leaves before it is
    `finished`; the block then raises `ClientLeftError`.
    """
    turn = asyncio.current_task()
    assert turn is not None
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        if not finished():
            left = True
            turn.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not left:
            raise
        turn.uncancel()
        raise ClientLeftError from None
    finally:
        watcher.cancel()


class _Answer:
    """The client's side of a turn: starts the response once, writes in order, ends it once."""

    def __init__(self, send: Send, format: ClientFormat, turn: Turn) -> None:
        self.status = 200
        self.finished = False
        self.writer: StreamWriter | None = None
        self._send = send
        self._format = format
        self._turn = turn
        self._started = False
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._last_write = self._loop.time()

    async def write(self, data: bytes, *, final: bool = False) -> None:
        """One write; `final` ends the response."""
        if self.finished or not (data or final):
            return
        self.finished = final
        async with self._lock:
            if not self._started:
                await self._start(b"text/event-stream; charset=utf-8")
            self._last_write = self._loop.time()
            await self._send({"type": "http.response.body", "body": data, "more_body": not final})

    async def ping_if_silent(self, interval: float) -> float:
        """A keep-alive when nothing was written for `interval` seconds, or nothing at all yet.

        Returns when the client was last written to.
        """
        assert self.writer is not None
        silent = self._loop.time() - self._last_write >= interval
        if (silent or not self._started) and not self._lock.locked():
            await self.write(self.writer.ping())
        return self._last_write

    async def whole(self, body: JsonObject) -> None:
        """The answer of a client that does not stream."""
        self.finished = True
        headers = turn_headers(self._turn, b"application/json")
        await send_json(self._send, 200, body, headers)

    async def fail(self, error: GatewayError) -> None:
        """An HTTP error while that is possible, else the format's error event."""
        if self.finished:
            return
        if self._started and self.writer is not None:
            await self.write(self.writer.feed([Fail(error)]), final=True)
            return
        self.finished = True
        self.status = self._format.error_status(error)
        await send_error(self._send, self._format, error, self._turn.id, self._turn)

    async def _start(self, content_type: bytes) -> None:
        self._started = True
        headers = turn_headers(self._turn, content_type)
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})


async def read_json(receive: Receive, headers: Mapping[str, str], limit: int) -> JsonObject:
    """The request's body as a JSON object.

    Raises `TooLarge` over `limit` bytes, `InvalidRequest` when it is not one JSON object.
    """
    try:
        value = loads(await read_bytes(receive, headers, limit))
    except ValueError as error:
        raise InvalidRequest(f"the request body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRequest("the request body must be a JSON object")
    return value


async def read_bytes(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The request's whole body. Raises `TooLarge` over `limit` bytes, `InvalidRequest`."""
    too_large = TooLarge(f"the request body is larger than {limit} bytes ([server] max_body_bytes)")
    if int(headers.get("content-length") or 0) > limit:
        raise too_large
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise InvalidRequest(f"content-encoding {encoding!r} is not understood; send it plain")
    pieces = []
    size = 0
    message: Message = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("the client left before its request was complete")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise too_large
    return b"".join(pieces)


async def send_json(send: Send, status: int, value: JsonObject, headers: _Headers) -> None:
    """A whole JSON answer."""
    body = dumps(value)
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_error(
    send: Send, format: ClientFormat, error: GatewayError, id: str, turn: Turn | None = None
) -> None:
    """An error as a whole HTTP answer in the format's dialect."""
    headers = id_headers(id) if turn is None else turn_headers(turn, None)
    headers.append((b"content-type", b"application/json"))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(math.ceil(error.retry_after)).encode()))
    if error.kind in _PERMANENT:
        headers.append((b"x-should-retry", b"false"))
    await send_json(send, format.error_status(error), format.error_body(error, id), headers)


def id_headers(id: str) -> _Headers:
    """The request's id under the name that OpenAI's clients read and the one Anthropic's read."""
    return [(b"x-request-id", id.encode()), (b"request-id", id.encode())]


def turn_headers(turn: Turn, content_type: bytes | None) -> _Headers:
    """The headers of an answer: its id, who gave it, and what the user should learn."""
    headers = id_headers(turn.id)
    if content_type is not None:
        headers.append((b"content-type", content_type))
    if turn.route is not None:
        headers.append((b"x-gateway-provider", turn.route.provider.encode()))
    if turn.notices:
        text = "; ".join(f"{notice.code}: {notice.message}" for notice in turn.notices)
        text = " ".join(text.split())[:LONGEST_NOTICE_HEADER]
        headers.append((b"x-gateway-notice", text.encode("ascii", "replace")))
    return headers
