"""A policy plugin changes what providers are asked, by wrapping their translation."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_core import (
    Message,
    Notice,
    Request,
    Route,
    Settings,
    Text,
    UpstreamCall,
    hookimpl,
    load_settings,
)
from gateway_core.errors import Internal
from gateway_core.plugins import PluginSet
from support.scripted_provider import ScriptedProvider

REQUEST = Request("scripted-1", [Message("user", [Text("Hello")])], [Text("Be brief.")])
ROUTE = Route("scripted", "scripted-1", "scripted-1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"plugins.enabled": "none-installed"}, {"GATEWAY_HOME": str(tmp_path)})


class AddsInstruction:
    """Adds an instruction and says so."""

    plugin_name = "policy"

    @hookimpl(wrapper=True)
    def gateway_translate(self, request: Request) -> Generator[None, UpstreamCall, UpstreamCall]:
        request.instructions = [*request.instructions, Text("Be kind.")]
        call = yield
        call.notices.append(Notice("policy", "kindness was asked for"))
        return call


def test_the_provider_is_asked_the_changed_request(settings: Settings) -> None:
    provider = ScriptedProvider(script=[[]])
    relay = PluginSet(settings, [AddsInstruction(), provider]).providers["scripted"]
    call = relay.translate(REQUEST, ROUTE, None)
    assert [text.text for text in provider.requests[0].instructions] == ["Be brief.", "Be kind."]
    assert call.notices == [Notice("policy", "kindness was asked for")]


def test_a_second_attempt_starts_from_the_request_as_it_was(settings: Settings) -> None:
    provider = ScriptedProvider(script=[[], []])
    relay = PluginSet(settings, [AddsInstruction(), provider]).providers["scripted"]
    before = replace(REQUEST)
    for _ in range(2):
        relay.translate(REQUEST, ROUTE, None)
    assert before == REQUEST
    assert provider.requests[1].instructions == provider.requests[0].instructions


def test_without_a_policy_nothing_is_copied(settings: Settings) -> None:
    provider = ScriptedProvider(script=[[]])
    relay = PluginSet(settings, [provider]).providers["scripted"]
    relay.translate(REQUEST, ROUTE, None)
    assert provider.requests[0] is REQUEST


class Raises:
    """Raises after the provider translated."""

    plugin_name = "policy"

    @hookimpl(wrapper=True)
    def gateway_translate(self) -> Generator[None, UpstreamCall, UpstreamCall]:
        yield
        raise KeyError("id")


class TranslatesNothing(ScriptedProvider):
    """Raises when it is to translate."""

    @hookimpl
    def gateway_translate(self, request: Request) -> UpstreamCall:
        raise KeyError("id")


@pytest.mark.parametrize(
    ("policy", "provider", "words", "blamed"),
    [
        (Raises(), ScriptedProvider(script=[[]]), "the policy 'policy' failed", "policy"),
        (Raises(), TranslatesNothing(), "provider 'scripted' failed", "TranslatesNothing"),
        (AddsInstruction(), TranslatesNothing(), "provider 'scripted' failed", "TranslatesNothing"),
    ],
    ids=["the policy", "the provider, before the policy would", "the provider"],
)
def test_who_raised_is_blamed(
    settings: Settings, policy: object, provider: ScriptedProvider, words: str, blamed: str
) -> None:
    plugins = PluginSet(settings, [policy, provider])
    with pytest.raises(Internal, match=words):
        plugins.providers["scripted"].translate(replace(REQUEST), ROUTE, None)
    plugins.health.flush()
    failures = {name: plugins.health.last(name, None) for name in ("policy", "TranslatesNothing")}
    assert [name for name, failure in failures.items() if failure] == [blamed]
