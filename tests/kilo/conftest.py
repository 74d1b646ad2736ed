"""Logins that are polled for at once."""

import pytest

from simulators.kilo.installed import KiloServed
from support.served import fixtures_of


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_kilo.login.INTERVAL", 0.01)


running, served = fixtures_of(KiloServed)
