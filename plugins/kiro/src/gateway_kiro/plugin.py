"""The Kiro provider: the hooks and nothing else.

Each is one call into the module that knows: `login`, `importer` and `refresh` for credentials,
`account` for plan and limits, `models`, `request`, `opening`, `stream` and `errors` for the
exchange itself.
"""

import logging
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
    Model,
    ProviderInfo,
    Request,
    Route,
    StreamDecoder,
    UpstreamCall,
    UpstreamStream,
    hookimpl,
)
from gateway_core.json import loads_object
from gateway_kiro import importer, login, refresh
from gateway_kiro.account import account
from gateway_kiro.control import list_models, resolve_profile
from gateway_kiro.counting import count_sent
from gateway_kiro.errors import error_of, is_opaque, read_failure
from gateway_kiro.models import CAPABILITIES, STATIC_MODELS, parse_name, read_models
from gateway_kiro.opening import Opener
from gateway_kiro.request import translate
from gateway_kiro.search import SearchDecoder
from gateway_kiro.settings import KiroSettings
from gateway_kiro.stream import KiroDecoder
from gateway_kiro.structure import problems

if TYPE_CHECKING:
    import httpx

    from gateway_core.http import Transport
    from gateway_kiro.state import CallState

__all__ = ["KiroProvider"]

_log = logging.getLogger(__name__)


class KiroProvider:
    """Kiro subscriptions. Keeps nothing but which accounts are to be left alone for a while, and
    the profiles it had to ask for.
    """

    def __init__(self) -> None:
        self._opener = Opener()

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Kiro, with a login in the browser."""
        return ProviderInfo(
            id="kiro",
            title="Kiro (AWS)",
            contract=CONTRACT,
            login="browser",
            settings=KiroSettings,
            capabilities=CAPABILITIES,
            hosts=(
                "app.kiro.dev",
                "prod.*.auth.desktop.kiro.dev",
                "oidc.*.amazonaws.com",
                "runtime.*.kiro.dev",
                "management.*.kiro.dev",
                "q.*.amazonaws.com",
            ),
        )

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KiroSettings, method: str
    ) -> Credential:
        """At Kiro's portal, at AWS with a device code, or with an API key."""
        return await login.login(prompt, http, settings, method)

    @hookimpl
    def gateway_import(self, source: Path | None) -> Credential:
        """From Kiro's command line or IDE."""
        return importer.import_login(source)

    @hookimpl
    async def gateway_refresh(
        self, credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
    ) -> Credential:
        """A fresh access token; the refresh token may come new too."""
        return await refresh.refresh(credential, http, settings)

    @hookimpl
    async def gateway_account(
        self, credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
    ) -> Account:
        """Plan and credits."""
        credential = await resolve_profile(credential, http, settings)
        return await account(credential, http, settings)

    @hookimpl
    async def gateway_models(
        self, credential: Credential | None, http: "httpx.AsyncClient", settings: KiroSettings
    ) -> Sequence[Model]:
        """What the account is offered; the static list without a login."""
        if credential is None:
            return STATIC_MODELS
        credential = await resolve_profile(credential, http, settings)
        return read_models(await list_models(credential, http, settings))

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        """Names in other spellings, with dates or efforts, and unlisted models."""
        return parse_name(name)

    @hookimpl
    def gateway_translate(
        self,
        request: Request,
        route: Route,
        credential: Credential | None,
        settings: KiroSettings,
    ) -> UpstreamCall:
        """One GenerateAssistantResponse, or one search."""
        return translate(request, route, credential, settings)

    @hookimpl
    def gateway_count_tokens(self, call: UpstreamCall | None) -> int | None:
        """Over the body that would be sent."""
        return None if call is None else count_sent(loads_object(call.body))

    @hookimpl
    def gateway_open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """One HTTP request, again where it was sent to the wrong place, and the rounds of a turn in
        which the model searches the web.
        """
        return self._opener.open(call, transport)

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall) -> StreamDecoder:
        """A fresh decoder."""
        state: CallState = call.state
        if state.search is not None and state.search.query is not None:
            return SearchDecoder(state.search)
        name = state.credential.account
        return KiroDecoder(state, lambda failure: self._opener.note(name, failure))

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """By reason, then exception and status, then words."""
        state: CallState = call.state
        failure = read_failure(status, headers, body)
        self._opener.note(state.credential.account, failure)
        if is_opaque(failure) and state.size:
            found = problems(loads_object(call.body)) or ["no rule that is known is broken"]
            _log.warning("Kiro refused a request without a reason: %s", "; ".join(found))
        return error_of(failure, state)
