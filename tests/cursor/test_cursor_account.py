"""Plan and spending of an account, as far as Cursor tells."""

from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from gateway_core import Credential, JsonObject, RateWindow, Unauthorized
from gateway_cursor.account import account, read_account
from gateway_cursor.settings import CursorSettings
from support.cursor_samples import CursorService, body, jwt

USAGE = "/aiserver.v1.DashboardService/GetCurrentPeriodUsage"
PLAN = "/aiserver.v1.DashboardService/GetPlanInfo"
CREDENTIAL = Credential(
    provider="cursor",
    account="auth0|user_1",
    label="dev@example.com",
    access_token=SecretStr(jwt("fake-access")),
    extra={"kind": "session"},
)
CYCLE_END = datetime.fromtimestamp(1_790_812_800, UTC)


def changed(**plan_usage: object) -> JsonObject:
    """The recorded answer with another plan usage."""
    usage: JsonObject = body("usage-period")
    return {**usage, "planUsage": {**usage["planUsage"], **plan_usage}}


async def test_plan_and_spending_are_told(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(USAGE, "usage-period")
    service.say(PLAN, "plan-info")
    told = await account(CREDENTIAL, http, settings)
    assert (told.id, told.name, told.email) == (
        "auth0|user_1",
        "dev@example.com",
        "dev@example.com",
    )
    assert (told.plan, told.structure) == ("Pro", "personal")
    assert told.credits_balance == 7.12
    assert told.rate_windows == [
        RateWindow("included usage", 35.6, CYCLE_END),
        RateWindow("on-demand usage", 100.0, CYCLE_END),
    ]
    assert told.warnings == []


async def test_a_free_plan_has_no_limit(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(USAGE, "usage-period-free")
    service.say(PLAN, httpx.Response(200, json={"planInfo": {"planName": "Free"}}))
    told = await account(CREDENTIAL, http, settings)
    assert (told.plan, told.credits_balance) == ("Free", None)
    assert told.rate_windows == [RateWindow("included usage", None, CYCLE_END)]


async def test_the_spending_is_told_without_the_plan(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(USAGE, "usage-period")
    service.say(PLAN, httpx.Response(500))
    told = await account(CREDENTIAL, http, settings)
    assert (told.plan, told.credits_balance) == (None, 7.12)


async def test_a_token_that_is_refused_is_renewed_by_the_core(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(USAGE, "unary-unauthenticated")
    service.say(PLAN, "plan-info")
    with pytest.raises(Unauthorized, match="gateway login cursor"):
        await account(CREDENTIAL, http, settings)


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (changed(includedSpend=2000), "on-demand usage is charged"),
        ({**changed(includedSpend=2500), "spendLimitUsage": {}}, "used up; see https://"),
        ({**changed(), "enabled": False}, "switched off"),
    ],
)
def test_what_stops_the_work_is_a_warning(
    usage: JsonObject, words: str, settings: CursorSettings
) -> None:
    (warning,) = read_account(CREDENTIAL, usage, {}, settings).warnings
    assert words in warning


def test_percentages_of_the_answer_are_not_believed(settings: CursorSettings) -> None:
    usage = changed(totalPercentUsed=99.9, apiPercentUsed=100, autoPercentUsed=100)
    assert read_account(CREDENTIAL, usage, {}, settings).rate_windows[0].remaining_percent == 35.6


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"planUsage": None, "spendLimitUsage": [], "billingCycleEnd": "soon"},
        {"planUsage": {"limit": "a lot", "includedSpend": True}, "billingCycleEnd": "9" * 30},
    ],
)
def test_anything_may_be_missing(usage: JsonObject, settings: CursorSettings) -> None:
    told = read_account(CREDENTIAL, usage, {"planInfo": 7}, settings)
    assert (told.credits_balance, told.plan) == (None, None)
    assert told.rate_windows == [RateWindow("included usage", None, None)]


def test_an_api_key_is_called_so(settings: CursorSettings) -> None:
    credential = CREDENTIAL.model_copy(update={"label": None, "extra": {"kind": "key"}})
    told = read_account(credential, {}, {}, settings)
    assert (told.structure, told.name, told.email) == ("API key", None, None)
