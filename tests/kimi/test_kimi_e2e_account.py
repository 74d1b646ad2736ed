"""The account half against the simulated Kimi: logins, refreshes, status and models."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway_core import Credential, LoginRequired
from gateway_core.json import loads_object
from gateway_kimi.plugin import KimiProvider
from gateway_kimi.settings import KimiSettings
from simulators.kimi.installed import kimi_command, kimi_gateway, settings_for
from simulators.kimi.server import KimiSimulator
from support.command import GatewayCommand
from support.dialects import CHAT
from support.login_prompt import ScriptedPrompt
from support.server import Gateway

DEVICE = "d" * 32


@pytest.fixture
def simulator() -> Iterator[KimiSimulator]:
    with KimiSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def settings(simulator: KimiSimulator) -> KimiSettings:
    return KimiSettings.model_validate({**settings_for(simulator), "device_id": DEVICE})


@pytest.fixture
def command(simulator: KimiSimulator, tmp_path: Path) -> GatewayCommand:
    """The command with a home in which nobody is logged in."""
    home = tmp_path / "home"
    home.mkdir()
    return kimi_command(simulator, home)


@pytest.fixture
def gateway(simulator: KimiSimulator, tmp_path: Path) -> Iterator[Gateway]:
    with kimi_gateway(simulator, tmp_path / "home") as gateway:
        yield gateway


async def log_in(http: httpx.AsyncClient, settings: KimiSettings) -> Credential:
    return await KimiProvider().gateway_login(ScriptedPrompt(), http, settings)


def ask(gateway: Gateway) -> httpx.Response:
    with gateway.http() as http:
        return http.post(CHAT.path, json=CHAT.body("k3"))


async def test_a_login_waits_for_the_person_and_knows_them(
    simulator: KimiSimulator, settings: KimiSettings, http: httpx.AsyncClient
) -> None:
    simulator.polls = ["authorization_pending", "200 authorization_pending"]
    credential = await log_in(http, settings)
    assert (credential.account, credential.label) == ("u-7", "ann@example.org")
    assert credential.extra == {"region": "china", "device_id": DEVICE}


async def test_a_token_is_to_be_refreshed_at_half_of_its_life(
    settings: KimiSettings, http: httpx.AsyncClient
) -> None:
    credential = await log_in(http, settings)
    assert credential.expires_at is not None
    assert credential.expires_at - timedelta(seconds=450) == credential.refresh_at


async def test_a_declined_login_says_so(
    simulator: KimiSimulator, settings: KimiSettings, http: httpx.AsyncClient
) -> None:
    simulator.polls = ["access_denied"]
    with pytest.raises(LoginRequired, match="refused in the browser"):
        await log_in(http, settings)


async def test_an_account_without_kimi_code_keeps_its_login_and_is_told(
    simulator: KimiSimulator, settings: KimiSettings, http: httpx.AsyncClient
) -> None:
    simulator.plan = False
    prompt = ScriptedPrompt()
    credential = await KimiProvider().gateway_login(prompt, http, settings)
    assert credential.account == "u-7"
    assert any("membership has expired" in message for message in prompt.shown)


async def test_a_plan_without_kimi_code_shows_also_where_the_profile_does_not(
    simulator: KimiSimulator, settings: KimiSettings, http: httpx.AsyncClient
) -> None:
    simulator.broken_paths["me"] = 503
    simulator.broken_paths["models"] = 401
    prompt = ScriptedPrompt()
    credential = await KimiProvider().gateway_login(prompt, http, settings)
    assert (credential.account, credential.label) == ("u-7", None)
    assert any("Logged in, but" in message for message in prompt.shown)


def test_this_machine_is_the_same_after_logging_out_and_in_again(
    simulator: KimiSimulator, command: GatewayCommand
) -> None:
    devices = []
    for _ in range(2):
        assert "logged in to kimi as ann@example.org" in command.output("login", "kimi")
        (file,) = (command.home / "credentials").glob("kimi-*")
        devices.append(loads_object(file.read_bytes())["extra"]["device_id"])
        command.output("logout", "kimi")
    assert devices[0] == devices[1]
    assert len(devices[0]) == 32


def test_status_shows_plan_limits_and_credits(
    simulator: KimiSimulator, command: GatewayCommand
) -> None:
    command.output("login", "kimi")
    shown = command.output("status", "kimi")
    assert "plan basic" in shown
    assert "limit weekly: 75 % left" in shown
    assert "limit 5h: 75 % left" in shown
    assert "credits 12.5" in shown
    assert "is renewed by itself from" in shown


def test_a_refused_token_is_renewed_once_and_the_turn_goes_on(
    simulator: KimiSimulator, gateway: Gateway
) -> None:
    simulator.play("text: Hello")
    simulator.revoke()
    assert ask(gateway).status_code == 200
    assert simulator.refreshes == 1
    assert [request.status for request in simulator.requests] == [401, 200]


def test_a_dead_login_asks_for_a_new_one(simulator: KimiSimulator, gateway: Gateway) -> None:
    simulator.revoke(refresh=True)
    response = ask(gateway)
    assert response.status_code == 401
    assert "gateway login kimi" in response.json()["error"]["message"]


@pytest.mark.parametrize("broken", [0, 1])
def test_a_token_past_half_of_its_life_is_renewed_and_serves_on_if_it_cannot_be(
    simulator: KimiSimulator, tmp_path: Path, broken: int
) -> None:
    simulator.broken_refreshes = broken
    simulator.play("text: Hello")
    with kimi_gateway(simulator, tmp_path / "home", age=451) as gateway:
        assert ask(gateway).status_code == 200
    assert simulator.refreshes == 1
    assert [request.status for request in simulator.requests] == [200]


def test_the_models_of_the_plan_replace_the_known_ones(
    simulator: KimiSimulator, command: GatewayCommand
) -> None:
    models = ("models", "--provider", "kimi")
    assert "kimi-for-coding-highspeed" in command.output(*models)
    command.output("login", "kimi")
    plan = command.output(*models, "--refresh")
    assert "K3, 1048k context, efforts low/high/max" in plan
    assert "also kimi-k2.7-code" in plan
    assert "kimi-for-coding-highspeed" not in plan
