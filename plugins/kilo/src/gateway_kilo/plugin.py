"""The Kilo provider: the hooks and nothing else, each one call into the module that knows."""

from collections.abc import Mapping, Sequence
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
    hookimpl,
)
from gateway_core.formats.chat import StreamReader
from gateway_kilo import login
from gateway_kilo.account import account, list_models
from gateway_kilo.errors import read_chunk_error, read_error
from gateway_kilo.models import CAPABILITIES, claim
from gateway_kilo.request import ISSUER, translate
from gateway_kilo.settings import KiloSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["KiloProvider"]


class KiloProvider:
    """The Kilo gateway. Keeps nothing between calls."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Kilo: free models for everybody, all of them after a device login."""
        return ProviderInfo(
            id="kilo",
            title="Kilo",
            contract=CONTRACT,
            login="device",
            login_optional=True,
            settings=KiloSettings,
            capabilities=CAPABILITIES,
            hosts=("api.kilo.ai",),
        )

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KiloSettings
    ) -> Credential:
        """With a code to confirm in a browser."""
        return await login.login(prompt, http, settings)

    @hookimpl
    async def gateway_refresh(self, credential: Credential) -> Credential:
        """Tokens of Kilo are not refreshed: one that is refused is dead."""
        raise LoginRequired("Kilo no longer takes this login; run `gateway login kilo`")

    @hookimpl
    async def gateway_account(
        self, credential: Credential, http: "httpx.AsyncClient", settings: KiloSettings
    ) -> Account:
        """Who it is, and the credits that are left."""
        return await account(credential, http, settings)

    @hookimpl
    async def gateway_models(
        self, credential: Credential | None, http: "httpx.AsyncClient", settings: KiloSettings
    ) -> Sequence[Model]:
        """All models with a login, the free ones without."""
        return await list_models(credential, http, settings)

    @hookimpl
    def gateway_claim(self, name: str, settings: KiloSettings) -> Claim | None:
        """The bare name `kilo`, and short names."""
        return claim(name, settings)

    @hookimpl
    def gateway_translate(
        self,
        request: Request,
        route: Route,
        credential: Credential | None,
        settings: KiloSettings,
    ) -> UpstreamCall:
        """One streamed chat completion."""
        return translate(request, route, credential, settings)

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall) -> StreamDecoder:
        """A fresh decoder: the core reads the format."""
        return StreamReader(ISSUER, read_error=read_chunk_error, tool_names=call.state)

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> GatewayError | None:
        """What an answer outside 2xx means; None lets the core judge by the status."""
        return read_error(status, headers, body)
