"""A scripted upstream, and gateways in front of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from gateway_core.credentials.store import MemoryStore
from support.dialects import DIALECTS, Dialect
from support.line_http import LineHttpProvider, credential
from support.server import Gateway, running_gateway
from support.turns import Start
from support.upstream import ScriptedUpstream, running_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with running_upstream() as upstream:
        yield upstream


class SharedGateways:
    """One gateway for each set of settings, as starting and stopping one takes longer than most
    tests; each test leads it to an upstream of its own.
    """

    def __init__(self, home: Callable[[], Path], stack: ExitStack) -> None:
        self._home = home
        self._stack = stack
        self._running: dict[str, tuple[LineHttpProvider, Gateway]] = {}

    def get(self, upstream_url: str, settings: dict[str, object]) -> Gateway:
        key = repr(sorted(settings.items()))
        if key not in self._running:
            provider = LineHttpProvider(upstream_url)
            running = running_gateway(self._home(), extra_plugins=[provider], settings=settings)
            self._running[key] = provider, self._stack.enter_context(running)
        provider, gateway = self._running[key]
        provider.url = upstream_url
        return gateway


@pytest.fixture(scope="session")
def shared_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedGateways]:
    with ExitStack() as stack:
        yield SharedGateways(lambda: tmp_path_factory.mktemp("shared"), stack)


@pytest.fixture
async def start(
    upstream: ScriptedUpstream, shared_gateways: SharedGateways, tmp_path: Path
) -> AsyncIterator[Start]:
    """A gateway in front of the upstream; arguments are settings with `__` for dots. One with a
    provider of its own is started for the test, and logged in.
    """
    async with AsyncExitStack() as stack:

        def start(provider: LineHttpProvider | None = None, **settings: object) -> Gateway:
            dotted = {name.replace("__", "."): value for name, value in settings.items()}
            if provider is None:
                return shared_gateways.get(upstream.url, dotted)
            running = running_gateway(
                tmp_path,
                extra_plugins=[provider],
                settings=dotted,
                store=MemoryStore(credential("token-1")),
            )
            gateway = running.__enter__()
            # Stopping waits for connections, of which this loop holds the other end.
            stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
            return gateway

        yield start


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found
