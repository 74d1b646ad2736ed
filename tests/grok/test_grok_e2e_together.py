"""Codex and Grok behind one gateway: each model goes to its owner, and neither sees the other's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway_codex.plugin import CodexProvider
from gateway_grok.plugin import GrokProvider
from simulators.codex.installed import store_login as store_codex_login
from simulators.codex.server import CodexSimulator
from simulators.grok.installed import settings_for
from simulators.grok.installed import store_login as store_grok_login
from simulators.grok.server import GrokSimulator
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk
from support.server import Gateway, running_gateway

SCRIPT = "think: Hm.\ntext: I am {name}.\ntool: clock\n---\ntext: It is late at {name}."


@pytest.fixture(scope="module")
def codex() -> Iterator[CodexSimulator]:
    with CodexSimulator() as simulator:
        simulator.play(SCRIPT.format(name="Codex"))
        yield simulator
        assert simulator.violations == []


@pytest.fixture(scope="module")
def grok() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        simulator.play(SCRIPT.format(name="Grok"))
        yield simulator
        assert simulator.violations == []


@pytest.fixture(scope="module")
def gateway(
    codex: CodexSimulator, grok: GrokSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    home = tmp_path_factory.mktemp("home")
    settings: dict[str, object] = {
        "providers.codex.base_url": codex.base_url,
        "providers.codex.backend_url": codex.backend_url,
        "providers.codex.auth_url": codex.url,
        "routing.fallback": "codex",
    }
    settings |= {f"providers.grok.{key}": value for key, value in settings_for(grok).items()}
    store_codex_login(codex, home / "credentials")
    with running_gateway(
        home,
        extra_plugins=[CodexProvider(), GrokProvider()],
        settings=settings,
        store=store_grok_login(grok, home / "credentials"),
    ) as gateway:
        yield gateway


@pytest.mark.parametrize("kind", [AnthropicTalk, ChatTalk, ResponsesTalk])
@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-5.5", "Codex"),
        ("grok-4.5", "Grok"),
        ("grok/grok-4.6-low", "Grok"),
        ("codex/gpt-5.4", "Codex"),
    ],
)
def test_each_model_goes_to_its_owner(
    gateway: Gateway, kind: Callable[..., Talk], model: str, name: str
) -> None:
    talk = kind(gateway, True, model)
    turn = talk.say("Who are you?")
    assert turn.text == f"I am {name}."
    assert talk.give({turn.calls[0].id: "nine"}).text == f"It is late at {name}."


@pytest.mark.parametrize("kind", [AnthropicTalk, ResponsesTalk])
@pytest.mark.parametrize(
    ("first", "second", "name"),
    [("gpt-5.5", "grok-4.5", "Grok"), ("grok-4.5", "gpt-5.5", "Codex")],
)
def test_a_conversation_may_change_its_owner(
    gateway: Gateway, kind: Callable[..., Talk], first: str, second: str, name: str
) -> None:
    """The calls go along; reasoning that the other has sealed does not."""
    talk = kind(gateway, True, first)
    turn = talk.say("Who are you?")
    talk.model = second
    assert talk.give({turn.calls[0].id: "nine"}).text == f"It is late at {name}."


def test_each_keeps_to_what_it_is_asked(
    gateway: Gateway, codex: CodexSimulator, grok: GrokSimulator
) -> None:
    for model in ("gpt-5.5", "grok-4.5"):
        AnthropicTalk(gateway, True, model).say("Who are you?")
    assert {request.body["model"][:4] for request in codex.requests} == {"gpt-"}
    assert {request.body["model"][:5] for request in grok.requests} == {"grok-"}


def test_a_list_and_a_status_have_both(gateway: Gateway) -> None:
    with gateway.openai() as client, gateway.http() as http:
        listed = {model.id for model in client.models.list()}
        status: Any = http.get("/v1/status").json()
    assert {"gpt-5.5", "grok-4.5"} <= listed
    plans = {login["provider"]: login["account"]["plan"] for login in status["providers"]}
    assert plans == {"codex": "plus", "grok": "SuperGrok"}
