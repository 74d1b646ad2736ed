"""Endpoints that answer one JSON object, with any number of turns behind it.

`JsonEndpoint` is the HTTP side: it reads the body, runs the work, and writes the answer or the
error in the dialect of its clients; when the client leaves, the turns are cancelled. What the work
is, a `Work` says: here are token counting and compaction, `gateway_core.painting` has the images.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from starlette.types import Receive, Scope, Send

from gateway_core.endpoint import (
    CLIENT_LEFT,
    ClientLeftError,
    client_watched,
    id_headers,
    known_error,
    read_json,
    send_error,
    send_json,
    server_stops,
    turn_headers,
)
from gateway_core.errors import InvalidRequest
from gateway_core.exchange import Turn
from gateway_core.formats import responses
from gateway_core.formats.base import ClientFormat, ReadRequest
from gateway_core.json import JsonObject
from gateway_core.request import Request
from gateway_core.tokens import count_request, in_thread

if TYPE_CHECKING:
    from gateway_core.errors import GatewayError
    from gateway_core.runtime import Runtime

__all__ = ["Errand", "JsonEndpoint", "ReadBody", "Work", "compact_conversation", "token_counting"]


class Errand:
    """One request to such an endpoint: what came with it, and the turns it led to."""

    def __init__(self, runtime: "Runtime", id: str, headers: Mapping[str, str]) -> None:
        self.runtime = runtime
        self.id = id
        self.headers = headers
        self.turns: list[Turn] = []

    async def turn(self, request: Request) -> Turn:
        """A prepared turn, of which log and observers are told when the errand is over.

        Raises what is wrong with the request, as `Turn.prepare` does.
        """
        id = f"{self.id}_{len(self.turns) + 1}" if self.turns else self.id
        turn = Turn(self.runtime, request, id)
        self.turns.append(turn)
        await turn.prepare()
        return turn


Work: TypeAlias = Callable[[Errand, JsonObject], Awaitable[JsonObject]]
"""The body of the request to the body of the answer. Raises `GatewayError`."""
ReadBody: TypeAlias = Callable[[Receive, Mapping[str, str], int], Awaitable[JsonObject]]
"""The body of a request, of at most so many bytes, as a JSON object. Raises `GatewayError`."""


class JsonEndpoint:
    """Serves `POST` requests with a `Work`; `name` is the format's name in the log."""

    def __init__(
        self,
        runtime: "Runtime",
        format: ClientFormat,
        work: Work,
        *,
        name: str | None = None,
        read_body: ReadBody = read_json,
    ) -> None:
        self._runtime = runtime
        self._format = format
        self._work = work
        self._name = name or format.name
        self._read_body = read_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        errand = Errand(self._runtime, scope["gateway.request_id"], scope["gateway.headers"])
        answer: JsonObject = {}
        status = 200
        error: GatewayError | None = None
        try:
            limit = self._runtime.settings.server.max_body_bytes
            body = await self._read_body(receive, errand.headers, limit)
            async with client_watched(receive, lambda: False):
                answer = await self._work(errand, body)
        except ClientLeftError:
            status = CLIENT_LEFT
        except asyncio.CancelledError:
            error = server_stops()
        except Exception as raised:
            error = known_error(raised, errand.id)
        finally:
            if error is not None:
                status = self._format.error_status(error)
            for turn in errand.turns:
                turn.finish(self._name, status, error)
        first = errand.turns[0] if errand.turns else None
        if error is not None:
            await send_error(send, self._format, error, errand.id, first)
        elif status == 200:
            headers = turn_headers(first, None) if first else id_headers(errand.id)
            headers.append((b"content-type", b"application/json"))
            await send_json(send, 200, answer, headers)


def token_counting(read: ReadRequest, write: Callable[[int], JsonObject]) -> Work:
    """The work of a token counting endpoint: local, and never on the event loop.

    A request without a model is counted as it stands.
    """

    async def count_tokens(errand: Errand, body: JsonObject) -> JsonObject:
        request = read(body, errand.headers)
        if not request.model:
            request = await errand.runtime.responses.replayed(request)
            if (previous := request.session.previous_response_id) is not None:
                raise InvalidRequest(
                    f"previous_response_id: the response {previous!r} is not kept here; name the "
                    "model that is to go on from it, or send the whole conversation in `input`",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            return write(await in_thread(count_request, request))
        count = await Turn(errand.runtime, request, errand.id).token_counter()
        return write(await in_thread(count))

    return count_tokens


async def compact_conversation(errand: Errand, body: JsonObject) -> JsonObject:
    """`POST /v1/responses/compact`: one turn that ends in a compaction item, whoever writes it."""
    asked = responses.read_compact_request(body, errand.headers)
    turn = await errand.turn(asked)
    response = await turn.collect()
    return responses.compact_body(await turn.whole(), response)
