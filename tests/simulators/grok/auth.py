"""xAI's login service as routes over a `GrokState`.

Checks what the real service checks: PKCE, codes and refresh tokens that work once, redirect
addresses, permissions. `LoginScript` says who logs in and what goes wrong.
"""

import base64
import hashlib
import re
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway_core.json import JsonObject
from simulators.grok.state import CLIENT_ID, FULL_SCOPE, OLD_SCOPE, GrokState, TokenRefused
from support.identity_provider import Fault

__all__ = ["LoginScript", "auth_routes"]

_REDIRECT: Final = re.compile(r"http://127\.0\.0\.1:\d+/callback")
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_AUTHORIZE: Final = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "code_challenge_method": "S256",
}
_AUTHORIZE_FIELDS: Final = frozenset(
    {*_AUTHORIZE, "redirect_uri", "scope", "state", "nonce", "code_challenge", "referrer", "plan"}
)
_GRANT_FIELDS: Final = {
    "authorization_code": frozenset({"code", "redirect_uri", "code_verifier"}),
    "refresh_token": frozenset({"refresh_token", "principal_type", "principal_id"}),
    _DEVICE_GRANT: frozenset({"device_code"}),
}


@dataclass(slots=True)
class LoginScript:
    """Who logs in and what goes wrong; a test changes it while the server runs.

    account: the id of the account that people choose, by default the first. deny: error and
    description that the authorize page ends with. shows_code: the consent page shows the code and
    redirects nowhere. old_scopes: newer permissions are an `invalid_scope`. device_off: device
    logins are not offered. device_answers: errors that the next polls get, before the person has
    agreed. interval: seconds between polls. silent_refresh: members left out of the answers to
    refreshes. lost_answers: how many refreshes take effect without an answer. discovery: members of
    the document that differ. faults: by path, answers given instead of the proper ones. requests:
    path and fields of all that came in. violations: what no careful client would have sent.
    """

    account: str | None = None
    deny: tuple[str, str] | None = None
    shows_code: bool = False
    old_scopes: bool = False
    device_off: bool = False
    device_answers: deque[str] = field(default_factory=deque)
    interval: float = 0.01
    silent_refresh: Collection[str] = ()
    lost_answers: int = 0
    discovery: JsonObject = field(default_factory=dict)
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[tuple[str, JsonObject]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def paths(self) -> list[str]:
        """The paths asked for, oldest first."""
        return [path for path, _ in self.requests]


def auth_routes(
    state: GrokState, script: LoginScript, hang_up: Callable[[Request], None]
) -> list[Route]:
    """The login service at the root. hang_up: ends the connection of a request."""
    service = _Service(state, script, hang_up)
    posts: dict[str, _Answer] = {
        "/oauth2/token": service.token,
        "/oauth2/device/code": service.device,
    }
    gets: dict[str, _Answer] = {
        "/.well-known/openid-configuration": service.discovery,
        "/oauth2/authorize": service.authorize,
    }
    return [
        Route(path, service.guarded(answer), methods=[method])
        for method, answers in (("POST", posts), ("GET", gets))
        for path, answer in answers.items()
    ]


@dataclass(slots=True, frozen=True)
class _Grant:
    """What a code is good for, once."""

    account: str
    challenge: str
    redirect_uri: str
    scope: str
    nonce: str


@dataclass(slots=True)
class _Device:
    """A device login that waits for its person. next_poll: not before this time."""

    account: str
    scope: str
    next_poll: float


class _RefusedError(Exception):
    """The request is answered with this OAuth error; `wrong` when the client is to blame."""

    def __init__(
        self, error: str, description: str, status: int = 400, *, wrong: bool = True
    ) -> None:
        self.status = status
        self.wrong = wrong
        self.body = {"error": error, "error_description": description}
        super().__init__(description)


_Answer = Callable[[Request, JsonObject], Response]


class _Service:
    def __init__(
        self, state: GrokState, script: LoginScript, hang_up: Callable[[Request], None]
    ) -> None:
        self._state = state
        self._script = script
        self._hang_up = hang_up
        self._codes: dict[str, _Grant] = {}
        self._devices: dict[str, _Device] = {}

    def guarded(self, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint: records the request, plays faults, and turns refusals into answers."""

        async def endpoint(request: Request) -> Response:
            path = request.url.path
            try:
                fields = await _fields(request)
                self._script.requests.append((path, fields))
                if faults := self._script.faults[path]:
                    fault = faults.popleft()
                    headers = {"content-type": fault.content_type, **fault.headers}
                    return Response(fault.body, fault.status, headers)
                return answer(request, fields)
            except _RefusedError as error:
                if error.wrong:
                    self._script.violations.append(f"{path}: {error}")
                return JSONResponse(error.body, error.status)
            except TokenRefused as error:
                status = 401 if error.error == "invalid_client" else 400
                body = {"error": error.error, "error_description": error.description}
                return JSONResponse(body, status)

        return endpoint

    def discovery(self, request: Request, fields: JsonObject) -> Response:
        """Where everything is."""
        root = str(request.base_url).rstrip("/")
        document: JsonObject = {
            "issuer": root,
            "authorization_endpoint": f"{root}/oauth2/authorize",
            "token_endpoint": f"{root}/oauth2/token",
            "device_authorization_endpoint": f"{root}/oauth2/device/code",
            "jwks_uri": f"{root}/.well-known/jwks.json",
            "response_types_supported": ["code"],
            "grant_types_supported": list(_GRANT_FIELDS),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return JSONResponse(document | self._script.discovery)

    def authorize(self, request: Request, fields: JsonObject) -> Response:
        """The page on which a person agrees; this one agrees at once."""
        for name, value in _AUTHORIZE.items():
            _require(fields.get(name) == value, f"{name} must be {value!r}")
        unknown = fields.keys() - _AUTHORIZE_FIELDS
        _require(not unknown, f"unknown fields {sorted(unknown)}")
        _require(len(fields.get("code_challenge", "")) == 43, "code_challenge is no SHA-256")
        for name in ("state", "nonce"):
            _require(len(fields.get(name, "")) >= 16, f"{name} is missing or too short")
        _require(bool(fields.get("referrer")), "referrer is missing")
        redirect_uri = str(fields.get("redirect_uri"))
        _require(bool(_REDIRECT.fullmatch(redirect_uri)), "redirect_uri is not allowed")
        answer = {"state": fields["state"]}
        if self._script.deny is not None:
            answer["error"], answer["error_description"] = self._script.deny
        elif problem := self._scope_problem(fields):
            answer["error"], answer["error_description"] = "invalid_scope", problem
        else:
            answer["code"] = code = f"ac_{secrets.token_urlsafe(16)}"
            self._codes[code] = _Grant(
                self._chosen(),
                fields["code_challenge"],
                redirect_uri,
                fields["scope"],
                fields["nonce"],
            )
            if self._script.shows_code:
                return HTMLResponse(f"<p>Copy this code: <code>{code}</code></p>")
        return RedirectResponse(f"{redirect_uri}?{urlencode(answer)}", 302)

    def token(self, request: Request, fields: JsonObject) -> Response:
        """Codes and refresh tokens for tokens."""
        if fields.get("client_id") != CLIENT_ID:
            raise _RefusedError("invalid_client", "unknown client", 401)
        grant_type = str(fields.get("grant_type"))
        known = _GRANT_FIELDS.get(grant_type)
        if known is None:
            raise _RefusedError("unsupported_grant_type", "unknown grant")
        unknown = fields.keys() - known - {"client_id", "grant_type"}
        _require(not unknown, f"unknown fields {sorted(unknown)}")
        if grant_type == "authorization_code":
            return self._exchange(fields)
        if grant_type == _DEVICE_GRANT:
            return self._poll(str(fields.get("device_code")))
        _require(("principal_type" in fields) == ("principal_id" in fields), "half of a principal")
        answer = self._state.refresh(str(fields.get("refresh_token"))).answer()
        if self._script.lost_answers:
            self._script.lost_answers -= 1
            self._hang_up(request)
        left_out = self._script.silent_refresh
        return JSONResponse({key: each for key, each in answer.items() if key not in left_out})

    def device(self, request: Request, fields: JsonObject) -> Response:
        """Start a device login."""
        if self._script.device_off:
            return JSONResponse({"error": "Not Found"}, 404)
        _require(fields.get("client_id") == CLIENT_ID, "client_id is unknown")
        unknown = fields.keys() - {"client_id", "scope", "referrer"}
        _require(not unknown, f"unknown fields {sorted(unknown)}")
        if problem := self._scope_problem(fields):
            raise _RefusedError("invalid_scope", problem, wrong=not self._script.old_scopes)
        code = f"dc_{secrets.token_urlsafe(16)}"
        next_poll = time.monotonic() + self._script.interval
        self._devices[code] = _Device(self._chosen(), str(fields["scope"]), next_poll)
        page = f"{str(request.base_url).rstrip('/')}/oauth2/device"
        return JSONResponse(
            {
                "device_code": code,
                "user_code": "WXKD-7M2P",
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code=WXKD-7M2P",
                "expires_in": 1800,
                "interval": self._script.interval,
            }
        )

    def _exchange(self, fields: JsonObject) -> Response:
        grant = self._codes.pop(str(fields.get("code")), None)
        if grant is None or _challenge(str(fields.get("code_verifier"))) != grant.challenge:
            raise _RefusedError("invalid_grant", "the code is not valid")
        _require(fields.get("redirect_uri") == grant.redirect_uri, "redirect_uri differs")
        tokens = self._state.log_in(grant.account, scope=grant.scope, nonce=grant.nonce)
        return JSONResponse(tokens.answer())

    def _poll(self, code: str) -> Response:
        device = self._devices.get(code)
        if device is None:
            raise _RefusedError("expired_token", "the device code is unknown")
        if time.monotonic() < device.next_poll:
            raise _RefusedError("slow_down", "polled before the interval was over")
        device.next_poll = time.monotonic() + self._script.interval
        if self._script.device_answers:
            error = self._script.device_answers.popleft()
            if error not in ("authorization_pending", "slow_down"):
                del self._devices[code]
            raise _RefusedError(error, "as the test wants it", wrong=False)
        del self._devices[code]
        return JSONResponse(self._state.log_in(device.account, scope=device.scope).answer())

    def _scope_problem(self, fields: JsonObject) -> str | None:
        """What is wrong with the permissions asked for."""
        asked = set(str(fields.get("scope", "")).split())
        granted = set((OLD_SCOPE if self._script.old_scopes else FULL_SCOPE).split())
        if not {"openid", "offline_access", "grok-cli:access"} <= asked:
            return "scope lacks openid, offline_access or grok-cli:access"
        return f"unknown scopes {sorted(asked - granted)}" if asked - granted else None

    def _chosen(self) -> str:
        return self._script.account or self._state.accounts[0].id


async def _fields(request: Request) -> JsonObject:
    """The query or the form. Raises `_RefusedError` for anything else."""
    if request.method == "GET":
        return dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0]
    _require(kind == "application/x-www-form-urlencoded", f"a form is wanted, not {kind!r}")
    return dict(parse_qsl((await request.body()).decode(), strict_parsing=True))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise _RefusedError("invalid_request", message)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
