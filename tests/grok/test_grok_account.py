"""What `gateway status` learns of an xAI account, and responses that xAI keeps."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway_core import Account, GatewayError, JsonObject, RateWindow, Unauthorized
from gateway_core.errors import NotFound, Unsupported
from gateway_core.provider import StoredAction
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings
from support.about import each
from support.grok_asking import CREDENTIAL

PROFILE: JsonObject = {
    "userId": "u-5c1",
    "email": "ann@example.org",
    "firstName": "Ann",
    "lastName": "Doe",
    "principalType": "User",
    "principalId": "u-5c1",
    "teamName": None,
    "userBlockedReason": None,
    "teamBlockedReasons": [],
    "subscriptionTier": "SuperGrok",
}
BILLING: JsonObject = {
    "config": {
        "creditUsagePercent": 37.5,
        "currentPeriod": {
            "type": "USAGE_PERIOD_TYPE_WEEKLY",
            "start": "2026-08-17T00:00:00Z",
            "end": "2026-08-24T00:00:00Z",
        },
        "monthlyLimit": {"val": 15000},
        "used": {"val": 5625},
        "prepaidBalance": {"val": 250},
        "billingPeriodEnd": "2026-09-01T00:00:00Z",
    },
    "subscription_tier": "SuperGrok",
}
Answer = Callable[[httpx.Request], httpx.Response]


async def account(profile: Any, billing: Any) -> Account:
    """The account, when the two endpoints answer with these bodies or statuses."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-grok-client-version"] == "1.0.6"
        body = profile if request.url.path == "/v1/user" else billing
        if isinstance(body, int):
            return httpx.Response(body, json={"error": "No."})
        return httpx.Response(200, json=body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        return await GrokProvider().gateway_account(CREDENTIAL, http, GrokSettings())


async def test_the_whole_account() -> None:
    assert await account(PROFILE, BILLING) == Account(
        id="u-5c1",
        name="Ann Doe",
        email="ann@example.org",
        structure="user",
        plan="SuperGrok",
        subscription_active=True,
        credits_balance=2.5,
        rate_windows=[RateWindow("weekly", 62.5, datetime(2026, 8, 24, tzinfo=UTC))],
        warnings=[],
    )


@pytest.mark.parametrize(
    ("tier", "plan", "active"),
    [("Free", "Free", False), (None, "Free", False), ("X Premium+", "X Premium+", True)],
)
async def test_a_plan_is_active_unless_it_is_free(
    tier: str | None, plan: str, active: bool
) -> None:
    found = await account({**PROFILE, "subscriptionTier": tier}, {"config": {}})
    assert (found.plan, found.subscription_active) == (plan, active)
    assert found.rate_windows == []


@each(
    "config, windows",
    [
        (
            {"monthlyLimit": {"val": 200}, "used": {"val": 50}, "billingPeriodEnd": "2026-09-01"},
            [RateWindow("monthly", 75.0, datetime(2026, 9, 1, tzinfo=UTC))],
        ),
        ({"monthlyLimit": {"val": 200}, "used": {}}, [RateWindow("monthly", 100.0, None)]),
        ({"monthlyLimit": {}, "used": {"val": 5}}, []),
        ({"creditUsagePercent": 140, "currentPeriod": {}}, [RateWindow("credits", 0.0, None)]),
        ({"creditUsagePercent": "much"}, []),
        (None, []),
    ],
)
async def test_limits_are_read_leniently(config: Any, windows: list[RateWindow]) -> None:
    assert (await account(PROFILE, {"config": config})).rate_windows == windows


async def test_blocks_are_warnings() -> None:
    reasons = ["BLOCKED_REASON_NO_LOGS", "UNPAID", 7]
    blocked = {**PROFILE, "userBlockedReason": "ABUSE", "teamBlockedReasons": reasons}
    assert (await account(blocked, BILLING)).warnings == [
        "xAI has blocked the account: ABUSE",
        "the team keeps no data: responses cannot be stored at xAI",
        "xAI has blocked the team: UNPAID",
    ]


async def test_what_one_endpoint_does_not_tell_is_a_warning() -> None:
    found = await account(500, 503)
    assert (found.id, found.plan, found.rate_windows) == ("u-5c1", None, [])
    assert found.warnings == [
        "the plan is told from the login alone: No.",
        "the limits are not known: No.",
    ]


async def test_a_refused_token_is_told_so_that_it_is_renewed() -> None:
    with pytest.raises(Unauthorized):
        await account(401, 401)


# --- stored responses ---------------------------------------------------------------------------


async def act(action: StoredAction, answer: Answer, id: str = "resp_01") -> JsonObject:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        return await GrokProvider().gateway_stored_response(
            action, id, CREDENTIAL, http, GrokSettings()
        )


async def test_a_response_is_fetched_from_the_public_api() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url)) == ("GET", "https://api.x.ai/v1/responses/a%3Ab")
        assert request.headers["authorization"] == "Bearer access-token-of-ann"
        assert "x-xai-token-auth" not in request.headers
        return httpx.Response(200, json={"id": "a:b", "status": "completed"})

    assert await act("retrieve", answer, "a:b") == {"id": "a:b", "status": "completed"}


@pytest.mark.parametrize("body", [b"", b'{"id":"resp_01","deleted":true}'])
async def test_a_deletion_is_confirmed_whatever_xai_says(body: bytes) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "DELETE"
        return httpx.Response(200, content=body)

    assert await act("delete", answer) == {
        "id": "resp_01",
        "object": "response",
        "deleted": True,
    }


@each(
    "status, body, kind",
    [
        (404, b'{"error":"no"}', NotFound),
        (404, b"", NotFound),
        (404, b"<html>", NotFound),
        (400, b'{"code":"invalid-argument","error":"Invalid response id."}', NotFound),
        (422, b'{"error":"id: invalid length"}', NotFound),
        (405, b'{"detail":"Method Not Allowed"}', NotFound),
        (410, b"", NotFound),
        (414, b"", NotFound),
        (401, b'{"error":"no"}', Unauthorized),
        (403, b'{"code":"permission-denied","error":"no"}', GatewayError),
        (200, b"<html>", GatewayError),
    ],
)
async def test_what_goes_wrong_is_told(status: int, body: bytes, kind: type[GatewayError]) -> None:
    with pytest.raises(kind):
        await act("retrieve", lambda request: httpx.Response(status, content=body))


async def test_what_xai_said_of_an_unknown_response_is_told() -> None:
    with pytest.raises(NotFound, match=r"no such response.* \(Invalid response id\.\)"):
        await act("delete", lambda request: httpx.Response(400, json="Invalid response id."))


@pytest.mark.parametrize("action", ["cancel", "input_items"])
async def test_what_xai_has_no_endpoint_for_is_refused_by_name(action: StoredAction) -> None:
    with pytest.raises(Unsupported, match="xAI"):
        await act(action, lambda request: pytest.fail("nothing is asked"))
