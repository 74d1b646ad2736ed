"""The plugin host: finds plugins, guards their loading, and tells all of them what happened.

A plugin that fails to import, was written against another contract, misspells a hook or raises
while it introduces itself is left out and reported with its reason; the others go on. The hooks of
a provider are called by its `gateway_core.relay.Relay` alone.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import pluggy
from pydantic import BaseModel

from gateway_core.defaults import CoreDefaults
from gateway_core.hookspecs import CONTRACT, PROJECT, SUPPORTED_CONTRACTS, GatewaySpec
from gateway_core.plugin_health import PluginHealth
from gateway_core.provider import Exchange, ProviderInfo
from gateway_core.relay import Relay
from gateway_core.settings import Settings, SettingsError, provider_settings
from gateway_core.settings_file import dotted
from gateway_core.settings_layers import origin_of, suggestion

__all__ = ["PluginReport", "PluginSet", "unknown_names"]

log = logging.getLogger(__name__)

_ID = re.compile(r"[a-z][a-z0-9-]*")
_REQUIRED = ("gateway_models", "gateway_translate", "gateway_decoder")
_LOGIN_REQUIRED = ("gateway_login",)
_TOLD_TO_ALL = ("gateway_commands", "gateway_exchange")


@dataclass(slots=True, frozen=True)
class PluginReport:
    """What became of one plugin. `reason` says why it is not active."""

    name: str
    distribution: str | None
    version: str | None
    state: Literal["active", "disabled", "broken"]
    reason: str | None = None
    provider: str | None = None
    title: str | None = None
    hooks: tuple[str, ...] = ()


class PluginSet:
    """The loaded plugins: `providers` by id, a report for each plugin found, and their `health`.

    `extra` are plugin objects given by the caller, for tests and embedding; they are loaded before
    the installed ones and guarded the same way. remembers: whether failures of hooks are kept in
    `health`; not where a plugin is made to fail on purpose. installed: whether those that are
    installed are looked for, which takes some milliseconds.
    """

    def __init__(
        self,
        settings: Settings,
        extra: Sequence[object] = (),
        *,
        remembers: bool = True,
        installed: bool = True,
    ) -> None:
        self.providers: dict[str, Relay] = {}
        self.reports: list[PluginReport] = []
        self.health = PluginHealth(settings.paths.state / "plugins")
        self._remembers = remembers
        self._settings = settings
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(GatewaySpec)
        self._manager.register(CoreDefaults(), "core")
        self._versions: dict[str, str | None] = {}
        introduced: dict[str, _Introduced] = {}
        for plugin in extra:
            self._load(_Given(plugin), introduced)
        found = entry_points(group=PROJECT) if installed else ()
        for entry in sorted(found, key=lambda entry: entry.name):
            self._load(entry, introduced)
        for provider in introduced.values():
            others = [other.plugin for other in introduced.values() if other is not provider]
            self.providers[provider.info.id] = Relay(
                self._manager,
                provider.name,
                provider.info,
                provider.settings,
                others,
                self._remember,
            )

    @property
    def broken(self) -> list[PluginReport]:
        """The reports of the plugins that could not be used."""
        return [report for report in self.reports if report.state == "broken"]

    def observe(self, exchange: Exchange) -> None:
        """Tell every plugin about an exchange; an error in one is logged and goes no further."""
        self._tell("gateway_exchange", exchange=exchange)

    def add_commands(self, cli: object) -> None:
        """Let plugins add their commands to the command line; an error in one is logged and goes
        no further.
        """
        self._tell("gateway_commands", cli=cli)

    def _tell(self, hook: str, **arguments: object) -> None:
        # One by one, because pluggy's own call ends at the first implementation that raises.
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except (Exception, SystemExit) as error:
                log.exception("plugin %s failed in %s", implementation.plugin_name, hook)
                self._remember(implementation.plugin_name, hook, error)

    def _remember(self, plugin: str, hook: str, error: BaseException) -> None:
        if self._remembers:
            self.health.record(plugin, self._versions.get(plugin), hook, error)

    def _load(self, entry: "EntryPoint | _Given", introduced: "dict[str, _Introduced]") -> None:
        distribution = entry.dist.name if entry.dist else None
        version = entry.dist.version if entry.dist else None

        def report(state: Literal["active", "disabled", "broken"], **facts: Any) -> None:
            self.reports.append(PluginReport(entry.name, distribution, version, state, **facts))

        wanted = self._settings.plugins
        if entry.name in wanted.disabled or (
            wanted.enabled is not None
            and not isinstance(entry, _Given)
            and entry.name not in wanted.enabled
        ):
            report("disabled", reason="switched off in the settings")
            return
        plugin: object = None
        try:
            loaded = entry.load()
            plugin = loaded() if isinstance(loaded, type) else loaded
            hooks = self._register(plugin, entry.name)
            provider = self._introduce(plugin, entry.name, hooks, introduced)
        except SettingsError:
            raise
        except (Exception, SystemExit) as error:
            if plugin is not None and self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            log.warning("plugin %s left out: %s", entry.name, _reason(error))
            report("broken", reason=_reason(error))
            return
        self._versions[entry.name] = version
        if provider is None:
            report("active", hooks=hooks)
            return
        introduced[provider.info.id] = provider
        report("active", hooks=hooks, provider=provider.info.id, title=provider.info.title)

    def _register(self, plugin: object, name: str) -> tuple[str, ...]:
        hash(plugin)  # pluggy keeps plugins in sets, and would fail on it much later
        self._manager.register(plugin, name)
        self._manager.check_pending()
        callers = self._manager.get_hookcallers(plugin) or []
        hooks = {caller.name for caller in callers}
        for caller in callers:
            if caller.name in _TOLD_TO_ALL and any(
                implementation.plugin is plugin
                and (implementation.wrapper or implementation.hookwrapper)
                for implementation in caller.get_hookimpls()
            ):
                raise ValueError(f"{caller.name} cannot be wrapped: every plugin is told by itself")
        for attribute in dir(plugin):
            if attribute.startswith("gateway_") and attribute not in hooks:
                raise ValueError(f"{attribute} lacks the @hookimpl marker, so it would never run")
        if not hooks:
            raise ValueError("it implements no hook: mark methods with gateway_core.hookimpl")
        return tuple(sorted(hooks))

    def _introduce(
        self,
        plugin: object,
        name: str,
        hooks: tuple[str, ...],
        introduced: "Mapping[str, _Introduced]",
    ) -> "_Introduced | None":
        if "gateway_provider" not in hooks:
            return None
        info: ProviderInfo = plugin.gateway_provider()  # type: ignore[attr-defined]  # in hooks
        if not isinstance(info, ProviderInfo):
            raise TypeError(f"gateway_provider returned {type(info).__name__}, not ProviderInfo")
        if info.contract not in SUPPORTED_CONTRACTS:
            raise ValueError(
                f"it was written for contract {info.contract}, this core speaks {CONTRACT}: "
                f"install a version of the plugin that fits"
            )
        if not _ID.fullmatch(info.id):
            raise ValueError(f"provider id {info.id!r} is not lower-case letters, digits, hyphens")
        if info.id in introduced:
            raise ValueError(f"provider id {info.id!r} is already taken by another plugin")
        required = _REQUIRED if info.login == "none" else _REQUIRED + _LOGIN_REQUIRED
        if missing := [name for name in required if name not in hooks]:
            raise ValueError(f"a provider must implement {', '.join(missing)}")
        values = provider_settings(self._settings, info.id, info.settings)
        return _Introduced(name, info, plugin, values)


@dataclass(slots=True, frozen=True)
class _Introduced:
    """A provider that said who it is, with its plugin's name and its validated settings."""

    name: str
    info: ProviderInfo
    plugin: object
    settings: BaseModel


