"""`gateway models`, `plugins` and `version`."""

import json

from dirty_equals import IsDatetime

from support.command import GatewayCommand


def test_models_are_listed_by_provider(logged_in: GatewayCommand) -> None:
    assert logged_in.output("models") == (
        "acme (Acme)\n  acme-1  Acme One, 200k context\n  acme-2\n"
    )


def test_models_speak_json(logged_in: GatewayCommand) -> None:
    first, _ = json.loads(logged_in.output("models", "--provider", "acme", "--json"))
    assert first == {
        "provider": "acme",
        "id": "acme-1",
        "title": "Acme One",
        "context_window": 200_000,
        "input": ["text"],
    }


def test_a_name_is_explained(logged_in: GatewayCommand) -> None:
    logged_in.environ["GATEWAY_ROUTING__ALIASES__OPUS"] = "acme-1"
    lines = logged_in.output("models", "--explain", "opus").splitlines()
    assert lines[0] == "alias in the settings: opus means acme-1"
    assert lines[-1] == "=> acme/acme-1"


def test_no_model_names_the_next_command(acme: GatewayCommand) -> None:
    said = acme.failure("models")
    assert said == "no model is available; run `gateway login`, then `gateway status`"


def test_models_of_an_unknown_provider_fail(acme: GatewayCommand) -> None:
    assert "no provider 'x' is installed" in acme.failure("models", "--provider", "x")


def test_models_can_be_asked_for_afresh(logged_in: GatewayCommand) -> None:
    assert "acme-2" in logged_in.output("models", "--refresh")


def test_plugins_are_shown_with_their_reasons(acme: GatewayCommand) -> None:
    acme.with_plugin("missing", "support.no_such_module:Plugin")
    acme.with_plugin("off", "support.acme_plugin:AcmeProvider")
    acme.environ["GATEWAY_PLUGINS__DISABLED"] = "off"
    rows = {
        line.split()[0]: line.split(maxsplit=4)[1:] for line in acme.output("plugins").splitlines()
    }
    assert rows["acme"] == ["active", "gateway-acme", "1.2.3", "provider acme (Acme)"]
    assert rows["missing"][:3] == ["broken", "gateway-missing", "1.2.3"]
    assert "ModuleNotFoundError" in rows["missing"][3]
    assert rows["off"] == ["disabled", "gateway-off", "1.2.3", "switched off in the settings"]


def test_what_failed_in_a_server_is_shown_by_the_command(gateway: GatewayCommand) -> None:
    gateway.with_plugin("clumsy", "support.clumsy_plugin:ClumsyProvider")
    for _ in range(2):  # each a server of its own
        assert "failed in gateway_translate" in gateway.failure("ask", "--model", "line-1", "Hi")
    _, shown = gateway.output("plugins").split("clumsy       active", 1)
    assert shown.splitlines()[1].strip() == (
        "last failure: gateway_translate raised ValueError: no colour in access_token=[redacted] "
        "(2 times, last 0 min ago)"
    )
    reports = json.loads(gateway.output("plugins", "--json"))
    (report,) = [report for report in reports if report["name"] == "clumsy"]
    assert report["last_failure"] == {
        "hook": "gateway_translate",
        "reason": "raised ValueError: no colour in access_token=[redacted]",
        "at": IsDatetime(iso_string=True),
        "count": 2,
    }


def test_plugins_speak_json(acme: GatewayCommand) -> None:
    reports = json.loads(acme.output("plugins", "--json"))
    (report,) = [report for report in reports if report["name"] == "acme"]
    assert report["state"] == "active"
    assert "gateway_login" in report["hooks"]
    assert report["last_failure"] is None


def test_versions(acme: GatewayCommand) -> None:
    lines = acme.output("version").splitlines()
    assert lines[0] == "gateway-core 0.1.0"
    assert "gateway-acme 1.2.3" in lines
