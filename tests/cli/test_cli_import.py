"""`gateway import`."""

from pathlib import Path

import pytest

from support.command import GatewayCommand


@pytest.fixture
def key_file(acme: GatewayCommand) -> Path:
    """What the provider's own program keeps, in its usual place."""
    acme.home.mkdir(exist_ok=True)
    path = acme.home / "acme-key"
    path.write_text("mara\n")
    return path


def test_the_login_of_another_program_is_taken_over(acme: GatewayCommand, key_file: Path) -> None:
    result = acme.run("import", "acme")
    assert result.returncode == 0
    assert result.stdout.startswith("imported the login of acme as mara@acme.test\n")
    assert "canary" not in result.stdout + result.stderr
    assert "logged in as mara@acme.test\n" in acme.output("status", "--offline")


def test_another_place_may_be_named(acme: GatewayCommand, key_file: Path) -> None:
    moved = key_file.rename(key_file.with_name("elsewhere"))
    assert "as mara@acme.test" in acme.output("import", "acme", "--from", str(moved))


def test_an_imported_account_serves_from_then_on(logged_in: GatewayCommand, key_file: Path) -> None:
    logged_in.output("import", "acme", "--label", "work")
    shown = logged_in.output("status", "--offline")
    assert "logged in as work\n" in shown
    assert "logged in as anna@acme.test (not the active account)\n" in shown


def test_when_there_is_nothing_to_import_the_provider_says_what_to_do(
    acme: GatewayCommand,
) -> None:
    said = acme.failure("import", "acme")
    assert said == f"there is no {acme.home / 'acme-key'}; run `gateway login acme`"


def test_a_provider_that_imports_nothing_says_so(gateway: GatewayCommand) -> None:
    gateway.with_plugin("lines", "support.providers:LineProvider")
    said = gateway.failure("import", "lines")
    assert said == "provider 'lines' imports no logins; run `gateway login lines`"


def test_nothing_is_imported_unasked(acme: GatewayCommand, key_file: Path) -> None:
    assert "logged in" not in acme.output("status", "--offline").replace("not logged in", "")
