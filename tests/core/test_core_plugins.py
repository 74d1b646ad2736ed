"""The plugin host: what is loaded, what is left out and why, and how calls are relayed."""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway_core import (
    CONTRACT,
    Exchange,
    InvalidRequest,
    ProviderInfo,
    Request,
    Route,
    Settings,
    Unsupported,
    UpstreamCall,
    hookimpl,
    load_settings,
)
from gateway_core.errors import Internal
from gateway_core.plugins import PluginReport, PluginSet, unknown_names
from gateway_core.settings import SettingsError
from support.providers import LineProvider

MakeSettings = Callable[..., Settings]
REQUEST = Request("line-1", [])
ROUTE = Route("lines", "line-1", "line-1")


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Settings without any installed plugin, plus what the environment adds."""

    def make(**environ: str) -> Settings:
        return load_settings(
            environ={"GATEWAY_HOME": str(tmp_path), "GATEWAY_PLUGINS": "none-at-all", **environ}
        )

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


def report_of(plugins: PluginSet, name: str) -> PluginReport:
    return next(report for report in plugins.reports if report.name == name)


def test_a_provider_is_active_and_listed_with_its_hooks(settings: Settings) -> None:
    plugins = PluginSet(settings, [LineProvider()])
    report = report_of(plugins, "lines")
    assert (report.state, report.provider, report.title) == ("active", "lines", "Lines")
    assert "gateway_translate" in report.hooks
    assert list(plugins.providers) == ["lines"]


def test_the_demo_plugin_is_found_through_its_entry_point(tmp_path: Path) -> None:
    plugins = PluginSet(load_settings(environ={"GATEWAY_HOME": str(tmp_path)}))
    report = report_of(plugins, "demo")
    assert (report.state, report.distribution, report.version) == (
        "active",
        "gateway-demo",
        "0.1.0",
    )


def test_plugins_can_be_switched_off_by_name(make_settings: MakeSettings) -> None:
    plugins = PluginSet(make_settings(GATEWAY_PLUGINS__DISABLED="lines"), [LineProvider()])
    assert report_of(plugins, "lines").state == "disabled"
    assert plugins.providers == {}


class _Base:
    """A plugin that is only a name and a provider."""

    plugin_name = "broken"

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("broken", "Broken", CONTRACT)


class MisspelledHook(_Base):
    @hookimpl
    def gateway_tranlsate(self) -> None: ...


class WrongArgument(_Base):
    @hookimpl
    def gateway_translate(self, requestt: Request) -> None: ...


class UnmarkedHook(_Base):
    def gateway_translate(self) -> None: ...


class RaisesOnIntroduction:
    plugin_name = "broken"

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        raise RuntimeError("no licence file")


class ExitsOnConstruction:
    plugin_name = "broken"

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        raise SystemExit("bye")


class WrapsWhatIsToldToAll:
    plugin_name = "broken"

    @hookimpl(wrapper=True)
    def gateway_exchange(self) -> Generator[None, None, None]:
        yield


class NoHooks:
    plugin_name = "broken"


@dataclass
class Unhashable(_Base):
    """A dataclass with `eq` has no hash."""


class BadId:
    plugin_name = "broken"

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("Not An Id", "x", CONTRACT)


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (MisspelledHook(), "gateway_tranlsate"),
        (WrongArgument(), "requestt"),
        (UnmarkedHook(), "lacks the @hookimpl marker"),
        (RaisesOnIntroduction(), "no licence file"),
        (ExitsOnConstruction(), "bye"),
        (NoHooks(), "implements no hook"),
        (WrapsWhatIsToldToAll(), "gateway_exchange cannot be wrapped"),
        (BadId(), "'Not An Id'"),
        (Unhashable(), "unhashable type: 'Unhashable'"),
        (_Base(), "must implement gateway_models, gateway_translate, gateway_decoder"),
        (LineProvider("broken", contract=CONTRACT + 1), f"contract {CONTRACT + 1}"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_broken_plugin_is_left_out_with_its_reason(
    settings: Settings, plugin: object, words: str
) -> None:
    plugins = PluginSet(settings, [plugin, LineProvider()])
    report = report_of(plugins, "broken")
    assert report.state == "broken"
    assert words in (report.reason or "")
    assert list(plugins.providers) == ["lines"]
    assert plugins.broken == [report]


def test_a_second_plugin_with_the_same_provider_id_is_left_out(settings: Settings) -> None:
    second = LineProvider()
    second.plugin_name = "copy"
    plugins = PluginSet(settings, [LineProvider(), second])
    assert "already taken" in (report_of(plugins, "copy").reason or "")


def test_a_wrong_provider_table_stops_with_the_place(make_settings: MakeSettings) -> None:
    settings = make_settings(GATEWAY_PROVIDERS__LINES__SPEED="9")
    with pytest.raises(SettingsError, match="GATEWAY_PROVIDERS__LINES__SPEED"):
        PluginSet(settings, [LineProvider()])


def test_calls_reach_only_the_provider_asked(settings: Settings) -> None:
    plugins = PluginSet(settings, [LineProvider("one"), LineProvider("two", reads=[b"2"])])
    call = plugins.providers["two"].translate(REQUEST, ROUTE, None)
    assert call == UpstreamCall("POST", "lines:", {}, b"line-1")


class Raising(LineProvider):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        raise self._error


def test_what_a_plugin_raises_by_mistake_fails_the_turn_and_is_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    plugins = PluginSet(settings, [Raising(KeyError("secret detail"))])
    with caplog.at_level(logging.ERROR), pytest.raises(Internal) as caught:
        plugins.providers["lines"].translate(REQUEST, ROUTE, None)
    assert "gateway_translate" in caught.value.message
    assert "secret detail" not in caught.value.message
    assert "KeyError" in caplog.text


def test_a_gateway_error_of_a_plugin_goes_through(settings: Settings) -> None:
    error = InvalidRequest("no such colour", param="colour")
    plugins = PluginSet(settings, [Raising(error)])
    with pytest.raises(InvalidRequest) as caught:
        plugins.providers["lines"].translate(REQUEST, ROUTE, None)
    assert caught.value is error


async def test_an_optional_hook_nobody_implements_is_unsupported(settings: Settings) -> None:
    import httpx
    from pydantic import SecretStr

    from gateway_core import Credential

    plugins = PluginSet(settings, [LineProvider()])
    credential = Credential(provider="lines", account="a", access_token=SecretStr("t"))
    async with httpx.AsyncClient() as http:
        with pytest.raises(Unsupported, match="gateway_refresh"):
            await plugins.providers["lines"].refresh(credential, http)
        assert await plugins.providers["lines"].account(credential, http) is None
        assert await plugins.providers["lines"].logout(credential, http) is False
    with pytest.raises(Unsupported, match="imports no logins"):
        await plugins.providers["lines"].import_login()


class AddsHeader:
    """A policy plugin: no provider, wraps the pure hook of all of them."""

    plugin_name = "policy"

    @hookimpl(wrapper=True)
    def gateway_translate(self) -> Generator[None, UpstreamCall, UpstreamCall]:
        call = yield
        call.headers["x-policy"] = "seen"
        return call


def test_a_policy_plugin_wraps_every_provider(settings: Settings) -> None:
    plugins = PluginSet(settings, [LineProvider("one"), AddsHeader(), LineProvider("two")])
    for provider in ("one", "two"):
        call = plugins.providers[provider].translate(REQUEST, ROUTE, None)
        assert call.headers == {"x-policy": "seen"}


# what is told to every plugin

EXCHANGE = Exchange(
    id="x-1",
    format="chat",
    provider="lines",
    account=None,
    model="line-1",
    requested="line-1",
    stream=False,
    status=200,
    error=None,
    started_at=datetime(2030, 1, 1, tzinfo=UTC),
    first_event=0.1,
    duration=0.2,
    usage=None,
)


class Listener:
    """Writes down what it is told."""

    def __init__(self, name: str) -> None:
        self.plugin_name = name
        self.told: list[object] = []

    @hookimpl
    def gateway_exchange(self, exchange: Exchange) -> None:
        self.told.append(exchange)

    @hookimpl
    def gateway_commands(self, cli: object) -> None:
        self.told.append(cli)


class Deaf(Listener):
    """Fails at whatever it is told."""

    @hookimpl
    def gateway_exchange(self, exchange: Exchange) -> None:
        raise RuntimeError("the disk is full")

    @hookimpl
    def gateway_commands(self, cli: object) -> None:
        raise SystemExit("no commands today")


@pytest.mark.parametrize(
    ("tell", "told", "hook"),
    [
        (lambda plugins: plugins.observe(EXCHANGE), EXCHANGE, "gateway_exchange"),
        (lambda plugins: plugins.add_commands("cli"), "cli", "gateway_commands"),
    ],
    ids=["exchange", "commands"],
)
def test_a_plugin_that_fails_to_listen_silences_no_other(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    tell: Callable[[PluginSet], None],
    told: object,
    hook: str,
) -> None:
    first, last = Listener("first"), Listener("last")
    tell(PluginSet(settings, [first, Deaf("deaf"), last]))
    assert first.told == last.told == [told]
    assert f"plugin deaf failed in {hook}" in caplog.text


# names in the settings that mean nothing


def test_names_of_nothing_installed_are_told_with_the_place(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(
        '[plugins]\ndisabled = ["lnes", "lines-two"]\n\n[providers.line]\nspeed = 9\n'
    )
    settings = make_settings(GATEWAY_PLUGINS="lines", GATEWAY_ROUTING__PRIORITY="zebra,lines")
    plugins = PluginSet(settings, [LineProvider("lines"), LineProvider("lines-two")])
    config = tmp_path / "config.toml"
    lnes, zebra, line = unknown_names(settings, plugins)
    assert (
        lnes
        == f"{config}:2: plugins.disabled: no plugin 'lnes' is installed; did you mean 'lines'?"
    )
    assert zebra.startswith(
        "GATEWAY_ROUTING__PRIORITY: routing.priority: no provider 'zebra' is installed; installed: "
    )
    assert line == (
        f"{config}:5: providers.line: no provider 'line' is installed; did you mean 'lines'?"
    )


def test_a_plugin_that_is_off_or_broken_is_known_by_its_name(make_settings: MakeSettings) -> None:
    settings = make_settings(
        GATEWAY_PLUGINS="lines",
        GATEWAY_PLUGINS__DISABLED="lines",
        GATEWAY_PROVIDERS__LINES__SPEED="9",
        GATEWAY_ROUTING__PRIORITY="lines,broken",
    )
    assert unknown_names(settings, PluginSet(settings, [LineProvider(), _Base()])) == []