@dataclass(slots=True, frozen=True)
class _Given:
    """A plugin object handed in by the caller, in the shape of an entry point."""

    plugin: object
    dist: None = None

    @property
    def name(self) -> str:
        return getattr(self.plugin, "plugin_name", type(self.plugin).__name__)

    def load(self) -> object:
        return self.plugin


def unknown_names(settings: Settings, plugins: PluginSet) -> list[str]:
    """A line for each plugin and provider that the settings name and nobody installed, with the
    place and what was probably meant. No error, because a plugin may be away for a while.
    """
    reports = plugins.reports
    installed = {report.name for report in reports}
    # What a plugin that is off or broken provides is not known; mostly it is named alike.
    providers = {
        report.provider or report.name
        for report in reports
        if report.provider or report.state != "active"
    }
    named: list[tuple[tuple[str, ...], str, Iterable[str], set[str]]] = [
        (("plugins", "enabled"), "plugin", settings.plugins.enabled or (), installed),
        (("plugins", "disabled"), "plugin", settings.plugins.disabled, installed),
        (("routing", "priority"), "provider", settings.routing.priority, providers),
        (("providers",), "provider", settings.providers, providers),
    ]
    lines = []
    for path, kind, names, known in named:
        for name in names:
            if name in known:
                continue
            place = (*path, name) if path == ("providers",) else path
            origin = origin_of(place, settings.origins)
            meant = suggestion(name, known)
            advice = f"did you mean {meant!r}?" if meant else _installed(known)
            where = f"{origin}: " if origin else ""
            lines.append(f"{where}{dotted(place)}: no {kind} {name!r} is installed; {advice}")
    return lines


def _installed(names: Iterable[str]) -> str:
    return f"installed: {', '.join(sorted(names)) or 'none'}"


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
