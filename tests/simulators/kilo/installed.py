"""A gateway with the Kilo provider whose only world is a simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from gateway_core import Credential
from gateway_core.credentials.file_store import FileStore
from gateway_kilo.plugin import KiloProvider
from simulators.kilo.server import KiloSimulator
from support.command import GatewayCommand
from support.served import HttpServed
from support.server import Gateway, running_gateway

__all__ = ["KiloServed", "kilo_command", "kilo_gateway"]


@contextmanager
def kilo_gateway(
    simulator: KiloSimulator,
    home: Path,
    settings: Mapping[str, object] | None = None,
    *,
    logged_in: bool = True,
) -> Iterator[Gateway]:
    """A gateway in this process that knows the models. settings: by dotted key."""
    home.mkdir(exist_ok=True)
    store = FileStore(home / "credentials")
    if logged_in:
        token = SecretStr(simulator.log_in())
        store.put(Credential(provider="kilo", account="u_1", access_token=token))
    kilo_command(simulator, home).output("models", "--refresh")
    with running_gateway(
        home,
        extra_plugins=[KiloProvider()],
        settings={"providers.kilo.base_url": simulator.base_url, **(settings or {})},
        store=store,
    ) as gateway:
        yield gateway


def kilo_command(simulator: KiloSimulator, home: Path) -> GatewayCommand:
    """The `gateway` command with the installed plugin, not logged in. home: an existing folder."""
    command = GatewayCommand(home)
    command.environ = {
        "GATEWAY_PROVIDERS__KILO__BASE_URL": simulator.base_url,
        "GATEWAY_PLUGINS": "kilo",
    }
    return command


class KiloServed(HttpServed[KiloSimulator]):
    """The pair for Kilo, whose logins are one token that never is renewed."""

    provider = "kilo"
    model = "kilo-auto/free"
    simulated = KiloSimulator
    started = staticmethod(kilo_gateway)
    idle_setting = "providers.kilo.idle_timeout"

    def end_login(self) -> None:
        self.simulator.revoke()
