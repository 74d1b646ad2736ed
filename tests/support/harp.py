"""Harp, an honest little provider with every kind of login, and its vendor, for tests of the kit.

A faulty one is a subclass that overrides one hook.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway_core import (
    CONTRACT,
    Capabilities,
    Claim,
    Credential,
    LoginPrompt,
    LoginRequired,
    Model,
    PartWriter,
    ProviderInfo,
    Request,
    Route,
    UpstreamCall,
    UpstreamProtocol,
    hookimpl,
)
from gateway_core.credentials.browser import browser_login
from gateway_core.credentials.callback import LoopbackCallback
from gateway_core.credentials.device import device_login
from gateway_core.credentials.oauth import (
    TokenResponse,
    authorize_url,
    exchange_code,
    pkce_pair,
    random_state,
    refresh_token,
    renewed,
)
from gateway_core.testing.subject import Subject
from gateway_core.testing.vendor import KeyVendor, OAuthVendor, Vendor

if TYPE_CHECKING:
    import httpx

    from gateway_core import Event

__all__ = [
    "AUTHORIZE",
    "CLIENT",
    "TOKENS",
    "Harp",
    "HarpSettings",
    "HarpVendor",
    "KeyHarp",
    "harp_subject",
    "key_harp_subject",
]

HOST = "https://login.harp.example"
AUTHORIZE = f"{HOST}/authorize"
TOKENS = f"{HOST}/tokens"
DEVICE = f"{HOST}/device"
CLIENT = "harp-client"

_EFFORTS = ("low", "high")
_CAPABILITIES = Capabilities(input=frozenset({"text"}), efforts=_EFFORTS)


class HarpSettings(BaseModel):
    """`[providers.harp]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(default="https://api.harp.example", description="where the API is")


class HarpDecoder:
    """Takes no answer for one."""

    def __init__(self) -> None:
        self._writer = PartWriter()

    def feed(self, data: bytes) -> "list[Event]":
        """Nothing."""
        return []

    def end(self) -> "list[Event]":
        """A failure."""
        self._writer.fail(UpstreamProtocol("Harp broke off its answer"))
        return self._writer.take()

    def data_to_send(self) -> bytes:
        """Nothing."""
        return b""


class Harp:
    """Logs in by browser, paste and device code; rotates its refresh tokens.

    kept: whatever a faulty one does not let go.
    """

    def __init__(self) -> None:
        self.kept: list[object] = []

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Harp."""
        return ProviderInfo(
            id="harp",
            title="Harp",
            contract=CONTRACT,
            login="browser",
            settings=HarpSettings,
            capabilities=_CAPABILITIES,
            hosts=("api.harp.example", "login.harp.example"),
        )

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", method: str
    ) -> Credential:
        """As the person wants it."""
        if method == "device":
            return self.credential(
                await device_login(
                    prompt, http, device_url=DEVICE, token_url=TOKENS, client_id=CLIENT
                )
            )
        pkce = pkce_pair()
        listener = LoopbackCallback(ports=(0,), state=self.state())

        def authorize(redirect_uri: str) -> str:
            return self.url(redirect_uri, listener.state, pkce.challenge)

        callback = await browser_login(prompt, listener, authorize, listen=method != "paste")
        return self.credential(
            await exchange_code(
                http,
                TOKENS,
                client_id=CLIENT,
                code=callback.code or "",
                redirect_uri=listener.redirect_uri,
                verifier=pkce.verifier,
            )
        )

    @hookimpl
    async def gateway_refresh(
        self, credential: Credential, http: "httpx.AsyncClient"
    ) -> Credential:
        """By refresh token."""
        if credential.refresh_token is None:
            raise LoginRequired("this login cannot be renewed; run `gateway login harp`")
        tokens = await refresh_token(
            http, TOKENS, refresh_token=credential.refresh_token, client_id=CLIENT
        )
        return renewed(credential, tokens)

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        """Two."""
        return [
            Model(
                f"harp-{number}",
                title=f"Harp {number}",
                aliases=(f"harp{number}",),
                context_window=100_000,
                max_output_tokens=10_000,
                efforts=_EFFORTS,
                default_effort="low",
            )
            for number in (1, 2)
        ]

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        """Names of Harp's that are not listed."""
        return Claim(name) if name.startswith("harp-") else None

    @hookimpl
    def gateway_translate(
        self, request: Request, route: Route, settings: HarpSettings
    ) -> UpstreamCall:
        """Says nothing at all."""
        return UpstreamCall("POST", settings.base_url, {}, b"{}")

    @hookimpl
    def gateway_decoder(self) -> HarpDecoder:
        """A fresh one."""
        return HarpDecoder()

    def state(self) -> str:
        """The state of a login."""
        return random_state()

    def url(self, redirect_uri: str, state: str, challenge: str) -> str:
        """Where the person agrees."""
        return authorize_url(
            AUTHORIZE,
            client_id=CLIENT,
            redirect_uri=redirect_uri,
            state=state,
            challenge=challenge,
        )

    def credential(self, tokens: TokenResponse) -> Credential:
        """The login that tokens make."""
        assert tokens.access_token is not None
        return Credential(
            provider="harp",
            account="harpist-1",
            label="harpist@example.com",
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_at=tokens.expires_at,
            extra={"region": "north"},
            secrets={"id_token": SecretStr("canary-id-token-of-harp")},
        )


class KeyHarp(Harp):
    """The same with a key that is typed."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Harp with a key."""
        return ProviderInfo("harp", "Harp", CONTRACT, "key", HarpSettings, _CAPABILITIES)

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", method: str
    ) -> Credential:
        """Asked for."""
        key = (await prompt.ask("Harp key: ", secret=True)).strip()
        if not key:
            raise LoginRequired("no key was given; run `gateway login harp` again")
        return Credential(provider="harp", account="default", access_token=SecretStr(key))

    @hookimpl
    async def gateway_refresh(
        self, credential: Credential, http: "httpx.AsyncClient"
    ) -> Credential:
        """Never."""
        raise LoginRequired("Harp refused the key; run `gateway login harp`")


class HarpVendor(OAuthVendor):
    """Harp's login service."""

    methods: Collection[str] = ("browser", "paste", "device")
    authorize_url = AUTHORIZE
    token_url = TOKENS
    device_url = DEVICE
    client_id = CLIENT


def harp_subject(
    make: Callable[[], object] = Harp, vendor: Callable[[], Vendor] = HarpVendor
) -> Subject:
    """Harp as its author hands it to the kit."""
    return Subject(make=make, vendor=vendor)


def key_harp_subject(make: Callable[[], object] = KeyHarp) -> Subject:
    """Harp with a key as its author hands it to the kit."""
    return Subject(make=make, vendor=KeyVendor)
