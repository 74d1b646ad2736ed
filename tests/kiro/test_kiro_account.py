"""What is left of a plan, and the lists that the service gives to an account."""

from typing import Any

import httpx
import pytest

from gateway_core import Credential, Forbidden, GatewayError
from gateway_core.errors import Unauthorized
from gateway_kiro.account import read_account
from gateway_kiro.plugin import KiroProvider
from gateway_kiro.settings import KiroSettings
from support.kiro_asking import ARN, CREDENTIAL, answers, document
from support.kiro_service import KiroService

LIMITS = answers("get-usage-limits", "responses")
MODELS = document("list-available-models")
USAGE = "/management/us-east-1/Get-Usage-Limits"
LIST = "/management/us-east-1/"
ORGANISATION = CREDENTIAL.model_copy(
    update={"extra": {"kind": "idc", "provider": "Enterprise", "sso_region": "us-east-1"}}
)


@pytest.mark.parametrize("name", [name for name in LIMITS if name != "needs-profile"])
def test_credits_are_those_of_plan_trial_and_bonuses(name: str) -> None:
    expected = LIMITS[name]["expect"]
    account = read_account(CREDENTIAL, LIMITS[name]["body"])
    assert account.plan == expected["plan"]
    left = expected["limit"] - expected["used"]
    assert account.credits_balance == pytest.approx(left)
    (window,) = account.rate_windows
    assert window.name == "credits"
    assert window.remaining_percent == pytest.approx(100 * left / expected["limit"], abs=0.01)
    assert window.reset_at is not None
    assert window.reset_at.isoformat() == "2026-02-01T00:00:00+00:00"


def test_whose_account_it_is() -> None:
    account = read_account(CREDENTIAL, LIMITS["pro-with-overage"]["body"])
    assert (account.email, account.structure) == ("user@example.com", "personal")
    assert account.id is not None and account.id.startswith("d-0000000000")


def test_a_trial_and_used_up_credits_are_told() -> None:
    body = {**LIMITS["free-trial-and-bonus"]["body"]}
    (warning,) = read_account(CREDENTIAL, body).warnings
    assert warning.startswith("the free trial ends on 2026-01-1")
    entry = {"resourceType": "CREDIT", "currentUsage": 50, "usageLimit": 50}
    over: dict[str, Any] = {"usageBreakdownList": [entry | {"overageCharges": 1.5}]}
    assert read_account(CREDENTIAL, over).warnings == [
        "the credits are used up; wait for their reset, or see https://app.kiro.dev/account/usage",
        "overages of 1.50 USD so far",
    ]
    over["overageConfiguration"] = {"overageStatus": "ENABLED"}
    assert read_account(CREDENTIAL, over).warnings[0] == (
        "the credits are used up; overages are charged now"
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"usageBreakdownList": "many", "subscriptionInfo": None, "userInfo": 5},
        {"usageBreakdownList": [{"resourceType": "VIBE"}], "nextDateReset": 1e300},
    ],
)
def test_what_is_missing_is_not_known(body: dict[str, Any]) -> None:
    account = read_account(CREDENTIAL, body)
    assert (account.id, account.plan, account.rate_windows) == ("account-1", None, [])


async def account(http: httpx.AsyncClient, settings: KiroSettings) -> str | None:
    found = await KiroProvider().gateway_account(CREDENTIAL, http, settings)
    return found.plan


