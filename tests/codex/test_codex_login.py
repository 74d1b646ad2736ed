"""Logging in with ChatGPT: in the browser, by pasting, by device code, and what goes wrong."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from dirty_equals import IsDatetime

from gateway_codex.login import login, logout
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, GatewayError, LoginRequired, UpstreamProtocol
from simulators.codex.auth import LoginScript
from simulators.codex.state import Account, BackendState
from support.codex_logins import ACCOUNT, ACCOUNT_ID, credential_of, unsigned_jwt
from support.identity_provider import Fault
from support.login_prompt import ScriptedPrompt


async def browser_at(prompt: ScriptedPrompt, http: httpx.AsyncClient) -> httpx.Response:
    """What the browser shows in the end, for a person who agrees."""
    return await http.get(await prompt.opened.get(), follow_redirects=True)


async def logged_in_by_browser(http: httpx.AsyncClient, settings: CodexSettings) -> Credential:
    prompt = ScriptedPrompt()
    work = asyncio.create_task(login(prompt, http, settings, "browser"))
    await browser_at(prompt, http)
    return await work


def test_logins_come_back_to_the_two_ports_that_openai_knows() -> None:
    assert CodexSettings().callback_ports == (1455, 1457)


async def test_the_browser_brings_a_login(http: httpx.AsyncClient, settings: CodexSettings) -> None:
    prompt = ScriptedPrompt()
    work = asyncio.create_task(login(prompt, http, settings, "browser"))
    page = await browser_at(prompt, http)
    credential = await work

    assert "You can close this window" in page.text
    assert credential.key == ("codex", ACCOUNT)
    assert credential.label == "ann@example.com"
    assert credential.refresh_token is not None
    assert credential.secrets.keys() == {"id_token"}
    in_ten_days = datetime.now(UTC) + timedelta(days=10)
    assert credential.expires_at == IsDatetime(approx=in_ten_days, delta=60)


async def test_the_authorize_address_asks_for_the_account_to_be_chosen(
    http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    prompt = ScriptedPrompt()
    work = asyncio.create_task(login(prompt, http, settings, "browser"))
    query = parse_qs(urlsplit(await prompt.opened.get()).query)
    work.cancel()

    assert query["prompt"] == ["login"]
    assert query["originator"] == ["gateway"]
    assert urlsplit(query["redirect_uri"][0]).hostname == "localhost"


async def test_a_busy_port_gives_way_to_the_next(
    http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        ports = (busy.getsockname()[1], 0)
        credential = await logged_in_by_browser(
            http, settings.model_copy(update={"callback_ports": ports})
        )
    assert credential.account == ACCOUNT


@pytest.mark.parametrize("form", ["address", "query", "code#state", "code"])
async def test_the_last_address_may_be_pasted_while_the_listener_waits(
    form: str, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    prompt = PastingPrompt(form)
    work = asyncio.create_task(login(prompt, http, settings, "browser"))
    shown = await http.get(await prompt.opened.get())
    prompt.last_address.set_result(shown.headers["location"])

    assert (await work).account == ACCOUNT


class PastingPrompt(ScriptedPrompt):
    """A person who pastes what their browser ended on, in one of the usual forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.last_address: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(self, question: str, *, secret: bool = False) -> str:
        address = await self.last_address
        query = urlsplit(address).query
        values = {name: value[0] for name, value in parse_qs(query).items()}
        return {
            "address": address,
            "query": query,
            "code#state": f"{values['code']}#{values['state']}",
            "code": values["code"],
        }[self.form]


