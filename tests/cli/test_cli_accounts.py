"""`gateway accounts`, and what `status` and `logout` say where there are several."""

import json

import pytest
from dirty_equals import IsInt, IsStr

from support.about import each
from support.command import GatewayCommand


@pytest.fixture
def two(logged_in: GatewayCommand) -> GatewayCommand:
    """The command with `acme`, logged in as `anna` and then as `bob`, who serves."""
    logged_in.output("login", "acme", answers="bob\n")
    return logged_in


def active(gateway: GatewayCommand) -> list[str]:
    """The accounts that serve."""
    listed = json.loads(gateway.output("accounts", "--json"))
    return [account["account_id"] for account in listed["accounts"] if account["active"]]


def test_accounts_are_a_table(two: GatewayCommand) -> None:
    ends = r"  +20\d\d-\d\d-\d\d \d\d:\d\d \(in 1 h 59 min\)"
    assert two.output("accounts").splitlines() == [
        "logins kept in: file",
        "provider  account         id            token ends",
        IsStr(regex=rf"acme      anna@acme\.test  anna        {ends}"),
        IsStr(regex=rf"acme      bob@acme\.test   bob   active{ends}"),
        "",
        "Use another one with: gateway accounts use PROVIDER ACCOUNT",
    ]


def test_accounts_are_json_without_secrets(two: GatewayCommand) -> None:
    shown = two.output("accounts", "--json", "--provider", "acme")
    listed = json.loads(shown)
    assert listed["store"] == "file"
    assert listed["accounts"][0] == {
        "provider": "acme",
        "title": "Acme",
        "account_id": "anna",
        "label": "anna@acme.test",
        "email": "anna@acme.test",
        "active": False,
        "token": {
            "expires_at": IsStr(regex=r"20.*\+00:00"),
            "expires_at_local": IsStr(),
            "remaining_seconds": IsInt(gt=7000, lt=7201),
        },
    }
    assert "canary" not in shown


def test_without_a_login_the_next_command_is_named(acme: GatewayCommand) -> None:
    assert acme.output("accounts") == "not logged in to any provider; run `gateway login`\n"
    said = acme.output("accounts", "--provider", "acme")
    assert said == "not logged in to acme; run `gateway login acme`\n"


def test_accounts_of_a_provider_that_is_not_there_any_more_are_shown(two: GatewayCommand) -> None:
    two.environ["GATEWAY_PLUGINS"] = "none-at-all"
    assert "not installed" in two.output("accounts")
    said = two.failure("accounts", "--provider", "acne")
    assert said == "no provider 'acne' is installed; installed: none"


@each("name", ["anna@acme.test", "ANNA@acme.test", "anna", "an"])
def test_another_account_is_chosen_by_any_of_its_names(two: GatewayCommand, name: str) -> None:
    two.output("accounts", "use", "acme", "bob")
    said = two.output("accounts", "use", "acme", name)
    assert said == "acme is served by anna@acme.test (anna) from its next turn on\n"
    assert active(two) == ["anna"]


def test_a_name_that_several_have_lists_them(two: GatewayCommand) -> None:
    two.output("login", "acme", answers="annabel\n")
    assert two.failure("accounts", "use", "acme", "ann") == (
        "'ann' could be each of these accounts of acme: anna@acme.test (anna), "
        "annabel@acme.test (annabel); say more of it, or the id in brackets"
    )
    assert active(two) == ["annabel"]


def test_an_unknown_name_lists_what_there_is(two: GatewayCommand) -> None:
    assert two.failure("accounts", "use", "acme", "zoe") == (
        "acme has no account 'zoe'; logged in: anna@acme.test (anna), bob@acme.test (bob) "
        "(`gateway login acme` adds another)"
    )


def test_a_provider_without_a_login_has_no_account_to_use(acme: GatewayCommand) -> None:
    said = acme.failure("accounts", "use", "acme", "anna")
    assert said == "not logged in to acme; run `gateway login acme`"


def test_an_account_is_renamed_and_is_still_known_by_its_email(two: GatewayCommand) -> None:
    said = two.output("accounts", "rename", "acme", "anna", "work")
    assert said == "anna@acme.test (anna) of acme is called work now\n"
    assert "work (anna)" in two.output("accounts", "use", "acme", "work")
    assert "logged in as work\n" in two.output("status", "--offline")
    two.output("refresh", "acme")
    assert "work (anna)" in two.output("accounts", "use", "acme", "anna@")


def test_a_label_given_at_the_login_hides_no_email(acme: GatewayCommand) -> None:
    acme.output("login", "acme", "--label", "work", answers="anna\n")
    assert "work (anna)" in acme.output("accounts", "use", "acme", "anna@acme.test")


@each("label, complaint", [("  ", "a label needs"), ("BOB@acme.test", "is what bob@acme.test")])
def test_a_label_that_would_confuse_is_refused(
    two: GatewayCommand, label: str, complaint: str
) -> None:
    assert complaint in two.failure("accounts", "rename", "acme", "anna", label)


def test_logout_takes_any_of_the_names_and_says_who_serves_then(two: GatewayCommand) -> None:
    assert two.output("logout", "acme", "--account", "bob@acme.test") == (
        "logged out of acme (bob)\nacme is served by anna@acme.test (anna) from its next turn on\n"
    )
    assert active(two) == ["anna"]


def test_logout_of_an_idle_account_changes_nothing_else(two: GatewayCommand) -> None:
    assert two.output("logout", "acme", "--account", "anna") == "logged out of acme (anna)\n"
    assert active(two) == ["bob"]


def test_status_says_how_to_switch(two: GatewayCommand) -> None:
    lines = [line.strip() for line in two.output("status", "--offline").splitlines()]
    idle = lines.index("acme (Acme)  logged in as anna@acme.test (not the active account)")
    assert lines[idle + 1] == "to use it: gateway accounts use acme anna@acme.test"
    assert sum("to use it" in line for line in lines) == 1


def test_status_names_an_account_so_that_a_shell_and_we_understand(two: GatewayCommand) -> None:
    two.output("accounts", "rename", "acme", "anna", "at work")
    assert "gateway accounts use acme 'at work'\n" in two.output("status", "--offline")
    two.output("login", "acme", "--label", "at work", answers="bob\n")
    assert "gateway accounts use acme anna\n" in two.output("status", "--offline")


def test_a_name_cannot_steer_the_terminal(acme: GatewayCommand) -> None:
    acme.output("login", "acme", "--label", "a\a\bb", answers="anna\n")
    said = acme.output("login", "acme", answers="bob\n")
    said += acme.output("accounts", "use", "acme", "anna")
    said += acme.output("status", "--offline") + acme.failure("accounts", "use", "acme", "zoe")
    said += acme.output("refresh", "acme") + acme.output("logout", "acme")
    assert "a??b" in said
    assert all(letter.isprintable() for letter in said.replace("\n", ""))


def test_the_command_that_a_login_tells_works_among_many(two: GatewayCommand) -> None:
    """Though a third account, idle all the time, has the same label."""
    two.output("login", "acme", "--label", "anna@acme.test", answers="zoe\n")
    said = two.output("login", "acme", answers="dora\n")
    assert said.endswith("To use anna@acme.test (zoe) again: gateway accounts use acme zoe\n")
