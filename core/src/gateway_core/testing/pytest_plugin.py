"""The kit's pytest plugin: the network block and fixtures for whole-stack tests.

Every pytest run in an environment with gateway-core loads this module, so importing it imports
nothing of the core, and it changes nothing for suites that do not ask: kept off the network are
conformance classes, tests that use a fixture of the kit, and suites with
`gateway_block_network = true` in their pytest configuration.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway_core.credentials.store import Credential
    from gateway_core.testing.clients import RealClients
    from gateway_core.testing.server import Gateway, StartGateway
    from gateway_core.testing.upstream import ThreadedUpstream

__all__ = ["gateway_network_blocked", "gateway_server", "real_clients", "upstream"]

_INI = "gateway_block_network"
# The cases for stores are written as tests; a failing `assert` in them says what it saw.
pytest.register_assert_rewrite("gateway_core.testing.store_cases")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the ini option known."""
    about = "keep all tests off the network: only loopback can be reached"
    parser.addini(_INI, about, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Block the network for the whole suite when its configuration says so."""
    if config.getini(_INI):
        from gateway_core.testing.network import block_network

        patch = pytest.MonkeyPatch()
        config.add_cleanup(patch.undo)
        block_network(patch.setattr)


@pytest.fixture
def gateway_network_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection but to this machine's loopback while the test runs."""
    from gateway_core.testing.network import block_network

    block_network(monkeypatch.setattr)


@pytest.fixture
def gateway_server(
    tmp_path_factory: pytest.TempPathFactory, gateway_network_blocked: None
) -> Iterator["StartGateway"]:
    """Starts real gateways on free ports, with exactly the plugins given: `gateway_server(MyPlugin,
    settings={"providers.mine.base_url": upstream.url}, credentials=[credential])`. They stop when
    the test is over.
    """
    from gateway_core.credentials.store import MemoryStore
    from gateway_core.testing.server import running_gateway

    with ExitStack() as stack:

        def start(
            *plugins: object,
            settings: Mapping[str, object] | None = None,
            credentials: "Sequence[Credential]" = (),
        ) -> "Gateway":
            made = [plugin() if isinstance(plugin, type) else plugin for plugin in plugins]
            running = running_gateway(
                tmp_path_factory.mktemp("gateway"),
                extra_plugins=made,
                settings=settings,
                store=MemoryStore(*credentials),
            )
            return stack.enter_context(running)

        yield start


@pytest.fixture
def upstream(gateway_network_blocked: None) -> Iterator["ThreadedUpstream"]:
    """A scripted HTTP upstream on `url`; see `gateway_core.testing.upstream`."""
    from gateway_core.testing.upstream import threaded_upstream

    with threaded_upstream() as running:
        yield running


@pytest.fixture
def real_clients(tmp_path: Path, gateway_network_blocked: None) -> "RealClients":
    """Claude Code and Codex CLI, to be pointed at a `gateway_server`; a test is skipped when the
    program that it asks for is not installed.
    """
    from gateway_core.testing.clients import RealClients, Sandbox

    return RealClients(Sandbox(tmp_path / "clients"), pytest.skip)