async def test_the_current_host_is_asked_for_the_limits(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(USAGE, LIMITS["pro-with-overage"]["body"])
    assert await account(http, settings) == "KIRO PRO"
    (asked,) = service.requests
    assert asked.method == "GET"
    assert asked.query["profileArn"] == ARN
    assert asked.query["resourceType"] == "CREDIT"
    assert asked.headers["authorization"] == "Bearer fake-access-1"


async def test_an_account_that_must_not_name_its_profile_does_not(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(USAGE, LIMITS["needs-profile"]["body"], 403)
    service.say(USAGE, LIMITS["pro-with-overage"]["body"])
    assert await account(http, settings) == "KIRO PRO"
    assert ["profileArn" in asked.query for asked in service.requests] == [True, False]


async def test_the_older_host_is_asked_where_the_current_one_does_not_know(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say("/q/us-east-1/getUsageLimits", LIMITS["pro-with-overage"]["body"])
    assert await account(http, settings) == "KIRO PRO"
    assert [asked.path for asked in service.requests] == [USAGE, "/q/us-east-1/getUsageLimits"]
    assert service.requests[1].query["resourceType"] == "AGENTIC_REQUEST"


async def test_the_older_host_is_asked_where_the_current_one_is_not_there(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say("/q/us-east-1/getUsageLimits", LIMITS["pro-with-overage"]["body"])
    gone = settings.model_copy(update={"management_url": "http://127.0.0.1:1"})
    assert await account(http, gone) == "KIRO PRO"


async def test_a_refused_token_is_told_as_such(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    body = {"message": "The bearer token included in the request is invalid.", "reason": None}
    service.say(USAGE, body, 403)
    with pytest.raises(Unauthorized):
        await account(http, settings)
    assert len(service.requests) == 1


# Lists


async def models(
    http: httpx.AsyncClient, settings: KiroSettings, credential: Credential | None = CREDENTIAL
) -> list[str]:
    found = await KiroProvider().gateway_models(credential, http, settings)
    return [model.id for model in found]


async def test_the_model_list_is_asked_as_documented(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(LIST, MODELS["response"]["body"])
    assert (await models(http, settings))[:2] == ["auto", "claude-opus-4.8"]
    (asked,) = service.requests
    assert asked.body == MODELS["request"]["body"]
    for name, value in MODELS["request"]["headers"].items():
        assert asked.headers[name] == value


async def test_every_page_of_the_list_is_asked_for(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(LIST, MODELS["response_page_1"]["body"])
    service.say(LIST, MODELS["response_page_2"]["body"])
    assert await models(http, settings) == ["auto", "claude-haiku-4.5"]
    assert [asked.body.get("nextToken") for asked in service.requests] == [None, "page-2"]


async def test_pages_that_never_end_do(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(LIST, MODELS["response_page_1"]["body"])
    assert await models(http, settings) == ["auto"]
    assert len(service.requests) == 20


async def test_without_a_login_the_known_models_are_listed(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    assert len(await models(http, settings, None)) == 14
    assert service.requests == []


async def test_a_list_that_fails_is_told_and_the_old_one_stays(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(LIST, {"message": "no", "reason": None}, 403)
    with pytest.raises(Forbidden):
        await models(http, settings)


async def test_an_organisation_is_asked_for_its_profile_first(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    profiles = answers("list-available-profiles", "responses")["one"]["body"]
    service.say("/management/us-east-1/List-Available-Profiles", profiles)
    service.say(LIST, MODELS["response"]["body"])
    await models(http, settings, ORGANISATION)
    assert service.asked(LIST)[0].body["profileArn"] == ARN


async def test_every_page_of_the_profiles_is_asked_for(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    path = "/management/us-east-1/List-Available-Profiles"
    service.say(path, {"profiles": [], "nextToken": "page-2"})
    service.say(path, {"profiles": [{"arn": ARN}]})
    service.say("/management/us-east-1/", {"models": [{"modelId": "auto"}]})
    await models(http, settings, ORGANISATION)
    assert [asked.body for asked in service.asked(path)] == [{}, {"nextToken": "page-2"}]


async def test_no_region_knowing_the_profile_is_told(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    for region in ("us-east-1", "eu-central-1"):
        path = f"/management/{region}/List-Available-Profiles"
        service.say(path, {"message": "down"}, 500)
    with pytest.raises(GatewayError, match="down"):
        await models(http, settings, ORGANISATION)
