"""A simulated chat completions upstream on a socket: what simulators of such vendors share.

A vendor's simulator says who may ask (`admit`), what is wrong with a body (`problems`), and what
else it serves (`routes`).
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Final, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway_core.json import JsonObject, dumps, loads_object
from simulators.codex.script import Section, find_prompt, for_attempt, steps_for
from simulators.grok.connections import Connections
from simulators.kimi.chunks import Answering, perform
from simulators.kimi.script import parse_script
from support.app_server import ThreadServer, listening

__all__ = ["ChatUpstream", "Recorded", "Refused", "json_response"]

_PAGE: Final = b"<!DOCTYPE html><html><body>Bad gateway</body></html>"


class Refused(Exception):
    """The request gets this answer. expected: whether it is no fault of who asks."""

    def __init__(self, status: int, body: JsonObject, *, expected: bool = True) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body
        self.expected = expected


@dataclass(slots=True)
class Recorded:
    """One request for an answer. prefix_kept: whether it begins with the messages of the one
    before it in the same conversation; None for the first.
    """

    headers: dict[str, str]
    body: JsonObject
    status: int = 200
    violations: list[str] = field(default_factory=list)
    prefix_kept: bool | None = None

    @property
    def messages(self) -> list[JsonObject]:
        """The conversation."""
        messages: list[JsonObject] = self.body["messages"]
        return messages

    def of_role(self, role: str) -> list[JsonObject]:
        """The messages of a role."""
        return [message for message in self.messages if message["role"] == role]


class ChatUpstream:
    """The server. `requests` are those for answers; `violations` all that was wrong in any."""

    reasoning: ClassVar[str] = "reasoning_content"

    def __init__(self, chat_path: str) -> None:
        self.requests: list[Recorded] = []
        self.other_violations: list[str] = []
        self.connections = Connections()
        self._script: list[Section] = []
        self._attempts: Counter[tuple[str, int]] = Counter()
        self._numbers = itertools.count(1)
        self._socket = listening()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        chat = Route(chat_path, self._chat, methods=["POST"])
        self._server = ThreadServer(
            Starlette(routes=[chat, *self.routes()]), self._socket, self.connections.protocol()
        )

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.connections.release()
        self._server.stop()

    @property
    def violations(self) -> list[str]:
        """All that was wrong in any request so far."""
        found = [problem for request in self.requests for problem in request.violations]
        return [*found, *self.other_violations]

    def forget_requests(self) -> None:
        """Begin anew for the next test: no request was made."""
        self.requests.clear()
        self._attempts.clear()

    def play(self, script: str) -> None:
        """From now on the model answers by this script; see `simulators.kimi.script`."""
        self.forget_requests()
        self._script = parse_script(script)

    # For the vendors

    def routes(self) -> list[Route]:
        """What is served besides."""
        return []

    def admit(self, recorded: Recorded) -> None:
        """Raise `Refused` for who may not ask, or not for this model."""

    def problems(self, body: JsonObject, headers: JsonObject) -> Iterable[str]:
        """What is wrong with a request."""
        return ()

    def error(self, kind: str, message: str) -> JsonObject:
        """An error body."""
        return {"error": {"message": message, "type": kind}}

    # Answers

    async def _chat(self, request: Request) -> Response:
        recorded = Recorded(dict(request.headers), loads_object(await request.body()))
        self.requests.append(recorded)
        try:
            self.admit(recorded)
            recorded.violations += self.problems(recorded.body, recorded.headers)
            if recorded.violations:
                told = self.error("invalid_request_error", recorded.violations[0])
                raise Refused(400, told)
        except Refused as refused:
            recorded.status = refused.status
            return json_response(refused.body, refused.status)
        recorded.prefix_kept = self._prefix_kept(recorded)
        prompt, turn = find_prompt(recorded.messages)
        self._attempts[prompt, turn] += 1
        steps = steps_for(self._script, prompt, turn)
        if steps is None:
            steps = [{"do": "text", "text": "The script is over."}]
        steps = for_attempt(steps, self._attempts[prompt, turn])
        for step in steps:
            if step["do"] == "page":
                return Response(_PAGE, step["status"], media_type="text/html")
            if step["do"] == "http":
                headers = {"retry-after": step["retry"]} if step["retry"] else {}
                body = self.error(step["type"], step["message"])
                return json_response(body, step["status"], headers)
        cached = 600 if recorded.prefix_kept else 0
        answering = Answering(
            f"gen-{next(self._numbers)}", recorded.body["model"], self.reasoning, cached
        )
        headers = {"content-type": "text/event-stream", "x-request-id": answering.id}
        return StreamingResponse(self._stream(steps, answering, request), 200, headers)

    async def _stream(
        self, steps: list[JsonObject], answering: Answering, request: Request
    ) -> AsyncIterator[bytes]:
        for piece in perform(steps, answering):
            if isinstance(piece, bytes):
                yield piece
            elif isinstance(piece, float):
                await asyncio.sleep(piece)
            elif piece == "stall":
                await self.connections.stall()
            elif piece == "reset":
                self.connections.hang_up(request, reset=True)

    def _prefix_kept(self, recorded: Recorded) -> bool | None:
        for earlier in reversed(self.requests[:-1]):
            if earlier.status == 200 and _plain(earlier)[:2] == _plain(recorded)[:2]:
                return _plain(recorded)[: len(earlier.messages)] == _plain(earlier)
        return None


def _plain(recorded: Recorded) -> list[JsonObject]:
    """The messages without cache marks, which move on with each turn and mean no other text."""
    return [{**message, "content": _unmarked(message)} for message in recorded.messages]


def _unmarked(message: JsonObject) -> list[JsonObject]:
    content = message.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{key: part[key] for key in part if key != "cache_control"} for part in parts]


def json_response(
    body: JsonObject, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A JSON answer."""
    return Response(dumps(body), status, headers, "application/json")
