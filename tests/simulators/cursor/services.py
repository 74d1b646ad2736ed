"""The calls with one answer: models, who somebody is, what the plan has left, where runs live."""

from collections.abc import Callable
from typing import Final

from google.protobuf import json_format

from gateway_core.json import JsonObject, loads_object
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.catalogue import available_models, usable_models
from simulators.cursor.faults import error, with_details
from simulators.cursor.http import Answer, Asked, refusal
from simulators.cursor.state import Account, CursorState, TokenRefused

__all__ = ["NOT_LOGGED_IN", "Services", "profile_problems"]

NOT_LOGGED_IN: Final = with_details(
    "unauthenticated", 2, "Authentication error", "Please log in again."
)
_STARTS_MS: Final = 1_788_220_800_000
_ENDS_MS: Final = 1_790_812_800_000
_MODELS: Final = (
    "/agent.v1.AgentService/GetUsableModels",
    "/aiserver.v1.AiService/GetUsableModels",
)
_DASHBOARD: Final = "/aiserver.v1.DashboardService/"


def profile_problems(headers: dict[str, str]) -> list[str]:
    """What in the headers does not fit together: those of the desktop client with its own name."""
    if headers.get("x-cursor-client-type", "cli") != "cli":
        return []
    foreign = ("x-cursor-checksum", "x-client-key")
    return [f"the command line client sends no {name}" for name in foreign if name in headers]


class Services:
    """Answers them. asked: path and JSON of all that came. broken: paths that answer with a status
    of their own, for a while. violations: what no careful client would have sent.
    """

    def __init__(self, state: CursorState) -> None:
        self.asked: list[tuple[str, JsonObject]] = []
        self.broken: dict[str, int] = {}
        self.violations: list[str] = []
        self.agent_url = "https://agentn.global.api5.cursor.sh"
        self._state = state

    async def answer(self, asked: Asked) -> Answer | None:
        """The answer, if this is where the path belongs."""
        served = self._served(asked.path)
        if served is None:
            return None
        if asked.method != "POST":
            return Answer(405)
        if asked.content_type not in ("application/json", "application/proto"):
            self.violations.append(f"{asked.path}: the content type {asked.content_type!r}")
            return Answer(415)
        body: JsonObject = {}
        if asked.content_type == "application/json":
            try:
                body = loads_object(asked.body)
            except ValueError:
                self.violations.append(f"{asked.path}: the body is no JSON object")
                return refusal(error("internal"))
            if asked.headers.get("connect-protocol-version") != "1":
                self.violations.append(f"{asked.path}: no connect-protocol-version")
        found = profile_problems(dict(asked.headers))
        self.violations += [f"{asked.path}: {problem}" for problem in found]
        self.asked.append((asked.path, body))
        if asked.path in self.broken:
            return Answer(self.broken[asked.path])
        try:
            account = self._state.account_of(asked.bearer or "")
        except TokenRefused:
            return refusal(NOT_LOGGED_IN)
        told = served(account, body)
        if asked.content_type == "application/json" or asked.path not in _MODELS:
            return Answer.of_json(told)
        models = json_format.ParseDict(told, pb.GetUsableModelsResponse())
        kind = {"content-type": "application/proto"}
        return Answer(200, models.SerializeToString(), kind)

    def _served(self, path: str) -> Callable[[Account, JsonObject], JsonObject] | None:
        if path in _MODELS:
            return lambda account, body: usable_models()
        return {
            "/aiserver.v1.AiService/AvailableModels": self._available,
            "/aiserver.v1.AuthService/GetUserMeta": _user_meta,
            "/aiserver.v1.ServerConfigService/GetServerConfig": self._server_config,
            f"{_DASHBOARD}GetCurrentPeriodUsage": _usage,
            f"{_DASHBOARD}GetPlanInfo": _plan,
            f"{_DASHBOARD}GetHardLimit": _hard_limit,
        }.get(path)

    def _available(self, account: Account, body: JsonObject) -> JsonObject:
        if body != {"useModelParameters": True, "doNotUseMarkdown": True}:
            self.violations.append(f"the available models are asked for with {body}")
        return available_models()

    def _server_config(self, account: Account, body: JsonObject) -> JsonObject:
        urls = {"agentUrl": "https://agent.api5.cursor.sh", "agentnUrl": self.agent_url}
        return {"configVersion": "cfg-1", "agentUrlConfig": urls}


def _user_meta(account: Account, body: JsonObject) -> JsonObject:
    workos = account.id.partition("|")[2]
    return {"email": account.email, "signUpType": "SIGN_UP_TYPE_AUTH_0", "workosId": workos}


def _usage(account: Account, body: JsonObject) -> JsonObject:
    plan: JsonObject = {
        "totalSpend": account.spent,
        "includedSpend": account.spent,
        "autoPercentUsed": 3.2,
    }
    told: JsonObject = {
        "billingCycleStart": str(_STARTS_MS),
        "billingCycleEnd": str(_ENDS_MS),
        "planUsage": plan,
        "enabled": True,
    }
    if account.limit is not None:
        plan |= {
            "bonusSpend": 0,
            "remaining": account.limit - account.spent,
            "limit": account.limit,
            "apiPercentUsed": 64.4,
            "totalPercentUsed": 15.4,
        }
        told["spendLimitUsage"] = {
            "individualLimit": 1000,
            "individualUsed": 0,
            "individualRemaining": 1000,
            "limitType": "user",
        }
    return told


def _plan(account: Account, body: JsonObject) -> JsonObject:
    included = {} if account.limit is None else {"includedAmountCents": account.limit}
    info = {"planName": account.plan, "price": "$20/mo", "billingCycleEnd": str(_ENDS_MS)}
    return {"planInfo": info | included}


def _hard_limit(account: Account, body: JsonObject) -> JsonObject:
    return {"hardLimit": 0, "noUsageBasedAllowed": True}
