"""The scripted vendor of the kit is as strict as real ones."""

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from gateway_core import LoginRequired
from gateway_core.credentials.oauth import (
    TokenResponse,
    authorize_url,
    exchange_code,
    pkce_pair,
    refresh_token,
)
from gateway_core.testing import KeyVendor, NotApplicable, OAuthVendor, Violation
from support.about import each

PAIR = pkce_pair()
REDIRECT = "http://127.0.0.1:9/callback"


class Harp(OAuthVendor):
    """A vendor with a client that has a secret."""

    authorize_url = "https://harp.example/authorize"
    token_url = "https://harp.example/tokens"
    client_id = "client"
    client_secret = "canary-client-secret"


def url(
    client_id: str = "client",
    redirect_uri: str = REDIRECT,
    state: str = "s",
    challenge: str = PAIR.challenge,
) -> str:
    return authorize_url(
        "https://harp.example/authorize",
        client_id=client_id,
        redirect_uri=redirect_uri,
        state=state,
        challenge=challenge,
    )


async def code_of(vendor: OAuthVendor) -> str:
    redirect = await vendor.browse(url(), "approve")
    assert redirect is not None
    return dict(parse_qsl(urlsplit(redirect).query))["code"]


async def exchange(
    vendor: OAuthVendor,
    code: str,
    *,
    verifier: SecretStr = PAIR.verifier,
    redirect_uri: str = REDIRECT,
    secret: str = "canary-client-secret",
) -> TokenResponse:
    async with httpx.AsyncClient(transport=vendor.transport()) as http:
        return await exchange_code(
            http,
            vendor.token_url,
            client_id="client",
            code=code,
            redirect_uri=redirect_uri,
            verifier=verifier,
            extra={"client_secret": secret},
        )


async def refresh(vendor: OAuthVendor, token: SecretStr) -> TokenResponse:
    async with httpx.AsyncClient(transport=vendor.transport()) as http:
        return await refresh_token(
            http,
            vendor.token_url,
            refresh_token=token,
            client_id="client",
            encoding="json",
            extra={"client_secret": "canary-client-secret"},
        )


async def test_a_code_is_exchanged_once() -> None:
    vendor = Harp()
    code = await code_of(vendor)
    tokens = await exchange(vendor, code)
    assert tokens.access_token is not None and tokens.expires_at is not None
    with pytest.raises(LoginRequired, match="invalid_grant"):
        await exchange(vendor, code)


@pytest.mark.parametrize(
    "changes",
    [
        {"verifier": pkce_pair().verifier},
        {"redirect_uri": "http://127.0.0.1:9/other"},
        {"secret": "another"},
    ],
    ids=["verifier", "redirect", "secret"],
)
async def test_what_does_not_fit_the_authorization_is_refused(changes: dict[str, object]) -> None:
    vendor = Harp()
    with pytest.raises(LoginRequired, match="did not accept the code"):
        await exchange(vendor, await code_of(vendor), **changes)  # type: ignore[arg-type]


@each(
    "changes, seen",
    [
        ({"client_id": "other"}, "names the client 'other'"),
        ({"state": ""}, "has no state"),
        ({"challenge": "short"}, "no PKCE challenge"),
        ({"redirect_uri": "http://evil.example/"}, "plain HTTP to 'evil.example'"),
    ],
)
async def test_an_unguarded_authorize_url_is_a_violation(
    changes: dict[str, str], seen: str
) -> None:
    with pytest.raises(Violation, match=seen):
        await Harp().browse(url(**changes), "approve")


async def test_refresh_tokens_rotate_and_work_once() -> None:
    vendor = Harp()
    first = (await exchange(vendor, await code_of(vendor))).refresh_token
    assert first is not None
    second = (await refresh(vendor, first)).refresh_token
    assert second is not None and second != first
    with pytest.raises(LoginRequired):
        await refresh(vendor, first)


async def test_a_sparing_vendor_gives_no_new_refresh_token() -> None:
    vendor = Harp()
    token = (await exchange(vendor, await code_of(vendor))).refresh_token
    assert token is not None
    vendor.be("sparing")
    assert (await refresh(vendor, token)).refresh_token is None
    assert (await refresh(vendor, token)).access_token is not None


async def test_a_rejecting_vendor_quotes_what_it_refuses() -> None:
    vendor = Harp()
    token = (await exchange(vendor, await code_of(vendor))).refresh_token
    assert token is not None
    vendor.be("rejecting")
    async with httpx.AsyncClient(transport=vendor.transport()) as http:
        fields = {"grant_type": "refresh_token", "client_id": "client"}
        fields |= {"client_secret": "canary-client-secret"}
        fields["refresh_token"] = token.get_secret_value()
        answer = await http.post(vendor.token_url, data=fields)
    assert answer.status_code == 400
    assert token.get_secret_value() in answer.text


async def test_all_secrets_are_known() -> None:
    vendor = Harp()
    code = await code_of(vendor)
    tokens = await exchange(vendor, code)
    assert tokens.access_token is not None and tokens.refresh_token is not None
    assert set(vendor.secrets()) == {
        "canary-client-secret",
        code,
        PAIR.verifier.get_secret_value(),
        tokens.access_token.get_secret_value(),
        tokens.refresh_token.get_secret_value(),
    }


def test_moods_that_a_vendor_never_has_do_not_apply() -> None:
    with pytest.raises(NotApplicable, match="no device codes"):
        Harp().be("pending")
    with pytest.raises(NotApplicable, match="neither polled nor refreshed"):
        KeyVendor().be("rejecting")


async def test_a_key_is_checked() -> None:
    async with httpx.AsyncClient(transport=KeyVendor().transport()) as http:
        for headers, status in (
            ({"authorization": f"Bearer {KeyVendor.key}"}, 200),
            ({"x-api-key": KeyVendor.key}, 200),
            ({"authorization": "Bearer other"}, 401),
            ({}, 401),
        ):
            answer = await http.get("https://harp.example/models", headers=headers)
            assert answer.status_code == status
