"""Logging in: at the portal, at AWS, with codes and with keys."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from dirty_equals import IsDatetime

from gateway_core import Credential, GatewayError, JsonObject, LoginRequired, UpstreamProtocol
from gateway_core.errors import UpstreamFailed
from gateway_kiro.login import login
from gateway_kiro.oidc import normal_start_url
from gateway_kiro.settings import KiroSettings
from support.about import each
from support.kiro_asking import ARN, answers, document
from support.kiro_service import KiroService
from support.login_prompt import ScriptedPrompt

CALLBACKS = {callback["name"]: callback for callback in document("auth-portal")["callbacks"]}
GRANTED = answers("auth-portal", "exchange", "responses")
SOCIAL = document("auth-social-device")
OIDC = document("auth-oidc")
LIMITS = answers("get-usage-limits", "responses")["pro-with-overage"]["body"]
USER = "d-0000000000.00000000-0000-0000-0000-000000000000"
SECRETS = ("fake-access", "fake-refresh", "fake-client-secret", "fake-code", "fake-device-code")


@pytest.fixture
def prompt() -> ScriptedPrompt:
    return ScriptedPrompt()


@pytest.fixture(autouse=True)
def known_account(service: KiroService) -> None:
    """The service tells whose login it is."""
    service.say("/management/us-east-1/Get-Usage-Limits", LIMITS)


def access(credential: Credential) -> str:
    return credential.access_token.get_secret_value()


def callback(name: str, opened: str) -> str:
    """A recorded callback for the login that was opened."""
    query = parse_qs(urlsplit(opened).query)
    url = str(CALLBACKS[name]["url"])
    recorded = document("auth-portal")["state"]
    return url.replace("http://localhost:3128", query["redirect_uri"][0]).replace(
        recorded, query["state"][0]
    )


async def in_browser(
    prompt: ScriptedPrompt,
    http: httpx.AsyncClient,
    settings: KiroSettings,
    name: str,
    method: str = "browser",
) -> Credential:
    """A login in which the browser comes back as recorded."""
    running = asyncio.create_task(login(prompt, http, settings, method))
    opened = await prompt.opened.get()
    await http.get(callback(name, opened).partition("#")[0])
    return await running


def shown(prompt: ScriptedPrompt) -> str:
    return "\n".join(prompt.shown)


# The portal


@pytest.mark.parametrize("name", ["google", "github", "signin-path-with-code", "camel-case-option"])
async def test_a_login_with_the_browser_is_exchanged(
    name: str,
    prompt: ScriptedPrompt,
    http: httpx.AsyncClient,
    settings: KiroSettings,
    service: KiroService,
) -> None:
    service.say("/auth/oauth/token", GRANTED["ok"]["body"])
    credential = await in_browser(prompt, http, settings, name)

    (exchange,) = service.asked("/auth/oauth/token")
    wanted = CALLBACKS[name]["expect"]
    assert exchange.body["code"] == wanted["code"]
    path = urlsplit(wanted["exchange_redirect_uri"])
    assert exchange.body["redirect_uri"].endswith(f"{path.path}?{path.query}")
    assert len(exchange.body["code_verifier"]) == 43
    assert exchange.headers["user-agent"].startswith("gateway-kiro/")

    assert (credential.account, credential.label) == (USER, "user@example.com")
    assert access(credential) == "fake-access-1"
    assert credential.extra["profile_arn"] == ARN
    assert credential.extra["kind"] == "social"
    ends = datetime.now(UTC) + timedelta(hours=1)
    assert credential.expires_at == IsDatetime(approx=ends, delta=60)
    assert credential.refresh_at == IsDatetime(approx=ends - timedelta(minutes=10), delta=60)


async def test_the_browser_is_sent_to_the_portal_with_all_it_needs(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say("/auth/oauth/token", GRANTED["ok-without-expiry"]["body"])
    named = settings.model_copy(update={"login": "google"})
    running = asyncio.create_task(login(prompt, http, named, "browser"))
    opened = urlsplit(await prompt.opened.get())
    query = {key: values[0] for key, values in parse_qs(opened.query).items()}
    assert opened.path == "/signin"
    assert query["redirect_uri"].startswith("http://localhost:")
    assert query["redirect_uri"].count("/") == 2
    assert len(query["code_challenge"]) == 43
    assert (query["code_challenge_method"], query["redirect_from"], query["signin_methods"]) == (
        "S256",
        "kirocli",
        "google",
    )
    await http.get(callback("google", opened.geturl()))
    assert (await running).expires_at is not None


async def test_another_attempts_state_changes_nothing(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say("/auth/oauth/token", GRANTED["ok"]["body"])
    running = asyncio.create_task(login(prompt, http, settings, "browser"))
    opened = await prompt.opened.get()
    answer = await http.get(callback("state-mismatch", opened))
    assert (answer.status_code, running.done()) == (400, False)
    assert "another login attempt" in shown(prompt)
    missing = await http.get(callback("missing-code", opened))
    assert (missing.status_code, running.done()) == (400, False)
    await http.get(callback("google", opened))
    assert access(await running) == "fake-access-1"


async def test_a_refusal_in_the_browser_ends_the_login(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings
) -> None:
    with pytest.raises(LoginRequired, match="User cancelled") as caught:
        await in_browser(prompt, http, settings, "user-denied")
    assert caught.value.code == "access_denied"


@pytest.mark.parametrize("name", ["paste-without-scheme", "paste-query-only", "github"])
async def test_the_last_address_can_be_pasted(
    name: str, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say("/auth/oauth/token", GRANTED["ok"]["body"])

    class Pasting(ScriptedPrompt):
        def show(self, message: str) -> None:
            super().show(message)
            for word in message.split():
                if "code_challenge=" in word:
                    self.answers.append(pasted(name, word))

    prompt = Pasting(has_browser=False)
    credential = await login(prompt, http, settings, "paste")
    assert access(credential) == "fake-access-1"
    (exchange,) = service.asked("/auth/oauth/token")
    option = CALLBACKS[name]["expect"]["login_option"]
    assert exchange.body["redirect_uri"].endswith(f"/oauth/callback?login_option={option}")


def pasted(name: str, opened: str) -> str:
    url = callback(name, opened)
    return url.replace("http://", "") if name == "paste-without-scheme" else url


@pytest.mark.parametrize(
    ("name", "kind"), [("bare-redirect-uri", UpstreamFailed), ("code-reused", LoginRequired)]
)
async def test_a_code_that_is_not_accepted_is_spent(
    name: str,
    kind: type[GatewayError],
    prompt: ScriptedPrompt,
    http: httpx.AsyncClient,
    settings: KiroSettings,
    service: KiroService,
) -> None:
    service.say("/auth/oauth/token", GRANTED[name]["body"], GRANTED[name]["status"])
    with pytest.raises(kind, match="did not accept the login") as caught:
        await in_browser(prompt, http, settings, "google")
    assert type(caught.value) is kind
    assert not any(secret in repr(caught.value) for secret in SECRETS)
    assert len(service.asked("/auth/oauth/token")) == 1


async def test_a_grant_without_a_token_is_none(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say("/auth/oauth/token", GRANTED["no-access-token"]["body"])
    with pytest.raises(UpstreamProtocol, match="without an access token"):
        await in_browser(prompt, http, settings, "google")


async def test_a_login_is_not_lost_when_its_owner_is_not_told(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    service.say("/auth/oauth/token", GRANTED["ok"]["body"])
    silent = settings.model_copy(update={"management_url": f"{service.url}/nowhere/{{region}}"})
    credential = await in_browser(prompt, http, silent, "google")
    assert credential.account.startswith("social-")
    assert credential.label is None


# AWS


def aws(service: KiroService, region: str, *polls: JsonObject, life: float = 600) -> None:
    """A device login at AWS in a region, with these answers to the polls."""
    place = f"/oidc/{region}"
    service.say(f"{place}/client/register", OIDC["register_device"]["response"]["body"])
    code = OIDC["device_authorization"]["response"]["body"] | {"interval": 0.001, "expiresIn": life}
    service.say(f"{place}/device_authorization", code)
    for poll in polls:
        service.say(f"{place}/token", poll["body"], poll["status"])


POLLS: Mapping[str, JsonObject] = {
    poll["expect"]["kind"] if "expect" in poll else "ok": poll
    for poll in OIDC["token_device"]["responses"]
}


async def test_a_builder_id_logs_in_by_code(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    aws(service, "us-east-1", POLLS["poll_again"], POLLS["poll_again"], POLLS["ok"])
    prompt.answers.append("3")
    credential = await login(prompt, http, settings, "device")

    for path in ("client/register", "device_authorization"):
        wanted = OIDC["register_device" if "client" in path else path]["request"]["body"]
        (sent,) = service.asked(f"/oidc/us-east-1/{path}")
        assert sent.body == wanted
        assert "authorization" not in sent.headers
    polls = service.asked("/oidc/us-east-1/token")
    assert [poll.body for poll in polls] == [OIDC["token_device"]["request"]["body"]] * 3
    assert "WXYZ-1234" in shown(prompt)
    assert access(credential) == "fake-access-idc-1"
    assert credential.secrets["client_secret"].get_secret_value() == "fake-client-secret"
    assert credential.extra["client_id"] == "fake-client-id"
    assert credential.extra["client_secret_expires_at"] == "1775001600"
    assert credential.extra["provider"] == "BuilderId"


async def test_a_poll_that_was_too_quick_waits_longer(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    """Five seconds longer, so that the only other poll is the one when the code ends."""
    aws(service, "us-east-1", POLLS["poll_slower"], POLLS["poll_again"], life=0.1)
    prompt.answers.append("builder-id")
    with pytest.raises(LoginRequired, match="not completed within"):
        await login(prompt, http, settings, "device")
    assert len(service.asked("/oidc/us-east-1/token")) == 2


@pytest.mark.parametrize(
    ("poll", "words"),
    [("restart", "expired before it was used"), ("denied", "refused in the browser")],
)
async def test_a_code_that_expired_or_was_refused_ends_the_login(
    poll: str,
    words: str,
    prompt: ScriptedPrompt,
    http: httpx.AsyncClient,
    settings: KiroSettings,
    service: KiroService,
) -> None:
    aws(service, "us-east-1", POLLS["poll_again"], POLLS[poll])
    prompt.answers.append("3")
    with pytest.raises(LoginRequired, match=words):
        await login(prompt, http, settings, "device")


async def test_an_organisation_is_looked_for_in_every_region_and_gets_its_profile(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    refused = {"error": "invalid_request", "error_description": "unknown start URL"}
    aws(service, "us-east-1")
    service.say("/oidc/us-east-1/device_authorization", refused, 400, only=True)
    aws(service, "eu-west-1", POLLS["ok"])
    service.say("/management/us-east-1/List-Available-Profiles", {"profiles": []})
    profiles = answers("list-available-profiles", "responses")["two-regions"]["body"]
    service.say("/management/eu-central-1/List-Available-Profiles", profiles)
    prompt.answers.extend(["4", "d-1234567890"])
    credential = await login(prompt, http, settings, "device")
    assert credential.extra["sso_region"] == "eu-west-1"
    assert credential.extra["start_url"] == "https://d-1234567890.awsapps.com/start"
    assert credential.extra["profile_arn"] == ARN


async def test_the_portal_sends_organisations_on_to_aws(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    aws(service, "eu-west-1", POLLS["ok"])
    service.say(
        "/management/us-east-1/List-Available-Profiles",
        answers("list-available-profiles", "responses")["one"]["body"],
    )
    credential = await in_browser(prompt, http, settings, "enterprise")
    assert credential.extra["sso_region"] == "eu-west-1"
    assert credential.extra["start_url"] == CALLBACKS["enterprise"]["expect"]["start_url"]
    (start,) = service.asked("/oidc/eu-west-1/device_authorization")
    assert start.body["startUrl"] == credential.extra["start_url"]


async def test_the_portal_sends_builder_ids_on_to_aws(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    aws(service, "us-east-1", POLLS["ok"])
    credential = await in_browser(prompt, http, settings, "builder-id")
    assert credential.extra["provider"] == "BuilderId"


@each(
    "typed, url",
    [
        ("d-1234567890", "https://d-1234567890.awsapps.com/start"),
        (
            " https://d-1234567890.awsapps.com/start/#/device ",
            "https://d-1234567890.awsapps.com/start",
        ),
        ("acme.awsapps.com", "https://acme.awsapps.com/start"),
        ("https://identity.example/start/", "https://identity.example/start"),
    ],
)
def test_a_start_url_may_be_typed_in_many_ways(typed: str, url: str) -> None:
    assert normal_start_url(typed) == url


@pytest.mark.parametrize("typed", ["", "ftp://x.example/start", "https://"])
def test_what_is_no_start_url_is_explained(typed: str) -> None:
    with pytest.raises(LoginRequired, match="no start URL"):
        normal_start_url(typed)


# Google and GitHub by code


def social(service: KiroService, *polls: JsonObject) -> None:
    code = SOCIAL["start"]["response"]["body"] | {
        "verificationUri": f"{service.url}/account/device",
        "verificationUriComplete": f"{service.url}/account/device?user_code=ABCD-EFGH",
        "intervalInMilliseconds": 1,
    }
    service.say("/auth/oauth/device/authorization", code)
    for poll in polls:
        service.say("/auth/oauth/device/poll", poll["body"], poll["status"])


PENDING, SUCCESS, EXPIRED = SOCIAL["poll"]["responses"]


async def test_google_logs_in_by_code(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    social(service, PENDING, PENDING, SUCCESS)
    prompt.answers.extend(["9", "google"])
    credential = await login(prompt, http, settings, "device")
    (start,) = service.asked("/auth/oauth/device/authorization")
    assert start.body == SOCIAL["start"]["request"]["body"]
    polls = service.asked("/auth/oauth/device/poll")
    assert [poll.body for poll in polls] == [SOCIAL["poll"]["request"]["body"]] * 3
    assert "ABCD-EFGH" in shown(prompt) and "none of these" in shown(prompt)
    assert credential.extra["provider"] == "Google"
    assert shown(prompt).endswith("This is the login of user@example.com.")


@pytest.mark.parametrize("poll", [EXPIRED, {"status": 200, "body": {"status": "denied"}}])
async def test_any_other_outcome_ends_the_login(
    poll: JsonObject,
    prompt: ScriptedPrompt,
    http: httpx.AsyncClient,
    settings: KiroSettings,
    service: KiroService,
) -> None:
    social(service, PENDING, poll)
    named = settings.model_copy(update={"login": "github"})
    with pytest.raises(LoginRequired, match="ended without success"):
        await login(prompt, http, named, "device")


async def test_a_refused_poll_ends_the_login_at_once(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    social(service, PENDING, {"status": 404, "body": {"message": "no such code"}})
    named = settings.model_copy(update={"login": "github"})
    with pytest.raises(LoginRequired, match="start again"):
        await login(prompt, http, named, "device")
    assert len(service.asked("/auth/oauth/device/poll")) == 2


async def test_nobody_is_sent_to_another_host(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    code = SOCIAL["start"]["response"]["body"] | {"verificationUri": "https://evil.example/"}
    service.say("/auth/oauth/device/authorization", code)
    prompt.answers.append("1")
    with pytest.raises(GatewayError, match="strange address"):
        await login(prompt, http, settings, "device")


# Keys


async def test_an_api_key_is_asked_for_and_never_ends(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    named = settings.model_copy(update={"login": "api-key"})
    prompt.answers.append(" ksk_fake-key ")
    credential = await login(prompt, http, named, "auto")
    assert access(credential) == "ksk_fake-key"
    assert (credential.expires_at, credential.refresh_at, credential.refresh_token) == (
        None,
        None,
        None,
    )
    (limits,) = service.asked("/management/us-east-1/Get-Usage-Limits")
    assert limits.headers["tokentype"] == "API_KEY"
    assert "profileArn" not in limits.query


async def test_a_key_that_the_service_refuses_is_no_login(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings, service: KiroService
) -> None:
    told = {"message": "The bearer token included in the request is invalid.", "reason": None}
    service.say("/management/us-east-1/Get-Usage-Limits", told, 403, only=True)
    prompt.answers.extend(["5", "ksk_fake-key"])
    with pytest.raises(LoginRequired, match="refused the API key"):
        await login(prompt, http, settings, "device")


async def test_something_else_is_no_api_key(
    prompt: ScriptedPrompt, http: httpx.AsyncClient, settings: KiroSettings
) -> None:
    prompt.answers.extend(["5", "sk-ant-canary"])
    with pytest.raises(LoginRequired, match="begin with ksk_") as caught:
        await login(prompt, http, settings, "device")
    assert "canary" not in repr(caught.value)


async def test_a_login_shows_no_secret(
    prompt: ScriptedPrompt,
    http: httpx.AsyncClient,
    settings: KiroSettings,
    service: KiroService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", logger="gateway_kiro")
    aws(service, "us-east-1", POLLS["ok"])
    prompt.answers.append("3")
    credential = await login(prompt, http, settings, "device")
    told = shown(prompt) + caplog.text + repr(credential)
    assert not [secret for secret in SECRETS if secret in told]
