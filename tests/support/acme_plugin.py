"""A provider with a login, for tests of the command line in a process of its own.

The login asks for a key and makes an account of it; an import reads the key from a file. `refuse`
as the key is declined; an account named `stuck` cannot be refreshed, one named `bound` cannot be
revoked. The model `acme-2` is always busy.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from gateway_core import (
    CONTRACT,
    Account,
    Credential,
    Forbidden,
    LoginPrompt,
    LoginRequired,
    Model,
    ProviderInfo,
    RateLimited,
    RateWindow,
    Route,
    UpstreamCall,
    hookimpl,
)
from support.providers import LineDecoder, LocalStream


class AcmeSettings(BaseModel):
    """`[providers.acme]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str = "eu"
    pause_ms: int = 0
    pin: SecretStr | None = None


class AcmeProvider:
    """Answers `hello` once somebody is logged in."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("acme", "Acme", CONTRACT, "key", AcmeSettings)

    @hookimpl
    async def gateway_models(self) -> list[Model]:
        return [Model("acme-1", "Acme One", context_window=200_000), Model("acme-2")]

    @hookimpl
    def gateway_translate(self, route: Route) -> UpstreamCall:
        return UpstreamCall("POST", "acme:", {}, route.model.encode())

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[LocalStream]:
        if call.body == b"acme-2":
            raise RateLimited("acme is busy with access-canary-1", retry_after=3600)
        yield LocalStream([b"hello\n", b".\n"])

    @hookimpl
    def gateway_decoder(self) -> LineDecoder:
        return LineDecoder()

    @hookimpl
    async def gateway_login(self, prompt: LoginPrompt, method: str) -> Credential:
        prompt.show(f"method {method}")
        key = await prompt.ask("Key: ", secret=True)
        if key == "refuse":
            raise LoginRequired("acme does not know this key; run `gateway login acme` again")
        return _credential(key, "access-canary-1", datetime.now(UTC) + timedelta(hours=2))

    @hookimpl
    def gateway_import(self, source: Path | None) -> Credential:
        path = source or Path.home() / "acme-key"
        if not path.exists():
            raise LoginRequired(f"there is no {path}; run `gateway login acme`")
        name = path.read_text().strip()
        return _credential(name, "access-canary-3", datetime.now(UTC) + timedelta(hours=2))

    @hookimpl
    async def gateway_refresh(self, credential: Credential) -> Credential:
        if credential.account == "stuck":
            raise LoginRequired("acme refused; run `gateway login acme`")
        expires_at = datetime(2040, 1, 2, 3, 4, tzinfo=UTC)
        return _credential(credential.account, "access-canary-2", expires_at)

    @hookimpl
    async def gateway_logout(self, credential: Credential) -> None:
        if credential.account == "bound":
            raise Forbidden("acme keeps it")

    @hookimpl
    async def gateway_account(self, credential: Credential) -> Account:
        windows = [
            RateWindow("5h", 42.0, datetime.now(UTC) + timedelta(hours=3, minutes=5, seconds=30)),
            RateWindow("weekly"),
        ]
        return Account(
            id="a-1",
            name="Home",
            structure="personal",
            plan="plus",
            subscription_active=True,
            subscription_until=datetime(2040, 1, 2, 3, 4, tzinfo=UTC),
            credits_balance=12.5,
            rate_windows=windows,
            warnings=["card expires"],
        )


def _credential(account: str, token: str, expires_at: datetime) -> Credential:
    return Credential(
        provider="acme",
        account=account,
        label=f"{account}@acme.test",
        access_token=SecretStr(token),
        refresh_token=SecretStr("refresh-canary"),
        expires_at=expires_at,
    )
