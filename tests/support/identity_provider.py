"""An OAuth server for tests: scripted, strict, and on a real socket.

It checks PKCE, spends codes once, rotates refresh tokens and revokes a login whose spent refresh
token comes back, as the real ones do. Faults and device answers are queued by the test.
"""

import base64
import hashlib
import itertools
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from support.app_server import ThreadServer, listening

__all__ = ["Fault", "IdentityProvider", "Tokens"]

CLIENT_ID = "app_test"
_GATE_TIMEOUT = 10.0


@dataclass(frozen=True)
class Fault:
    """An answer that the token endpoint gives instead of its own."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tokens:
    """A pair as granted."""

    access: str
    refresh: str


class IdentityProvider:
    """`with IdentityProvider() as provider:` serves at `provider.url` from a thread of its own.

    faults: answers for the next token requests. device_answers: for the next device polls: an
    OAuth error, or `granted`. deny: the error that the authorize page ends with. rotate: whether a
    refresh brings a new refresh token. lifetime: seconds that access tokens live. refreshes: how
    many refresh requests came in. requests: the fields of all token requests. client_id: the only
    client that is served. document: fields that the discovery document has beside or in place of
    its own. device_off: whether device logins are refused with 404. pages: the queries of all
    authorize requests.
    """

    def __init__(self, client_id: str = CLIENT_ID) -> None:
        self.client_id = client_id
        self.reset()
        self._socket = listening()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = Starlette(
            routes=[
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/device", self._device, methods=["POST"]),
                Route("/.well-known/openid-configuration", self._discovery),
            ]
        )
        self._server = ThreadServer(app, self._socket, "h11")

    def reset(self) -> None:
        """Forget everything, as a new provider; starting one takes longer than most tests."""
        self.faults: deque[Fault] = deque()
        self.device_answers: deque[str] = deque()
        self.device_interval: object = 5
        self.device_off = False
        self.document: dict[str, object] = {}
        self.documents = 0
        self.pages: list[dict[str, str]] = []
        self.deny: str | None = None
        self.rotate = True
        self.lifetime: object = 3600
        self.refreshes = 0
        self.requests: list[dict[str, str]] = []
        self.refresh_arrived = threading.Event()
        self._gate = threading.Event()
        self._gate.set()
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._codes: dict[str, tuple[str, str]] = {}  # code: challenge, redirect URI
        self._live: dict[str, int] = {}  # refresh token: login
        self._spent: dict[str, int] = {}

    def __enter__(self) -> "IdentityProvider":
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._gate.set()
        self._server.stop()

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"{self.url}/token"

    def log_in(self) -> Tokens:
        """Tokens of a new login, without going through one."""
        with self._guard:
            return self._grant(next(self._numbers))

    @contextmanager
    def holding_answers(self) -> Iterator[None]:
        """Let token requests in, but answer them only when the block ends."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    def _grant(self, login: int) -> Tokens:
        number = next(self._numbers)
        tokens = Tokens(f"access-secret-{number}", f"refresh-secret-{number}")
        self._live[tokens.refresh] = login
        return tokens

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        self.pages.append(dict(query))
        answer = {"state": query["state"]}
        if self.deny is not None:
            answer |= {"error": self.deny, "error_description": "The user said no"}
        else:
            with self._guard:
                code = f"code-secret-{next(self._numbers)}"
                self._codes[code] = (query["code_challenge"], query["redirect_uri"])
            answer["code"] = code
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", 302)

    async def _discovery(self, request: Request) -> Response:
        self.documents += 1
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": self.token_url,
            "device_authorization_endpoint": f"{self.url}/device",
            "code_challenge_methods_supported": ["S256"],
        }
        return JSONResponse(document | self.document)

    async def _device(self, request: Request) -> Response:
        if self.device_off:
            return JSONResponse({"detail": "Not Found"}, 404)
        return JSONResponse(
            {
                "device_code": "device-secret-1",
                "user_code": "ABCD-EFGH",
                "verification_uri": f"{self.url}/activate",
                "verification_uri_complete": f"{self.url}/activate?user_code=ABCD-EFGH",
                "expires_in": 600,
                "interval": self.device_interval,
            }
        )

    async def _token(self, request: Request) -> Response:
        if request.headers["content-type"] == "application/json":
            fields: dict[str, str] = await request.json()
        else:
            fields = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
        self.requests.append(fields)
        if fields.get("grant_type") == "refresh_token":
            self.refreshes += 1
            self.refresh_arrived.set()
        # The tokens rotate before the answer is held back: an answer that is lost is a login lost.
        response = self._answer(fields)
        await run_in_threadpool(self._gate.wait, _GATE_TIMEOUT)
        return response

    def _answer(self, fields: Mapping[str, str]) -> Response:
        with self._guard:
            if self.faults:
                fault = self.faults.popleft()
                headers = {"content-type": fault.content_type, **fault.headers}
                return Response(fault.body, fault.status, headers)
            if fields.get("client_id") != self.client_id:
                return _error("invalid_client", "unknown client", 401)
            match fields.get("grant_type"):
                case "authorization_code":
                    return self._exchange(fields)
                case "refresh_token":
                    return self._refresh(fields)
                case "urn:ietf:params:oauth:grant-type:device_code":
                    return self._poll(fields)
            return _error("unsupported_grant_type", "unknown grant")

    def _exchange(self, fields: Mapping[str, str]) -> Response:
        challenge, redirect_uri = self._codes.pop(fields["code"], ("", ""))
        digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            return _error("invalid_grant", f"code {fields['code']} is not valid")
        if redirect_uri != fields["redirect_uri"]:
            return _error("invalid_grant", "redirect_uri differs")
        return self._granted(self._grant(next(self._numbers)))

    def _refresh(self, fields: Mapping[str, str]) -> Response:
        token = fields["refresh_token"]
        login = self._live.get(token)
        if login is None:
            stolen = self._spent.get(token)
            self._live = {live: of for live, of in self._live.items() if of != stolen}
            return _error("invalid_grant", f"refresh token {token} has been revoked")
        if self.rotate:
            del self._live[token]
            self._spent[token] = login
            return self._granted(self._grant(login))
        return JSONResponse(
            {"access_token": f"access-secret-{next(self._numbers)}", "expires_in": self.lifetime}
        )

    def _poll(self, fields: Mapping[str, str]) -> Response:
        if fields["device_code"] != "device-secret-1":
            return _error("invalid_grant", "unknown device code")
        answer = self.device_answers.popleft()
        if answer == "granted":
            return self._granted(self._grant(next(self._numbers)))
        return _error(answer, f"device {fields['device_code']}: {answer}")

    def _granted(self, tokens: Tokens) -> Response:
        return JSONResponse(
            {
                "access_token": tokens.access,
                "refresh_token": tokens.refresh,
                "token_type": "Bearer",
                "expires_in": self.lifetime,
            }
        )


def _error(code: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"error": code, "error_description": description}, status)
