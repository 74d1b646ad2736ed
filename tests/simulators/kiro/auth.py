"""Where people log in: Kiro's portal, its login service for Google and GitHub, and AWS's own OIDC
service, as routes over a `KiroState`.

Checks what the real ones check: PKCE, codes and devices that work once, registered programs, JSON
in camel case. `LoginScript` says how people answer and what goes wrong.
"""

import base64
import hashlib
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway_core.json import JsonObject, loads_object
from simulators.kiro.state import Account, Client, KiroState, TokenRefused, Tokens

__all__ = ["START_URL", "LoginScript", "auth_routes"]

START_URL: Final = "https://d-1234567890.awsapps.com/start"
"""Where the organisation signs in; it is known in the region eu-west-1 alone."""

_HOME: Final = "us-east-1"
_BUILDER_URL: Final = "https://view.awsapps.com/start"
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_REDIRECT: Final = re.compile(r"http://localhost:\d+")
_SIGN_IN: Final = ("state", "code_challenge", "code_challenge_method", "redirect_uri")
_SCOPES: Final = (
    "codewhisperer:completions",
    "codewhisperer:analysis",
    "codewhisperer:conversations",
)
_EXCEPTIONS: Final = {
    "authorization_pending": "AuthorizationPendingException",
    "slow_down": "SlowDownException",
    "expired_token": "ExpiredTokenException",
    "access_denied": "AccessDeniedException",
    "invalid_grant": "InvalidGrantException",
    "invalid_client": "InvalidClientException",
    "invalid_request": "InvalidRequestException",
}


