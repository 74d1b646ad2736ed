"""OpenAI's login service and the account endpoints of ChatGPT, as routes over a `BackendState`.

Checks what the real service checks: PKCE, codes and refresh tokens that work once, redirect
addresses, the bearer and its account. `LoginScript` says who logs in and what goes wrong.
"""

import base64
import hashlib
import re
import secrets
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway_core.json import JsonObject, loads_object
from simulators.codex.state import Account, BackendState, TokenRefused, Window
from support.identity_provider import Fault

__all__ = ["LoginScript", "auth_routes"]

_CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
_REDIRECT = re.compile(r"http://localhost:\d+/auth/callback")
_AUTHORIZE = {
    "response_type": "code",
    "client_id": _CLIENT_ID,
    "code_challenge_method": "S256",
    "id_token_add_organizations": "true",
    "codex_cli_simplified_flow": "true",
}


@dataclass(slots=True)
class LoginScript:
    """Who logs in and what goes wrong; a test changes it while the server runs.

    account: the id of the account that people choose, by default the first. deny: error and
    description that the authorize page ends with. device_off: device logins are not offered.
    device_pending: polls that come before the person has agreed. interval: seconds between polls,
    as the service writes them. silent_refresh: members left out of the answers to refreshes.
    faults: by path, answers given instead of the proper ones. usage, check: bodies of the account
    endpoints instead of the proper ones. requests: path and fields of all that came in.
    """

    account: str | None = None
    deny: tuple[str, str] | None = None
    device_off: bool = False
    device_pending: int = 0
    interval: object = "0.01"
    silent_refresh: frozenset[str] = frozenset()
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    usage: JsonObject | None = None
    check: JsonObject | None = None
    requests: list[tuple[str, JsonObject]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """The paths asked for, oldest first."""
        return [path for path, _ in self.requests]


def auth_routes(state: BackendState, script: LoginScript | None = None) -> list[Route]:
    """The login service at the root, and `/backend-api/wham/usage` and `accounts/check` beside
    it.
    """
    service = _Service(state, script or LoginScript())
    posts: dict[str, _Answer] = {
        "/oauth/token": service.token,
        "/oauth/revoke": service.revoke,
        "/api/accounts/deviceauth/usercode": service.usercode,
        "/api/accounts/deviceauth/token": service.device_token,
    }
    gets: dict[str, _Answer] = {
        "/oauth/authorize": service.authorize,
        "/backend-api/wham/usage": service.usage,
        "/backend-api/accounts/check/v4-2023-04-27": service.check,
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


class _RefusedError(Exception):
    """The request is answered with this error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.status = status
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        self.body = {"error": error}
        super().__init__(message)


_Answer = Callable[[Request, JsonObject], Response]


class _Service:
    def __init__(self, state: BackendState, script: LoginScript) -> None:
        self._state = state
        self._script = script
        self._codes: dict[str, _Grant] = {}
        self._devices: dict[str, str] = {}  # device id: user code

    def guarded(self, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint: records the request, plays faults, and turns refusals into answers."""

        async def endpoint(request: Request) -> Response:
            path = request.url.path
            fields = await _fields(request)
            with self._state.lock:
                self._script.requests.append((path, fields))
                if faults := self._script.faults[path]:
                    fault = faults.popleft()
                    headers = {"content-type": fault.content_type, **fault.headers}
                    return Response(fault.body, fault.status, headers)
                try:
                    return answer(request, fields)
                except _RefusedError as error:
                    return JSONResponse(error.body, error.status)
                except TokenRefused as error:
                    return JSONResponse(error.body(), error.status)

        return endpoint

    def authorize(self, request: Request, fields: JsonObject) -> Response:
        """The page on which a person agrees; this one agrees at once."""
        for name, value in _AUTHORIZE.items():
            _require(fields.get(name) == value, f"{name} must be {value!r}")
        scopes = set(str(fields.get("scope", "")).split())
        _require({"openid", "offline_access"} <= scopes, "scope lacks openid or offline_access")
        _require(len(fields.get("code_challenge", "")) == 43, "code_challenge is no SHA-256")
        _require(bool(fields.get("state")), "state is missing")
        redirect_uri = str(fields.get("redirect_uri"))
        _require(bool(_REDIRECT.fullmatch(redirect_uri)), "redirect_uri is not allowed")
        answer = {"state": fields["state"]}
        if self._script.deny is not None:
            answer["error"], answer["error_description"] = self._script.deny
        else:
            answer["code"] = self._code(fields["code_challenge"], redirect_uri)
        return RedirectResponse(f"{redirect_uri}?{urlencode(answer)}", 302)

    def token(self, request: Request, fields: JsonObject) -> Response:
        """Codes and refresh tokens for tokens."""
        if fields.get("client_id") != _CLIENT_ID:
            raise _RefusedError("invalid_client", "unknown client", 401)
        match fields.get("grant_type"):
            case "authorization_code":
                grant = self._codes.pop(str(fields.get("code")), None)
                if grant is None or _challenge(str(fields.get("code_verifier"))) != grant.challenge:
                    raise _RefusedError("invalid_grant", f"code {fields.get('code')} is not valid")
                _require(fields.get("redirect_uri") == grant.redirect_uri, "redirect_uri differs")
                return JSONResponse(self._state.log_in(grant.account).answer())
            case "refresh_token":
                answer = self._state.refresh(str(fields.get("refresh_token"))).answer()
                left_out = self._script.silent_refresh
                return JSONResponse({k: v for k, v in answer.items() if k not in left_out})
        raise _RefusedError("unsupported_grant_type", "unknown grant")

    def revoke(self, request: Request, fields: JsonObject) -> Response:
        """End a login."""
        hint = fields.get("token_type_hint")
        _require(hint in ("refresh_token", "access_token"), "token_type_hint is unknown")
        if hint == "refresh_token":
            _require(fields.get("client_id") == _CLIENT_ID, "client_id is missing")
        self._state.revoke(str(fields.get("token")))
        return Response(status_code=200)

    def usercode(self, request: Request, fields: JsonObject) -> Response:
        """Start a device login."""
        if self._script.device_off:
            return JSONResponse({"detail": "Not Found"}, 404)
        _require(fields == {"client_id": _CLIENT_ID}, "client_id is all that is wanted")
        device, code = f"deviceauth_{secrets.token_hex(8)}", "ABCD-EFGHI"
        self._devices[device] = code
        answer = {"device_auth_id": device, "user_code": code, "interval": self._script.interval}
        return JSONResponse(answer)

    def device_token(self, request: Request, fields: JsonObject) -> Response:
        """Poll a device login."""
        device = str(fields.get("device_auth_id"))
        _require(self._devices.get(device) == fields.get("user_code"), "unknown device login")
        if self._script.device_pending > 0:
            self._script.device_pending -= 1
            return JSONResponse({"detail": "Forbidden"}, 403)
        del self._devices[device]
        verifier = secrets.token_urlsafe(64)
        challenge = _challenge(verifier)
        code = self._code(challenge, f"{str(request.base_url).rstrip('/')}/deviceauth/callback")
        return JSONResponse(
            {"authorization_code": code, "code_challenge": challenge, "code_verifier": verifier}
        )

    def usage(self, request: Request, fields: JsonObject) -> Response:
        """Plan, windows and credits."""
        account = self._bearer(request)
        if self._script.usage is not None:
            return JSONResponse(self._script.usage)
        now = self._state.now()
        return JSONResponse(
            {
                "user_id": account.user_id,
                "account_id": account.id,
                "email": account.email,
                "plan_type": account.plan,
                "rate_limit": {
                    "allowed": not account.limit_reached,
                    "limit_reached": account.limit_reached,
                    "primary_window": _window(account.primary, now),
                    "secondary_window": _window(account.secondary, now),
                },
                "additional_rate_limits": [],
                "credits": {
                    "has_credits": account.credits is not None,
                    "unlimited": account.unlimited,
                    "balance": account.credits,
                },
                "rate_limit_reached_type": None,
            }
        )

    def check(self, request: Request, fields: JsonObject) -> Response:
        """The accounts of a person."""
        account = self._bearer(request)
        if self._script.check is not None:
            return JSONResponse(self._script.check)
        facts = {
            "account_id": account.id,
            "structure": "personal",
            "name": "Personal",
            "plan_type": account.plan,
            "is_deactivated": account.deactivated,
        }
        entitlement = {
            "has_active_subscription": account.plan != "free",
            "subscription_plan": f"chatgpt{account.plan}plan",
            "expires_at": account.subscription_until,
        }
        entry = {"account": facts, "features": [], "entitlement": entitlement}
        return JSONResponse({"accounts": {account.id: entry}, "account_ordering": [account.id]})

    def _code(self, challenge: str, redirect_uri: str) -> str:
        account = self._script.account or self._state.accounts[0].id
        code = f"ac_{secrets.token_urlsafe(16)}"
        self._codes[code] = _Grant(account, challenge, redirect_uri)
        return code

    def _bearer(self, request: Request) -> Account:
        account = self._state.account_of(
            request.headers.get("authorization", "").removeprefix("Bearer ")
        )
        if request.headers.get("chatgpt-account-id") != account.id:
            raise _RefusedError("account_mismatch", "the account is not the token's", 403)
        return account


async def _fields(request: Request) -> JsonObject:
    """What was sent: the query, a form, or JSON."""
    if request.method == "GET":
        return dict(request.query_params)
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        return loads_object(body)
    return dict(parse_qsl(body.decode(), strict_parsing=True))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise _RefusedError("invalid_request", message)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _window(window: Window | None, now: float) -> Mapping[str, float] | None:
    if window is None:
        return None
    return {
        "used_percent": window.used,
        "limit_window_seconds": window.minutes * 60,
        "reset_after_seconds": window.reset_after,
        "reset_at": int(now) + window.reset_after,
    }
