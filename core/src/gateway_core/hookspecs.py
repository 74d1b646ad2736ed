"""The contract between the core and its plugins.

A plugin is an object (or a class without arguments, which the core instantiates) published under
the entry point group `gateway`. It marks methods with `hookimpl`. `gateway_provider` makes it a
provider; a plugin without it is a policy, an observer, or brings a place for state. Hooks are
called per request, never per event.

Every hook below `gateway_commands` is called on exactly one provider, the one that owns the model.
Wrappers (`@hookimpl(wrapper=True)`) in other plugins see all of these calls. An asynchronous hook's
wrapper sees the awaitable, not its outcome, and returns a new awaitable.
"""

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from gateway_core.errors import GatewayError
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

if TYPE_CHECKING:
    import click
    import httpx
    from pydantic import BaseModel

    from gateway_core.credentials.store import Credential
    from gateway_core.http import Transport
    from gateway_core.state.info import StateStoreInfo

__all__ = ["CONTRACT", "PROJECT", "SUPPORTED_CONTRACTS", "GatewaySpec", "hookimpl", "hookspec"]

PROJECT = "gateway"
CONTRACT = 1
"""Raised when a hook changes incompatibly; the core loads plugins of this contract and of the one
before.
"""
SUPPORTED_CONTRACTS = range(max(1, CONTRACT - 1), CONTRACT + 1)

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class GatewaySpec:
    """All hooks. Implementations may take any subset of the arguments, by name."""

    @hookspec
    def gateway_provider(self) -> "ProviderInfo":
        """Who the provider is. Called once when the plugin is loaded."""

    @hookspec
    def gateway_state_store(self) -> "StateStoreInfo":
        """A place for what survives a restart (stored responses, batches, the usage ledger), which
        serves where `state.store` has its name. Called once when the plugin is loaded, for a
        provider or not. Optional; the core's is `sqlite`.

        See `gateway_core.StateStore` for what a store must do, and
        `gateway_core.testing.StateStoreConformance` for the proof.
        """

    @hookspec
    def gateway_commands(self, cli: "click.Group") -> None:
        """Add commands to the command line. Optional; called when an unknown command is asked
        for.
        """

    @hookspec(firstresult=True)
    def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: "BaseModel", method: str
    ) -> Awaitable["Credential"]:
        """Lead a person through a login. `method` is `auto`, `browser`, `device` or `paste`.

        Asynchronous. Raises `LoginRequired` when the person or the provider declines.
        """

    @hookspec(firstresult=True)
    def gateway_import(self, source: Path | None, settings: "BaseModel") -> "Credential":
        """A credential from what another program keeps, asked for by a person: never otherwise may
        a plugin read other programs' logins. `source` is what followed `--path`, else `--from`, not
        expanded; None means the usual place.

        Optional, and called in a worker thread. Raises `LoginRequired` that says what to do when
        there is nothing to import.
        """

    @hookspec(firstresult=True)
    def gateway_refresh(
        self, credential: "Credential", http: "httpx.AsyncClient", settings: "BaseModel"
    ) -> Awaitable["Credential"]:
        """Exchange a stale credential for a fresh one.

        Asynchronous. Raises `LoginRequired` when the refresh token was rejected for good, any other
        `GatewayError` when trying again later may help.
        """

    @hookspec(firstresult=True)
    def gateway_logout(
        self, credential: "Credential", http: "httpx.AsyncClient", settings: "BaseModel"
    ) -> Awaitable[None]:
        """Revoke a credential at the provider before the core forgets it. Asynchronous,
        optional.
        """

    @hookspec(firstresult=True)
    def gateway_same_account(self, credential: "Credential", other: "Credential") -> bool:
        """Whether two logins with different `Credential.account` are of one account all the same,
        because the plugin once named accounts otherwise: then a new login replaces the stored one.
        Optional; without it they are two accounts.
        """

    @hookspec(firstresult=True)
    def gateway_account(
        self, credential: "Credential", http: "httpx.AsyncClient", settings: "BaseModel"
    ) -> Awaitable[Account]:
        """Plan, limits and warnings of the account. Asynchronous, optional."""

    @hookspec(firstresult=True)
    def gateway_models(
        self, credential: "Credential | None", http: "httpx.AsyncClient", settings: "BaseModel"
    ) -> Awaitable[Sequence[Model]]:
        """The models: live when there is a credential and a network, else a static list.

        Asynchronous. May raise; the core then keeps the list it had.
        """

    @hookspec(firstresult=True)
    def gateway_claim(self, name: str, settings: "BaseModel") -> Claim | None:
        """Own a model name that no list holds, such as `gpt-5.5-fast`; None to decline.
        Optional.
        """

    @hookspec(firstresult=True)
    def gateway_translate(
        self,
        request: Request,
        route: Route,
        credential: "Credential | None",
        settings: "BaseModel",
    ) -> UpstreamCall:
        """The upstream call for a request: pure, deterministic, leaves the request untouched.

        Raises `Unsupported` or `InvalidRequest` for what cannot be asked of this upstream.
        """

    @hookspec(firstresult=True)
    def gateway_open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """Open the upstream stream. Optional; the core's default is one HTTP request.

        Entering raises a retryable `GatewayError` when the upstream cannot be reached.
        """

    @hookspec(firstresult=True)
    def gateway_decoder(
        self, call: UpstreamCall, route: Route, headers: Mapping[str, str]
    ) -> StreamDecoder:
        """A fresh decoder for one answer, given the upstream's response headers."""

    @hookspec(firstresult=True)
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError | None:
        """What a non-2xx answer means; None to let the core judge by status. Optional."""

    @hookspec(firstresult=True)
    def gateway_count_tokens(
        self,
        request: Request,
        route: Route,
        settings: "BaseModel",
        call: UpstreamCall | None,
    ) -> int | None:
        """Input tokens the provider would be sent: `call` is the request as translated, or None
        where that needs a login that is not there or it is too large to be sent. Optional and
        called in a worker thread, as the translation before it is; None lets the core count, which
        knows the bodies of the public formats (`gateway_core.sent_tokens`).
        """

    @hookspec(firstresult=True)
    def gateway_stored_response(
        self,
        action: StoredAction,
        response_id: str,
        credential: "Credential",
        http: "httpx.AsyncClient",
        settings: "BaseModel",
    ) -> Awaitable[JsonObject]:
        """Act on a response that the upstream stores under its own id. Asynchronous, optional.

        A decoder tells that an answer is stored by `Begin.stored`. Raises `NotFound` for one that
        is not there, `Unsupported` for what the upstream cannot do.
        """

    @hookspec
    def gateway_exchange(self, exchange: Exchange) -> None:
        """Told to every plugin after each exchange. Must be quick; an error in it is only
        logged.
        """
