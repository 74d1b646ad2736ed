"""The simulated xAI on a real socket: HTTP around `Backend`, bytes around `events`.

`with GrokSimulator() as simulator:` serves the login host, the public API and the proxy under one
address, from a thread of its own, with one account that is logged in.
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
from simulators.grok import services
from simulators.grok.auth import LoginScript, auth_routes
from simulators.grok.backend import Backend, Recorded, Refused
from simulators.grok.catalogue import describe_language, resolve
from simulators.grok.connections import PIECE_BYTES, Connections
from simulators.grok.events import Act, Answering, perform
from simulators.grok.faults import HttpAnswer, failure_message, refusal
from simulators.grok.problem import Problem, Rail
from simulators.grok.state import Account, GrokState, Stored, Tokens
from support.app_server import ThreadServer, listening

__all__ = ["GrokSimulator"]

_ROOTS: Final[dict[Rail, str]] = {"api": "/api/v1", "proxy": "/proxy/v1"}

_Answer = Callable[[Recorded, Account], JsonObject]


class GrokSimulator:
    """xAI, seen from a test.

    url: its root, for the login host; `api_url` and `proxy_url`: of the two rails. state: accounts
    and tokens. login: what goes wrong when somebody logs in. backend: script and requests. account,
    tokens: the account that is there from the start, and its login. connections: those that are
    open.
    """

    def __init__(self, *, account: Account | None = None) -> None:
        self.state = GrokState()
        self.backend = Backend(self.state)
        self.login = LoginScript()
        self.connections = Connections()
        self.account = self.state.add_account(
            account or Account("5c1a0000-1111-4222-8333-444444444444")
        )
        self.tokens: Tokens = self.state.log_in(self.account.id)
        self._socket = listening()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = ThreadServer(
            Starlette(routes=self._routes()), self._socket, self.connections.protocol()
        )

    def __enter__(self) -> "GrokSimulator":
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
    def api_url(self) -> str:
        """Where the public API is."""
        return self.url + _ROOTS["api"]

    @property
    def proxy_url(self) -> str:
        """Where the proxy of the official client is."""
        return self.url + _ROOTS["proxy"]

    @property
    def requests(self) -> list[Recorded]:
        """The requests for answers, oldest first."""
        return self.asked("POST", "/responses")

    @property
    def violations(self) -> list[str]:
        """All that was wrong in any request so far."""
        said = [found for request in self.backend.requests for found in request.violations]
        return [*said, *self.login.violations]

    def asked(self, method: str, path: str) -> list[Recorded]:
        """The requests of a kind, oldest first."""
        return [
            request
            for request in self.backend.requests
            if (request.method, request.path) == (method, path)
        ]

    def play(self, script: str) -> None:
        """From now on the model answers by this script; see `simulators.grok.script`."""
        self.backend.play(script)

    def forget_requests(self) -> None:
        """Begin anew for the next test: no request was made, and nothing is out of the ordinary
        with the account.
        """
        self.backend.requests.clear()
        self.backend.attempts.clear()
        self.backend.script.clear()
        self.backend.bad_credentials = False
        self.login.requests.clear()
        self.account.api = self.account.proxy = "open"

    # Routes

    def _routes(self) -> list[Route]:
        proxy: dict[str, _Answer] = {
            "/user": lambda request, account: services.profile(
                account, with_plan=request.body.get("include") == "subscription"
            ),
            "/billing": lambda request, account: services.billing(account, self.state.now()),
            "/settings": lambda request, account: services.settings(account),
            "/models": lambda request, account: services.proxy_models(self.state, account),
        }
        api: dict[str, _Answer] = {
            "/models": lambda request, account: services.public_models(self.state),
            "/language-models": lambda request, account: services.language_models(self.state),
            "/language-models/{id}": self._language_model,
            "/image-generation-models": lambda request, account: services.image_models(),
            "/responses/{id}": self._stored,
        }
        routes = [Route(f"{_ROOTS['proxy']}/login-config", self._login_config, methods=["GET"])]
        listed: tuple[tuple[Rail, dict[str, _Answer]], ...] = (
            ("proxy", proxy),
            ("api", api),
        )
        for rail, gets in listed:
            root = _ROOTS[rail]
            routes += [
                Route(root + path, self._guarded(rail, self._got(answer)), methods=["GET"])
                for path, answer in gets.items()
            ]
            posts = {
                "/responses": self._responses,
                "/images/generations": self._images,
                "/images/edits": self._images,
            }
            if rail == "api":
                posts |= {"/responses/compact": self._compact, "/tokenize-text": self._tokenize}
            routes += [
                Route(root + path, self._guarded(rail, endpoint), methods=["POST"])
                for path, endpoint in posts.items()
            ]
        delete = self._guarded("api", self._delete)
        routes.append(Route(f"{_ROOTS['api']}/responses/{{id}}", delete, methods=["DELETE"]))
        hang_up = self.connections.hang_up
        return [*routes, *auth_routes(self.state, self.login, hang_up)]

    def _guarded(
        self, rail: Rail, endpoint: "_Endpoint"
    ) -> Callable[[Request], Awaitable[Response]]:
        """Makes the record of a request, and turns refusals into answers."""

        async def guarded(request: Request) -> Response:
            try:
                body = dict(request.query_params)
                if request.method == "POST":
                    body = loads_object(await request.body())
            except ClientDisconnect:
                return Response(status_code=499)
            except ValueError as error:
                answer = Problem(f"Failed to parse the request body as JSON: {error}", 422)
                return Response(dumps(answer.body(rail)), 422, media_type="application/json")
            path = request.url.path.removeprefix(_ROOTS[rail])
            headers = dict(request.headers)
            recorded = Recorded(rail, request.method, path, headers, body)
            try:
                return await endpoint(request, recorded)
            except Refused as refused:
                return self._plain(refused.answer)

        return guarded

    def _got(self, answer: _Answer) -> "_Endpoint":
        async def got(request: Request, recorded: Recorded) -> Response:
            account = self.backend.receive(recorded)
            return self._json(answer(recorded, account))

        return got

    async def _login_config(self, request: Request) -> Response:
        return self._json({"device_flow": not self.login.device_off})

    async def _responses(self, request: Request, recorded: Recorded) -> Response:
        account = self.backend.receive_turn(recorded)
        steps, answering = self.backend.plan(recorded, account)
        if recorded.body["stream"] is False:
            return self._whole(steps, answering)
        if steps and steps[0]["do"] == "wait":  # before all else it delays the head
            await asyncio.sleep(steps.pop(0)["seconds"])
        headers = self._headers() | {"content-type": "text/event-stream"}
        if recorded.rail == "proxy":
            facts = resolve(self.state.models, recorded.body["model"])
            assert facts is not None  # a request for another was refused
            headers |= {
                "x-grok-context-window": str(facts.window),
                "x-grok-max-completion-tokens": str(facts.max_output),
                "x-models-etag": 'W/"models-1"',
            }
        return StreamingResponse(self._stream(steps, answering, request), 200, headers)

    def _whole(self, steps: list[JsonObject], answering: Answering) -> Response:
        """The response object in one piece, or the error that the stream would have had."""
        response: JsonObject = {}
        for output in perform(steps, answering):
            if not isinstance(output, Act):
                response = output.get("response", output)
        if response.get("status") not in ("completed", "incomplete"):
            return self._plain(refusal(500, "server_error"))
        return self._json(response)

    async def _compact(self, request: Request, recorded: Recorded) -> Response:
        account = self.backend.receive_turn(recorded)
        id = f"cmp_{len(self.backend.requests)}"
        item = {"id": id, "type": "compaction", "encrypted_content": ""}
        item["encrypted_content"] = self.state.seal(account.id, id)
        return self._json({"id": id, "object": "response.compaction", "output": [item]})

    async def _images(self, request: Request, recorded: Recorded) -> Response:
        edit = recorded.path == "/images/edits"
        account = self.backend.receive(
            recorded,
            "application/json",
            lambda account: services.picture_problems(recorded.body, edit=edit),
        )
        if not account.paints:
            recorded.status = 403
            raise Refused(refusal(403, "tier"))
        return self._json(services.painted(recorded.body, moderated=self.state.moderated))

    async def _tokenize(self, request: Request, recorded: Recorded) -> Response:
        self.backend.receive(recorded, "application/json")
        return self._json(services.tokenize(str(recorded.body.get("text", ""))))

    async def _delete(self, request: Request, recorded: Recorded) -> Response:
        stored = self._find(recorded, self.backend.receive(recorded))
        id: str = stored.response["id"]
        del self.state.stored[id]
        if self.state.empty_delete:
            return Response(status_code=200, headers=self._headers())
        return self._json({"id": id, "object": "response", "deleted": True})

    # Answers

    def _stored(self, request: Recorded, account: Account) -> JsonObject:
        return self._find(request, account).response

    def _find(self, request: Recorded, account: Account) -> Stored:
        id = request.path.rpartition("/")[2]
        stored = self.state.find(account.id, id)
        if stored is None:
            request.status = 404
            raise Refused(_not_found(f"Response {id} not found"))
        return stored

    def _language_model(self, request: Recorded, account: Account) -> JsonObject:
        facts = resolve(self.state.models, request.path.rpartition("/")[2])
        if facts is None or not facts.public:
            raise Refused(_not_found(failure_message("no-model")))
        return describe_language(facts)

    def _json(self, body: JsonObject) -> Response:
        return Response(dumps(body), 200, self._headers(), "application/json")

    def _plain(self, answer: HttpAnswer) -> Response:
        headers = {**self._headers(), **answer.headers}
        return Response(answer.body, answer.status, headers, answer.content_type)

    def _headers(self) -> dict[str, str]:
        return {"x-request-id": f"req-{len(self.backend.requests)}"}

    async def _stream(
        self, steps: list[JsonObject], answering: Answering, request: Request
    ) -> AsyncIterator[bytes]:
        for output in perform(steps, answering):
            if not isinstance(output, Act):
                for piece in _pieces(output, answering.shapes):
                    yield piece
            elif output.kind == "send":
                yield output.data
            elif output.kind == "wait":
                await asyncio.sleep(output.seconds)
            elif output.kind == "stall":
                await self.connections.stall()
            elif output.kind in ("drop", "reset"):
                self.connections.hang_up(request, reset=output.kind == "reset")
                return
            else:
                return
        if "done-mark" in answering.shapes:
            yield b"data: [DONE]\n\n"


_Endpoint = Callable[[Request, Recorded], Awaitable[Response]]


def _not_found(message: str) -> HttpAnswer:
    return HttpAnswer(404, dumps(Problem(message, 404, "not-found").body("api")))


def _pieces(event: JsonObject, shapes: frozenset[str]) -> Iterator[bytes]:
    """The bytes of an event as they go out; errors in their bare forms have no name."""
    data = b"data: %b\n\n" % dumps(event)
    if "type" in event and "bare" not in shapes:
        data = b"event: %b\n%b" % (str(event["type"]).encode(), data)
    if "crlf" in shapes:
        data = data.replace(b"\n", b"\r\n")
    size = PIECE_BYTES if "split" in shapes else len(data)
    return (data[start : start + size] for start in range(0, len(data), size))
