"""Settings of the whole suite."""

import gc
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import settings

# Property tests draw the same examples on every CI run, and fewer but new ones on every other.
settings.register_profile("local", deadline=None, max_examples=25)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# Their checks are tests, and are to tell as much when they fail.
pytest.register_assert_rewrite("support.provider_faults", "support.provider_sdks", "support.served")

# Ten thousand tests are collected, and none of them is garbage.
gc.disable()

# Nobody is asked over TLS, and to read the system's certificates takes 30 ms for each client.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many workers as cores: many tests wait for a server or a client program."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """What was collected stays: look for garbage among the rest only."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways that run inside the test process try again at once instead of after a second."""
    monkeypatch.setattr("gateway_core.exchange.BACKOFF_SECONDS", 0.01)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client for servers of this machine."""
    # Trusts nobody, and so need not load the system's certificates.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(trust_env=False, verify=tls) as client:
        yield client
