"""Refreshing xAI logins: rotation, dead tokens, hiccups and the time of grace."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import MemoryStore
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings
from support.identity_provider import Fault, IdentityProvider


@pytest.fixture
def stale(service: IdentityProvider) -> Credential:
    """A login as it was granted, which is to be renewed."""
    tokens = service.log_in()
    return Credential(
        provider="grok",
        account="u-5c1",
        label="ann",
        access_token=SecretStr(tokens.access),
        refresh_token=SecretStr(tokens.refresh),
    )


async def refreshed(
    credential: Credential, http: httpx.AsyncClient, settings: GrokSettings
) -> Credential:
    return await GrokProvider().gateway_refresh(credential, http, settings)


async def test_a_refresh_replaces_both_tokens(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings
) -> None:
    fresh = await refreshed(stale, http, settings)
    assert fresh.access_token != stale.access_token
    assert fresh.refresh_token not in (None, stale.refresh_token)
    assert (fresh.key, fresh.label) == (stale.key, "ann")
    assert fresh.expires_at is not None


async def test_a_refresh_token_that_does_not_come_new_stays(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.rotate = False
    fresh = await refreshed(stale, http, settings)
    assert fresh.refresh_token == stale.refresh_token


async def test_a_spent_token_needs_a_new_login(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings
) -> None:
    await refreshed(stale, http, settings)
    with pytest.raises(LoginRequired, match="gateway login grok") as caught:
        await refreshed(stale, http, settings)
    assert caught.value.code == "invalid_grant"


@pytest.mark.parametrize(
    ("status", "body"), [(400, {"error": "invalid_grant"}), (401, {"error": "invalid_client"})]
)
async def test_two_words_end_a_login(
    status: int,
    body: object,
    stale: Credential,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
) -> None:
    service.faults.append(Fault(status, json.dumps(body).encode()))
    with pytest.raises(LoginRequired):
        await refreshed(stale, http, settings)
    assert service.refreshes == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b'{"error":"rate_limited"}'),
        (400, b'{"error":"temporarily_unavailable"}'),
        (400, b""),
        (400, b"<html>edge</html>"),
        (400, b'{"error":{"code":"invalid_grant"}}'),
        (400, b'{"error":7}'),
        (401, b""),
        (200, b"{}"),
    ],
)
async def test_whatever_else_comes_leaves_the_login_alone(
    status: int,
    body: bytes,
    stale: Credential,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
) -> None:
    service.faults.append(Fault(status, body))
    with pytest.raises(GatewayError) as caught:
        await refreshed(stale, http, settings)
    assert not isinstance(caught.value, LoginRequired)
    assert service.refreshes == 1
    assert (await refreshed(stale, http, settings)).access_token != stale.access_token


async def test_a_server_that_stumbles_is_asked_again(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.faults.extend([Fault(503, b"{}"), Fault(500)])
    assert (await refreshed(stale, http, settings)).access_token != stale.access_token
    assert service.refreshes == 3


async def test_a_server_that_stays_down_is_given_up(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.faults.extend([Fault(502)] * 5)
    with pytest.raises(GatewayError, match="502"):
        await refreshed(stale, http, settings)
    assert service.refreshes == 3


async def test_nothing_is_sent_again_once_the_grace_is_over(
    stale: Credential,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway_grok.login.GRACE_SECONDS", 0.0)
    service.faults.append(Fault(503))
    with pytest.raises(GatewayError):
        await refreshed(stale, http, settings)
    assert service.refreshes == 1


async def test_the_managers_single_flight_spends_a_token_once(
    stale: Credential,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
    tmp_path: Path,
) -> None:
    provider = GrokProvider()

    async def renew(credential: Credential) -> Credential:
        return await provider.gateway_refresh(credential, http, settings)

    async with CredentialManager(MemoryStore(stale), renew, tmp_path / "locks") as manager:
        given = await asyncio.gather(*(manager.refreshed(stale) for _ in range(6)))
    assert service.refreshes == 1
    assert len({credential.access_token.get_secret_value() for credential in given}) == 1


async def test_a_login_without_a_refresh_token_cannot_be_renewed(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    with pytest.raises(LoginRequired, match="gateway login grok"):
        await refreshed(stale.model_copy(update={"refresh_token": None}), http, settings)
    assert service.requests == []


async def test_a_team_is_named_when_its_login_is_renewed(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    # {"principal_type": "Team", "principal_id": "team-9"}
    token = "e30.eyJwcmluY2lwYWxfdHlwZSI6IlRlYW0iLCJwcmluY2lwYWxfaWQiOiJ0ZWFtLTkifQ.c2ln"
    team = stale.model_copy(update={"access_token": SecretStr(token)})
    await refreshed(team, http, settings)
    (sent,) = service.requests
    assert (sent["principal_type"], sent["principal_id"]) == ("Team", "team-9")


async def test_no_token_shows_when_a_refresh_fails(
    stale: Credential,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
    caplog: pytest.LogCaptureFixture,
) -> None:
    quoting = b'{"error":"odd","error_description":"token refresh-canary is odd"}'
    service.faults.append(Fault(400, quoting))
    canary = stale.model_copy(update={"refresh_token": SecretStr("refresh-canary")})
    with pytest.raises(GatewayError) as caught:
        await refreshed(canary, http, settings)
    assert "canary" not in f"{caught.value!r} {caught.value} {vars(caught.value)}" + caplog.text


# --- discovery ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://auth.x.ai/oauth2/token",
        "https://auth.x.ai.evil.example/oauth2/token",
        "https://evilx.ai/oauth2/token",
        "https://ann@auth.x.ai/oauth2/token",
        "https://[::1/token",
        "file:///etc/passwd",
        7,
    ],
)
@pytest.mark.parametrize("field", ["token_endpoint", "authorization_endpoint"])
async def test_a_poisoned_document_gets_no_secret(
    field: str,
    address: object,
    stale: Credential,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
) -> None:
    service.document = {field: address}
    with pytest.raises(GatewayError, match=field) as caught:
        await refreshed(stale, http, settings)
    assert not isinstance(caught.value, LoginRequired)
    assert service.requests == []


async def test_addresses_of_xai_are_trusted(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.document = {"token_endpoint": "https://login.x.ai/token"}
    endpoints = await GrokProvider().discovery.endpoints(http, settings)
    assert endpoints.token == "https://login.x.ai/token"


async def test_the_document_is_asked_for_once_an_hour(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    provider = GrokProvider()
    fresh = await provider.gateway_refresh(stale, http, settings)
    await provider.gateway_refresh(fresh, http, settings)
    assert service.documents == 1


async def test_a_document_without_pkce_is_refused(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.document = {"code_challenge_methods_supported": ["plain"]}
    with pytest.raises(GatewayError, match="PKCE"):
        await refreshed(stale, http, settings)


async def test_an_incomplete_document_is_refused(
    stale: Credential, http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.document = {"token_endpoint": None}
    with pytest.raises(GatewayError, match="incomplete"):
        await refreshed(stale, http, settings)


@pytest.mark.parametrize(
    ("answer", "words", "times"),
    [
        (httpx.Response(503), "503", 3),
        (httpx.Response(404), "404", 1),
        (httpx.Response(200, content=b"<html>"), "something else than JSON", 3),
        (httpx.ConnectError("no route"), "cannot connect", 3),
    ],
)
async def test_a_login_service_that_is_down_is_asked_three_times(
    answer: httpx.Response | Exception, words: str, times: int, stale: Credential
) -> None:
    asked = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        with pytest.raises(GatewayError, match=words):
            await refreshed(stale, http, GrokSettings())
    assert asked == ["/.well-known/openid-configuration"] * times
