"""Logins that are polled for at once."""

import pytest


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_kilo.login.INTERVAL", 0.01)
