"""The simulated login service is strict enough to be believed."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway_codex.login import CLIENT_ID, SCOPE
from gateway_codex.settings import CodexSettings
from gateway_core.credentials.oauth import PKCEPair, authorize_url, jwt_claims, pkce_pair
from simulators.codex.state import Account, BackendState
from support.codex_logins import ACCOUNT_ID

REDIRECT = "http://localhost:1455/auth/callback"
EXTRA = {"id_token_add_organizations": "true", "codex_cli_simplified_flow": "true"}


def authorize_page(settings: CodexSettings, pkce: PKCEPair, **changes: str) -> str:
    fields = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT, "scope": SCOPE, **changes}
    endpoint = f"{settings.auth_url}/oauth/authorize"
    return authorize_url(endpoint, **fields, state="s", challenge=pkce.challenge, extra=EXTRA)


async def exchanged(
    http: httpx.AsyncClient, settings: CodexSettings, **changes: str
) -> tuple[httpx.Response, dict[str, str]]:
    """A code at the token endpoint with its form, some fields of it changed."""
    pkce = pkce_pair(64)
    page = await http.get(authorize_page(settings, pkce))
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": parse_qs(urlsplit(page.headers["location"]).query)["code"][0],
        "redirect_uri": REDIRECT,
        "code_verifier": pkce.verifier.get_secret_value(),
        **changes,
    }
    return await http.post(f"{settings.auth_url}/oauth/token", data=form), form


async def test_a_code_brings_tokens_with_the_usual_claims(
    http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    answer, _ = await exchanged(http, settings)
    body = answer.json()
    auth = "https://api.openai.com/auth"
    for name in ("access_token", "id_token"):
        claims = jwt_claims(body[name])
        assert claims[auth]["chatgpt_account_id"] == ACCOUNT_ID
        assert claims[auth]["chatgpt_plan_type"] == "plus"
        assert isinstance(claims["exp"], int)
    assert jwt_claims(body["id_token"])["email"] == "ann@example.com"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code_verifier", "another"),
        ("redirect_uri", "http://localhost:1457/auth/callback"),
        ("code", "ac_unknown"),
        ("client_id", "app_other"),
        ("grant_type", "password"),
    ],
)
async def test_an_exchange_must_match_its_authorization(
    field: str, value: str, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    answer, _ = await exchanged(http, settings, **{field: value})
    assert answer.status_code in (400, 401)


async def test_a_code_works_once(http: httpx.AsyncClient, settings: CodexSettings) -> None:
    answer, form = await exchanged(http, settings)
    again = await http.post(f"{settings.auth_url}/oauth/token", data=form)
    assert (answer.status_code, again.status_code) == (200, 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_id", "app_other"),
        ("redirect_uri", "http://127.0.0.1:1455/auth/callback"),
        ("scope", "openid"),
    ],
)
async def test_the_authorize_page_wants_what_the_real_one_wants(
    field: str, value: str, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    page = await http.get(authorize_page(settings, pkce_pair(64), **{field: value}))
    assert page.status_code == 400


async def test_a_second_use_of_a_refresh_token_ends_the_login(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState
) -> None:
    spent = backend.log_in(ACCOUNT_ID).refresh
    newest = backend.refresh(spent).refresh
    answers = [
        await http.post(
            f"{settings.auth_url}/oauth/token",
            json={"client_id": CLIENT_ID, "grant_type": "refresh_token", "refresh_token": token},
        )
        for token in (spent, newest)
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    codes = [answer.json()["error"]["code"] for answer in answers]
    assert codes == ["refresh_token_reused", "refresh_token_invalidated"]


async def test_account_endpoints_want_the_account_of_the_token(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState
) -> None:
    backend.add_account(Account("other"))
    headers = {
        "authorization": f"Bearer {backend.log_in('other').access}",
        "chatgpt-account-id": ACCOUNT_ID,
    }
    answer = await http.get(f"{settings.backend_url}/wham/usage", headers=headers)
    assert answer.status_code == 403