@dataclass(slots=True)
class LoginScript:
    """How people answer and what goes wrong; a test changes it while the server runs.

    option: what they choose at the portal (`google`, `github`, `builderid`, `awsidc`, or `deny`).
    device_answers: what the next polls get before the person has agreed. interval: seconds between
    polls. requests: path and members of all that came in. violations: what no careful client would
    have sent.
    """

    option: str = "google"
    device_answers: deque[str] = field(default_factory=deque)
    interval: float = 0.01
    requests: list[tuple[str, JsonObject]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class _Code:
    """What a code is good for, once."""

    account: str
    challenge: str
    redirect_uri: str


class _RefusedError(Exception):
    def __init__(self, status: int, body: JsonObject, exception: str = "") -> None:
        self.status = status
        self.body = body
        self.headers = {"x-amzn-errortype": exception} if exception else {}
        super().__init__(str(body))


def _oauth(code: str, status: int = 400) -> _RefusedError:
    told = {"error": code, "error_description": f"refused: {code}"}
    return _RefusedError(status, told, _EXCEPTIONS[code])


_Answer = Callable[[Request, JsonObject], Awaitable[Response]]


def auth_routes(state: KiroState, script: LoginScript) -> list[Route]:
    """The portal at the root, the others in a folder for each region."""
    service = _Service(state, script)
    posts: dict[str, _Answer] = {
        "/auth/{region}/oauth/token": service.exchange,
        "/auth/{region}/refreshToken": service.refresh,
        "/auth/{region}/oauth/device/authorization": service.social_device,
        "/auth/{region}/oauth/device/poll": service.social_poll,
        "/oidc/{region}/client/register": service.register,
        "/oidc/{region}/device_authorization": service.device,
        "/oidc/{region}/token": service.token,
    }
    routes = [
        Route(path, service.guarded(answer), methods=["POST"]) for path, answer in posts.items()
    ]
    return [Route("/signin", service.sign_in, methods=["GET"]), *routes]


class _Service:
    def __init__(self, state: KiroState, script: LoginScript) -> None:
        self._state = state
        self._script = script
        self._codes: dict[str, _Code] = {}
        self._devices: dict[str, str] = {}  # device code: account

    def guarded(self, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
        """Reads the JSON, and turns refusals into answers."""

        async def guarded(request: Request) -> Response:
            path = request.url.path
            try:
                if not request.headers.get("content-type", "").startswith("application/json"):
                    self._script.violations.append(f"{path}: the body is no JSON")
                    raise _oauth("invalid_request")
                body = loads_object(await request.body())
                self._script.requests.append((path, body))
                if path.startswith("/auth/") and request.path_params["region"] != _HOME:
                    raise _RefusedError(404, {"message": "Not Found"})
                if "authorization" in request.headers:
                    self._script.violations.append(f"{path}: it was told a token in a header")
                return await answer(request, body)
            except _RefusedError as refused:
                return JSONResponse(refused.body, refused.status, refused.headers)

        return guarded

    # The portal, and the login service behind it

    async def sign_in(self, request: Request) -> Response:
        """The page on which people choose how to sign in; they have chosen already."""
        query = dict(request.query_params)
        problems = [f"/signin: no {key}" for key in _SIGN_IN if not query.get(key)]
        if query.get("code_challenge_method") != "S256":
            problems.append("/signin: the challenge is not of S256")
        if not _REDIRECT.fullmatch(query.get("redirect_uri", "")):
            problems.append(f"/signin: it should come back to {query.get('redirect_uri')!r}")
        if problems:
            self._script.violations += problems
            return JSONResponse({"error": "redirect_mismatch"}, 400)
        option, origin = self._script.option, query["redirect_uri"]
        told = {"login_option": option, "state": query["state"]}
        path = "/signin/callback"
        if option == "deny":
            path = "/oauth/callback"
            told = {"error": "access_denied", "error_description": "User cancelled"} | told
        elif option == "awsidc":
            told |= {"issuer_url": START_URL, "idc_region": "eu-west-1"}
        elif option != "builderid":
            path = "/oauth/callback"
            told["code"] = self._state.secret("code-")
            self._codes[told["code"]] = _Code(
                self._state.account_with("social").id,
                query["code_challenge"],
                f"{origin}{path}?login_option={option}",
            )
        return RedirectResponse(f"{origin}{path}?{urlencode(told)}", 302)

    async def exchange(self, request: Request, body: JsonObject) -> Response:
        code = self._codes.pop(str(body.get("code")), None)
        if code is None:
            raise _oauth("invalid_grant")
        if body.get("redirect_uri") != code.redirect_uri:
            self._script.violations.append("the exchange names another address to come back to")
            raise _RefusedError(500, {"message": "Oops, something went wrong."})
        digest = hashlib.sha256(str(body.get("code_verifier")).encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != code.challenge:
            self._script.violations.append("the exchange has the wrong verifier")
            raise _oauth("invalid_grant")
        return self._granted(self._state.log_in(code.account))

    async def refresh(self, request: Request, body: JsonObject) -> Response:
        return self._refreshed(body, {"refreshToken"}, ("social",))

    def _refreshed(self, body: JsonObject, known: set[str], kinds: tuple[str, ...]) -> Response:
        if body.keys() != known:
            self._script.violations.append(f"a refresh has the members {sorted(body)}")
        if self._state.refuse_refresh is not None:
            raise _RefusedError(self._state.refuse_refresh, {"message": "Try again later"})
        token = str(body.get("refreshToken"))
        owner = self._state.owner_of_refresh(token)
        if owner is not None and owner.kind not in kinds:
            self._script.violations.append(f"a login of the kind {owner.kind} is renewed elsewhere")
            raise _oauth("invalid_grant")
        try:
            tokens = self._state.refresh(token)
        except TokenRefused as error:
            raise _oauth(error.code) from error
        return self._granted(tokens)

    def _granted(self, tokens: Tokens) -> Response:
        account = self._state.account_of(tokens.access)
        body: JsonObject = {"accessToken": tokens.access, "expiresIn": 3600}
        if tokens.refresh:
            body["refreshToken"] = tokens.refresh
        if account.kind == "social":
            body["profileArn"] = account.profile
        else:
            body["tokenType"] = "Bearer"
        return JSONResponse(body)

    async def social_device(self, request: Request, body: JsonObject) -> Response:
        if body.keys() != {"clientId", "loginProvider"} or body["clientId"] != "kiro-cli":
            self._script.violations.append(f"a device login begins with {sorted(body)}")
        if body.get("loginProvider") not in ("Google", "Github"):
            raise _RefusedError(400, {"message": "Unknown login provider"})
        code = self._device(self._state.account_with("social"))
        page = f"https://{urlsplit(str(request.url)).netloc}/account/device"
        query = urlencode({"user_code": "ABCD-EFGH", "login_provider": body["loginProvider"]})
        return JSONResponse(
            {
                "deviceCode": code,
                "userCode": "ABCD-EFGH",
                "verificationUri": page,
                "verificationUriComplete": f"{page}?{query}",
                "expiresInMilliseconds": 300_000,
                "intervalInMilliseconds": self._script.interval * 1000,
            }
        )

    async def social_poll(self, request: Request, body: JsonObject) -> Response:
        none = {"accessToken": None, "refreshToken": None, "profileArn": None}
        if self._script.device_answers:
            return JSONResponse({**none, "status": self._script.device_answers.popleft()})
        account_id = self._devices.pop(str(body.get("deviceCode")), None)
        if account_id is None:
            return JSONResponse({**none, "status": "expired"})
        account = self._state.account_with("social")
        tokens = self._state.log_in(account_id)
        return JSONResponse(
            {
                "accessToken": tokens.access,
                "refreshToken": tokens.refresh,
                "profileArn": account.profile,
                "identityProvider": "Google",
                "status": "success",
            }
        )

    def _device(self, account: Account) -> str:
        code = self._state.secret("device-")
        self._devices[code] = account.id
        return code

    # AWS

    async def register(self, request: Request, body: JsonObject) -> Response:
        expected = {"clientType": "public", "grantTypes": [_DEVICE_GRANT, "refresh_token"]}
        wrong = [key for key, value in expected.items() if body.get(key) != value]
        if wrong or not body.get("clientName") or not set(_SCOPES) <= set(body.get("scopes", ())):
            self._script.violations.append(f"a program registers with wrong {wrong or 'scopes'}")
            raise _oauth("invalid_request")
        client = self._state.register_client(request.path_params["region"])
        issued = int(self._state.now())
        return JSONResponse(
            {
                "clientId": client.id,
                "clientSecret": client.secret,
                "clientIdIssuedAt": issued,
                "clientSecretExpiresAt": issued + 90 * 86_400,
            }
        )

    async def device(self, request: Request, body: JsonObject) -> Response:
        region = request.path_params["region"]
        self._client(body, region)
        known = {(_BUILDER_URL, _HOME): "builder", (START_URL, "eu-west-1"): "organisation"}
        kind = known.get((str(body.get("startUrl")), region))
        if kind is None:
            raise _oauth("invalid_request")
        account = self._state.account_with("builder" if kind == "builder" else "organisation")
        page = f"{body['startUrl']}/#/device"
        return JSONResponse(
            {
                "deviceCode": self._device(account),
                "userCode": "WXYZ-1234",
                "verificationUri": page,
                "verificationUriComplete": f"{page}?user_code=WXYZ-1234",
                "expiresIn": 600,
                "interval": self._script.interval,
            }
        )

    async def token(self, request: Request, body: JsonObject) -> Response:
        self._client(body, request.path_params["region"])
        if body.get("grantType") == "refresh_token":
            known = {"clientId", "clientSecret", "grantType", "refreshToken"}
            return self._refreshed(body, known, ("builder", "organisation"))
        if body.get("grantType") != _DEVICE_GRANT:
            raise _oauth("invalid_request")
        if self._script.device_answers:
            raise _oauth(self._script.device_answers.popleft())
        account_id = self._devices.pop(str(body.get("deviceCode")), None)
        if account_id is None:
            raise _oauth("expired_token")
        return self._granted(self._state.log_in(account_id))

    def _client(self, body: JsonObject, region: str) -> Client:
        try:
            return self._state.client_of(body.get("clientId"), body.get("clientSecret"), region)
        except TokenRefused as error:
            raise _oauth(error.code, 401) from error
