"""Logging in: in a browser while Cursor is polled, and with an API key."""

import asyncio
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired, UpstreamProtocol
from gateway_core.errors import UpstreamFailed
from gateway_cursor.login import cannot_revoke, login
from gateway_cursor.settings import CursorSettings
from support.cursor_samples import CLAIMS, PKCE, CursorService, body, jwt
from support.login_prompt import ScriptedPrompt

POLL = "/auth/poll"
META = "/aiserver.v1.AuthService/GetUserMeta"
EXCHANGE = "/auth/exchange_user_api_key"


@pytest.fixture(autouse=True)
def known_owner(service: CursorService) -> None:
    """The service tells whose login it is."""
    service.say(META, "get-user-meta")


class _Login:
    """A login that never waits, and knows how long it would have."""

    def __init__(self, http: httpx.AsyncClient, settings: CursorSettings) -> None:
        self.prompt = ScriptedPrompt()
        self.pauses: list[float] = []
        self._http = http
        self._settings = settings

    async def run(self, method: str = "browser") -> Credential:
        return await login(self.prompt, self._http, self._settings, method, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    @property
    def shown(self) -> str:
        return "\n".join(self.prompt.shown)


@pytest.fixture
def person(http: httpx.AsyncClient, settings: CursorSettings) -> _Login:
    return _Login(http, settings)


# In a browser


async def test_the_page_is_opened_and_its_outcome_polled_for(
    service: CursorService, person: _Login
) -> None:
    service.say(POLL, "poll-pending", "poll-pending", "poll-done")
    credential = await person.run()
    page = urlsplit(await person.prompt.opened.get())
    query = {name: values[0] for name, values in parse_qs(page.query).items()}
    assert f"{page.scheme}://{page.netloc}{page.path}" == PKCE["login_url"].partition("?")[0]
    assert list(query) == list(parse_qs(urlsplit(PKCE["login_url"]).query))
    assert (query["mode"], query["redirectTarget"]) == ("login", "cli")
    assert UUID(query["uuid"]).version == 4
    told = service.asked[0].url.params
    assert told["uuid"] == query["uuid"] == query["uuid"].lower()
    digest = sha256(told["verifier"].encode()).digest()
    assert urlsafe_b64encode(digest).decode().rstrip("=") == query["challenge"]
    assert len(told["verifier"]) == 43
    assert service.paths() == [POLL, POLL, POLL, META]
    assert credential.account == CLAIMS["sub"]
    assert credential.label == "dev@example.com"
    assert credential.access_token.get_secret_value() == jwt("fake-access")
    assert credential.refresh_token is not None
    assert credential.refresh_token.get_secret_value() == jwt("fake-refresh")
    assert credential.expires_at == datetime.fromtimestamp(CLAIMS["exp"], UTC)
    assert credential.extra == {"kind": "session"}


async def test_the_address_is_shown_as_well_as_opened(
    service: CursorService, person: _Login
) -> None:
    service.say(POLL, "poll-done")
    await person.run()
    assert await person.prompt.opened.get() in person.shown


async def test_without_a_browser_here_the_address_is_only_shown(
    service: CursorService, person: _Login
) -> None:
    service.say(POLL, "poll-done")
    await person.run("paste")
    assert "https://cursor.com/loginDeepControl?challenge=" in person.shown
    assert person.prompt.opened.empty()


async def test_neither_token_nor_verifier_is_shown(service: CursorService, person: _Login) -> None:
    service.say(POLL, "poll-done")
    credential = await person.run()
    for secret in ("fake-access", "fake-refresh", service.asked[0].url.params["verifier"]):
        assert secret not in person.shown
        assert secret not in repr(credential)


async def test_polls_become_rarer_but_no_rarer_than_every_ten_seconds(
    service: CursorService, person: _Login
) -> None:
    service.say(POLL, *["poll-pending"] * 20, "poll-done")
    await person.run()
    assert person.pauses[:3] == pytest.approx([1.0, 1.2, 1.44])
    assert person.pauses[-1] == 10.0
    assert max(person.pauses) == 10.0


async def test_a_poll_without_tokens_goes_on(service: CursorService, person: _Login) -> None:
    service.say(POLL, "poll-done-without-tokens", "poll-done")
    assert (await person.run()).account == CLAIMS["sub"]


async def test_a_poll_that_comes_too_soon_waits_as_long_as_it_is_told(
    service: CursorService, person: _Login
) -> None:
    service.say(POLL, *["poll-rate-limited"] * 6, "poll-done")
    await person.run()
    assert person.pauses[1:4] == pytest.approx([2.0, 2.0, 2.0])


@pytest.mark.parametrize(
    "trouble", [httpx.Response(502), httpx.Response(503), httpx.ConnectError("no route")]
)
async def test_three_failures_in_a_row_are_sat_out(
    service: CursorService, person: _Login, trouble: httpx.Response | Exception
) -> None:
    service.say(POLL, trouble, trouble, trouble, "poll-pending", trouble, "poll-done")
    assert (await person.run()).account == CLAIMS["sub"]


async def test_a_fourth_failure_in_a_row_is_told(service: CursorService, person: _Login) -> None:
    service.say(POLL, httpx.Response(502))
    with pytest.raises(UpstreamFailed, match="502"):
        await person.run()
    assert service.paths() == [POLL] * 4


@pytest.mark.parametrize("status", [400, 401, 403, 410])
async def test_a_refusal_is_final(service: CursorService, person: _Login, status: int) -> None:
    service.say(POLL, httpx.Response(status))
    with pytest.raises(LoginRequired, match=f"status {status}"):
        await person.run()
    assert service.paths() == [POLL]


async def test_an_organisations_policy_is_named(service: CursorService, person: _Login) -> None:
    service.say(POLL, "poll-forbidden")
    with pytest.raises(LoginRequired, match="organisation does not allow") as raised:
        await person.run()
    assert raised.value.code == "sign_in_policy_violation"


async def test_a_policy_is_found_wherever_the_answer_tells_it(
    service: CursorService, person: _Login
) -> None:
    told = {"error": {"message": "Denied: sign_in_policy_violation (team)"}}
    service.say(POLL, httpx.Response(403, json=told))
    with pytest.raises(LoginRequired, match="organisation does not allow"):
        await person.run()


async def test_a_web_page_is_no_login(service: CursorService, person: _Login) -> None:
    service.say(POLL, httpx.Response(200, content=b"<html>Sign in to the hotel's Wi-Fi"))
    with pytest.raises(UpstreamProtocol, match="other than JSON"):
        await person.run()


async def test_a_login_that_is_given_up_asks_nothing_more(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    asked = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if service.asked:
            asked.set()
            await asyncio.Event().wait()

    service.say(POLL, "poll-pending")
    running = asyncio.create_task(login(ScriptedPrompt(), http, settings, "browser", sleep=sleep))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert service.paths() == [POLL]


async def test_a_login_whose_owner_is_not_told_is_kept(
    service: CursorService, person: _Login
) -> None:
    service.say(POLL, "poll-done")
    service.say(META, httpx.Response(500))
    credential = await person.run()
    assert (credential.account, credential.label) == (CLAIMS["sub"], None)


async def test_a_token_that_names_its_owner_saves_the_question(
    service: CursorService, person: _Login
) -> None:
    token = jwt("fake-access", email="ann@example.com")
    service.say(POLL, httpx.Response(200, json={"accessToken": token, "refreshToken": token}))
    assert (await person.run()).label == "ann@example.com"
    assert service.paths() == [POLL]


@pytest.mark.parametrize("token", ["opaque", "a.b.c", jwt("x", exp=None), jwt("x", exp="soon")])
async def test_a_token_that_does_not_say_when_it_ends_lasts_an_hour(
    service: CursorService, person: _Login, token: str
) -> None:
    service.say(POLL, httpx.Response(200, json={"accessToken": token, "refreshToken": "r"}))
    service.say(META, httpx.Response(200, json={}))
    before = datetime.now(UTC)
    credential = await person.run()
    assert credential.expires_at is not None
    assert 3599 <= (credential.expires_at - before).total_seconds() <= 3620


# With an API key


async def test_a_key_is_exchanged_and_kept_to_renew_with(
    service: CursorService, http: httpx.AsyncClient
) -> None:
    person = _Login(http, CursorSettings(login="api-key"))
    person.prompt.answers.extend(["crsr_fixture"])
    service.say(EXCHANGE, "exchange-api-key")
    credential = await person.run()
    assert service.paths() == [EXCHANGE, META]
    assert credential.access_token.get_secret_value() == jwt("fake-access")
    assert credential.refresh_token is not None
    assert credential.refresh_token.get_secret_value() == "crsr_fixture"
    assert credential.extra == {"kind": "key"}
    assert credential.account == CLAIMS["sub"]


async def test_a_key_is_never_sent_to_another_service(
    service: CursorService, http: httpx.AsyncClient
) -> None:
    person = _Login(http, CursorSettings(login="api-key"))
    person.prompt.answers.extend(["crsr_fixture"])
    service.say(EXCHANGE, "exchange-api-key")
    await person.run()
    assert "crsr_" not in service.asked[1].headers["authorization"]


async def test_asking_for_another_device_offers_the_key(
    service: CursorService, person: _Login
) -> None:
    person.prompt.answers.extend(["3", "2", "crsr_fixture"])
    service.say(EXCHANGE, "exchange-api-key")
    assert (await person.run("device")).extra["kind"] == "key"
    assert "That is neither" in person.shown


async def test_the_browser_may_be_on_another_device(service: CursorService, person: _Login) -> None:
    person.prompt.answers.extend(["1"])
    service.say(POLL, "poll-done")
    assert (await person.run("device")).extra["kind"] == "session"
    assert person.prompt.opened.empty()


async def test_a_key_of_another_service_is_not_sent_anywhere(
    service: CursorService, http: httpx.AsyncClient
) -> None:
    person = _Login(http, CursorSettings(login="api-key"))
    person.prompt.answers.extend(["sk-fake"])
    with pytest.raises(LoginRequired, match="begin with crsr_") as raised:
        await person.run()
    assert service.asked == []
    assert "sk-fake" not in str(raised.value)


async def test_a_key_that_is_refused_is_said_so(
    service: CursorService, http: httpx.AsyncClient
) -> None:
    person = _Login(http, CursorSettings(login="api-key"))
    person.prompt.answers.extend(["crsr_mistyped"])
    service.say(EXCHANGE, httpx.Response(401, json=body("exchange-rejects-jwt")))
    with pytest.raises(LoginRequired, match="refused the API key") as raised:
        await person.run()
    assert "crsr_mistyped" not in str(raised.value)


async def test_a_service_that_is_down_does_not_make_a_key_wrong(
    service: CursorService, http: httpx.AsyncClient
) -> None:
    person = _Login(http, CursorSettings(login="api-key"))
    person.prompt.answers.extend(["crsr_fixture"])
    service.say(EXCHANGE, httpx.Response(503))
    with pytest.raises(GatewayError) as raised:
        await person.run()
    assert not isinstance(raised.value, LoginRequired)


# Logging out


@pytest.mark.parametrize(("kind", "told"), [("session", "can be ended"), ("key", "delete it")])
def test_logging_out_says_what_stays(kind: str, told: str) -> None:
    credential = Credential(
        provider="cursor",
        account="ann",
        access_token=SecretStr("fake-access"),
        extra={"kind": kind},
    )
    message = cannot_revoke(credential, CursorSettings()).message
    assert told in message
    assert "https://cursor.com/dashboard" in message
