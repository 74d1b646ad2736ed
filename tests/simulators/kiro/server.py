"""Simulated Kiro on a real socket: HTTP around `Backend`, bytes around `events`.

`with KiroSimulator() as simulator:` serves the portal, the login services and all hosts of the
service under one address, each in a folder by name and region, from a thread of its own, with one
account that is logged in.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway_core.json import JsonObject, dumps, loads_object
from simulators.grok.connections import PIECE_BYTES, Connections
from simulators.kiro import services
from simulators.kiro.auth import LoginScript, auth_routes
from simulators.kiro.backend import Backend, Recorded
from simulators.kiro.events import Answering, perform
from simulators.kiro.faults import HttpAnswer, Refused, http_fault, refusal
from simulators.kiro.fixtures import document
from simulators.kiro.problem import Problem
from simulators.kiro.state import Account, KiroState, Tokens
from simulators.kiro.transport import PROFILE_HEADER, REGIONS, Host
from support.app_server import ThreadServer, listening

__all__ = ["GENERATE", "KiroSimulator"]

GENERATE: Final = "GenerateAssistantResponse"
"""The operation that gives answers."""

_MODELS: Final = "ListAvailableModels"
_PROFILES: Final = "ListAvailableProfiles"
_LIMITS: Final = "GetUsageLimits"
_TARGETS: Final[dict[tuple[Host, str], str]] = {
    ("runtime", f"AmazonCodeWhispererStreamingService.{GENERATE}"): GENERATE,
    ("runtime", f"KiroRuntimeService.{GENERATE}"): GENERATE,
    ("q", f"AmazonCodeWhispererStreamingService.{GENERATE}"): GENERATE,
    ("management", f"KiroControlPlaneBearerService.{_MODELS}"): _MODELS,
    ("q", f"AmazonCodeWhispererService.{_MODELS}"): _MODELS,
    ("q", f"AmazonCodeWhispererService.{_PROFILES}"): _PROFILES,
}
_PATHS: Final[dict[tuple[Host, str, str], str]] = {
    ("runtime", "POST", "generateAssistantResponse"): GENERATE,
    ("q", "POST", "generateAssistantResponse"): GENERATE,
    ("runtime", "POST", "mcp"): "mcp",
    ("q", "POST", "mcp"): "mcp",
    ("management", "GET", "List-Available-Models"): _MODELS,
    ("q", "GET", "ListAvailableModels"): _MODELS,
    ("management", "POST", "List-Available-Profiles"): _PROFILES,
    ("management", "GET", "Get-Usage-Limits"): _LIMITS,
    ("q", "GET", "getUsageLimits"): _LIMITS,
}
_HOSTS: Final[tuple[Host, ...]] = ("runtime", "management", "q")


class KiroSimulator:
    """Kiro, seen from a test.

    url: its root, for the portal; `urls`: all addresses, by the names of the plugin's settings.
    state: accounts and tokens. login: what goes wrong when somebody logs in. backend: script and
    requests. account, tokens: the account that is there from the start, and its login. searches:
    what was searched for. search_fault: name of the recorded answer that searches get instead of a
    proper one. connections: those that are open.
    """

    def __init__(self, *, account: Account | None = None) -> None:
        self.state = KiroState()
        self.backend = Backend(self.state)
        self.login = LoginScript()
        self.connections = Connections()
        self.searches: list[str] = []
        self.search_fault: str | None = None
        self.account = self.state.add_account(account or Account("d-0000000000.ann"))
        self.tokens: Tokens = self.state.log_in(self.account.id)
        self._socket = listening()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = ThreadServer(
            Starlette(routes=self._routes()), self._socket, self.connections.protocol()
        )

    def __enter__(self) -> "KiroSimulator":
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
    def urls(self) -> dict[str, str]:
        """The addresses of all hosts; `{region}` stands for the region."""
        return {
            "portal_url": self.url,
            "auth_url": f"{self.url}/auth/{{region}}",
            "oidc_url": f"{self.url}/oidc/{{region}}",
            "runtime_url": f"{self.url}/runtime/{{region}}",
            "management_url": f"{self.url}/management/{{region}}",
            "legacy_url": f"{self.url}/q/{{region}}",
        }

    @property
    def requests(self) -> list[Recorded]:
        """The requests for answers, oldest first."""
        return self.asked(GENERATE)

    @property
    def violations(self) -> list[str]:
        """All that was wrong in any request so far."""
        said = [found for request in self.backend.requests for found in request.violations]
        return [*said, *self.backend.strays, *self.login.violations]

    def asked(self, operation: str) -> list[Recorded]:
        """The requests of an operation, oldest first."""
        return [one for one in list(self.backend.requests) if one.operation == operation]

    def play(self, script: str) -> None:
        """From now on the models answer by this script; see `simulators.kiro.script`."""
        self.backend.play(script)

    def forget_requests(self) -> None:
        """Begin anew for the next test: no request was made, and nothing is out of the ordinary."""
        self.backend.requests.clear()
        self.backend.attempts.clear()
        self.backend.script.clear()
        self.login.requests.clear()
        self.searches.clear()
        self.search_fault = None
        self.state.gone.clear()

    # Routes

    def _routes(self) -> list[Route]:
        routes = [
            Route(f"/{host}/{{region}}/{{name:path}}", self._served(host), methods=["GET", "POST"])
            for host in _HOSTS
        ]
        return [*routes, *auth_routes(self.state, self.login)]

    def _served(self, host: Host) -> Callable[[Request], Awaitable[Response]]:
        """Finds out what is asked, and turns refusals into answers."""
        answers = {
            GENERATE: self._generate,
            "mcp": self._search,
            _MODELS: self._models,
            _PROFILES: self._profiles,
            _LIMITS: self._limits,
        }

        async def served(request: Request) -> Response:
            region, name = request.path_params["region"], request.path_params["name"]
            target = request.headers.get("x-amz-target")
            if name:
                operation = _PATHS.get((host, request.method, name))
            else:
                operation = _TARGETS.get((host, target or ""))
            try:
                if operation is None or region not in REGIONS:
                    asked = f"{request.method} {request.url.path} {target or ''}".strip()
                    self.backend.strays.append(f"nothing is served at {asked}")
                    raise Refused(http_fault("unknown-operation"))
                recorded = Recorded(
                    host,
                    region,
                    operation,
                    dict(request.headers),
                    await _told(request),
                    target=not name,
                )
                return await answers[operation](request, recorded)
            except Refused as refused:
                return self._plain(refused.answer)
            except ClientDisconnect:
                return Response(status_code=499)

        return served

    async def _generate(self, request: Request, recorded: Recorded) -> Response:
        target = recorded.headers.get("x-amz-target") if recorded.target else None
        account = self.backend.receive_turn(recorded, target)
        steps, answering = self.backend.plan(recorded, account)
        if steps and steps[0]["do"] == "wait":  # before all else it delays the head
            await asyncio.sleep(steps.pop(0)["seconds"])
        headers = self._headers() | {
            "content-type": "application/vnd.amazon.eventstream",
            "x-amzn-codewhisperer-conversation-id": recorded.body["conversationState"][
                "conversationId"
            ],
        }
        return StreamingResponse(self._stream(steps, answering, request), 200, headers)

    async def _search(self, request: Request, recorded: Recorded) -> Response:
        found = services.search_problems(recorded.body)
        self.backend.receive(recorded, recorded.headers.get(PROFILE_HEADER))
        if found:
            recorded.violations += [str(problem) for problem in found]
            raise refusal(found[0])
        self.searches.append(recorded.body["params"]["arguments"]["query"])
        if self.search_fault is not None:
            recorded_answers = document("mcp-web-search")["responses"]
            answer = next(one for one in recorded_answers if one["name"] == self.search_fault)
            return self._plain(HttpAnswer(answer["status"], dumps(answer["body"])))
        return self._json(services.search(recorded.body))

    async def _models(self, request: Request, recorded: Recorded) -> Response:
        self.backend.receive(recorded, recorded.body.get("profileArn"))
        return self._json(services.models(self.state, recorded.body.get("nextToken")))

    async def _profiles(self, request: Request, recorded: Recorded) -> Response:
        account = self.backend.receive(recorded, profile=False)
        listed = services.profiles(account, recorded.region)
        if isinstance(listed, Problem):
            recorded.status = listed.status
            raise refusal(listed)
        return self._json(listed)

    async def _limits(self, request: Request, recorded: Recorded) -> Response:
        account = self.backend.receive(recorded, recorded.body.get("profileArn"))
        return self._json(services.usage_limits(account))

    # Answers

    def _json(self, body: JsonObject) -> Response:
        return Response(dumps(body), 200, self._headers(), "application/json")

    def _plain(self, answer: HttpAnswer) -> Response:
        headers = {**self._headers(), **answer.headers}
        return Response(answer.body, answer.status, headers, answer.content_type)

    def _headers(self) -> dict[str, str]:
        number = len(self.backend.requests)
        return {"x-amzn-requestid": f"00000000-1111-4222-8333-{number:012d}"}

    async def _stream(
        self, steps: list[JsonObject], answering: Answering, request: Request
    ) -> AsyncIterator[bytes]:
        for output in perform(steps, answering):
            if isinstance(output, bytes):
                size = PIECE_BYTES if "split" in answering.shapes else max(1, len(output))
                for start in range(0, len(output), size):
                    yield output[start : start + size]
            elif output.kind == "wait":
                await asyncio.sleep(output.seconds)
            elif output.kind == "stall":
                await self.connections.stall()
            else:
                self.connections.hang_up(request, reset=output.kind == "reset")
                return


async def _told(request: Request) -> JsonObject:
    """The JSON of a request, or its query. Raises `Refused`."""
    if request.method == "GET":
        query: dict[str, Any] = dict(request.query_params)
        return query
    try:
        return loads_object(await request.body())
    except ValueError as error:
        told = Problem("no JSON", "Could not parse the body.", "REQUEST_BODY_INVALID_JSON")
        raise refusal(told) from error
