"""A scripted upstream, and gateways in front of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
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


@pytest.fixture
async def start(upstream: ScriptedUpstream, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a gateway in front of the upstream; arguments are settings with `__` for dots."""
    async with AsyncExitStack() as stack:

        def start(provider: LineHttpProvider | None = None, **settings: object) -> Gateway:
            running = running_gateway(
                tmp_path,
                extra_plugins=[provider or LineHttpProvider(upstream.url)],
                settings={name.replace("__", "."): value for name, value in settings.items()},
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
