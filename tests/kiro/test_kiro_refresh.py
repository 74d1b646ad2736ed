"""Renewing logins of every kind, and those that are shared with Kiro's own programs."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from dirty_equals import IsDatetime
from pydantic import SecretStr

from gateway_core import Credential, GatewayError, JsonObject, LoginRequired
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import MemoryStore
from gateway_kiro.importer import import_login
from gateway_kiro.refresh import refresh
from gateway_kiro.settings import KiroSettings
from support.kiro_asking import ARN, CREDENTIAL, answers, document
from support.kiro_service import KiroService
from support.kiro_stores import cli_store, ide_store, rows_of

SOCIAL = answers("auth-social-refresh", "responses")
OIDC = answers("auth-oidc", "refresh", "responses")
OIDC_REQUEST = document("auth-oidc")["refresh"]["request"]
EXTERNAL = document("auth-external-idp")
SOON = datetime.now(UTC) + timedelta(seconds=60)
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
OTHER_ARN = "arn:aws:codewhisperer:eu-central-1:111122223333:profile/OTHERPROFILE"
SOCIAL_PATH, OIDC_PATH = "/auth/refreshToken", "/oidc/us-east-1/token"

BUILDER = Credential(
    provider="kiro",
    account="account-2",
    access_token=SecretStr("fake-access-idc-1"),
    refresh_token=SecretStr("fake-refresh-idc-1"),
    expires_at=SOON,
    extra={"kind": "idc", "provider": "BuilderId", "client_id": "fake-client-id"},
    secrets={"client_secret": SecretStr("fake-client-secret")},
)


def tokens(credential: Credential) -> tuple[str, str | None]:
    refresh_token = credential.refresh_token
    return credential.access_token.get_secret_value(), (
        refresh_token.get_secret_value() if refresh_token else None
    )


def answer(service: KiroService, path: str, recorded: JsonObject) -> None:
    service.say(path, recorded["body"], recorded["status"], recorded.get("headers"))


# Social


async def test_a_social_login_is_renewed(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, SOCIAL_PATH, SOCIAL["rotated"])
    fresh = await refresh(CREDENTIAL, http, settings)
    (asked,) = service.asked(SOCIAL_PATH)
    assert asked.body == {"refreshToken": "fake-refresh-1"}
    assert asked.headers["accept"] == "application/json, text/plain, */*"
    assert asked.headers["user-agent"].startswith("gateway-kiro/")
    assert tokens(fresh) == ("fake-access-2", "fake-refresh-2")
    ends = datetime.now(UTC) + timedelta(hours=1)
    assert fresh.expires_at == IsDatetime(approx=ends, delta=60)
    assert fresh.refresh_at == IsDatetime(approx=ends - timedelta(minutes=10), delta=60)


async def test_what_an_answer_leaves_out_stays(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, SOCIAL_PATH, SOCIAL["not-rotated"])
    fresh = await refresh(CREDENTIAL, http, settings)
    assert tokens(fresh) == ("fake-access-3", "fake-refresh-1")
    assert fresh.extra == CREDENTIAL.extra


@pytest.mark.parametrize("name", SOCIAL)
async def test_a_dead_token_needs_a_login_and_a_passing_failure_does_not(
    name: str, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    kind = SOCIAL[name].get("expect", {}).get("kind")
    if kind is None:
        return
    answer(service, SOCIAL_PATH, SOCIAL[name])
    with pytest.raises(GatewayError) as caught:
        await refresh(CREDENTIAL, http, settings)
    assert isinstance(caught.value, LoginRequired) is (kind == "relogin")
    assert "fake-refresh-1" not in repr(caught.value)
    assert len(service.asked(SOCIAL_PATH)) == 1


async def test_a_proxys_page_ends_no_login(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(SOCIAL_PATH, b"<html>no</html>", 403, {"content-type": "text/html"})
    with pytest.raises(GatewayError, match="of text/html instead of JSON") as caught:
        await refresh(CREDENTIAL, http, settings)
    assert not isinstance(caught.value, LoginRequired)


# AWS


async def test_a_login_of_aws_is_renewed_in_json(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, OIDC_PATH, OIDC["ok"])
    fresh = await refresh(BUILDER, http, settings)
    (asked,) = service.asked(OIDC_PATH)
    assert asked.body == OIDC_REQUEST["body"]
    assert asked.headers["content-type"] == "application/json"
    assert tokens(fresh) == ("fake-access-idc-2", "fake-refresh-idc-2")
    assert fresh.secrets == BUILDER.secrets


@pytest.mark.parametrize("name", [name for name in OIDC if name != "ok"])
async def test_what_aws_refuses_for_good_needs_a_login(
    name: str, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, OIDC_PATH, OIDC[name])
    with pytest.raises(LoginRequired) as caught:
        await refresh(BUILDER, http, settings)
    told = repr(caught.value)
    assert "fake-refresh" not in told and "fake-client-secret" not in told


async def test_a_hiccup_of_aws_does_not(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say(OIDC_PATH, {"message": "try again"}, 500)
    with pytest.raises(GatewayError) as caught:
        await refresh(BUILDER, http, settings)
    assert not isinstance(caught.value, LoginRequired)


async def test_an_organisations_login_gets_its_profile_with_a_refresh(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, OIDC_PATH, OIDC["ok"])
    profiles = answers("list-available-profiles", "responses")
    answer(service, "/management/us-east-1/List-Available-Profiles", profiles["none"])
    answer(service, "/management/eu-central-1/List-Available-Profiles", profiles["one"])
    extra = {**BUILDER.extra, "provider": "Enterprise"}
    fresh = await refresh(BUILDER.model_copy(update={"extra": extra}), http, settings)
    assert fresh.extra["profile_arn"] == ARN


async def test_who_has_no_profile_is_a_builder_after_all(
    http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, OIDC_PATH, OIDC["ok"])
    refused = answers("list-available-profiles", "responses")["builder-id"]
    answer(service, "/management/us-east-1/List-Available-Profiles", refused)
    extra = {"kind": "idc", "client_id": "fake-client-id"}
    fresh = await refresh(BUILDER.model_copy(update={"extra": extra}), http, settings)
    assert fresh.extra["provider"] == "BuilderId"


# Another identity provider, and keys


def external(**changed: str) -> Credential:
    token = document("ide-kiro-auth-token.external-idp")
    extra = {
        "kind": "external_idp",
        "client_id": token["clientId"],
        "token_endpoint": token["tokenEndpoint"],
        "issuer_url": token["issuerUrl"],
        "scopes": token["scopes"],
        "profile_arn": ARN,
        **changed,
    }
    return CREDENTIAL.model_copy(
        update={"extra": extra, "refresh_token": SecretStr(token["refreshToken"])}
    )


async def test_an_organisations_own_provider_is_asked_in_a_form(settings: KiroSettings) -> None:
    asked: list[httpx.Request] = []

    def provider(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=EXTERNAL["response"]["body"])

    async with httpx.AsyncClient(transport=httpx.MockTransport(provider)) as http:
        fresh = await refresh(external(), http, settings)
    (request,) = asked
    assert str(request.url) == EXTERNAL["request"]["url"]
    assert dict(httpx.QueryParams(request.content.decode())) == EXTERNAL["request"]["form"]
    assert tokens(fresh) == ("fake-idp-access-2", "fake-idp-refresh-2")


@pytest.mark.parametrize(
    "changed",
    [
        {"token_endpoint": "http://login.example.com/token"},
        {"token_endpoint": "https://evil.example.com/token"},
        {"issuer_url": ""},
        {"token_endpoint": ""},
    ],
)
async def test_a_token_is_sent_nowhere_else(
    changed: Mapping[str, str], http: httpx.AsyncClient, settings: KiroSettings
) -> None:
    with pytest.raises(LoginRequired, match="no trustworthy address"):
        await refresh(external(**changed), http, settings)


async def test_a_key_cannot_be_renewed(http: httpx.AsyncClient, settings: KiroSettings) -> None:
    key = CREDENTIAL.model_copy(update={"extra": {"kind": "api_key"}})
    with pytest.raises(LoginRequired, match="API key"):
        await refresh(key, http, settings)


# Shared logins


def ide_token(number: int, **more: object) -> JsonObject:
    return {
        **document("ide-kiro-auth-token.social"),
        "accessToken": f"fake-access-{number}",
        "refreshToken": f"fake-refresh-{number}",
        **more,
    }


async def test_the_owner_gets_what_we_renew(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, SOCIAL_PATH, SOCIAL["rotated"])
    path = ide_store(tmp_path, ide_token(1, later="kept"))
    fresh = await refresh(import_login(path), http, settings)
    assert tokens(fresh) == ("fake-access-2", "fake-refresh-2")
    written = json.loads(path.read_text())
    assert (written["accessToken"], written["refreshToken"], written["later"]) == (
        "fake-access-2",
        "fake-refresh-2",
        "kept",
    )


async def test_the_command_line_gets_it_too(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, OIDC_PATH, OIDC["ok"])
    variant = document("cli-auth-kv")["variants"]["builder-id"]
    path = cli_store(tmp_path / "data.sqlite3", variant)
    await refresh(import_login(path), http, settings)
    rows = rows_of(path)
    assert rows["kirocli:odic:token"]["refresh_token"] == "fake-refresh-idc-2"
    registration = "kirocli:odic:device-registration"
    assert rows[registration] == variant["auth_kv"][registration]


async def test_a_store_that_cannot_be_written_costs_no_tokens(
    tmp_path: Path,
    http: httpx.AsyncClient,
    settings: KiroSettings,
    service: KiroService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer(service, OIDC_PATH, OIDC["ok"])
    variant = document("cli-auth-kv")["variants"]["builder-id"]
    key = "kirocli:odic:token"
    odd = {**variant["auth_kv"][key], "half a pair": "\ud800"}
    changed = {**variant, "auth_kv": {**variant["auth_kv"], key: odd}}
    path = cli_store(tmp_path / "data.sqlite3", changed)
    fresh = await refresh(import_login(path), http, settings)
    assert tokens(fresh)[1] == "fake-refresh-idc-2"
    assert "was not written" in caplog.text


async def test_the_owner_may_be_left_alone(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, SOCIAL_PATH, SOCIAL["rotated"])
    path = ide_store(tmp_path, ide_token(1))
    only_reading = settings.model_copy(update={"write_back": False})
    await refresh(import_login(path), http, only_reading)
    assert json.loads(path.read_text()) == ide_token(1)


async def test_newer_tokens_of_the_owner_are_taken_instead_of_a_refresh(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    path = ide_store(tmp_path, ide_token(1))
    ours = import_login(path)
    ide_store(tmp_path, ide_token(7, expiresAt=LATER))
    fresh = await refresh(ours, http, settings)
    assert tokens(fresh) == ("fake-access-7", "fake-refresh-7")
    assert (fresh.account, fresh.label) == (ours.account, ours.label)
    assert service.requests == []


async def test_a_login_whose_profile_was_changed_by_the_owner_is_still_shared(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    variant = document("cli-auth-kv")["variants"]["identity-center"]
    ours = import_login(cli_store(tmp_path / "data.sqlite3", variant))
    (tmp_path / "data.sqlite3").unlink()
    key = "kirocli:odic:token"
    newer = {"access_token": "fake-access-9", "refresh_token": "fake-9", "expires_at": LATER}
    rows = {**variant["auth_kv"], key: {**variant["auth_kv"][key], **newer}}
    other = {"arn": OTHER_ARN, "profile_name": "other"}
    changed = {"auth_kv": rows, "state": {**variant["state"], "api.codewhisperer.profile": other}}
    cli_store(tmp_path / "data.sqlite3", changed)
    fresh = await refresh(ours, http, settings)
    assert tokens(fresh) == ("fake-access-9", "fake-9")
    assert fresh.extra["profile_arn"] == OTHER_ARN
    assert service.requests == []


async def test_newer_tokens_that_have_ended_are_renewed(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, SOCIAL_PATH, SOCIAL["rotated"])
    path = ide_store(tmp_path, ide_token(1))
    ours = import_login(path)
    ide_store(tmp_path, ide_token(7, expiresAt="2026-01-01T02:00:00Z"))
    await refresh(ours, http, settings)
    assert service.asked(SOCIAL_PATH)[0].body == {"refreshToken": "fake-refresh-7"}


async def test_a_token_that_the_owner_spent_meanwhile_is_tried_again_with_his(
    tmp_path: Path, settings: KiroSettings
) -> None:
    path = ide_store(tmp_path, ide_token(1))
    ours = import_login(path)
    asked: list[Any] = []

    def service(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        if len(asked) == 1:  # just now the IDE renews its login
            ide_store(tmp_path, ide_token(7))
            return httpx.Response(400, json=SOCIAL["dead"]["body"])
        return httpx.Response(200, json=SOCIAL["rotated"]["body"])

    async with httpx.AsyncClient(transport=httpx.MockTransport(service)) as http:
        fresh = await refresh(ours, http, settings)
    assert [one["refreshToken"] for one in asked] == ["fake-refresh-1", "fake-refresh-7"]
    assert tokens(fresh) == ("fake-access-2", "fake-refresh-2")
    assert json.loads(path.read_text())["refreshToken"] == "fake-refresh-2"


async def test_a_dead_token_that_the_owner_shares_is_tried_once(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, SOCIAL_PATH, SOCIAL["dead"])
    with pytest.raises(LoginRequired):
        await refresh(import_login(ide_store(tmp_path, ide_token(1))), http, settings)
    assert len(service.asked(SOCIAL_PATH)) == 1


async def test_many_requests_renew_once_ten_minutes_early(
    tmp_path: Path, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    answer(service, SOCIAL_PATH, SOCIAL["rotated"])
    now = datetime.now(UTC)
    nine_minutes_left = CREDENTIAL.model_copy(
        update={"expires_at": now + timedelta(minutes=9), "refresh_at": now - timedelta(minutes=1)}
    )

    async def renew(credential: Credential) -> Credential:
        return await refresh(credential, http, settings)

    store = MemoryStore(nine_minutes_left)
    async with CredentialManager(store, renew, tmp_path / "locks") as manager:
        fresh = await asyncio.gather(*(manager.fresh("kiro") for _ in range(8)))
    assert {tokens(credential) for credential in fresh} == {("fake-access-2", "fake-refresh-2")}
    assert len(service.asked(SOCIAL_PATH)) == 1
