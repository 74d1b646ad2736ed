"""Accounts of simulated Cursor: logging in, renewing, what is left, and the ends of logins."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway_core import Credential, LoginRequired
from gateway_core.credentials.store import CredentialKey
from gateway_core.json import dumps
from gateway_cursor.login import login
from gateway_cursor.settings import CursorSettings
from simulators.cursor.http import Answer
from simulators.cursor.installed import cursor_command, cursor_gateway, store_login, urls
from simulators.cursor.server import CursorSimulator
from simulators.cursor.state import CANARY, Account
from support.command import GatewayCommand
from support.conversations import AnthropicTalk
from support.dialects import ANTHROPIC, CHAT, DIALECTS, Dialect
from support.login_prompt import ScriptedPrompt
from support.server import Gateway

MODEL = "claude-opus-5-high"
CLOCK = "tool: clock\n---\ntext: It is late."
FREE = Account("google-oauth2|user_02FREE", "eve@example.com", "Free", spent=0, limit=None)


@pytest.fixture
def simulator() -> Iterator[CursorSimulator]:
    with CursorSimulator() as simulator:
        simulator.play("text: Here I am.")
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def gateway(simulator: CursorSimulator, tmp_path: Path) -> Iterator[Gateway]:
    with cursor_gateway(simulator, tmp_path) as gateway:
        yield gateway


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def command(simulator: CursorSimulator, home: Path) -> GatewayCommand:
    """The command, without a login."""
    command = cursor_command(simulator, home, login=False)
    command.environ["XDG_CONFIG_HOME"] = str(home / "config")
    return command


def ask(gateway: Gateway, dialect: Dialect = CHAT) -> httpx.Response:
    with gateway.http() as http:
        return http.post(dialect.path, json=dialect.body(MODEL, stream=True))


# Logging in


async def logged_in(
    http: httpx.AsyncClient, simulator: CursorSimulator, prompt: ScriptedPrompt, *, method: str
) -> Credential:
    """What a login in the browser brings, for a person who agrees."""
    settings = CursorSettings.model_validate(urls(simulator))

    async def no_sleep(seconds: float) -> None:
        await asyncio.sleep(0)

    work = asyncio.create_task(login(prompt, http, settings, method, sleep=no_sleep))
    if method == "browser":
        await http.get(await prompt.opened.get())
    return await work


@pytest.fixture
async def http() -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def test_a_login_in_the_browser(simulator: CursorSimulator, http: httpx.AsyncClient) -> None:
    simulator.login.polls += [Answer(404), Answer.of_json({}), Answer(503), Answer(502)]
    prompt = ScriptedPrompt()
    credential = await logged_in(http, simulator, prompt, method="browser")
    account = simulator.state.account_of(credential.access_token.get_secret_value())
    assert account is simulator.account
    assert (credential.account, credential.label) == (account.id, "ann@example.com")
    assert credential.expires_at is not None
    assert simulator.login.polled >= 5
    assert CANARY not in "".join(prompt.shown) + repr(credential)


@pytest.mark.parametrize("status", [400, 403, 410])
async def test_a_login_that_is_refused(
    simulator: CursorSimulator, http: httpx.AsyncClient, status: int
) -> None:
    simulator.login.polls.append(Answer.of_json({"error": "sign_in_policy_violation"}, status))
    with pytest.raises(LoginRequired):
        await logged_in(http, simulator, ScriptedPrompt(), method="browser")
    assert simulator.login.polled == 1


def test_the_command_logs_in_and_shows_what_is_left(
    simulator: CursorSimulator, command: GatewayCommand
) -> None:
    """The page is opened on some other device."""
    simulator.login.elsewhere = True
    said = command.run("login", "cursor", "--no-browser")
    assert said.returncode == 0, said.stderr
    assert "/loginDeepControl?" in said.stderr
    assert said.stdout.startswith("logged in to cursor as ann@example.com\n")
    status = command.output("status", "cursor")
    assert "ann@example.com" in status
    assert "Pro" in status
    assert "36 % left" in status  # 12.88 of 20.00 are spent
    assert command.output("ask", "--model", "cursor", "Hi") == "Here I am.\n"
    assert CANARY not in said.stdout + said.stderr + status


def test_a_login_with_an_api_key(simulator: CursorSimulator, command: GatewayCommand) -> None:
    key = simulator.state.api_key(simulator.account.id)
    said = command.run("login", "cursor", "--device", answers=f"2\n{key}\n")
    assert said.returncode == 0, said.stderr
    simulator.state.end_access_tokens()
    assert command.output("ask", "--model", MODEL, "Hi") == "Here I am.\n"
    assert simulator.state.refreshes == 2  # the login itself, and the renewal
    assert CANARY not in said.stdout + said.stderr


def test_a_login_of_the_official_command_line_is_imported(
    simulator: CursorSimulator, command: GatewayCommand, home: Path
) -> None:
    tokens = simulator.tokens
    file = home / "config" / "cursor" / "auth.json"
    file.parent.mkdir(parents=True)
    document = {"accessToken": tokens.access, "refreshToken": tokens.refresh, "apiKey": None}
    file.write_bytes(dumps(document))
    assert command.output("import", "cursor").startswith("imported the login of cursor")
    assert command.output("ask", "--model", MODEL, "Hi") == "Here I am.\n"
    assert file.read_bytes() == dumps(document)


def test_models_are_listed_with_and_without_a_login(
    simulator: CursorSimulator, command: GatewayCommand, home: Path
) -> None:
    without = command.output("models", "--provider", "cursor")
    assert "composer-2.5" in without
    store_login(simulator, home / "credentials")
    live = command.output("models", "--provider", "cursor", "--refresh")
    assert "gemini-3.7-flash" in live
    asked = {path.rpartition("/")[2] for path, _ in simulator.services.asked}
    assert {"GetUsableModels", "AvailableModels"} <= asked


@pytest.mark.parametrize("name", ["GetUsableModels", "AvailableModels"])
def test_one_of_the_two_lists_is_enough(
    simulator: CursorSimulator, command: GatewayCommand, home: Path, name: str
) -> None:
    store_login(simulator, home / "credentials")
    service = "agent.v1.AgentService" if name.startswith("Get") else "aiserver.v1.AiService"
    simulator.services.broken[f"/{service}/{name}"] = 500
    live = command.output("models", "--provider", "cursor", "--refresh")
    assert "gemini-3.7-flash" in live


def test_a_free_plan_has_only_one_model(simulator: CursorSimulator, tmp_path: Path) -> None:
    simulator.state.add_account(FREE)
    store = store_login(simulator, tmp_path / "credentials", FREE)
    with cursor_gateway(simulator, tmp_path, store=store) as gateway:
        response = ask(gateway)
        assert response.status_code == 403
        assert "Free plans" in CHAT.error(response.content)["message"]
        with gateway.http() as http:
            auto = http.post(CHAT.path, json=CHAT.body("auto", stream=False))
            assert auto.status_code == 200
            status = http.get("/v1/status").json()
    assert "eve@example.com" in str(status)


# Renewing


def test_a_token_that_ends_in_mid_life_is_renewed_once(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    simulator.state.end_access_tokens()
    assert b"Here I am." in ask(gateway).content
    assert simulator.state.refreshes == 1
    assert len(simulator.runs) == 2
    stored = gateway.runtime.store.get(CredentialKey("cursor", simulator.account.id))
    assert stored is not None
    simulator.state.account_of(stored.access_token.get_secret_value())


def test_a_refresh_token_that_is_replaced_is_kept(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    simulator.state.rotates = True
    for _ in range(2):
        simulator.state.end_access_tokens()
        assert ask(gateway).status_code == 200
    assert simulator.state.refreshes == 2


def test_a_held_run_outlives_its_token(simulator: CursorSimulator, gateway: Gateway) -> None:
    """What was opened stays open; nothing is asked anew."""
    simulator.play(CLOCK)
    talk = AnthropicTalk(gateway, True, model=MODEL)
    turn = talk.say("What time is it?")
    simulator.state.end_access_tokens()
    assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."
    assert len(simulator.runs) == 1


def test_a_held_run_ends_with_its_login(simulator: CursorSimulator, gateway: Gateway) -> None:
    simulator.play(CLOCK)
    AnthropicTalk(gateway, True, model=MODEL).say("What time is it?")
    (held,) = simulator.runs
    simulator.login.sign_out = "logout"
    simulator.state.end_sessions()
    assert "gateway login cursor" in CHAT.error(ask(gateway).content)["message"]
    simulator.wait(lambda: held.left)
    assert held.reset_code == 8


def test_a_held_run_ends_with_a_logout_in_another_process(
    simulator: CursorSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.runtime.LOOK_SECONDS", 0.05)
    simulator.play(CLOCK)
    with cursor_gateway(simulator, tmp_path) as gateway:
        AnthropicTalk(gateway, True, model=MODEL).say("What time is it?")
        (held,) = simulator.runs
        left = cursor_command(simulator, tmp_path, login=False).run("logout", "cursor")
        assert left.returncode == 0, left.stderr
        simulator.wait(lambda: held.left)
    assert held.reset_code == 8


def test_a_new_login_does_not_go_on_with_a_run_of_the_old_one(
    simulator: CursorSimulator, gateway: Gateway, tmp_path: Path
) -> None:
    """Though it is the same account: the conversation is replayed with the new one."""
    simulator.play(CLOCK)
    talk = AnthropicTalk(gateway, True, model=MODEL)
    turn = talk.say("What time is it?")
    simulator.login.elsewhere = True
    again = cursor_command(simulator, tmp_path, login=False).run("login", "cursor", "--no-browser")
    assert again.returncode == 0, again.stderr
    assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."
    held, replay = simulator.runs
    simulator.wait(lambda: held.left)
    assert (held.given, replay.resumes) == ({}, True)


@pytest.mark.parametrize("sign_out", ["logout", "401", "403"])
def test_a_login_that_is_over_asks_for_a_new_one(
    simulator: CursorSimulator, gateway: Gateway, sign_out: str
) -> None:
    simulator.login.sign_out = sign_out
    simulator.state.end_sessions()
    for dialect in DIALECTS:
        response = ask(gateway, dialect)
        assert response.status_code == (403 if dialect is ANTHROPIC else 401)
        assert "gateway login cursor" in dialect.error(response.content)["message"]
    assert simulator.state.refreshes == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_login_service_that_is_down_does_not_end_the_login(
    simulator: CursorSimulator, gateway: Gateway, status: int
) -> None:
    simulator.state.end_access_tokens()
    simulator.state.refresh_status = status
    response = ask(gateway)
    assert response.status_code >= 429
    assert "gateway login" not in CHAT.error(response.content)["message"]
    simulator.state.refresh_status = None
    assert simulator.state.refresh(simulator.tokens.refresh).access


def test_no_secret_is_told(
    simulator: CursorSimulator, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Every secret of the simulator has one word in it."""
    caplog.set_level("DEBUG")
    caplog.set_level("WARNING", "hpack")  # shows every header, so the gateway never listens to it
    simulator.play("fail: s94")
    answers = ask(gateway).text
    simulator.state.end_access_tokens()
    answers += ask(gateway).text
    simulator.state.end_sessions()
    answers += ask(gateway).text
    with gateway.http() as http:
        answers += http.get("/v1/status").text
    assert CANARY not in answers
    assert caplog.records and CANARY not in caplog.text
