"""A gateway with the Codex provider whose only world is a simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from gateway_codex.plugin import CodexProvider
from gateway_core import Credential
from gateway_core.credentials.file_store import FileStore
from simulators.codex.server import CodexSimulator
from simulators.codex.state import Account
from support.command import GatewayCommand
from support.served import HttpServed
from support.server import Gateway, running_gateway

__all__ = ["CodexServed", "codex_command", "codex_gateway", "store_login"]


def store_login(
    simulator: CodexSimulator, folder: Path, account: Account | None = None
) -> FileStore:
    """A store with the simulator's own login in it, or with a new one of another account."""
    tokens = simulator.tokens if account is None else simulator.state.log_in(account.id)
    account = account or simulator.account
    store = FileStore(folder)
    store.put(
        Credential(
            provider="codex",
            account=account.id,
            label=account.email,
            access_token=SecretStr(tokens.access),
            refresh_token=SecretStr(tokens.refresh),
            secrets={"id_token": SecretStr(tokens.id)},
        )
    )
    return store


def _settings(simulator: CodexSimulator) -> dict[str, str]:
    return {
        "base_url": simulator.base_url,
        "backend_url": simulator.backend_url,
        "auth_url": simulator.url,
    }


@contextmanager
def codex_gateway(
    simulator: CodexSimulator,
    home: Path,
    settings: Mapping[str, object] | None = None,
    *,
    account: Account | None = None,
) -> Iterator[Gateway]:
    """A gateway in this process. settings: by dotted key. account: who is logged in."""
    ours = {f"providers.codex.{key}": value for key, value in _settings(simulator).items()}
    with running_gateway(
        home,
        extra_plugins=[CodexProvider()],
        settings={**ours, **(settings or {})},
        store=store_login(simulator, home / "credentials", account),
    ) as gateway:
        yield gateway


def codex_command(simulator: CodexSimulator, home: Path) -> GatewayCommand:
    """The `gateway` command with the installed plugin, told of the simulator by environment alone.

    home: an existing folder, which gets the login.
    """
    store_login(simulator, home / "credentials")
    command = GatewayCommand(home)
    command.environ = {
        f"GATEWAY_PROVIDERS__CODEX__{key.upper()}": value
        for key, value in _settings(simulator).items()
    }
    command.environ["GATEWAY_PLUGINS"] = "codex"
    return command


class CodexServed(HttpServed[CodexSimulator]):
    """The pair for Codex."""

    provider = "codex"
    model = "gpt-5.5"
    simulated = CodexSimulator
    started = staticmethod(codex_gateway)

    @property
    def refreshes(self) -> int:
        return self.simulator.state.refreshes

    def end_tokens(self) -> None:
        self.simulator.state.end_access_tokens()

    def end_login(self) -> None:
        self.simulator.state.end_access_tokens("token_invalidated")
        self.simulator.state.refuse_refresh = "refresh_token_invalidated"
