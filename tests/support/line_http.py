"""The line provider over HTTP: what the exchange is tested with, against a scripted upstream."""

from collections.abc import Sequence
from datetime import UTC, datetime
from queue import SimpleQueue

from pydantic import SecretStr

from gateway_core import (
    CONTRACT,
    Capabilities,
    Credential,
    Model,
    ProviderInfo,
    Request,
    UpstreamCall,
    hookimpl,
)
from gateway_core.provider import Exchange, LoginKind
from support.providers import LineDecoder

__all__ = ["LineHttpProvider", "credential"]


def credential(token: str) -> Credential:
    """A login of the line provider, good until long after the tests."""
    return Credential(
        provider="lines",
        account="someone",
        access_token=SecretStr(token),
        refresh_token=SecretStr("refresh-token"),
        expires_at=datetime(2126, 1, 1, tzinfo=UTC),
    )


class LineHttpProvider:
    """Posts to `url` what the user said last; the answer's lines are text, `.` is the end.

    `exchanges` holds those it was told of, from the server's thread; `refreshed` counts the
    refreshes it was asked for.
    """

    def __init__(
        self,
        url: str,
        *,
        login: LoginKind = "none",
        idle_timeout: float | None = None,
        total_timeout: float | None = None,
    ) -> None:
        self.exchanges: SimpleQueue[Exchange] = SimpleQueue()
        self.refreshed = 0
        self.url = url
        self._login = login
        self._timeouts = idle_timeout, total_timeout

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo(
            "lines",
            "Lines",
            CONTRACT,
            self._login,
            capabilities=Capabilities(sampling=frozenset({"max_output_tokens"})),
        )

    @hookimpl
    async def gateway_login(self) -> Credential:
        raise AssertionError("no test logs in here")

    @hookimpl
    async def gateway_refresh(self, credential: Credential) -> Credential:
        self.refreshed += 1
        return credential.model_copy(
            update={"access_token": SecretStr(f"token-{self.refreshed + 1}")}
        )

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [Model("line-1", context_window=1000), Model("line-2"), Model("line-3")]

    @hookimpl
    def gateway_translate(self, request: Request, credential: Credential | None) -> UpstreamCall:
        headers = {}
        if credential is not None:
            headers["authorization"] = f"Bearer {credential.access_token.get_secret_value()}"
        text = request.messages[-1].parts[-1]
        return UpstreamCall("POST", self.url, headers, repr(text).encode(), *self._timeouts)

    @hookimpl
    def gateway_decoder(self) -> LineDecoder:
        return LineDecoder()

    @hookimpl
    def gateway_exchange(self, exchange: Exchange) -> None:
        self.exchanges.put(exchange)
