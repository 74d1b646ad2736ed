"""Settings of the whole suite."""

import os

import pytest
from hypothesis import settings

# Property tests draw the same examples on every CI run.
settings.register_profile("local", deadline=None, max_examples=40)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as cores: many tests wait for a server or a client program."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways that run inside the test process try again at once instead of after a second."""
    monkeypatch.setattr("gateway_core.exchange.BACKOFF_SECONDS", 0.01)
