"""`gateway login`, `logout` and `refresh`."""

import pytest

from support.command import GatewayCommand


def test_login_without_a_name_lists_the_providers(logged_in: GatewayCommand) -> None:
    assert "acme  Acme (logged in, API key)" in logged_in.output("login")


def test_login_keeps_what_the_plugin_returns(acme: GatewayCommand) -> None:
    result = acme.run("login", "acme", answers="anna\n")
    assert result.returncode == 0
    assert result.stdout.startswith("logged in to acme as anna@acme.test\n")
    assert "canary" not in result.stdout + result.stderr
    assert "logged in as anna@acme.test" in acme.output("status", "--offline")


@pytest.mark.parametrize(
    ("flags", "method"),
    [
        ([], "auto"),
        (["--device"], "device"),
        (["--browser"], "browser"),
        (["--no-browser"], "paste"),
    ],
)
def test_the_way_to_log_in_can_be_chosen(
    acme: GatewayCommand, flags: list[str], method: str
) -> None:
    assert f"method {method}" in acme.run("login", "acme", *flags, answers="anna\n").stderr


def test_a_label_replaces_the_providers_name(acme: GatewayCommand) -> None:
    said = acme.output("login", "acme", "--label", "work", answers="anna\n")
    assert "logged in to acme as work" in said


def test_a_refused_login_says_why(acme: GatewayCommand) -> None:
    said = acme.failure("login", "acme", answers="refuse\n")
    assert said == "acme does not know this key; run `gateway login acme` again"


def test_a_login_without_a_person_says_so(acme: GatewayCommand) -> None:
    said = acme.failure("login", "acme")
    assert said == "the login asks a question; run `gateway login acme` in a terminal"


def test_an_unknown_provider_is_answered_with_those_there_are(acme: GatewayCommand) -> None:
    said = acme.failure("login", "acne")
    assert said == "no provider 'acne' is installed; installed: acme (see `gateway plugins`)"


def test_a_second_account_serves_from_its_login_on(logged_in: GatewayCommand) -> None:
    said = logged_in.output("login", "acme", answers="bob\n")
    again = "To use anna@acme.test (anna) again: gateway accounts use acme anna@acme.test"
    assert said.splitlines()[-1] == again
    assert "again:" not in logged_in.output("login", "acme", answers="bob\n")
    shown = logged_in.output("status", "--offline")
    assert "logged in as bob@acme.test\n" in shown
    assert "logged in as anna@acme.test (not the active account)\n" in shown


def test_logout_forgets(logged_in: GatewayCommand) -> None:
    assert logged_in.output("logout", "acme") == "logged out of acme (anna)\n"
    assert "not logged in to acme" in logged_in.failure("logout", "acme")


def test_logout_of_one_account_leaves_the_other(logged_in: GatewayCommand) -> None:
    logged_in.output("login", "acme", answers="bob\n")
    logged_in.output("logout", "acme", "--account", "bob")
    assert "logged in as anna@acme.test\n" in logged_in.output("status", "--offline")


def test_logout_names_the_accounts_there_are(logged_in: GatewayCommand) -> None:
    said = logged_in.failure("logout", "acme", "--account", "bob")
    assert said.startswith("acme has no account 'bob'; logged in: anna@acme.test (anna)")


def test_a_login_that_cannot_be_revoked_is_forgotten_all_the_same(acme: GatewayCommand) -> None:
    acme.output("login", "acme", answers="bound\n")
    result = acme.run("logout", "acme")
    assert result.returncode == 0
    assert "not revoked at the provider: acme keeps it" in result.stderr


def test_refresh_renews_every_login(logged_in: GatewayCommand) -> None:
    said = logged_in.output("refresh")
    assert said == "acme  anna@acme.test: refreshed, good until 2040-01-02 03:04\n"


def test_a_refresh_that_fails_ends_with_an_error(logged_in: GatewayCommand) -> None:
    logged_in.output("login", "acme", answers="stuck\n")
    result = logged_in.run("refresh", "acme")
    assert result.returncode == 1
    assert "acme  anna@acme.test: refreshed" in result.stdout
    assert "acme  stuck: acme no longer accepts the login of 'stuck@acme.test'" in result.stderr
    assert "1 of 2 logins could not be refreshed" in result.stderr


def test_refresh_without_a_login_names_the_next_command(acme: GatewayCommand) -> None:
    said = acme.failure("refresh", "acme")
    assert said == "not logged in to acme; run `gateway login acme`"


def test_the_keeping_place_is_private(logged_in: GatewayCommand) -> None:
    kept = [path for path in logged_in.home.rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept if "canary" in path.read_text())
