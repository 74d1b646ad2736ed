"""A gateway with the Kimi provider whose only world is a simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from gateway_core import Credential
from gateway_core.credentials.file_store import FileStore
from gateway_kimi.plugin import KimiProvider
from simulators.kimi.server import ACCESS_SECONDS, KimiSimulator
from support.command import GatewayCommand
from support.served import HttpServed
from support.server import Gateway, running_gateway

__all__ = ["KimiServed", "kimi_command", "kimi_gateway", "settings_for", "store_login"]


def settings_for(simulator: KimiSimulator) -> dict[str, str]:
    """`[providers.kimi]` that leads to the simulator."""
    return {"auth_url": simulator.url, "base_url": simulator.base_url}


def store_login(simulator: KimiSimulator, folder: Path, *, age: float = 0.0) -> FileStore:
    """A store with a login in it that is `age` seconds old."""
    tokens = simulator.log_in()
    made = datetime.now(UTC) - timedelta(seconds=age)
    store = FileStore(folder)
    store.put(
        Credential(
            provider="kimi",
            account="u-7",
            access_token=SecretStr(tokens.access),
            refresh_token=SecretStr(tokens.refresh),
            expires_at=made + timedelta(seconds=ACCESS_SECONDS),
            refresh_at=made + timedelta(seconds=ACCESS_SECONDS / 2),
            extra={"region": "china", "device_id": tokens.device_id},
        )
    )
    return store


@contextmanager
def kimi_gateway(
    simulator: KimiSimulator,
    home: Path,
    settings: Mapping[str, object] | None = None,
    *,
    age: float = 0.0,
) -> Iterator[Gateway]:
    """A gateway in this process. settings: by dotted key. age: of the login, in seconds."""
    ours = {f"providers.kimi.{key}": value for key, value in settings_for(simulator).items()}
    with running_gateway(
        home,
        extra_plugins=[KimiProvider()],
        settings={**ours, **(settings or {})},
        store=store_login(simulator, home / "credentials", age=age),
    ) as gateway:
        yield gateway


def kimi_command(simulator: KimiSimulator, home: Path) -> GatewayCommand:
    """The `gateway` command with the installed plugin, not logged in. home: an existing folder."""
    command = GatewayCommand(home)
    command.environ = {
        f"GATEWAY_PROVIDERS__KIMI__{key.upper()}": value
        for key, value in settings_for(simulator).items()
    }
    command.environ["GATEWAY_PLUGINS"] = "kimi"
    return command


class KimiServed(HttpServed[KimiSimulator]):
    """The pair for Kimi."""

    provider = "kimi"
    model = "k3"
    simulated = KimiSimulator
    started = staticmethod(kimi_gateway)
    idle_setting = "providers.kimi.idle_timeout"

    @property
    def refreshes(self) -> int:
        return self.simulator.refreshes

    def end_tokens(self) -> None:
        self.simulator.revoke()

    def end_login(self) -> None:
        self.simulator.revoke(refresh=True)
