"""The `gateway` command with a home of its own."""

from pathlib import Path

import pytest

from support.command import GatewayCommand


@pytest.fixture
def gateway(tmp_path: Path) -> GatewayCommand:
    """The command without any plugin."""
    return GatewayCommand(tmp_path / "home")


@pytest.fixture
def acme(gateway: GatewayCommand) -> GatewayCommand:
    """The command with the provider `acme`, which needs a login."""
    gateway.with_plugin("acme", "support.acme_plugin:AcmeProvider")
    return gateway


@pytest.fixture
def logged_in(acme: GatewayCommand) -> GatewayCommand:
    """The command with `acme`, logged in as `anna`."""
    acme.output("login", "acme", answers="anna\n")
    return acme
