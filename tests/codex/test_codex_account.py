"""What a ChatGPT account may still do, from the usage endpoint, headers and events."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from inline_snapshot import snapshot
from pydantic import SecretStr

from gateway_codex.account import account, rate_windows_from_event, rate_windows_from_headers
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, JsonObject, RateWindow
from gateway_core.errors import Unauthorized
from simulators.codex.auth import LoginScript
from simulators.codex.state import Account, BackendState
from support.about import each
from support.codex_logins import ACCOUNT_ID, credential_of
from support.identity_provider import Fault

NOW = datetime(2026, 7, 1, tzinfo=UTC)
USAGE = "/backend-api/wham/usage"
CHECK = "/backend-api/accounts/check/v4-2023-04-27"
PAGE = Fault(403, b"<html>Just a moment...</html>", "text/html")


@pytest.fixture
def credential(backend: BackendState) -> Credential:
    return credential_of(backend.log_in(ACCOUNT_ID))


def limits(primary: JsonObject | None, secondary: JsonObject | None) -> JsonObject:
    return {"allowed": True, "primary_window": primary, "secondary_window": secondary}


async def test_plan_subscription_and_windows_are_told(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    told = await account(credential, http, settings)

    assert (told.id, told.email, told.plan) == (ACCOUNT_ID, "ann@example.com", "plus")
    assert (told.name, told.structure) == ("Personal", "personal")
    assert told.subscription_active is True
    assert told.subscription_until == datetime(2040, 12, 24, tzinfo=UTC)
    assert [(window.name, window.remaining_percent) for window in told.rate_windows] == [
        ("5h", 73.0),
        ("weekly", 96.0),
    ]
    assert all(window.reset_at and window.reset_at > NOW for window in told.rate_windows)
    assert list(told.warnings) == []


async def test_windows_of_single_models_carry_their_name(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    weekly = {"used_percent": 10, "limit_window_seconds": 604_800, "reset_at": 1_783_357_722}
    script.usage = {
        "plan_type": "free",
        "rate_limit": limits(weekly, None),
        "additional_rate_limits": [
            {
                "limit_name": "GPT-5.3-Codex-Spark",
                "rate_limit": limits({"used_percent": 27, "limit_window_seconds": 18_000}, None),
            }
        ],
    }
    told = await account(credential, http, settings)
    assert told.rate_windows == [
        RateWindow("weekly", 90.0, datetime(2026, 7, 6, 17, 8, 42, tzinfo=UTC)),
        RateWindow("GPT-5.3-Codex-Spark 5h", 73.0),
    ]


async def test_credits_are_told(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState
) -> None:
    backend.add_account(Account("rich", credits="12.5"))
    credential = credential_of(backend.log_in("rich")).model_copy(update={"account": "rich"})
    assert (await account(credential, http, settings)).credits_balance == 12.5


async def test_unlimited_credits_are_told(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState
) -> None:
    backend.add_account(Account("rich", unlimited=True))
    credential = credential_of(backend.log_in("rich")).model_copy(update={"account": "rich"})
    told = await account(credential, http, settings)
    assert (told.credits_unlimited, told.credits_balance) == (True, None)


@pytest.mark.parametrize(
    ("members", "warning"),
    [
        ({}, "the plan's usage limit is reached; wait for its reset"),
        (
            {"rate_limit_reached_type": {"type": "workspace_member_credits_depleted"}},
            "the workspace's credits are used up; ask its owner",
        ),
        (
            {"rate_limit_reached_type": "workspace_owner_usage_limit_reached"},
            "the workspace's usage limit is reached; raise it",
        ),
        (
            {"credits": {"has_credits": True, "balance": "3"}},
            "the plan's usage limit is reached; credits are used now",
        ),
    ],
)
async def test_a_reached_limit_is_a_warning(
    members: JsonObject,
    warning: str,
    credential: Credential,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
) -> None:
    script.usage = {"rate_limit": {"allowed": False, "limit_reached": True}, **members}
    assert list((await account(credential, http, settings)).warnings) == [warning]


async def test_a_deactivated_account_and_a_past_subscription_are_warnings(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.check = {
        "accounts": {
            "default": {
                "account": {"is_deactivated": True},
                "entitlement": {
                    "has_active_subscription": False,
                    "expires_at": "2026-01-01T12:00:00+00:00",
                },
            }
        }
    }
    told = await account(credential, http, settings)
    assert told.subscription_active is False
    assert list(told.warnings) == [
        "the subscription ended on 2026-01-01",
        "the account is deactivated",
    ]


async def test_the_login_itself_tells_plan_and_subscription_when_nobody_else_does(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.faults[USAGE].append(PAGE)
    script.faults[CHECK].append(PAGE)
    told = await account(credential, http, settings)

    assert (told.plan, told.email) == ("plus", "ann@example.com")
    assert told.subscription_until == datetime(2040, 12, 24, tzinfo=UTC)
    page = "the upstream answered with a web page instead of an API error"
    assert list(told.warnings) == [
        f"the limits are not known for sure: {page}",
        f"the subscription is told from the login alone: {page}",
    ]


async def test_windows_seen_before_stand_in_for_a_silent_endpoint(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    seen = [RateWindow("5h", 40.0)]
    script.faults[USAGE].append(Fault(500))
    assert (await account(credential, http, settings, seen=seen)).rate_windows == seen


async def test_an_unreachable_backend_is_a_warning(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    nowhere = settings.model_copy(update={"backend_url": "http://127.0.0.1:1"})
    told = await account(credential, http, nowhere)
    assert told.plan == "plus"
    assert "cannot connect to ChatGPT (127.0.0.1:1)" in told.warnings[0]


async def test_a_refused_token_is_an_error_that_names_no_token(
    credential: Credential,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    backend: BackendState,
) -> None:
    backend.end_access_tokens("token_invalidated")
    with pytest.raises(Unauthorized) as caught:
        await account(credential, http, settings)
    assert credential.access_token.get_secret_value() not in repr(caught.value)


async def test_nothing_of_the_answers_is_taken_for_granted(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.usage = {
        "plan_type": 5,
        "rate_limit": {"primary_window": "soon", "secondary_window": {"used_percent": "nan"}},
        "additional_rate_limits": [None, {"rate_limit": None}],
        "credits": {"balance": "much"},
    }
    script.check = {"accounts": [], "account_ordering": "first"}
    told = await account(credential, http, settings)
    assert (told.plan, told.credits_balance, list(told.rate_windows)) == ("plus", None, [])


async def test_opaque_tokens_tell_nothing(
    credential: Credential, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.faults[USAGE].append(Fault(200, b"{}"))
    script.faults[CHECK].append(Fault(200, b"not json"))
    opaque = credential.model_copy(update={"access_token": SecretStr("x"), "secrets": {}})
    told = await account(opaque, http, settings)
    assert (told.plan, told.subscription_until, told.name) == (None, None, None)


def test_windows_in_headers() -> None:
    headers = {
        "x-codex-bengalfox-primary-used-percent": "1",
        "x-codex-bengalfox-primary-window-minutes": "300",
        "x-codex-bengalfox-limit-name": "GPT-5.3-Codex-Spark",
        "X-Codex-Primary-Used-Percent": "9",
        "x-codex-primary-window-minutes": "299",
        "x-codex-primary-reset-at": "1782770922",
        "x-codex-primary-over-secondary-limit-percent": "0",
        "x-codex-secondary-used-percent": "84.5",
        "x-codex-secondary-window-minutes": "10079",
        "x-codex-secondary-reset-after-seconds": "3600",
        "x-codex-plan-type": "plus",
        "content-type": "text/event-stream",
    }
    assert rate_windows_from_headers(headers, NOW) == snapshot(
        [
            RateWindow("5h", 91.0, datetime(2026, 6, 29, 22, 8, 42, tzinfo=UTC)),
            RateWindow("weekly", 15.5, datetime(2026, 7, 1, 1, 0, tzinfo=UTC)),
            RateWindow("GPT-5.3-Codex-Spark 5h", 99.0, None),
        ]
    )


def test_a_weekly_window_in_the_first_slot_is_weekly_all_the_same() -> None:
    headers = {
        "x-codex-primary-used-percent": "50",
        "x-codex-primary-window-minutes": "10080",
        "x-codex-secondary-used-percent": "0",
        "x-codex-secondary-window-minutes": "0",
        "x-codex-secondary-reset-at": "0",
    }
    assert rate_windows_from_headers(headers) == [RateWindow("weekly", 50.0)]


@each(
    "minutes, name",
    [
        ("45", "45min"),
        ("60", "1h"),
        ("300", "5h"),
        ("1440", "daily"),
        ("4320", "3d"),
        ("43200", "monthly"),
        ("nonsense", "primary"),
    ],
)
def test_windows_are_named_by_their_length(minutes: str, name: str) -> None:
    headers = {
        "x-codex-primary-used-percent": "100.0",
        "x-codex-primary-window-minutes": minutes,
    }
    assert rate_windows_from_headers(headers) == [RateWindow(name, 0.0)]


def test_headers_without_windows() -> None:
    assert rate_windows_from_headers({"x-request-id": "1"}) == []


def test_windows_in_an_event() -> None:
    event: JsonObject = {
        "type": "codex.rate_limits",
        "plan_type": "plus",
        "rate_limits": {
            "allowed": True,
            "limit_reached": False,
            "primary": {"used_percent": 42, "window_minutes": 300, "reset_after_seconds": 9000},
            "secondary": {"used_percent": 84, "window_minutes": 10080, "reset_at": 1790300000},
        },
        "credits": {"has_credits": False, "unlimited": False, "balance": None},
        "metered_limit_name": "codex",
        "limit_name": None,
    }
    assert rate_windows_from_event(event, NOW) == [
        RateWindow("5h", 58.0, NOW + timedelta(seconds=9000)),
        RateWindow("weekly", 16.0, datetime(2026, 9, 25, 1, 33, 20, tzinfo=UTC)),
    ]


def test_an_event_about_one_model_names_it() -> None:
    event: JsonObject = {
        "rate_limits": {"primary": {"used_percent": 42, "window_minutes": 300}, "secondary": None},
        "metered_limit_name": "codex_bengalfox",
    }
    assert rate_windows_from_event(event) == [RateWindow("codex_bengalfox 5h", 58.0)]


def test_a_window_that_used_more_than_all_has_nothing_left() -> None:
    event: JsonObject = {"rate_limits": {"primary": {"used_percent": 120, "window_minutes": 300}}}
    assert rate_windows_from_event(event) == [RateWindow("5h", 0.0)]
