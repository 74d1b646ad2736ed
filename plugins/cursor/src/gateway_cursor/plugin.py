"""The Cursor provider: the hooks and nothing else.

Each is one call into the module that knows: `login`, `importer` and `refresh` for credentials,
`account` for plan and spending, `catalogue` for models and `models` for their names, `request`,
`opening`, `stream` and `errors` for the exchange itself.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway_core import (
    CONTRACT,
    Account,
    Claim,
    Credential,
    GatewayError,
    LoginPrompt,
    LoginRequired,
    Model,
    ProviderInfo,
    Request,
    Route,
    StreamDecoder,
    UpstreamCall,
    UpstreamStream,
    hookimpl,
)
from gateway_cursor import importer, login, refresh
from gateway_cursor.account import account
from gateway_cursor.catalogue import live_models
from gateway_cursor.errors import http_error
from gateway_cursor.models import CAPABILITIES, parse_name, static_models
from gateway_cursor.opening import Opener
from gateway_cursor.request import translate
from gateway_cursor.settings import CursorSettings
from gateway_cursor.stream import CursorDecoder

if TYPE_CHECKING:
    import httpx

    from gateway_core.http import Transport

__all__ = ["CursorProvider"]


class CursorProvider:
    """Cursor subscriptions. Keeps the runs that wait for the results of clients' tools.

    opener: what opens turns, for tests of its pace.
    """

    def __init__(self, opener: Opener | None = None) -> None:
        self._opener = opener or Opener()

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Cursor, with a login in the browser."""
        return ProviderInfo(
            id="cursor",
            title="Cursor",
            contract=CONTRACT,
            login="browser",
            settings=CursorSettings,
            capabilities=CAPABILITIES,
            hosts=("cursor.com", "api2.cursor.sh"),
        )

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: CursorSettings, method: str
    ) -> Credential:
        """In a browser anywhere, or with an API key."""
        return await login.login(prompt, http, settings, method)

    @hookimpl
    def gateway_import(self, source: Path | None) -> Credential:
        """From Cursor's command line or IDE."""
        return importer.import_login(source)

    @hookimpl
    async def gateway_refresh(
        self, credential: Credential, http: "httpx.AsyncClient", settings: CursorSettings
    ) -> Credential:
        """A fresh access token. A session that is over takes the runs that wait with it."""
        try:
            return await refresh.refresh(credential, http, settings)
        except LoginRequired:
            self._opener.logged_out(credential.account)
            raise

    @hookimpl
    async def gateway_logout(self, credential: Credential, settings: CursorSettings) -> None:
        """Cursor has no call for it, which is said instead."""
        raise login.cannot_revoke(credential, settings)

    @hookimpl
    async def gateway_account(
        self, credential: Credential, http: "httpx.AsyncClient", settings: CursorSettings
    ) -> Account:
        """Plan and spending."""
        return await account(credential, http, settings)

    @hookimpl
    async def gateway_models(
        self, credential: Credential | None, http: "httpx.AsyncClient", settings: CursorSettings
    ) -> Sequence[Model]:
        """What the account is offered; a short static list without a login."""
        if credential is None:
            return static_models(settings)
        return await live_models(credential, http, settings)

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        """Names with a mode, with suffixes, and Anthropic's names of Claude models."""
        return parse_name(name)

    @hookimpl
    def gateway_translate(
        self,
        request: Request,
        route: Route,
        credential: Credential | None,
        settings: CursorSettings,
    ) -> UpstreamCall:
        """One run of the agent service."""
        return translate(request, route, credential, settings)

    @hookimpl
    def gateway_open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """The run that waits for these results, else a new one over HTTP/2."""
        return self._opener.open(call, transport)

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall, headers: Mapping[str, str]) -> StreamDecoder:
        """A fresh decoder."""
        return CursorDecoder(call.state, headers)

    @hookimpl
    def gateway_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """By cause, then code, then status."""
        return http_error(status, headers, body)
