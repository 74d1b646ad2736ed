"""The simulated Kimi Code on a real socket: device logins, tokens that rotate, API and account.

`with KimiSimulator() as simulator:` serves the login host and the API under one address.
"""

import base64
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway_core.json import JsonObject, dumps, loads_object
from simulators.kimi.upstream import ChatUpstream, Recorded, Refused, json_response
from simulators.kimi.validation import MODELS, problems

__all__ = ["ACCESS_SECONDS", "KimiSimulator", "Tokens"]

ACCESS_SECONDS: Final = 900
CLIENT_ID: Final = "17e5f671-d194-4dfb-9706-5516cb48c098"
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_SOON: Final = "2026-12-01T04:11:09.120345123Z"


@dataclass(slots=True, frozen=True)
class Tokens:
    """One login."""

    access: str
    refresh: str
    device_id: str


class KimiSimulator(ChatUpstream):
    """Kimi, seen from a test.

    polls: what the next polls of a device code are answered with, before it is granted
    (`authorization_pending`, also as `200 authorization_pending`, `access_denied`).
    plan: False for an account without Kimi Code. broken_refreshes: how many fail with 503.
    broken_paths: what is asked for in vain (`me`, `models`, `usages`), and the status then.
    """

    def __init__(self) -> None:
        super().__init__("/coding/v1/chat/completions")
        self.polls: list[str] = []
        self.plan = True
        self.broken_refreshes = 0
        self.refreshes = 0
        self.broken_paths: dict[str, int] = {}
        self._logins = itertools.count(1)
        self._access: dict[str, str] = {}
        self._refresh: dict[str, str] = {}

    @property
    def base_url(self) -> str:
        """The API."""
        return f"{self.url}/coding/v1"

    def log_in(self, device_id: str = "d" * 32) -> Tokens:
        """Fresh tokens for a device."""
        number = next(self._logins)
        claims = {"user_id": "u-7", "device_id": device_id, "n": number}
        body = base64.urlsafe_b64encode(dumps(claims | {"exp": int(time.time()) + ACCESS_SECONDS}))
        tokens = Tokens(f"h.{body.decode().rstrip('=')}.s", f"refresh-{number}", device_id)
        self._access[tokens.access] = device_id
        self._refresh[tokens.refresh] = device_id
        return tokens

    def revoke(self, *, refresh: bool = False) -> None:
        """All access tokens end now; with `refresh` the logins do."""
        self._access.clear()
        if refresh:
            self._refresh.clear()

    # Who may ask

    def admit(self, recorded: Recorded) -> None:
        """By the token, the device that it is bound to, the plan, and the model."""
        self._authorize(recorded.headers)
        if recorded.body["model"] not in MODELS:
            told = f"Not found the model {recorded.body['model']} or Permission denied"
            raise Refused(404, self.error("resource_not_found_error", told))

    def _authorize(self, headers: JsonObject) -> None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        device = self._access.get(token)
        if device is None or headers.get("x-msh-device-id") != device:
            told = "The API Key appears to be invalid or may have expired."
            raise Refused(401, self.error("invalid_authentication_error", told))
        if not self.plan:
            raise Refused(402, self.error("membership_error", "Your membership has expired"))

    def problems(self, body: JsonObject, headers: JsonObject) -> Iterable[str]:
        """See `simulators.kimi.validation`."""
        return problems(body, headers)

    # The rest

    def routes(self) -> list[Route]:
        """Login host and account."""
        return [
            Route("/api/oauth/device_authorization", self._start, methods=["POST"]),
            Route("/api/oauth/token", self._token, methods=["POST"]),
            Route("/coding/v1/{what}", self._look_up, methods=["GET"]),
        ]

    async def _start(self, request: Request) -> Response:
        fields = await self._fields(request)
        code = f"dvc_{next(self._logins)}_{request.headers.get('x-msh-device-id')}"
        page = f"{self.url}/code/authorize_device"
        if fields != {"client_id": CLIENT_ID}:
            self.other_violations.append(f"the device login was started with {fields}")
        return json_response(
            {
                "user_code": "BTRK-93QX",
                "device_code": code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code=BTRK-93QX",
                "expires_in": 600,
                "interval": 0.01,
            }
        )

    async def _token(self, request: Request) -> Response:
        fields = await self._fields(request)
        device = request.headers.get("x-msh-device-id")
        if fields.get("grant_type") == _DEVICE_GRANT:
            if self.polls:
                status, _, error = self.polls.pop(0).rpartition(" ")
                told = {"error": error, "error_description": f"the code is {error}"}
                return json_response(told, int(status or 400))
            return self._granted(fields["device_code"].rpartition("_")[2])
        self.refreshes += 1
        if self.broken_refreshes:
            self.broken_refreshes -= 1
            return json_response({"error": "unavailable"}, 503)
        if device is None or self._refresh.pop(fields["refresh_token"], None) != device:
            told = {"error": "invalid_grant", "error_description": "The refresh token is invalid"}
            return json_response(told, 401)
        return self._granted(device)

    def _granted(self, device_id: str) -> Response:
        tokens = self.log_in(device_id)
        return json_response(
            {
                "access_token": tokens.access,
                "refresh_token": tokens.refresh,
                "expires_in": ACCESS_SECONDS,
                "scope": "kimi-code",
                "token_type": "Bearer",
            }
        )

    async def _fields(self, request: Request) -> dict[str, str]:
        if request.headers["content-type"] != "application/x-www-form-urlencoded":
            self.other_violations.append("the login service takes forms only")
        fields = dict(parse_qsl((await request.body()).decode()))
        if fields.get("client_id") != CLIENT_ID:
            self.other_violations.append(f"the client is {fields.get('client_id')!r}")
        return fields

    async def _look_up(self, request: Request) -> Response:
        try:
            self._authorize(dict(request.headers))
        except Refused as refused:
            return json_response(refused.body, refused.status)
        what = request.path_params["what"]
        if what in self.broken_paths:
            return json_response(self.error("broken", "no answer"), self.broken_paths[what])
        match what:
            case "models":
                return json_response({"data": list(MODELS.values())})
            case "me":
                person = {"user_id": "u-7", "nickname": "Ann", "email": "ann@example.org"}
                return json_response(person)
            case "usages":
                return json_response(loads_object(_USAGES))
        return json_response(self.error("resource_not_found_error", "not found"), 404)


_USAGES: Final = dumps(
    {
        "user": {"membership": {"level": "LEVEL_BASIC"}},
        "usage": {"limit": "2048", "remaining": "1536", "resetTime": _SOON},
        "limits": [
            {
                "window": {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"},
                "detail": {"limit": "200", "used": "50", "resetTime": _SOON},
            }
        ],
        "boosterWallet": {"balance": {"type": "BOOSTER", "amountLeft": "1250000000"}},
    }
)
