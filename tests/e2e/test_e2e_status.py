"""`GET /v1/status` and `POST /v1/auth/refresh` of a running gateway."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from dirty_equals import IsInt, IsStr
from pydantic import SecretStr

from gateway_core import Account, Credential, LoginRequired, RateWindow, hookimpl
from gateway_core.credentials.store import MemoryStore
from gateway_core.errors import Unauthorized
from support.acme_plugin import AcmeProvider
from support.providers import LineProvider
from support.server import Gateway, running_gateway

CANARIES = ("access-canary", "refresh-canary", "id-canary")


def stored(account: str) -> Credential:
    return Credential(
        provider="acme",
        account=account,
        label=f"{account}@acme.test",
        access_token=SecretStr(f"access-canary-{account}"),
        refresh_token=SecretStr("refresh-canary"),
        expires_at=datetime.now(UTC) + timedelta(hours=2),
        secrets={"id_token": SecretStr("id-canary")},
    )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(stored("anna"))


@pytest.fixture
def gateway(tmp_path: Path, store: MemoryStore) -> Iterator[Gateway]:
    plugins = [AcmeProvider(), LineProvider()]
    with running_gateway(tmp_path, extra_plugins=plugins, store=store) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.http() as client:
        yield client


def test_status_tells_logins_plans_and_limits(http: httpx.Client) -> None:
    answer = http.get("/v1/status")
    assert answer.json() == {
        "version": IsStr(),
        "store": "memory",
        "providers": [
            {
                "provider": "acme",
                "title": "Acme",
                "login_needed": True,
                "logged_in": True,
                "highlights": ["acme-2", "acme-1"],
                "active": True,
                "account_id": "anna",
                "label": "anna@acme.test",
                "token": {
                    "expires_at": IsStr(regex=r"20.*\+00:00"),
                    "expires_at_local": IsStr(),
                    "remaining_seconds": IsInt(gt=7000, lt=7201),
                },
                "account": {
                    "id": "a-1",
                    "name": "Home",
                    "email": None,
                    "structure": "personal",
                    "plan": "plus",
                    "has_active_subscription": True,
                    "subscription_expires_at": "2040-01-02T03:04:00+00:00",
                    "subscription_expires_at_local": IsStr(),
                    "subscription_remaining_seconds": IsInt(gt=0),
                },
                "credits_balance": 12.5,
                "credits_unlimited": False,
                "rate_limits": [
                    {
                        "name": "5h",
                        "remaining_percent": 42.0,
                        "reset_at": IsStr(regex=r"20.*\+00:00"),
                        "reset_at_local": IsStr(),
                        "reset_in_seconds": IsInt(gt=11_000, lt=11_131),
                    },
                    {
                        "name": "weekly",
                        "remaining_percent": None,
                        "reset_at": None,
                        "reset_at_local": None,
                        "reset_in_seconds": None,
                    },
                ],
                "warnings": ["card expires"],
            },
            {
                "provider": "lines",
                "title": "Lines",
                "login_needed": False,
                "logged_in": False,
                "highlights": ["line-1"],
            },
        ],
    }
    assert not any(canary in answer.text for canary in CANARIES)


def test_status_of_one_provider(http: httpx.Client) -> None:
    (lines,) = http.get("/v1/status", params={"provider": "lines"}).json()["providers"]
    assert lines["provider"] == "lines"


def test_status_offline_asks_no_provider(http: httpx.Client) -> None:
    (acme, _) = http.get("/v1/status", params={"offline": "1"}).json()["providers"]
    assert acme["logged_in"] is True
    assert "account" not in acme


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/status"), ("POST", "/v1/auth/refresh")])
def test_an_unknown_provider_is_not_found(method: str, path: str, http: httpx.Client) -> None:
    answer = http.request(method, path, params={"provider": "acne"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == (
        "no provider 'acne' is installed; installed: acme, lines"
    )


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/status"), ("POST", "/v1/auth/refresh")])
def test_strangers_are_refused(method: str, path: str, gateway: Gateway) -> None:
    assert httpx.request(method, f"{gateway.url}{path}").status_code == 401


def test_refresh_renews_and_stores_every_login(http: httpx.Client, store: MemoryStore) -> None:
    before = store.get(stored("anna").key)
    answer = http.post("/v1/auth/refresh")
    assert answer.json() == {
        "logins": [
            {
                "provider": "acme",
                "account_id": "anna",
                "label": "anna@acme.test",
                "refreshed": True,
                "token": {
                    "expires_at": "2040-01-02T03:04:00+00:00",
                    "expires_at_local": IsStr(),
                    "remaining_seconds": IsInt(gt=0),
                },
            }
        ]
    }
    assert store.get(stored("anna").key) != before
    assert not any(canary in answer.text for canary in CANARIES)


def test_a_refresh_that_fails_for_one_login_tells_so_beside_the_others(
    http: httpx.Client, store: MemoryStore
) -> None:
    store.put(stored("stuck"))
    anna, stuck = http.post("/v1/auth/refresh").json()["logins"]
    assert anna["refreshed"] is True
    assert stuck["refreshed"] is False
    assert "run `gateway login acme`" in stuck["problem"]


def test_a_refresh_that_fails_for_all_is_an_error(http: httpx.Client, store: MemoryStore) -> None:
    store.delete(stored("anna").key)
    store.put(stored("stuck"))
    answer = http.post("/v1/auth/refresh", params={"provider": "acme"})
    assert answer.status_code == 401
    assert "run `gateway login acme`" in answer.json()["error"]["message"]


def test_a_refresh_without_any_login_says_so(http: httpx.Client, store: MemoryStore) -> None:
    store.delete(stored("anna").key)
    answer = http.post("/v1/auth/refresh")
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("not logged in to any provider")


class _Revoking(AcmeProvider):
    """Acme, which refuses the first access token and everything once `refusing` is set."""

    refusing = False

    @hookimpl
    async def gateway_account(self, credential: Credential) -> Account:
        if self.refusing:
            raise LoginRequired("acme is closed to id-canary=secret; run `gateway login acme`")
        if credential.access_token.get_secret_value() == "access-canary-anna":
            raise Unauthorized("acme does not know this token")
        return Account(plan="pro")


def test_a_token_that_was_revoked_early_is_renewed_once(tmp_path: Path, store: MemoryStore) -> None:
    with (
        running_gateway(tmp_path, extra_plugins=[_Revoking()], store=store) as gateway,
        gateway.http() as http,
    ):
        (acme,) = http.get("/v1/status").json()["providers"]
    assert acme["account"]["plan"] == "pro"
    assert acme["token"]["expires_at"] == "2040-01-02T03:04:00+00:00"


def test_what_a_provider_refuses_to_tell_is_a_problem(tmp_path: Path, store: MemoryStore) -> None:
    plugin = _Revoking()
    plugin.refusing = True
    with (
        running_gateway(tmp_path, extra_plugins=[plugin], store=store) as gateway,
        gateway.http() as http,
    ):
        answer = http.get("/v1/status")
    (acme,) = answer.json()["providers"]
    assert acme["logged_in"] is True
    assert acme["problem"].startswith("acme is closed")
    assert not any(canary in answer.text for canary in CANARIES)


class _Careless(AcmeProvider):
    """Gives times without a zone, which count as UTC."""

    @hookimpl
    async def gateway_account(self, credential: Credential) -> Account:
        moment = datetime(2040, 1, 2, 3, 4)
        return Account(subscription_until=moment, rate_windows=[RateWindow("5h", 42.0, moment)])


def test_a_time_without_a_zone_is_one_in_utc(tmp_path: Path, store: MemoryStore) -> None:
    with (
        running_gateway(tmp_path, extra_plugins=[_Careless()], store=store) as gateway,
        gateway.http() as http,
    ):
        account = http.get("/v1/status").json()["providers"][0]
    assert account["account"]["subscription_expires_at"] == "2040-01-02T03:04:00+00:00"
    assert account["rate_limits"][0]["reset_at"] == "2040-01-02T03:04:00+00:00"
