"""Settings of the whole suite."""

import os

import pytest
from hypothesis import settings

# Property tests draw the same examples on every CI run.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways that run inside the test process try again at once instead of after a second."""
    monkeypatch.setattr("gateway_core.exchange.BACKOFF_SECONDS", 0.01)
