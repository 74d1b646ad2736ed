"""Logging in to xAI: in the browser, by pasting, by device code, and what goes wrong."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from dirty_equals import IsDatetime, IsStr
from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired
from gateway_core.credentials.oauth import TokenResponse
from gateway_grok.identity import make_credential, read_identity
from gateway_grok.login import CLIENT_ID, OLD_SCOPE, SCOPE
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings
from support.about import each
from support.identity_provider import Fault, IdentityProvider
from support.login_prompt import ScriptedPrompt


def jwt(**claims: object) -> str:
    """A token that says this of its owner, unsigned."""
    parts = ({"alg": "none"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(part.rstrip("=") for part in encoded), "c2ln"])


async def logging_in(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: GrokSettings, method: str = "browser"
) -> Credential:
    return await GrokProvider().gateway_login(prompt, http, settings, method)


async def by_browser(http: httpx.AsyncClient, settings: GrokSettings) -> Credential:
    """The outcome for a person who does what the page asks for."""
    prompt = ScriptedPrompt()
    work = asyncio.create_task(logging_in(prompt, http, settings))
    await http.get(await prompt.opened.get(), follow_redirects=True)
    return await work


def granting(*names: str, **claims: object) -> Fault:
    """A grant whose named tokens make these claims."""
    body = {"access_token": "opaque", "refresh_token": "rt_1", "expires_in": 21600}
    return Fault(200, json.dumps(body | {name: jwt(**claims) for name in names}).encode())


async def test_the_browser_brings_a_login(http: httpx.AsyncClient, settings: GrokSettings) -> None:
    prompt = ScriptedPrompt()
    work = asyncio.create_task(logging_in(prompt, http, settings))
    page = await http.get(await prompt.opened.get(), follow_redirects=True)
    credential = await work

    assert "You can close this window" in page.text
    assert credential.provider == "grok"
    assert credential.access_token.get_secret_value().startswith("access-secret-")
    assert credential.refresh_token is not None
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert credential.expires_at == IsDatetime(approx=in_an_hour, delta=60)


async def test_the_authorize_address_says_what_xai_wants_to_know(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    await by_browser(http, settings)
    (page,) = service.pages
    assert page == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": IsStr(regex=r"http://127\.0\.0\.1:\d+/callback"),
        "scope": SCOPE,
        "state": IsStr(min_length=32),
        "nonce": IsStr(min_length=32),
        "code_challenge": IsStr(regex=r"[\w-]{43}"),
        "code_challenge_method": "S256",
        "referrer": "gateway",
    }
    assert service.requests[0]["redirect_uri"] == page["redirect_uri"]
    assert len(service.requests[0]["code_verifier"]) == 43


async def test_the_consent_page_may_call_us_by_script(
    http: httpx.AsyncClient, settings: GrokSettings
) -> None:
    prompt = ScriptedPrompt()
    work = asyncio.create_task(logging_in(prompt, http, settings))
    query = parse_qs(urlsplit(await prompt.opened.get()).query)
    answer = await http.options(query["redirect_uri"][0])
    work.cancel()
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://accounts.x.ai"
    assert answer.headers["access-control-allow-private-network"] == "true"


async def test_an_answer_with_another_state_changes_nothing(
    http: httpx.AsyncClient, settings: GrokSettings
) -> None:
    prompt = ScriptedPrompt()
    work = asyncio.create_task(logging_in(prompt, http, settings))
    address = await prompt.opened.get()
    redirect = parse_qs(urlsplit(address).query)["redirect_uri"][0]
    forged = await http.get(f"{redirect}?{urlencode({'code': 'stolen', 'state': 'other'})}")
    assert forged.status_code == 400
    await http.get(address, follow_redirects=True)
    assert (await work).provider == "grok"


async def test_a_refusal_in_the_browser_is_told(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.deny = "access_denied"
    with pytest.raises(LoginRequired, match="The user said no") as caught:
        await by_browser(http, settings)
    assert caught.value.code == "access_denied"


class Pasting(ScriptedPrompt):
    """A person who pastes, first these texts and then the outcome in this form."""

    def __init__(self, form: str, *before: str) -> None:
        super().__init__(*before)
        self.form = form
        self.last_address: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(self, question: str, *, secret: bool = False) -> str:
        if self.answers:
            return self.answers.popleft()
        address = await self.last_address
        query = urlsplit(address).query
        return {"address": address, "query": query, "code": parse_qs(query)["code"][0]}[self.form]


@pytest.mark.parametrize("form", ["address", "query", "code"])
async def test_what_the_browser_ends_on_may_be_pasted(
    form: str, http: httpx.AsyncClient, settings: GrokSettings
) -> None:
    prompt = Pasting(form)
    work = asyncio.create_task(logging_in(prompt, http, settings, "paste"))
    shown = await http.get(await prompt.opened.get())
    prompt.last_address.set_result(shown.headers["location"])
    assert (await work).provider == "grok"


@pytest.mark.parametrize(
    ("pasted", "hint"),
    [
        ("https://accounts.x.ai/oauth2/consent?client_id=b1&scope=openid", "page *after* you"),
        ("http://127.0.0.1:56121/callback?code=x&state=other", "another login attempt"),
    ],
)
async def test_what_is_no_outcome_is_asked_for_again(
    pasted: str, hint: str, http: httpx.AsyncClient, settings: GrokSettings
) -> None:
    prompt = Pasting("code", pasted)
    work = asyncio.create_task(logging_in(prompt, http, settings, "paste"))
    shown = await http.get(await prompt.opened.get())
    prompt.last_address.set_result(shown.headers["location"])
    assert (await work).provider == "grok"
    assert hint in "".join(prompt.shown)


async def test_an_answer_for_another_login_is_refused(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.faults.append(granting("id_token", nonce="of somebody else", sub="u-1"))
    with pytest.raises(LoginRequired, match="another login"):
        await by_browser(http, settings)


async def test_fewer_permissions_are_asked_for_when_xai_does_not_grant_all(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.deny = "invalid_scope"
    prompt = ScriptedPrompt()
    work = asyncio.create_task(logging_in(prompt, http, settings))
    await http.get(await prompt.opened.get(), follow_redirects=True)
    again = await prompt.opened.get()
    service.deny = None
    await http.get(again, follow_redirects=True)
    await work
    assert [page["scope"] for page in service.pages] == [SCOPE, OLD_SCOPE]


async def test_a_device_code_brings_a_login(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.device_answers.extend(["authorization_pending", "authorization_pending", "granted"])
    prompt = ScriptedPrompt(has_browser=False)
    credential = await logging_in(prompt, http, settings, "device")
    assert credential.refresh_token is not None
    assert "ABCD-EFGH" in "".join(prompt.shown)
    assert len(service.requests) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [("access_denied", "refused in the browser"), ("expired_token", "expired before it was used")],
)
async def test_a_device_login_may_end_without_a_login(
    answer: str,
    words: str,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
) -> None:
    service.device_answers.append(answer)
    with pytest.raises(LoginRequired, match=words) as caught:
        await logging_in(ScriptedPrompt(), http, settings, "device")
    assert caught.value.code == answer


@pytest.mark.parametrize("off", ["404", "undiscovered"])
async def test_without_device_logins_a_headless_machine_falls_back_to_pasting(
    off: str,
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service.device_off = off == "404"
    service.document = {} if service.device_off else {"device_authorization_endpoint": None}
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setenv("SSH_TTY", "/dev/pts/1")
    prompt = Pasting("code")
    work = asyncio.create_task(logging_in(prompt, http, settings, "auto"))
    shown = await http.get(await prompt.opened.get())
    prompt.last_address.set_result(shown.headers["location"])
    assert (await work).provider == "grok"


async def test_a_device_login_that_is_off_is_told_another_way(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.device_off = True
    with pytest.raises(LoginRequired, match="gateway login grok --no-browser"):
        await logging_in(ScriptedPrompt(), http, settings, "device")


async def test_no_secret_is_in_what_goes_wrong(
    http: httpx.AsyncClient,
    settings: GrokSettings,
    service: IdentityProvider,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.faults.append(Fault(400, b'{"error":"invalid_grant","error_description":"bad code"}'))
    prompt = ScriptedPrompt()
    work = asyncio.create_task(logging_in(prompt, http, settings))
    await http.get(await prompt.opened.get(), follow_redirects=True)
    with pytest.raises(GatewayError) as caught:
        await work
    told = f"{caught.value!r} {caught.value} {vars(caught.value)} {prompt.shown} {caplog.text}"
    sent = service.requests[0]
    assert sent["code"] not in told
    assert sent["code_verifier"] not in told


# --- whose a login is ---------------------------------------------------------------------------


async def test_the_account_is_the_principal_of_the_access_token(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    ends = int((datetime.now(UTC) + timedelta(hours=6)).timestamp())
    claims = {"sub": "u-5c1", "principal_id": "team-9", "principal_type": "Team", "exp": ends}
    service.faults.append(granting("access_token", **claims))
    credential = await by_browser(http, settings)
    assert credential.key == ("grok", "team-9")
    assert credential.expires_at == datetime.fromtimestamp(ends, UTC)


async def test_the_id_token_names_the_owner_where_the_access_token_is_opaque(
    http: httpx.AsyncClient, settings: GrokSettings, service: IdentityProvider
) -> None:
    service.faults.append(granting("id_token", sub="u-5c1", email="ann@example.org"))
    credential = await by_browser(http, settings)
    assert (credential.account, credential.label) == ("u-5c1", "ann@example.org")
    assert credential.secrets.keys() == {"id_token"}


async def test_the_profile_names_the_owner_where_no_token_does(
    settings: GrokSettings, service: IdentityProvider
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-xai-token-auth"] == "xai-grok-cli"
        return httpx.Response(200, json={"userId": "u-5c1", "principalId": "u-5c1"})

    mounts = {settings.proxy_url: httpx.MockTransport(answer)}
    async with httpx.AsyncClient(mounts=mounts, trust_env=False, verify=False) as http:  # noqa: S501
        assert (await by_browser(http, settings)).account == "u-5c1"


@each("tier, plan", [(0, "free"), (1, "SuperGrok"), (5, "SuperGrok Heavy"), (9, "tier 9")])
def test_the_tier_in_a_token_is_a_plan(tier: int, plan: str) -> None:
    assert read_identity(SecretStr(jwt(tier=tier))).plan == plan


def test_a_token_without_an_end_is_renewed_after_six_hours() -> None:
    tokens = TokenResponse.model_validate({"access_token": "opaque"})
    credential = make_credential(tokens)
    assert credential.account == "default"
    assert credential.expires_at == tokens.received_at + timedelta(hours=6)
