"""`gateway status`."""

import json

from dirty_equals import IsInt, IsStr

from support.command import GatewayCommand


def test_status_shows_times_by_the_clock_of_the_person(logged_in: GatewayCommand) -> None:
    logged_in.environ |= {"GATEWAY_BIND": "127.0.0.1:1", "TZ": "America/New_York"}
    assert "subscription until 2040-01-01 22:04 (in" in logged_in.output("status")


def test_status_offline_asks_no_provider(logged_in: GatewayCommand) -> None:
    shown = logged_in.output("status", "--offline")
    assert "logged in as anna@acme.test" in shown
    assert "plan plus" not in shown


def test_status_of_an_unknown_provider_lists_those_there_are(acme: GatewayCommand) -> None:
    said = acme.failure("status", "acne")
    assert said == "no provider 'acne' is installed; installed: acme (see `gateway plugins`)"


def test_status_shows_plan_limits_and_the_server(logged_in: GatewayCommand) -> None:
    logged_in.environ["GATEWAY_BIND"] = "127.0.0.1:1"
    lines = [line.strip() for line in logged_in.output("status").splitlines()]
    assert lines == [
        IsStr(regex=r"gateway 0\.1\.0, logins kept in: file.*"),
        "http://127.0.0.1:1  not running; start it with `gateway serve`",
        "",
        "acme (Acme)  logged in as anna@acme.test",
        "models acme-2, acme-1, ...",
        IsStr(regex=r"token ends 20\S+ \S+ \(in 1 h 59 min\) and is renewed by itself"),
        "account Home (personal)",
        "plan plus",
        IsStr(regex=r"subscription until 2040-01-02 03:04 \(in \d+ d \d+ h\)"),
        "credits 12.5",
        IsStr(regex=r"limit 5h: 42 % left, resets 20\S+ \d\d:\d\d \(in 3 h 05 min\)"),
        "limit weekly: -",
        "warning: card expires",
    ]


def test_status_speaks_json(logged_in: GatewayCommand) -> None:
    logged_in.environ["GATEWAY_BIND"] = "127.0.0.1:1"
    shown = logged_in.output("status", "--json")
    assert "canary" not in shown
    facts = json.loads(shown)
    assert facts["servers"] == [{"url": "http://127.0.0.1:1", "state": "nothing"}]
    (acme,) = facts["providers"]
    assert acme["logged_in"] is True
    assert acme["account_id"] == "anna"
    assert acme["token"] == {
        "expires_at": IsStr(regex=r"20.*\+00:00"),
        "expires_at_local": IsStr(),
        "remaining_seconds": IsInt(gt=7000, lt=7201),
    }
    assert acme["account"]["plan"] == "plus"
    assert acme["rate_limits"][0] == {
        "name": "5h",
        "remaining_percent": 42.0,
        "reset_at": IsStr(regex=r"20.*\+00:00"),
        "reset_at_local": IsStr(regex=r"20\S+ \d\d:\d\d"),
        "reset_in_seconds": IsInt(gt=11_000, lt=11_131),
    }
    assert acme["warnings"] == ["card expires"]


def test_status_of_a_provider_that_is_not_logged_in_fails(acme: GatewayCommand) -> None:
    assert acme.run("status").returncode == 0
    said = acme.failure("status", "acme")
    assert said == "not logged in to acme; run `gateway login acme`"
