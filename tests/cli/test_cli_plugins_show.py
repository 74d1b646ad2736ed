"""`gateway plugins` and `gateway plugins show`."""

import json

from dirty_equals import IsList, IsPartialDict, IsStr

from support.command import GatewayCommand


def test_without_a_command_all_plugins_are_listed(acme: GatewayCommand) -> None:
    (line,) = (line for line in acme.output("plugins").splitlines() if line.startswith("acme"))
    assert line.split() == [
        "acme",
        "active",
        "gateway-acme",
        "1.2.3",
        *["provider", "acme", "(Acme)"],
    ]
    plugins = json.loads(acme.output("plugins", "--json"))
    assert plugins == IsList(
        IsPartialDict(name="acme", state="active", provider="acme"), check_order=False, length=...
    )


def test_a_plugin_is_shown_with_all_that_is_known_of_it(logged_in: GatewayCommand) -> None:
    logged_in.environ |= {
        "GATEWAY_PROVIDERS__ACME__PIN": "pin-canary-1",
        "GATEWAY_PROVIDERS__ACME__REGION": "us",
    }
    shown = logged_in.output("plugins", "show", "acme")
    lines = [line.strip() for line in shown.splitlines()]
    for expected in (
        "acme  active  gateway-acme 1.2.3",
        "provider acme (Acme), contract 1",
        "login: key",
        "hosts: none",
        "models: 2",
        "accounts: anna@acme.test",
        "input: document, image, text",
        "region = us  (text)",
        "GATEWAY_PROVIDERS__ACME__REGION; default eu",
        "pin = (secret)  (text)",
        "gateway_translate  The upstream call for a request: pure, deterministic, leaves the "
        "request untouched",
    ):
        assert expected in lines
    assert "canary" not in shown


def test_the_same_as_json(logged_in: GatewayCommand) -> None:
    logged_in.environ["GATEWAY_PROVIDERS__ACME__PIN"] = "pin-canary-1"
    facts = json.loads(logged_in.output("plugins", "show", "acme", "--json"))
    assert facts == IsPartialDict(
        name="acme",
        distribution="gateway-acme",
        version="1.2.3",
        state="active",
        reason=None,
        last_failure=None,
        hooks=IsPartialDict(gateway_login="Lead a person through a login"),
    )
    assert facts["provider"] == IsPartialDict(
        id="acme",
        title="Acme",
        login="key",
        models=2,
        models_age_seconds=None,
        accounts=[{"account": "anna", "label": "anna@acme.test", "active": True}],
    )
    assert facts["provider"]["capabilities"] == IsPartialDict(
        tools=True, efforts=["low", "medium", "high"]
    )
    pin = next(s for s in facts["provider"]["settings"] if s["name"] == "pin")
    assert pin == {
        "name": "pin",
        "type": "text",
        "default": None,
        "value": "(secret)",
        "description": None,
        "env": "GATEWAY_PROVIDERS__ACME__PIN",
    }


def test_a_plugin_that_cannot_be_used_is_shown_with_its_reason(gateway: GatewayCommand) -> None:
    gateway.with_plugin("acme", "support.no_such_module:Nothing")
    shown = gateway.output("plugins", "show", "acme")
    assert "acme  broken  gateway-acme 1.2.3" in shown
    assert "reason: ModuleNotFoundError: No module named 'support.no_such_module'" in shown


def test_a_plugin_that_is_not_installed_is_told_so(acme: GatewayCommand) -> None:
    said = acme.failure("plugins", "show", "acne")
    assert said == IsStr(regex=r"no plugin 'acne' is installed; installed: .*acme.*")


def test_the_list_stays_in_columns_with_long_names(gateway: GatewayCommand) -> None:
    gateway.with_plugin("a-name-of-no-few-letters", "support.no_such_module:Nothing")
    lines = gateway.output("plugins").splitlines()
    columns = {line.find(state) for line in lines for state in (" active ", " broken ")} - {-1}
    assert len(lines) >= 2
    assert len(columns) == 1