async def test_pasting_alone_opens_no_port(
    http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    prompt = PastingPrompt("address")
    work = asyncio.create_task(login(prompt, http, settings, "paste"))
    shown = await http.get(await prompt.opened.get())
    with pytest.raises(httpx.ConnectError):
        await http.get(shown.headers["location"])
    prompt.last_address.set_result(shown.headers["location"])

    assert (await work).account == ACCOUNT


async def test_a_device_code_brings_a_login(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.device_pending = 2
    prompt = ScriptedPrompt(has_browser=False)
    credential = await login(prompt, http, settings, "device")

    assert credential.account == ACCOUNT
    assert "ABCD-EFGHI" in "".join(prompt.shown)
    assert f"{settings.auth_url}/codex/device" in "".join(prompt.shown)
    assert script.paths().count("/api/accounts/deviceauth/token") == 3


async def test_the_device_code_is_taken_where_no_browser_would_be_seen(
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 2 10.0.0.2 22")
    credential = await login(ScriptedPrompt(has_browser=False), http, settings, "auto")

    assert credential.account == ACCOUNT
    assert "/oauth/authorize" not in script.paths()


async def test_the_browser_is_taken_where_there_is_one(
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROWSER", "firefox")
    prompt = ScriptedPrompt()
    work = asyncio.create_task(login(prompt, http, settings, "auto"))
    await browser_at(prompt, http)
    await work

    assert script.paths() == ["/oauth/authorize", "/oauth/token"]


async def test_an_account_without_device_login_is_told_another_way(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.device_off = True
    with pytest.raises(LoginRequired, match="gateway login codex --no-browser"):
        await login(ScriptedPrompt(), http, settings, "device")


async def test_without_device_login_a_headless_machine_falls_back_to_pasting(
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script.device_off = True
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setenv("SSH_TTY", "/dev/pts/1")
    prompt = PastingPrompt("code")
    work = asyncio.create_task(login(prompt, http, settings, "auto"))
    shown = await http.get(await prompt.opened.get())
    prompt.last_address.set_result(shown.headers["location"])

    assert (await work).account == ACCOUNT


async def test_a_device_login_that_fails_for_good_is_not_polled_on(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    path = "/api/accounts/deviceauth/token"
    script.faults[path].append(Fault(400, b'{"error":{"code":"deviceauth_expired"}}'))
    with pytest.raises(LoginRequired, match=r"deviceauth_expired.*start again"):
        await login(ScriptedPrompt(), http, settings, "device")
    assert script.paths().count(path) == 1


async def test_a_device_login_that_does_not_start_says_why(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    path = "/api/accounts/deviceauth/usercode"
    script.faults[path].append(Fault(500, b'{"error":{"code":"server_error"}}'))
    with pytest.raises(GatewayError, match=r"could not be started: HTTP 500 \(server_error\)"):
        await login(ScriptedPrompt(), http, settings, "device")


async def test_a_device_login_granted_without_a_code_is_a_protocol_error(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    path = "/api/accounts/deviceauth/token"
    script.faults[path].append(Fault(200, b'{"authorization_code":"ac_canary"}'))
    with pytest.raises(UpstreamProtocol) as caught:
        await login(ScriptedPrompt(), http, settings, "device")
    assert "canary" not in repr(caught.value)


async def test_both_spellings_of_the_user_code_are_understood(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    start = b'{"device_auth_id":"deviceauth_1","usercode":"WXYZ-12345","interval":0.01}'
    end = b'{"error":{"code":"over"}}'
    script.faults["/api/accounts/deviceauth/usercode"].append(Fault(200, start))
    script.faults["/api/accounts/deviceauth/token"].append(Fault(400, end))
    prompt = ScriptedPrompt()
    with pytest.raises(LoginRequired, match="over"):
        await login(prompt, http, settings, "device")
    assert "WXYZ-12345" in "".join(prompt.shown)


async def test_a_hiccup_while_polling_is_sat_out(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.faults["/api/accounts/deviceauth/token"].append(Fault(502, b"<html>bad gateway</html>"))
    credential = await login(ScriptedPrompt(), http, settings, "device")
    assert credential.account == ACCOUNT


@pytest.mark.parametrize(
    ("description", "advice"),
    [
        ("missing_codex_entitlement", "workspace does not include Codex: ask its administrator"),
        (
            "The user said no",
            "choose another account or workspace .*its cookies of auth.openai.com",
        ),
    ],
)
async def test_a_refusal_is_explained(
    description: str,
    advice: str,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
) -> None:
    script.deny = ("access_denied", description)
    with pytest.raises(LoginRequired, match=advice):
        await logged_in_by_browser(http, settings)


async def test_a_login_without_a_chatgpt_account_is_explained(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    access = unsigned_jwt({"sub": "auth0|1"})
    answer = f'{{"access_token": "{access}", "refresh_token": "rt_1"}}'
    script.faults["/oauth/token"].append(Fault(200, answer.encode()))
    with pytest.raises(LoginRequired, match="no ChatGPT account behind it"):
        await logged_in_by_browser(http, settings)


async def test_a_web_page_instead_of_tokens_is_summarised(
    http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    page = Fault(403, b"<html>Just a moment...</html>", "text/html")
    script.faults["/oauth/token"].append(page)
    with pytest.raises(GatewayError, match="bytes of text/html instead of JSON") as caught:
        await logged_in_by_browser(http, settings)
    assert "Just a moment" not in caught.value.message


async def test_the_workspace_that_was_chosen_is_the_account(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState, script: LoginScript
) -> None:
    backend.add_account(Account("team-1", plan="team"))
    script.account = "team-1"
    assert (await logged_in_by_browser(http, settings)).account == "team-1/user-abc"


async def test_logout_revokes_the_refresh_token(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState
) -> None:
    tokens = backend.log_in(ACCOUNT_ID)
    await logout(credential_of(tokens), http, settings)
    assert backend.revoked == [tokens.refresh]


async def test_logout_without_a_refresh_token_revokes_the_access_token(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState
) -> None:
    tokens = backend.log_in(ACCOUNT_ID)
    credential = credential_of(tokens).model_copy(update={"refresh_token": None})
    await logout(credential, http, settings)
    assert backend.revoked == [tokens.access]


async def test_a_failed_revocation_is_told(
    http: httpx.AsyncClient, settings: CodexSettings, backend: BackendState, script: LoginScript
) -> None:
    script.faults["/oauth/revoke"].append(Fault(500, b""))
    with pytest.raises(GatewayError, match="did not revoke the login"):
        await logout(credential_of(backend.log_in(ACCOUNT_ID)), http, settings)
