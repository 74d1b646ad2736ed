"""The Kimi provider: the hooks and nothing else, each one call into the module that knows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway_core import (
    CONTRACT,
    Account,
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
    hookimpl,
)
from gateway_core.formats.chat import StreamReader
from gateway_kimi import login
from gateway_kimi.account import account, fetch
from gateway_kimi.errors import read_chunk_error, read_error
from gateway_kimi.models import CAPABILITIES, STATIC_MODELS, read_models
from gateway_kimi.request import ISSUER, translate
from gateway_kimi.settings import KimiSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["KimiProvider"]


class KimiProvider:
    """Kimi Code. Keeps nothing between calls."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Kimi Code, with a device login."""
        return ProviderInfo(
            id="kimi",
            title="Kimi Code",
            contract=CONTRACT,
            login="device",
            settings=KimiSettings,
            capabilities=CAPABILITIES,
            hosts=("api.kimi.com", "auth.kimi.com", "api.kimi.ai", "auth.kimi.ai"),
        )

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KimiSettings
    ) -> Credential:
        """With a device code."""
        return await login.login(prompt, http, settings)

    @hookimpl
    async def gateway_refresh(
        self, credential: Credential, http: "httpx.AsyncClient", settings: KimiSettings
    ) -> Credential:
        """Fresh tokens; the refresh token is used up by it and comes new too."""
        return await login.refresh(credential, http, settings)

    @hookimpl
    async def gateway_account(
        self, credential: Credential, http: "httpx.AsyncClient", settings: KimiSettings
    ) -> Account:
        """Plan and what is left of it."""
        return await account(credential, http, settings)

    @hookimpl
    async def gateway_models(
        self, credential: Credential | None, http: "httpx.AsyncClient", settings: KimiSettings
    ) -> Sequence[Model]:
        """The models of the plan; the static list without a login."""
        if credential is None:
            return STATIC_MODELS
        return read_models(await fetch(credential, http, settings, "/models"))

    @hookimpl
    def gateway_translate(
        self,
        request: Request,
        route: Route,
        credential: Credential | None,
        settings: KimiSettings,
    ) -> UpstreamCall:
        """One streamed chat completion."""
        if credential is None:
            raise LoginRequired("no Kimi account: run `gateway login kimi`")
        return translate(request, route, credential, settings)

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall) -> StreamDecoder:
        """A fresh decoder: the core reads the format."""
        return StreamReader(ISSUER, read_error=read_chunk_error, **call.state)

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> GatewayError | None:
        """What an answer outside 2xx means; None lets the core judge by the status."""
        return read_error(status, headers, body)
