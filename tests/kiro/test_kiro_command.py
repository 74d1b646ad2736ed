"""The account half through the `gateway` command, led to scripted services by settings alone."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway_core import JsonObject
from gateway_kiro.settings import KiroSettings
from support.command import GatewayCommand
from support.kiro_asking import answers, document, recorded_streams
from support.kiro_service import KiroService
from support.kiro_stores import cli_store, ide_store, rows_of

LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
BUILDER = document("cli-auth-kv")["variants"]["builder-id"]
SECRETS = ("fake-access", "fake-refresh", "fake-client-secret")


def lasting(variant: JsonObject) -> JsonObject:
    """A store whose tokens have time left."""
    rows = {key: {**value, "expires_at": LATER} for key, value in variant["auth_kv"].items()}
    return {**variant, "auth_kv": rows}


@pytest.fixture
def gateway(tmp_path: Path, settings: KiroSettings, service: KiroService) -> GatewayCommand:
    """The command with the plugin, and a home in which Kiro's programs may have their own."""
    home = tmp_path / "home"
    home.mkdir()
    service.say(
        "/management/us-east-1/Get-Usage-Limits",
        answers("get-usage-limits", "responses")["pro-with-overage"]["body"],
    )
    names = ("portal_url", "auth_url", "oidc_url", "runtime_url", "management_url", "legacy_url")
    return GatewayCommand(
        home,
        {
            "GATEWAY_PLUGINS": "kiro",
            "GATEWAY_BIND": "127.0.0.1:1",
            "KIROCLI_DB_PATH": str(home / "cli" / "data.sqlite3"),
            "KIRO_AUTH_FILE": str(home / "ide" / "kiro-auth-token.json"),
            **{
                f"GATEWAY_PROVIDERS__KIRO__{name.upper()}": getattr(settings, name)
                for name in names
            },
        },
    )


def test_a_login_of_the_command_line_is_imported_shared_and_shown(
    gateway: GatewayCommand, service: KiroService
) -> None:
    path = cli_store(gateway.home / "cli" / "data.sqlite3", lasting(BUILDER))
    said = gateway.output("import", "kiro", "--from", "cli")
    assert said.startswith("imported the login of kiro as Kiro CLI (AWS Builder ID)\n")

    granted = answers("auth-oidc", "refresh", "responses")["ok"]["body"]
    service.say("/oidc/us-east-1/token", granted)
    gateway.output("refresh", "kiro")
    assert rows_of(path)["kirocli:odic:token"]["access_token"] == "fake-access-idc-2"

    shown = [line.strip() for line in gateway.output("status", "kiro").splitlines()]
    assert "account user@example.com (Builder ID)" in shown
    assert "plan KIRO PRO" in shown
    assert any(line.startswith("limit credits: 59 % left, resets 2026-02-01") for line in shown)


def test_a_question_goes_through_the_whole_stack(
    gateway: GatewayCommand, service: KiroService
) -> None:
    social = {**document("ide-kiro-auth-token.social"), "expiresAt": LATER}
    ide_store(gateway.home / "ide", social)
    gateway.output("import", "kiro", "--from", "desktop")
    stream = next(one for one in recorded_streams() if one.name == "stream-text")
    service.say("/runtime/us-east-1/", stream.data)
    assert gateway.output("ask", "--model", "claude-sonnet-4-5", "Hi") == "The answer is 42.\n"
    (asked,) = service.asked("/runtime/us-east-1/")
    assert asked.headers["authorization"] == "Bearer fake-access-1"
    current = asked.body["conversationState"]["currentMessage"]["userInputMessage"]
    assert (current["content"], current["modelId"]) == ("Hi", "claude-sonnet-4.5")


def test_the_ide_and_a_place_may_be_named(gateway: GatewayCommand) -> None:
    social = {**document("ide-kiro-auth-token.social"), "expiresAt": LATER}
    ide_store(gateway.home / "ide", social)
    assert "Kiro IDE (Google)" in gateway.output("import", "kiro", "--from", "desktop")
    assert "Kiro IDE (Google)" in gateway.output("import", "kiro", "--from", "auto")
    copy = cli_store(gateway.home / "copy.sqlite3", lasting(BUILDER))
    said = gateway.output("import", "kiro", "--from", "cli", "--path", str(copy))
    assert "Kiro CLI (AWS Builder ID)" in said


def test_without_a_login_the_import_says_what_to_do(gateway: GatewayCommand) -> None:
    said = gateway.failure("import", "kiro")
    assert "log in with `kiro-cli login` first" in said
    assert "`gateway import kiro --from desktop`" in said


def test_no_command_shows_a_secret(gateway: GatewayCommand, service: KiroService) -> None:
    cli_store(gateway.home / "cli" / "data.sqlite3", lasting(BUILDER))
    refused = {"error": "invalid_grant", "error_description": "fake-refresh-idc-1 is dead"}
    service.say("/oidc/us-east-1/token", refused, 400)
    said = ""
    for words in (
        ["import", "kiro"],
        ["status", "--json"],
        ["models", "--provider", "kiro"],
        ["--debug", "refresh"],
        ["--debug", "logout", "kiro"],
    ):
        result = gateway.run(*words)
        said += result.stdout + result.stderr
    assert "run `gateway login kiro`" in said
    assert "fake-refresh-idc-1" in json.dumps([asked.body for asked in service.requests])
    assert not [secret for secret in SECRETS if secret in said]
    assert "arn:aws" not in said
