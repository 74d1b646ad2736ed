"""The plugin host: finds plugins, guards their loading, and relays calls to one provider.

A plugin that fails to import, was written against another contract, misspells a hook or raises
while it introduces itself is left out and reported with its reason; the others go on. Nobody but
`Relay` calls the hooks of a provider.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pluggy
from pydantic import BaseModel

from gateway_core.defaults import CoreDefaults
from gateway_core.errors import GatewayError, Internal, Unsupported
from gateway_core.hookspecs import CONTRACT, PROJECT, GatewaySpec
from gateway_core.json import JsonObject
from gateway_core.provider import (
    Account,
    Claim,
    Exchange,
    LoginPrompt,
    Model,
    ProviderInfo,
    Route,
    StoredAction,
    StreamDecoder,
    UpstreamCall,
    UpstreamStream,
)
from gateway_core.request import Request
from gateway_core.settings import Settings, SettingsError, provider_settings

if TYPE_CHECKING:
    import httpx

    from gateway_core.credentials.store import Credential
    from gateway_core.http import Transport

__all__ = ["PluginReport", "PluginSet", "Relay"]

T = TypeVar("T")
log = logging.getLogger(__name__)

_ID = re.compile(r"[a-z][a-z0-9-]*")
_REQUIRED = ("gateway_models", "gateway_translate", "gateway_decoder")
_LOGIN_REQUIRED = ("gateway_login",)


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
    """The loaded plugins: `providers` by id, and a report for each plugin found.

    `extra` are plugin objects given by the caller, for tests and embedding; they are loaded before
    the installed ones and guarded the same way.
    """

    def __init__(self, settings: Settings, extra: Sequence[object] = ()) -> None:
        self.providers: dict[str, Relay] = {}
        self.reports: list[PluginReport] = []
        self._settings = settings
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(GatewaySpec)
        self._manager.register(CoreDefaults(), "core")
        introduced: dict[str, _Introduced] = {}
        for plugin in extra:
            self._load(_Given(plugin), introduced)
        for entry in sorted(entry_points(group=PROJECT), key=lambda entry: entry.name):
            self._load(entry, introduced)
        for provider in introduced.values():
            others = [other.plugin for other in introduced.values() if other is not provider]
            self.providers[provider.info.id] = Relay(
                self._manager, provider.info, provider.settings, others
            )

    @property
    def broken(self) -> list[PluginReport]:
        """The reports of the plugins that could not be used."""
        return [report for report in self.reports if report.state == "broken"]

    def observe(self, exchange: Exchange) -> None:
        """Tell every plugin about an exchange; an error in one is logged and goes no further."""
        try:
            self._manager.hook.gateway_exchange(exchange=exchange)
        except Exception:
            log.exception("a plugin failed in gateway_exchange")

    def add_commands(self, cli: object) -> None:
        """Let plugins add their commands to the command line."""
        self._manager.hook.gateway_commands(cli=cli)

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
            provider = self._introduce(plugin, hooks, introduced)
        except SettingsError:
            raise
        except (Exception, SystemExit) as error:
            if plugin is not None and self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            log.warning("plugin %s left out: %s", entry.name, _reason(error))
            report("broken", reason=_reason(error))
            return
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
        for attribute in dir(plugin):
            if attribute.startswith("gateway_") and attribute not in hooks:
                raise ValueError(f"{attribute} lacks the @hookimpl marker, so it would never run")
        if not hooks:
            raise ValueError("it implements no hook: mark methods with gateway_core.hookimpl")
        return tuple(sorted(hooks))

    def _introduce(
        self,
        plugin: object,
        hooks: tuple[str, ...],
        introduced: "Mapping[str, _Introduced]",
    ) -> "_Introduced | None":
        if "gateway_provider" not in hooks:
            return None
        info: ProviderInfo = plugin.gateway_provider()  # type: ignore[attr-defined]
        if not isinstance(info, ProviderInfo):
            raise TypeError(f"gateway_provider returned {type(info).__name__}, not ProviderInfo")
        if info.contract != CONTRACT:
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
        return _Introduced(info, plugin, values)


@dataclass(slots=True, frozen=True)
class _Introduced:
    """A provider that said who it is, with its validated settings."""

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


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class Relay:
    """Typed calls to the hooks of one provider; other providers do not see them.

    A `GatewayError` that a plugin raises goes through. Anything else it raises is its bug: logged
    with its traceback and turned into `Internal`, so that a turn fails and the server does not.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        info: ProviderInfo,
        settings: BaseModel,
        others: Sequence[object],
    ) -> None:
        self.info = info
        self.settings = settings
        self._callers = {
            name: manager.subset_hook_caller(name, others)
            for name in vars(GatewaySpec)
            if name.startswith("gateway_")
        }

    async def login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", method: str = "auto"
    ) -> "Credential":
        """Lead a person through a login."""
        credential: Credential = await self._await(
            "gateway_login", prompt=prompt, http=http, settings=self.settings, method=method
        )
        return credential

    async def import_login(self, source: Path | None = None) -> "Credential":
        """The login that another program keeps. Raises `Unsupported` when the provider knows of
        none.
        """
        credential: Credential | None = await asyncio.to_thread(
            self._call, "gateway_import", source=source, settings=self.settings
        )
        if credential is None:
            raise Unsupported(
                f"provider {self.info.id!r} imports no logins; run `gateway login {self.info.id}`"
            )
        return credential

    async def refresh(self, credential: "Credential", http: "httpx.AsyncClient") -> "Credential":
        """A fresh credential for a stale one."""
        fresh: Credential = await self._await(
            "gateway_refresh", credential=credential, http=http, settings=self.settings
        )
        return fresh

    async def logout(self, credential: "Credential", http: "httpx.AsyncClient") -> bool:
        """Revoke at the provider; False when it offers no way."""
        arguments = {"credential": credential, "http": http, "settings": self.settings}
        awaitable = self._call("gateway_logout", **arguments)
        if awaitable is None:
            return False
        await self.guard("gateway_logout", awaitable)
        return True

    async def account(self, credential: "Credential", http: "httpx.AsyncClient") -> Account | None:
        """What the provider tells about the account; None when it tells nothing."""
        arguments = {"credential": credential, "http": http, "settings": self.settings}
        awaitable = self._call("gateway_account", **arguments)
        return None if awaitable is None else await self.guard("gateway_account", awaitable)

    async def models(
        self, credential: "Credential | None", transport: "Transport"
    ) -> Sequence[Model]:
        """The provider's models. The HTTP client is made only for a plugin that asks for it."""
        hook = "gateway_models"
        wanted = any("http" in hookimpl.argnames for hookimpl in self._implementations(hook))
        models: Sequence[Model] = await self._await(
            hook,
            credential=credential,
            http=transport.http if wanted else None,
            settings=self.settings,
        )
        return models

    @property
    def streams_http(self) -> bool:
        """Whether the provider leaves opening the upstream to the core."""
        return len(self._implementations("gateway_open")) == 1

    def claim(self, name: str) -> Claim | None:
        """The model that a name outside all lists means here, or None."""
        claim: Claim | None = self._call("gateway_claim", name=name, settings=self.settings)
        return claim

    def translate(
        self, request: Request, route: Route, credential: "Credential | None"
    ) -> UpstreamCall:
        """The upstream call for a request."""
        call: UpstreamCall = self._call(
            "gateway_translate",
            request=request,
            route=route,
            credential=credential,
            settings=self.settings,
        )
        return call

    def open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """The upstream stream, to be entered."""
        stream: AbstractAsyncContextManager[UpstreamStream] = self._call(
            "gateway_open", call=call, transport=transport
        )
        return stream

    def decoder(
        self, call: UpstreamCall, route: Route, headers: Mapping[str, str]
    ) -> StreamDecoder:
        """A fresh decoder."""
        decoder: StreamDecoder = self._call(
            "gateway_decoder", call=call, route=route, headers=headers
        )
        return decoder

    def error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """What a non-2xx answer means."""
        error: GatewayError = self._call(
            "gateway_error", status=status, headers=headers, body=body, call=call
        )
        return error

    def count_tokens(self, request: Request, route: Route) -> int:
        """Input tokens of a request; slow, so called in a worker thread."""
        count: int = self._call(
            "gateway_count_tokens", request=request, route=route, settings=self.settings
        )
        return count

    async def stored_response(
        self,
        action: StoredAction,
        response_id: str,
        credential: "Credential",
        http: "httpx.AsyncClient",
    ) -> JsonObject:
        """Act on a response the upstream stores. Raises `Unsupported` when it stores none."""
        answer: JsonObject = await self._await(
            "gateway_stored_response",
            action=action,
            response_id=response_id,
            credential=credential,
            http=http,
            settings=self.settings,
        )
        return answer

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        return self._callers[hook].get_hookimpls()

    def _call(self, hook: str, **arguments: Any) -> Any:
        try:
            return self._callers[hook](**arguments)
        except GatewayError:
            raise
        except Exception as error:
            raise self.bug(hook, error) from error

    async def _await(self, hook: str, **arguments: Any) -> Any:
        awaitable = self._call(hook, **arguments)
        if awaitable is None:
            raise Unsupported(f"provider {self.info.id!r} does not implement {hook}")
        return await self.guard(hook, awaitable)

    async def guard(self, hook: str, awaitable: Awaitable[T]) -> T:
        """Await what a hook returned, with its failures in our terms."""
        from gateway_core.http_errors import translate_http_errors

        try:
            with translate_http_errors(self.info.title):
                return await awaitable
        except GatewayError:
            raise
        except Exception as error:
            raise self.bug(hook, error) from error

    def bug(self, hook: str, error: Exception) -> Internal:
        """Log what a hook raised and return the error that the client is given."""
        log.error("plugin of provider %s failed in %s", self.info.id, hook, exc_info=error)
        return Internal(
            f"the plugin of provider {self.info.id!r} failed in {hook} ({type(error).__name__}); "
            f"the log has the details"
        )
