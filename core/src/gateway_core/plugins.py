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
from pydantic import BaseModel, SecretBytes, SecretStr

from gateway_core.defaults import CoreDefaults
from gateway_core.hookspecs import CONTRACT, PROJECT, SUPPORTED_CONTRACTS, GatewaySpec
from gateway_core.plugin_health import PluginHealth, WrongResult
from gateway_core.provider import Exchange, ProviderInfo
from gateway_core.redaction import redact_message, register_secret
from gateway_core.relay import Relay
from gateway_core.settings import Settings, SettingsError, provider_settings, state_options
from gateway_core.settings_file import dotted
from gateway_core.settings_layers import origin_of, suggestion, wrong_setting
from gateway_core.state.guarded import guarded, missing_parts
from gateway_core.state.info import StateStoreInfo
from gateway_core.state.store import StateError, StateStore

__all__ = ["PluginReport", "PluginSet", "unknown_names"]

log = logging.getLogger(__name__)

_ID = re.compile(r"[a-z][a-z0-9-]*")
_REQUIRED = ("gateway_models", "gateway_translate", "gateway_decoder")
_LOGIN_REQUIRED = ("gateway_login",)
_CORE = "core"
_STORE = ("state", "store")
_STORE_HOOK = "gateway_state_store"
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
    store: str | None = None


class _Manager(pluggy.PluginManager):
    """Looks for hooks among the methods that a plugin may mean as one, which are half of all."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return None if name.startswith("__") else super().parse_hookimpl_opts(plugin, name)


class PluginSet:
    """The loaded plugins: `providers` by id, `stores` for state by name, a report for each plugin
    found, and their `health`.

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
        self.stores: dict[str, StateStoreInfo] = {}
        self.reports: list[PluginReport] = []
        self.health = PluginHealth(settings.paths.state / "plugins")
        self._remembers = remembers
        self._settings = settings
        self._manager = _Manager(PROJECT)
        self._manager.add_hookspecs(GatewaySpec)
        core = CoreDefaults()
        self._manager.register(core, _CORE)
        built_in = core.gateway_state_store()
        self.stores[built_in.name] = built_in
        self._store_plugins = {built_in.name: _CORE}
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

    def check_store(self) -> None:
        """Raises `SettingsError` when the settings name a store that nobody has, or give it options
        that it does not take. Options that it needs may be missing still.
        """
        state_options(self._settings, self._chosen_store().settings, unfinished=True)

    def make_store(self) -> StateStore:
        """The store that the settings name; it has connected to nothing yet.

        Raises `SettingsError` when there is none of that name, its options are wrong, or its plugin
        fails: another one is never taken in its place.
        """
        info = self._chosen_store()
        plugin = self._store_plugins[info.name]
        options = state_options(self._settings, info.settings)
        _hide(options.model_dump() if options else {})
        try:
            store = info.make(options, self._settings.paths.state)
            if missing := missing_parts(store):
                raise WrongResult(f"gave {type(store).__name__} without {', '.join(missing)}")
        except Exception as error:
            if not isinstance(error, StateError):
                log.exception("plugin %s failed to make the state store %s", plugin, info.name)
                self._remember(plugin, _STORE_HOOK, error)
            cause = redact_message(_reason(error))
            said = f"{dotted(_STORE)}: the store {info.name!r} cannot be made: {cause}"
            raise wrong_setting(_STORE, said, self._settings.origins) from error
        if plugin == _CORE:
            return store
        return guarded(store, info.name, lambda error: self._store_failed(plugin, error))

    def _chosen_store(self) -> StateStoreInfo:
        name = self._settings.state.store
        if name in self.stores:
            return self.stores[name]
        meant = suggestion(name, self.stores)
        advice = f"did you mean {meant!r}?" if meant else _installed(self.stores)
        left_out = [
            f"{report.name} ({report.reason})"
            for report in self.reports
            if report.state == "broken" or (report.state == "disabled" and name in report.name)
        ]
        more = f"; left out: {', '.join(left_out)}; see `gateway plugins`" if left_out else ""
        said = f"{dotted(_STORE)}: no state store {name!r} is installed; {advice}{more}"
        raise wrong_setting(_STORE, said, self._settings.origins)

    def _store_failed(self, plugin: str, error: Exception) -> None:
        log.error("plugin %s failed in its state store", plugin, exc_info=error)
        self._remember(plugin, _STORE_HOOK, error)

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
            store = self._introduce_store(plugin, hooks)
        except SettingsError:
            raise
        except (Exception, SystemExit) as error:
            if plugin is not None and self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            log.warning("plugin %s left out: %s", entry.name, _reason(error))
            report("broken", reason=_reason(error))
            return
        self._versions[entry.name] = version
        facts: dict[str, Any] = {}
        if store is not None:
            self.stores[store.name] = store
            self._store_plugins[store.name] = entry.name
            facts["store"] = store.name
        if provider is not None:
            introduced[provider.info.id] = provider
            facts |= {"provider": provider.info.id, "title": provider.info.title}
        report("active", hooks=hooks, **facts)

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
        _check_contract(info.contract)
        if not _ID.fullmatch(info.id):
            raise ValueError(f"provider id {info.id!r} is not lower-case letters, digits, hyphens")
        if info.id in introduced:
            raise ValueError(f"provider id {info.id!r} is already taken by another plugin")
        required = _REQUIRED if info.login == "none" else _REQUIRED + _LOGIN_REQUIRED
        if missing := [name for name in required if name not in hooks]:
            raise ValueError(f"a provider must implement {', '.join(missing)}")
        values = provider_settings(self._settings, info.id, info.settings)
        return _Introduced(name, info, plugin, values)

    def _introduce_store(self, plugin: object, hooks: tuple[str, ...]) -> StateStoreInfo | None:
        if _STORE_HOOK not in hooks:
            return None
        info: StateStoreInfo = plugin.gateway_state_store()  # type: ignore[attr-defined]  # in hooks
        if not isinstance(info, StateStoreInfo):
            raise TypeError(f"{_STORE_HOOK} returned {type(info).__name__}, not StateStoreInfo")
        _check_contract(info.contract)
        if not _ID.fullmatch(info.name):
            raise ValueError(f"store name {info.name!r} is not lower-case letters, digits, hyphens")
        if info.name in self.stores:
            raise ValueError(f"store name {info.name!r} is already taken by another plugin")
        return info


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


def _check_contract(contract: int) -> None:
    if contract not in SUPPORTED_CONTRACTS:
        raise ValueError(
            f"it was written for contract {contract}, this core speaks {CONTRACT}: "
            f"install a version of the plugin that fits"
        )


def _hide(values: Mapping[str, Any]) -> None:
    """Have the secrets among a store's options redacted: its driver's errors may quote them."""
    for value in values.values():
        _hide_value(value)


def _hide_value(value: object) -> None:
    if isinstance(value, SecretStr):
        register_secret(value.get_secret_value())
    elif isinstance(value, SecretBytes):
        register_secret(value.get_secret_value().decode(errors="replace"))
    elif isinstance(value, Mapping):
        _hide(value)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            _hide_value(inner)


def _installed(names: Iterable[str]) -> str:
    return f"installed: {', '.join(sorted(names)) or 'none'}"


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
