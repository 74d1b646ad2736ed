"""The simulated Kilo gateway on a real socket: device logins, free and paid models, balances.

`with KiloSimulator() as simulator:` serves everything under one address.
"""

import itertools
import re
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway_core.json import JsonObject, loads_object
from simulators.kimi.upstream import ChatUpstream, Recorded, Refused, json_response
from simulators.kimi.validation import name_problems, pair_problems

__all__ = ["KiloSimulator"]

_PARAMETERS: Final = ["max_tokens", "temperature", "tools", "tool_choice", "reasoning"]
_KEYS: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p"),
        *("stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning"),
    }
)


def _model(id: str, place: int, *, price: str = "0", **more: Any) -> JsonObject:
    return {
        "id": id,
        "name": id.title(),
        "context_length": 204_800,
        "architecture": {
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
        },
        "pricing": {"prompt": price, "completion": price},
        "top_provider": {"max_completion_tokens": 65_536},
        "supported_parameters": _PARAMETERS,
        "preferredIndex": place,
        **more,
    }


MODELS: Final[dict[str, JsonObject]] = {
    model["id"]: model
    for model in (
        _model("anthropic/claude-opus-5", 2, price="0.000005"),
        _model("minimax/minimax-m2.5:free", 1, isFree=True, mayTrainOnYourPrompts=True),
        _model("kilo-auto/free", 0),
        _model("vendor/no-tools:free", 3, supported_parameters=["max_tokens"]),
        _model("vendor/painter", 4, architecture={"output_modalities": ["image"]}),
    )
}


class KiloSimulator(ChatUpstream):
    """Kilo, seen from a test.

    balance: dollars of every account. allowance: how many requests are left without a login.
    decisions: what the next polls of a login are answered with, before it is approved (`pending`,
    `denied`, `expired`, `unknown` for a server without the endpoint).
    """

    reasoning: ClassVar[str] = "reasoning"

    def __init__(self) -> None:
        super().__init__("/api/gateway/chat/completions")
        self.balance = 12.5
        self.allowance = 200
        self.decisions: list[str] = []
        self._numbers_of_codes = itertools.count(1)
        self._codes: set[str] = set()
        self._tokens: set[str] = set()

    @property
    def base_url(self) -> str:
        """The gateway."""
        return f"{self.url}/api/gateway"

    def log_in(self) -> str:
        """A fresh token."""
        token = f"token-{next(self._numbers_of_codes)}"
        self._tokens.add(token)
        return token

    def revoke(self) -> None:
        """All tokens end now."""
        self._tokens.clear()

    def error(self, kind: str, message: str) -> JsonObject:
        """The form in which `error` is a text."""
        return {"error": kind.replace("_", " ").title(), "error_type": kind, "message": message}

    def admit(self, recorded: Recorded) -> None:
        """By token, model, balance and allowance."""
        logged_in = self._authorize(recorded.headers)
        model = MODELS.get(recorded.body["model"])
        if model is None:
            raise Refused(404, self.error("model_not_found", "There is no such model."))
        free = model["pricing"]["prompt"] == "0"
        if not free and not logged_in:
            error = {"code": "PAID_MODEL_AUTH_REQUIRED", "message": "Sign in to use this model."}
            raise Refused(401, {"error": error, "error_type": "paid_model_auth_required"})
        if not free and self.balance <= 0:
            at: JsonObject = {
                "balance": self.balance,
                "buyCreditsUrl": "https://app.kilo.ai/credits",
            }
            error = {"title": "Low credit", "message": "Add credits to continue.", **at}
            raise Refused(402, {"error": error, "error_type": "usage_limit_exceeded"})
        if not logged_in:
            self.allowance -= 1
            if self.allowance < 0:
                told = "Free model limit reached."
                raise Refused(429, self.error("rate_limit_exceeded", told))

    def problems(self, body: JsonObject, headers: JsonObject) -> Iterable[str]:
        """What Kilo or a vendor behind it refuses, and what should not be told."""
        model = MODELS[body["model"]]
        if unknown := body.keys() - _KEYS:
            yield f"unknown fields {sorted(unknown)}"
        for name in ("temperature", "tools", "tool_choice", "reasoning"):
            if name in body and name not in model["supported_parameters"]:
                yield f"the model does not know {name}"
        if body.get("max_tokens", 16) < 16:
            yield "max_tokens must be at least 16"
        if "x-kilocode-taskid" in headers:
            uuid.UUID(headers["x-kilocode-taskid"])
        if not re.fullmatch(r"gateway-kilo/[\d.]+", headers.get("user-agent", "")):
            yield f"the user agent is {headers.get('user-agent')!r}"
        yield from pair_problems(body)
        yield from _id_problems(body["messages"])
        yield from name_problems(body)

    def routes(self) -> list[Route]:
        """Logins, models and account."""
        return [
            Route("/api/device-auth/codes", self._start, methods=["POST"]),
            Route("/api/device-auth/token", self._poll, methods=["POST"]),
            Route("/api/gateway/models", self._models, methods=["GET"]),
            Route("/api/profile", self._profile, methods=["GET"]),
            Route("/api/profile/balance", self._profile, methods=["GET"]),
        ]

    def _authorize(self, headers: JsonObject) -> bool:
        """Whether somebody is logged in; a token that is not known is refused."""
        token = headers.get("authorization")
        if token is None:
            return False
        if token.removeprefix("Bearer ") not in self._tokens:
            raise Refused(401, {"success": False, "error": "Invalid API token"})
        return True

    async def _start(self, request: Request) -> Response:
        code = f"device-{next(self._numbers_of_codes)}"
        self._codes.add(code)
        return json_response(
            {
                "code": "KX7P-M2QD",
                "user_code": "KX7P-M2QD",
                "device_code": code,
                "verificationUrl": f"{self.url}/device-auth?code=KX7P-M2QD",
                "expiresIn": 600,
            }
        )

    async def _poll(self, request: Request) -> Response:
        body = loads_object(await request.body())
        if body.keys() != {"deviceCode"}:
            self.other_violations.append(f"a poll has the fields {sorted(body)}")
        decision = self.decisions.pop(0) if self.decisions else "approved"
        if decision == "pending":
            return json_response({"status": "pending"}, 202)
        if decision == "unknown":
            return json_response(self.error("invalid_path", "There is no such path."), 404)
        if decision == "denied":
            return json_response({"status": "denied"}, 403)
        if decision == "expired" or body.get("deviceCode") not in self._codes:
            return json_response({"status": "expired"}, 410)
        self._codes.discard(body["deviceCode"])
        granted = {"status": "approved", "token": self.log_in(), "userId": "u_1"}
        return json_response({**granted, "userEmail": "ann@example.org"})

    async def _models(self, request: Request) -> Response:
        return json_response({"data": list(MODELS.values())})

    async def _profile(self, request: Request) -> Response:
        try:
            if not self._authorize(dict(request.headers)):
                raise Refused(401, {"success": False, "error": "Unauthorized"})
        except Refused as refused:
            return json_response(refused.body, refused.status)
        if request.url.path.endswith("/balance"):
            return json_response({"balance": self.balance})
        return json_response(
            {"user": {"email": "ann@example.org", "name": "Ann"}, "organizations": []}
        )


def _id_problems(messages: list[JsonObject]) -> Iterable[str]:
    """Anthropic wants the ids of all calls to be unique."""
    ids = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    for id in sorted({id for id in ids if ids.count(id) > 1}):
        yield f"tool_use ids must be unique: {id!r}"
