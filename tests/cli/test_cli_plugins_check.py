"""`gateway plugins check`."""

import json

from dirty_equals import IsPartialDict

from support.command import GatewayCommand


def test_an_honest_plugin_keeps_every_rule(gateway: GatewayCommand) -> None:
    shown = gateway.output("plugins", "check", "demo")
    lines = shown.splitlines()
    assert lines[0].startswith("demo  gateway-demo ")
    assert "  ok              C01  is loaded by the host" in lines
    assert ("  not applicable  C08  a login is complete (the provider has no login)") in lines
    assert ", 0 failed, " in lines[-1]


def test_a_rule_that_does_not_hold_is_explained_and_fails(acme: GatewayCommand) -> None:
    result = acme.run("plugins", "check", "acme")
    assert result.returncode == 1
    assert "gateway: rules that do not hold: " in result.stderr
    shown = result.stdout
    assert "  failed          C05  settings explain themselves" in shown.splitlines()
    explained = shown.partition("C05  settings explain themselves")[2]
    assert "rule: Each setting has a description" in explained
    assert "seen: region has no description; pause_ms has no description" in explained
    assert "why:  " in explained
    assert "cure: " in explained


def test_the_same_as_json(acme: GatewayCommand) -> None:
    result = acme.run("plugins", "check", "acme", "--json")
    (plugin,) = json.loads(result.stdout)
    assert plugin == IsPartialDict(name="acme", distribution="gateway-acme", version="1.2.3")
    by_id = {one["id"]: one for one in plugin["results"]}
    assert by_id["C01"] == IsPartialDict(outcome="ok", seen=None, name="is-loaded-by-the-host")
    assert by_id["C05"] == IsPartialDict(outcome="failed")
    assert {"rule", "why", "cure"} <= by_id["C05"].keys()


def test_a_plugin_that_cannot_be_loaded_fails_with_the_reason(gateway: GatewayCommand) -> None:
    gateway.with_plugin("acme", "support.no_such_module:Nothing")
    result = gateway.run("plugins", "check", "acme")
    assert result.returncode == 1
    assert "seen: ModuleNotFoundError: No module named 'support.no_such_module'" in result.stdout


def test_without_a_name_all_are_checked_and_those_switched_off_left_alone(
    gateway: GatewayCommand,
) -> None:
    gateway.with_plugin("recorder", "support.recorder_plugin:RecorderPlugin")
    gateway.environ["RECORDED_REQUESTS"] = "nowhere"
    shown = gateway.output("plugins", "check")
    assert "(it is no provider, and the rules are for providers; the host loads it)" in shown
    assert "demo  gateway-demo" in shown
    assert "(switched off in the settings)" in shown


def test_a_plugin_that_is_not_installed_is_told_so(acme: GatewayCommand) -> None:
    assert acme.failure("plugins", "check", "acne").startswith("no plugin 'acne' is installed")
