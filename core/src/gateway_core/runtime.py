"""The composition root: settings become plugins, credentials, models and routing.

One `Runtime` serves `gateway serve`, `ask`, `models`, `status` and tests alike. Entering it loads
the model lists and starts their background refresh; leaving it closes every upstream connection.
"""

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gateway_core.background import BackgroundResponses
from gateway_core.batches import BatchWorker, MessageBatches
from gateway_core.catalogue import Catalogue
from gateway_core.credentials import open_store
from gateway_core.credentials.deferred import DeferredStore
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import Credential, CredentialKey, CredentialStore
from gateway_core.errors import GatewayError
from gateway_core.http import Transports
from gateway_core.keeping import KeptResponses
from gateway_core.ledger import UsageLedger
from gateway_core.plugins import PluginSet
from gateway_core.recording import hide
from gateway_core.routing import Router
from gateway_core.settings import Settings, SettingsError
from gateway_core.state import StateError

__all__ = ["LOOK_SECONDS", "Runtime"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often logins of other processes are looked for."""
CLOSING_SECONDS = 10.0
"""How long the end of a process waits for the state: a plugin's store may hang."""
_RETRY_SECONDS = 300.0


class Runtime:
    """Everything a server or a command needs, wired together.

    extra_plugins: plugin objects besides the installed ones. installed: whether those that are
    installed are looked for. only_provider: serve this one alone. store: where credentials are; by
    default as the settings say. takes_over: whether message batches, and the work that dead
    gateways have left, are done here, as a server does; a command ends too soon for it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        only_provider: str | None = None,
        extra_plugins: Sequence[object] = (),
        installed: bool = True,
        store: CredentialStore | None = None,
        takes_over: bool = False,
    ) -> None:
        self.settings = settings
        self.takes_over = takes_over
        self.plugins = PluginSet(settings, extra_plugins, installed=installed)
        if only_provider is not None:
            self._keep_only(only_provider)
        self.transports = Transports(settings.timeouts)
        self.store = store or DeferredStore(
            lambda: open_store(settings.credentials.store, settings.paths.credentials)
        )
        self.credentials = CredentialManager(
            self.store, self._refresh_credential, settings.paths.state / "locks"
        )
        state = self.plugins.make_store()
        self.presence = state.presence
        self.usage = UsageLedger(state, settings.state.usage_days)
        self.responses = KeptResponses(state, settings.state)
        self.batches = MessageBatches(state, settings.batches)
        relays = self.plugins.providers
        self.catalogue = Catalogue(relays, self.transports, settings.paths.cache)
        self.router = Router(settings.routing, relays, self.catalogue, self.is_ready)
        self._ready: set[str] = {id for id, relay in relays.items() if not relay.info.needs_login}
        self._active: dict[str, str | None] = {}
        self._logins: set[CredentialKey] = set()
        self._background: list[asyncio.Task[None]] = []
        self.background = BackgroundResponses(self, state)
        self._batch_worker = BatchWorker(self)

    async def __aenter__(self) -> Self:
        await self._look_for_logins()
        await self.catalogue.load()
        self._background = [
            asyncio.create_task(self._keep_models_fresh()),
            asyncio.create_task(self.responses.prune_now_and_then()),
            asyncio.create_task(self.usage.keep_writing()),
            asyncio.create_task(self.background.keep_watch()),
        ]
        if self.takes_over:
            self._batch_worker.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._batch_worker.aclose()
        await self.background.aclose()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self.usage.write()
                await self.responses.aclose()  # closes the store, and with it the presence
        except TimeoutError:
            log.warning("the state was not closed within %g s", CLOSING_SECONDS)
        except (StateError, OSError) as error:
            log.warning("the state was not closed: %s", error)
        await self.credentials.aclose()
        await self.transports.aclose()
        await asyncio.to_thread(self.plugins.health.flush)

    def is_ready(self, provider: str) -> bool:
        """Whether a provider has what it needs to serve: a login, or no need for one."""
        return provider in self._ready

    async def credential(self, provider: str) -> Credential | None:
        """A fresh credential of the provider's active account; None when it has no account and
        needs none. Raises as `CredentialManager.fresh` does.
        """
        info = self.plugins.providers[provider].info
        if info.login == "none":
            return None
        if info.login_optional and await self.credentials.active(provider) is None:
            return None
        return await self.credentials.fresh(provider)

    async def known_credential(self, provider: str) -> Credential | None:
        """What is known of the active account's login, however stale, to translate with and never
        to send; None without one, or when the store cannot be read.
        """
        if self.plugins.providers[provider].info.login == "none":
            return None
        try:
            credential = await self.credentials.known(provider)
        except GatewayError as error:
            log.info("the login of %s could not be read: %s", provider, error.message)
            return None
        if credential is not None:
            hide(credential)
        return credential

    async def refresh_models(self, provider: str | None = None) -> None:
        """Ask one provider, or all that are ready, for their models.

        Raises the provider's `GatewayError` when one was named; otherwise failures are logged.
        """
        if provider is not None:
            await self._refresh(provider)
            return
        await asyncio.gather(*(self._refresh_quietly(id) for id in self._ready))

    def _keep_only(self, provider: str) -> None:
        if provider not in self.plugins.providers:
            known = ", ".join(sorted(self.plugins.providers)) or "none"
            raise SettingsError(f"no provider {provider!r} is installed (installed: {known})")
        self.plugins.providers = {provider: self.plugins.providers[provider]}

    async def _refresh_credential(self, credential: Credential) -> Credential:
        hide(credential)  # what a refresh raises may quote its tokens
        relay = self.plugins.providers[credential.provider]
        transport = self.transports.get(credential.provider, credential.account)
        return await relay.refresh(credential, transport.http)

    async def _look_for_logins(self) -> set[str]:
        """Notice logins that came or went and accounts that were switched, and give the providers
        that they belong to.
        """
        relays = self.plugins.providers
        logins: set[CredentialKey] = set()
        if any(relay.info.login != "none" for relay in relays.values()):
            logins = {key for key in await self.credentials.keys() if key.provider in relays}
        for gone in self._logins - logins:
            self.transports.log_out(gone.provider, gone.account)
        self._logins = logins
        logged_in = {key.provider for key in logins}
        active = {id: await self.credentials.active(id) for id in logged_in}
        changed = {id for id in relays if active.get(id) != self._active.get(id)}
        for id in changed:
            self.catalogue.outdate(id)
        self._active = active
        ready = {id for id, relay in relays.items() if not relay.info.needs_login}
        self._ready = ready | logged_in
        return changed

    async def _keep_models_fresh(self) -> None:
        """Until cancelled: notice logins of other processes, refresh lists that grew old.

        Each refresh is a task of its own, so that a provider that hangs holds up nobody else.
        """
        relays = self.plugins.providers
        if any(relays[id].streams_http for id in self._ready):
            try:
                await asyncio.to_thread(self.transports.warm_up)
            except Exception:  # the first turn will meet it, and can say so
                log.exception("the TLS settings could not be read ahead")
        running: dict[str, asyncio.Task[None]] = {}
        retry_at: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as refreshes:
            while True:
                for id in sorted(self._ready):
                    if id in running and not running[id].done():
                        continue
                    if self.catalogue.stale(id) and loop.time() >= retry_at.get(id, 0.0):
                        retry_at[id] = loop.time() + _RETRY_SECONDS
                        running[id] = refreshes.create_task(self._refresh_quietly(id))
                await asyncio.sleep(LOOK_SECONDS)
                try:
                    for id in await self._look_for_logins():
                        retry_at.pop(id, None)
                except Exception as error:
                    log.warning("the credential store could not be read: %s", error)

    async def _refresh_quietly(self, provider: str) -> None:
        try:
            await self._refresh(provider)
        except GatewayError as error:
            log.warning("the model list of %s was not refreshed: %s", provider, error.message)
        except Exception:
            log.exception("the model list of %s was not refreshed", provider)

    async def _refresh(self, provider: str) -> None:
        await self.catalogue.refresh(provider, await self.credential(provider))
