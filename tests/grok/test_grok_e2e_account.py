"""The account half against the whole simulated xAI: logins, status, and lists of models."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dirty_equals import IsStr

from gateway_core import Credential, LoginRequired
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings
from simulators.grok.installed import grok_command, settings_for
from simulators.grok.server import GrokSimulator
from simulators.grok.state import FULL_SCOPE, OLD_SCOPE, Account
from support.command import GatewayCommand
from support.login_prompt import ScriptedPrompt


@pytest.fixture
def simulator() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def settings(simulator: GrokSimulator) -> GrokSettings:
    """Settings that lead to the simulator; logins come back to any free port."""
    return GrokSettings.model_validate({**settings_for(simulator), "callback_ports": [0]})


@pytest.fixture
def gateway(simulator: GrokSimulator, tmp_path: Path) -> GatewayCommand:
    """The command with a home in which nobody is logged in."""
    home = tmp_path / "home"
    home.mkdir()
    return grok_command(simulator, home, logged_in=False)


class Paster(ScriptedPrompt):
    """A person who pastes what they find in the browser."""

    def __init__(self) -> None:
        super().__init__()
        self.pasted: asyncio.Queue[str] = asyncio.Queue()

    async def think(self) -> str:
        return await self.pasted.get()


def login(
    http: httpx.AsyncClient, settings: GrokSettings, prompt: ScriptedPrompt, method: str = "browser"
) -> "asyncio.Task[Credential]":
    work = GrokProvider().gateway_login(prompt, http, settings, method)
    return asyncio.create_task(work)


def scope_of(simulator: GrokSimulator, credential: Credential) -> str:
    """What the login permits."""
    account, scope = simulator.state.account_of(credential.access_token.get_secret_value())
    assert account is simulator.account
    return scope


async def test_a_login_in_the_browser(
    simulator: GrokSimulator, settings: GrokSettings, http: httpx.AsyncClient
) -> None:
    prompt = ScriptedPrompt()
    work = login(http, settings, prompt)
    await http.get(await prompt.opened.get(), follow_redirects=True)
    credential = await work
    assert (credential.account, credential.label) == (simulator.account.id, "ann@example.com")
    assert scope_of(simulator, credential) == FULL_SCOPE


async def test_a_service_that_knows_fewer_permissions_is_asked_for_fewer(
    simulator: GrokSimulator, settings: GrokSettings, http: httpx.AsyncClient
) -> None:
    simulator.login.old_scopes = True
    prompt = ScriptedPrompt()
    work = login(http, settings, prompt)
    for _ in range(2):
        await http.get(await prompt.opened.get(), follow_redirects=True)
    assert scope_of(simulator, await work) == OLD_SCOPE


async def test_a_code_that_the_page_shows_can_be_pasted(
    simulator: GrokSimulator, settings: GrokSettings, http: httpx.AsyncClient
) -> None:
    simulator.login.shows_code = True
    prompt = Paster()
    work = login(http, settings, prompt, "paste")
    page = await http.get(await prompt.opened.get())
    code = re.search(r"<code>(.+)</code>", page.text)
    assert code is not None
    prompt.pasted.put_nowait(code[1])
    assert scope_of(simulator, await work) == FULL_SCOPE


async def test_a_person_may_say_no(
    simulator: GrokSimulator, settings: GrokSettings, http: httpx.AsyncClient
) -> None:
    simulator.login.deny = ("access_denied", "The user said no")
    prompt = ScriptedPrompt()
    work = login(http, settings, prompt)
    await http.get(await prompt.opened.get(), follow_redirects=True)
    with pytest.raises(LoginRequired, match="The user said no"):
        await work


@pytest.mark.parametrize("endpoint", ["token_endpoint", "authorization_endpoint"])
async def test_a_poisoned_discovery_document_gets_no_secret(
    simulator: GrokSimulator, settings: GrokSettings, http: httpx.AsyncClient, endpoint: str
) -> None:
    simulator.login.discovery[endpoint] = "https://x.ai.example.org/oauth2/token"
    with pytest.raises(Exception, match=endpoint):
        await login(http, settings, ScriptedPrompt())
    assert simulator.login.paths() == ["/.well-known/openid-configuration"]


def test_a_device_login_waits_for_its_person(
    gateway: GatewayCommand, simulator: GrokSimulator
) -> None:
    simulator.login.device_answers.append("authorization_pending")
    said = gateway.run("login", "grok", "--device")
    assert said.returncode == 0, said.stderr
    assert "WXKD-7M2P" in said.stderr
    assert said.stdout.startswith("logged in to grok as ann@example.com\n")
    assert simulator.login.paths().count("/oauth2/token") == 2


@pytest.mark.parametrize("error", ["access_denied", "expired_token"])
def test_a_device_login_that_ends_badly_says_what_to_do(
    gateway: GatewayCommand, simulator: GrokSimulator, error: str
) -> None:
    simulator.login.device_answers.append(error)
    said = gateway.failure("login", "grok", "--device")
    assert ("refused" if error == "access_denied" else "start again") in said


def test_the_status_shows_plan_and_credits(simulator: GrokSimulator, tmp_path: Path) -> None:
    gateway = grok_command(simulator, tmp_path)
    lines = [line.strip() for line in gateway.output("status", "grok").splitlines()]
    assert lines[3:] == [
        "grok (xAI Grok)  logged in as ann@example.com",
        IsStr(regex=r"models grok-\S+, grok-\S+, grok-\S+, \.\.\."),
        IsStr(regex=r"token ends 20\S+ \S+ \(in 5 h 59 min\) and is renewed by itself"),
        "account Ann Doe (user)",
        "plan SuperGrok",
        "credits 12.5",
        IsStr(regex=r"limit weekly: 62 % left, resets 20\S+ \d\d:\d\d \(in .*\)"),
    ]


def test_the_status_warns_of_a_team_that_keeps_no_data(
    simulator: GrokSimulator, tmp_path: Path
) -> None:
    account = simulator.account
    account.team, account.no_logs, account.tier, account.prepaid = "team-1", True, 0, 0
    said = grok_command(simulator, tmp_path).output("status", "grok")
    assert "plan Free" in said
    assert "the team keeps no data" in said


def test_the_live_models_are_those_of_the_account(simulator: GrokSimulator, tmp_path: Path) -> None:
    simulator.account.tier = 0
    gateway = grok_command(simulator, tmp_path)
    said = gateway.output("models", "--provider", "grok", "--refresh")
    listed = {line.split()[0] for line in said.splitlines()[1:] if line.strip()}
    assert {"grok-4.6", "grok-4.5", "grok-composer-2.5-fast", "grok-imagine-image"} <= listed
    hidden = {"grok-internal-eval", "grok-messages-only", "grok-4.20-multi-agent-0309"}
    assert not hidden & listed


def test_models_come_from_the_other_rail_when_the_proxy_refuses(
    simulator: GrokSimulator, tmp_path: Path
) -> None:
    simulator.state.minimal_version = (9, 0, 0)
    gateway = grok_command(simulator, tmp_path)
    said = gateway.output("models", "--provider", "grok", "--refresh")
    assert "grok-4.6" in said
    assert "grok-composer-2.5-fast" not in said
    asked = {(request.rail, request.status) for request in simulator.backend.requests}
    assert asked == {("proxy", 426), ("api", 200)}


def test_a_refresh_keeps_what_xai_does_not_send_anew(
    simulator: GrokSimulator, tmp_path: Path
) -> None:
    """Then it is the old refresh token that goes on."""
    gateway = grok_command(simulator, tmp_path)
    simulator.state.grace = 60.0
    simulator.login.silent_refresh = {"refresh_token", "id_token", "scope"}
    for _ in range(2):
        assert gateway.output("refresh", "grok").startswith("grok  ann@example.com: refreshed")
    assert simulator.state.refreshes == 2


def test_a_team_is_named_at_the_refresh(simulator: GrokSimulator, tmp_path: Path) -> None:
    simulator.account.team = "team-1"
    grok_command(simulator, tmp_path).output("refresh", "grok")
    path, fields = simulator.login.requests[-1]
    assert (path, fields["principal_type"], fields["principal_id"]) == (
        "/oauth2/token",
        "Team",
        "team-1",
    )


def test_a_dead_login_is_told_with_the_command_to_run(
    simulator: GrokSimulator, tmp_path: Path
) -> None:
    simulator.state.refuse_refresh = "invalid_grant"
    said = grok_command(simulator, tmp_path).run("refresh")
    assert said.returncode == 1
    assert "run `gateway login grok`" in said.stderr


def test_no_command_shows_a_token(simulator: GrokSimulator, tmp_path: Path) -> None:
    gateway = grok_command(simulator, tmp_path)
    said = ""
    for words in (["--debug", "status", "--json"], ["--debug", "refresh"], ["logout", "grok"]):
        result = gateway.run(*words)
        assert result.returncode == 0, result.stderr
        said += result.stdout + result.stderr
    secrets = [str(fields["refresh_token"]) for _, fields in simulator.login.requests if fields]
    assert secrets
    secrets += [request.headers["authorization"][7:] for request in simulator.backend.requests]
    assert not [secret for secret in secrets if secret in said]


def test_another_account_is_another_login(
    simulator: GrokSimulator, gateway: GatewayCommand
) -> None:
    other = simulator.state.add_account(Account("b2", email="bob@example.com", tier=5))
    for account in (simulator.account, other):
        simulator.login.account = account.id
        gateway.output("login", "grok", "--device")
    said = gateway.output("status", "grok")
    assert "ann@example.com" in said
    assert "bob@example.com" in said
    assert "SuperGrok Heavy" in said
