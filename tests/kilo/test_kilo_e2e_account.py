"""The account half against the simulated Kilo: logins, status, and lists of models."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway_core import LoginRequired
from gateway_core.credentials.store import MemoryStore
from gateway_core.runtime import Runtime
from gateway_core.settings import load_settings
from gateway_kilo.plugin import KiloProvider
from gateway_kilo.settings import KiloSettings
from simulators.kilo.installed import kilo_command
from simulators.kilo.server import KiloSimulator
from support.command import GatewayCommand
from support.login_prompt import ScriptedPrompt

MODELS = ("models", "--provider", "kilo", "--refresh")


@pytest.fixture
def simulator() -> Iterator[KiloSimulator]:
    with KiloSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def command(simulator: KiloSimulator, tmp_path: Path) -> GatewayCommand:
    """The command with a home in which nobody is logged in."""
    home = tmp_path / "home"
    home.mkdir()
    return kilo_command(simulator, home)


def test_before_a_login_free_models_are_ready(command: GatewayCommand) -> None:
    assert "works without a login too" in command.output("login")
    assert "ready, needs no login" in command.output("status", "kilo")
    assert "minimax" not in command.output("models")  # nobody was asked
    listed = command.output(*MODELS)
    assert "minimax/minimax-m2.5:free" in listed
    assert "may train on your prompts" in listed
    assert "claude-opus" not in listed


def test_nothing_is_sent_to_a_free_model_that_was_not_named(
    simulator: KiloSimulator, command: GatewayCommand
) -> None:
    """Its vendor may train on the prompt."""
    assert "name one with --model" in command.failure("ask", "Hello")
    assert simulator.requests == []
    simulator.play("text: Hi")
    assert "Hi" in command.output("ask", "--model", "kilo", "Hello")


def test_a_login_opens_all_models_and_shows_the_balance(
    simulator: KiloSimulator, command: GatewayCommand
) -> None:
    simulator.decisions = ["pending", "pending"]
    assert "logged in to kilo as ann@example.org" in command.output("login", "kilo")
    status = command.output("status", "kilo")
    assert "account Ann (personal)" in status
    assert "credits 12.5" in status
    listed = command.output(*MODELS)
    assert listed.index("kilo-auto/free") < listed.index("anthropic/claude-opus-5")
    assert "painter" not in listed


def test_a_list_from_before_the_login_is_asked_for_again(
    simulator: KiloSimulator, command: GatewayCommand
) -> None:
    command.output(*MODELS)
    flags = {"plugins.enabled": "kilo", "providers.kilo.base_url": simulator.base_url}
    settings = load_settings(flags, {"GATEWAY_HOME": str(command.home)})

    async def is_stale() -> bool:
        async with Runtime(settings, store=MemoryStore()) as runtime:
            assert len(runtime.catalogue.models("kilo")) > 1
            return runtime.catalogue.stale("kilo")

    assert asyncio.run(is_stale())


def test_status_of_a_login_that_kilo_ended(
    simulator: KiloSimulator, command: GatewayCommand
) -> None:
    command.output("login", "kilo")
    simulator.revoke()
    assert "run `gateway login kilo`" in command.output("status", "kilo")


@pytest.mark.parametrize(
    ("decision", "words"), [("denied", "refused"), ("expired", "expired"), ("unknown", "HTTP 404")]
)
async def test_a_login_that_comes_to_nothing_says_why(
    simulator: KiloSimulator, http: httpx.AsyncClient, decision: str, words: str
) -> None:
    simulator.decisions = [decision]
    settings = KiloSettings(base_url=simulator.base_url)
    with pytest.raises(LoginRequired, match=words):
        await KiloProvider().gateway_login(ScriptedPrompt(), http, settings)
