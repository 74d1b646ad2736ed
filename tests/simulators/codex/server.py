"""The simulated backend on a real socket: HTTP around `Backend`, bytes around `events`.

`with CodexSimulator() as simulator:` serves the chat host and the login host under one address,
from a thread of its own, with one account that is logged in.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway_core.json import JsonObject, dumps, loads_object
from simulators.codex.auth import LoginScript, auth_routes
from simulators.codex.backend import Backend, Recorded, Refused, limit_headers
from simulators.codex.catalogue import describe
from simulators.codex.events import Act, Answering, perform
from simulators.codex.faults import HttpAnswer
from simulators.codex.state import Account, BackendState, Tokens
from simulators.grok.connections import PIECE_BYTES, Connections
from support.app_server import ThreadServer, listening
from support.pictures import PNG_BASE64

__all__ = ["CodexSimulator"]

_CODEX: Final = "/backend-api/codex"


class CodexSimulator:
    """The backend, seen from a test.

    url: its root, for the login host; `base_url`: of the models. state: accounts and tokens.
    login: what goes wrong when somebody logs in. backend: script and requests. account, tokens: the
    account that is there from the start, and its login. served: the paths asked for. connections:
    those that are open.
    """

    def __init__(self, *, account: Account | None = None) -> None:
        self.state = BackendState()
        self.backend = Backend(self.state)
        self.login = LoginScript()
        self.account = self.state.add_account(
            account or Account("11111111-2222-3333-4444-555555555555")
        )
        self.tokens: Tokens = self.state.log_in(self.account.id)
        self.served: list[str] = []
        self.connections = Connections()
        self._socket = listening()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = ThreadServer(
            Starlette(routes=self._routes()), self._socket, self.connections.protocol()
        )

    def __enter__(self) -> "CodexSimulator":
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
    def base_url(self) -> str:
        """Where models are asked."""
        return f"{self.url}{_CODEX}"

    @property
    def backend_url(self) -> str:
        """Where usage and account are asked."""
        return f"{self.url}/backend-api"

    @property
    def requests(self) -> list[Recorded]:
        """The requests for answers, oldest first."""
        return [request for request in self.backend.requests if request.path == "/responses"]

    @property
    def violations(self) -> list[str]:
        """All that was wrong in any request so far."""
        return [found for request in self.backend.requests for found in request.violations]

    def play(self, script: str) -> None:
        """From now on the model answers by this script; see `simulators.codex.script`."""
        self.backend.play(script)

    def forget_requests(self) -> None:
        """Begin anew for the next test: no request was made."""
        self.backend.requests.clear()
        self.backend.attempts.clear()

    def _routes(self) -> list[Route]:
        posts: dict[str, _Endpoint] = {
            "/responses": self._responses,
            "/responses/compact": self._compact,
            "/images/generations": self._images,
            "/images/edits": self._images,
        }
        routes = [
            Route(f"{_CODEX}{path}", self._guarded(endpoint), methods=["POST"])
            for path, endpoint in posts.items()
        ]
        models = Route(f"{_CODEX}/models", self._guarded(self._models), methods=["GET"])
        return [*routes, models, *auth_routes(self.state, self.login)]

    def _guarded(self, endpoint: "_Endpoint") -> "_Endpoint":
        """Turns refusals into answers."""

        async def guarded(request: Request) -> Response:
            self.served.append(request.url.path)
            try:
                return await endpoint(request)
            except Refused as refusal:
                return self._plain(refusal.answer)
            except ClientDisconnect:
                return Response(status_code=499)

        return guarded

    async def _responses(self, request: Request) -> Response:
        recorded, account = self.backend.receive(
            "/responses", dict(request.headers), await _body(request)
        )
        steps, answering = self.backend.plan(recorded, account)
        if steps and steps[0]["do"] == "wait":  # before all else it delays the head
            await asyncio.sleep(steps.pop(0)["seconds"])
        stream = self._stream(steps, answering, request)
        headers = self._headers(account)
        headers["content-type"] = "text/event-stream; charset=utf-8"
        if "openai-model" in answering.shapes:
            headers["openai-model"] = "gpt-5.4-2026-03-05"
        return StreamingResponse(stream, 200, headers)

    async def _compact(self, request: Request) -> Response:
        recorded, account = self.backend.receive(
            "/responses/compact", dict(request.headers), await _body(request), compact=True
        )
        blob = self.state.seal(account.id, "cmp_1")
        said = [item for item in recorded.items if item.get("role") == "user"]
        output = [*said, {"type": "compaction", "id": "cmp_1", "encrypted_content": blob}]
        return self._json({"output": output}, account)

    async def _images(self, request: Request) -> Response:
        path = request.url.path.removeprefix(_CODEX)
        body = await _body(request)
        account = self.backend.receive_plain(path, dict(request.headers), body)
        known = {"prompt", "model", "n", "size", "quality", "background", "images", "mask"}
        wrong = [f"Unsupported parameter: {key}" for key in body if key not in known]
        if not isinstance(body.get("prompt"), str) or not body["prompt"]:
            wrong.append("prompt is required")
        if body.get("model") not in ("gpt-image-2", "gpt-image-1.5"):
            wrong.append(f"Model not found {body.get('model')}")
        if wrong:
            self.backend.requests[-1].violations += wrong
            raise Refused(HttpAnswer(400, dumps({"detail": wrong[0]})))
        data = [{"b64_json": PNG_BASE64}] * int(body.get("n") or 1)
        shape = {"background": "opaque", "quality": "low", "size": body.get("size", "1024x1024")}
        return self._json({"created": int(self.state.now()), "data": data, **shape}, account)

    async def _models(self, request: Request) -> Response:
        account = self.backend.authorise(dict(request.headers))
        version = _version(request.query_params.get("client_version", "0"))
        listed = [
            describe(facts, priority)
            for priority, facts in enumerate(self.state.models.values())
            if account.plan in facts.plans and _version(facts.minimal_client_version) <= version
        ]
        answer = self._json({"models": listed}, account)
        answer.headers["etag"] = 'W/"models-1"'
        return answer

    def _json(self, body: JsonObject, account: Account) -> Response:
        return Response(dumps(body), 200, self._headers(account), "application/json")

    def _plain(self, answer: HttpAnswer) -> Response:
        headers = {**self._headers(self.account), **answer.headers}
        return Response(answer.body, answer.status, headers, answer.content_type)

    def _headers(self, account: Account) -> dict[str, str]:
        return {
            "x-request-id": f"req_{len(self.served)}",
            "cf-ray": f"{len(self.served):016x}-RIX",
            **limit_headers(account, self.state.now()),
        }

    async def _stream(
        self, steps: list[JsonObject], answering: Answering, request: Request
    ) -> AsyncIterator[bytes]:
        for output in perform(steps, answering):
            if isinstance(output, Act):
                if output.kind == "wait":
                    await asyncio.sleep(output.seconds)
                elif output.kind == "stall":
                    await self.connections.stall()
                elif output.kind in ("drop", "reset"):
                    self.connections.hang_up(request, reset=output.kind == "reset")
                    return
                else:
                    return
            else:
                for piece in _pieces(output, answering.shapes):
                    yield piece


_Endpoint = Callable[[Request], Awaitable[Response]]


def _pieces(event: JsonObject, shapes: frozenset[str]) -> Iterator[bytes]:
    """The bytes of an event as they go out."""
    data = b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), dumps(event))
    if "crlf" in shapes:
        data = data.replace(b"\n", b"\r\n")
    size = PIECE_BYTES if "split" in shapes else len(data)
    return (data[start : start + size] for start in range(0, len(data), size))


async def _body(request: Request) -> JsonObject:
    """The JSON of a request. Raises `Refused`."""
    try:
        return loads_object(await request.body())
    except ValueError as error:
        raise Refused(HttpAnswer(400, dumps({"detail": f"Invalid JSON: {error}"}))) from error


def _version(text: str) -> list[int]:
    return [int(part) if part.isdecimal() else 0 for part in text.split(".")]
