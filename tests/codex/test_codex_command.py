"""The whole account half through the `gateway` command, led to the simulator by settings alone."""

import json
from pathlib import Path

import pytest
from dirty_equals import IsStr

from gateway_codex.settings import CodexSettings
from simulators.codex.auth import LoginScript
from simulators.codex.state import BackendState, Tokens
from support.codex_logins import ACCOUNT, ACCOUNT_ID, OwnerFile, owner_document
from support.command import GatewayCommand


@pytest.fixture
def gateway(tmp_path: Path, settings: CodexSettings) -> GatewayCommand:
    """The command with the plugin, and a home in which Codex CLI may have its own."""
    home = tmp_path / "home"
    home.mkdir()
    return GatewayCommand(
        home,
        {
            "GATEWAY_PLUGINS": "codex",
            "GATEWAY_BIND": "127.0.0.1:1",
            "GATEWAY_PROVIDERS__CODEX__AUTH_URL": settings.auth_url,
            "GATEWAY_PROVIDERS__CODEX__BASE_URL": settings.base_url,
            "GATEWAY_PROVIDERS__CODEX__BACKEND_URL": settings.backend_url,
            "CODEX_HOME": str(home / "codex"),
        },
    )


@pytest.fixture
def tokens(backend: BackendState) -> Tokens:
    """A login that Codex CLI has."""
    return backend.log_in(ACCOUNT_ID)


@pytest.fixture
def owner(gateway: GatewayCommand, tokens: Tokens) -> OwnerFile:
    """Codex CLI's file with that login."""
    (gateway.home / "codex").mkdir()
    file = OwnerFile(gateway.home / "codex" / "auth.json")
    file.write(owner_document(tokens))
    return file


def test_a_device_login_shows_plan_and_limits_and_can_be_revoked(
    gateway: GatewayCommand, backend: BackendState
) -> None:
    login = gateway.run("login", "codex", "--device")
    assert login.returncode == 0, login.stderr
    assert "ABCD-EFGHI" in login.stderr
    assert login.stdout.startswith("logged in to codex as ann@example.com\n")

    lines = [line.strip() for line in gateway.output("status", "codex").splitlines()]
    assert lines[3:] == [
        "codex (ChatGPT (Codex))  logged in as ann@example.com",
        IsStr(regex=r"models gpt-\S+, gpt-\S+, gpt-\S+, \.\.\."),
        IsStr(regex=r"token ends 20\S+ \S+ \(in 9 d 23 h\) and is renewed by itself"),
        "account Personal (personal)",
        "plan plus",
        IsStr(regex=r"subscription until 2040-12-24 00:00 \(.*\)"),
        IsStr(regex=r"limit 5h: 73 % left, resets 20\S+ \d\d:\d\d \(in 2 h \d\d min\)"),
        IsStr(regex=r"limit weekly: 96 % left, resets 20\S+ \d\d:\d\d \(in 3 d \d+ h\)"),
    ]

    assert gateway.output("logout", "codex") == f"logged out of codex ({ACCOUNT})\n"
    assert len(backend.revoked) == 1


def test_an_imported_login_is_shared_from_then_on(
    gateway: GatewayCommand, owner: OwnerFile, tokens: Tokens, backend: BackendState
) -> None:
    said = gateway.output("import", "codex")
    assert said.startswith("imported the login of codex as ann@example.com\n")

    gateway.output("refresh", "codex")
    assert owner.access_token != tokens.access

    renewed_by_codex_cli = backend.refresh(refresh_token_in(owner))
    owner.write(owner_document(renewed_by_codex_cli))
    gateway.output("refresh", "codex")
    assert owner.access_token == renewed_by_codex_cli.access
    assert backend.refreshes == 2

    gateway.output("logout", "codex")
    assert backend.revoked == []


def refresh_token_in(owner: OwnerFile) -> str:
    document = owner.read()
    assert document is not None
    return str(document["tokens"]["refresh_token"])


def test_without_a_login_of_codex_cli_the_import_says_what_to_do(gateway: GatewayCommand) -> None:
    said = gateway.failure("import", "codex")
    assert said.startswith(f"there is no {gateway.home / 'codex' / 'auth.json'}: log in with")


def test_a_dead_login_is_told_with_the_command_to_run(
    gateway: GatewayCommand, owner: OwnerFile, backend: BackendState
) -> None:
    gateway.output("import", "codex")
    backend.refuse_refresh = "refresh_token_invalidated"
    result = gateway.run("refresh")
    assert result.returncode == 1
    assert "run `gateway login codex`" in result.stderr


def test_no_command_shows_a_token(
    gateway: GatewayCommand, owner: OwnerFile, tokens: Tokens, script: LoginScript
) -> None:
    said = ""
    for words in (
        ["import", "codex"],
        ["status", "--json"],
        ["refresh"],
        ["--debug", "refresh"],
        ["--debug", "logout", "codex"],
    ):
        result = gateway.run(*words)
        assert result.returncode == 0, result.stderr
        said += result.stdout + result.stderr

    sent = json.dumps([fields for _, fields in script.requests])
    secrets = [
        tokens.access,
        tokens.refresh,
        tokens.id,
        owner.access_token,
        refresh_token_in(owner),
    ]
    assert tokens.refresh in sent
    assert not [secret for secret in secrets if secret in said]
