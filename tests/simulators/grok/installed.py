"""A gateway with the Grok provider whose only world is a simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from gateway_core import Credential
from gateway_core.credentials.file_store import FileStore
from gateway_grok.plugin import GrokProvider
from simulators.grok.server import GrokSimulator
from simulators.grok.state import ACCESS_LIFETIME, FULL_SCOPE, Account, Tokens
from support.command import GatewayCommand
from support.served import HttpServed
from support.server import Gateway, running_gateway

__all__ = [
    "GrokServed",
    "credential_of",
    "grok_command",
    "grok_gateway",
    "settings_for",
    "store_login",
]


def credential_of(account: Account, tokens: Tokens) -> Credential:
    """What a login leaves in the store."""
    return Credential(
        provider="grok",
        account=account.team or account.id,
        label=account.email,
        access_token=SecretStr(tokens.access),
        refresh_token=SecretStr(tokens.refresh),
        expires_at=datetime.now(UTC) + timedelta(seconds=ACCESS_LIFETIME),
        secrets={"id_token": SecretStr(tokens.id)},
    )


def store_login(
    simulator: GrokSimulator,
    folder: Path,
    account: Account | None = None,
    *,
    scope: str = FULL_SCOPE,
) -> FileStore:
    """A store with a new login in it, of the simulator's own account or of another."""
    account = account or simulator.account
    store = FileStore(folder)
    store.put(credential_of(account, simulator.state.log_in(account.id, scope=scope)))
    return store


def settings_for(simulator: GrokSimulator) -> dict[str, str]:
    """`[providers.grok]` that leads to the simulator."""
    return {
        "api_url": simulator.api_url,
        "proxy_url": simulator.proxy_url,
        "auth_url": simulator.url,
    }


@contextmanager
def grok_gateway(
    simulator: GrokSimulator,
    home: Path,
    settings: Mapping[str, object] | None = None,
    *,
    account: Account | None = None,
    scope: str = FULL_SCOPE,
) -> Iterator[Gateway]:
    """A gateway in this process. settings: by dotted key. account, scope: who is logged in, and
    with which permissions.
    """
    ours = {f"providers.grok.{key}": value for key, value in settings_for(simulator).items()}
    with running_gateway(
        home,
        extra_plugins=[GrokProvider()],
        settings={**ours, **(settings or {})},
        store=store_login(simulator, home / "credentials", account, scope=scope),
    ) as gateway:
        yield gateway


def grok_command(simulator: GrokSimulator, home: Path, *, logged_in: bool = True) -> GatewayCommand:
    """The `gateway` command with the installed plugin, told of the simulator by environment alone.

    home: an existing folder, which gets the login.
    """
    if logged_in:
        store_login(simulator, home / "credentials")
    command = GatewayCommand(home)
    command.environ = {
        f"GATEWAY_PROVIDERS__GROK__{key.upper()}": value
        for key, value in settings_for(simulator).items()
    }
    command.environ["GATEWAY_PLUGINS"] = "grok"
    return command


class GrokServed(HttpServed[GrokSimulator]):
    """The pair for Grok."""

    provider = "grok"
    model = "grok-4.5"
    simulated = GrokSimulator
    started = staticmethod(grok_gateway)
    idle_setting = "providers.grok.idle_timeout"

    @property
    def refreshes(self) -> int:
        return self.simulator.state.refreshes

    def end_tokens(self) -> None:
        self.simulator.state.end_access_tokens()

    def end_login(self) -> None:
        self.simulator.state.end_access_tokens()
        self.simulator.state.refuse_refresh = "invalid_grant"

    def forget(self) -> None:
        super().forget()
        self.simulator.backend.bad_credentials = False
