"""The `gateway` command with the Kiro plugin, whose world is the simulator: logins, imports, plan
and models; and never a secret in what it says.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway_core.json import dumps, loads_object
from simulators.kiro.auth import START_URL
from simulators.kiro.installed import kiro_command
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import CANARY, Account, Kind, Tokens
from support.command import GatewayCommand

ORGANISATION = "arn:aws:codewhisperer:eu-central-1:111122223333:profile/MNOPQRSTUVWX"


@pytest.fixture
def simulator() -> Iterator[KiroSimulator]:
    with KiroSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def gateway(simulator: KiroSimulator, home: Path) -> GatewayCommand:
    """The command, without a login."""
    command = kiro_command(simulator, home, login=False)
    command.environ["KIROCLI_DB_PATH"] = str(home / "data.sqlite3")
    command.environ["KIRO_AUTH_FILE"] = str(home / "kiro-auth-token.json")
    return command


def store_of_the_command_line(path: Path, tokens: Tokens, **registration: object) -> None:
    """What Kiro's own command line leaves behind: a social login, or one at AWS with the program
    that it registered.
    """
    token: dict[str, object] = {
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "later": "kept",
    }
    rows: dict[str, dict[str, object]] = {}
    if registration:
        rows["kirocli:odic:device-registration"] = registration
        start = {"region": "us-east-1", "start_url": "https://view.awsapps.com/start"}
        rows["kirocli:odic:token"] = token | start
    else:
        arn = "arn:aws:codewhisperer:us-east-1:111122223333:profile/ABCDEFGHIJKL"
        rows["kirocli:social:token"] = token | {"profile_arn": arn, "provider": "google"}
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE auth_kv (key TEXT PRIMARY KEY, value TEXT)")
        store.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB)")
        for key, value in rows.items():
            store.execute("INSERT INTO auth_kv VALUES (?, ?)", (key, dumps(value).decode()))
    store.close()


def token_in(path: Path, key: str) -> dict[str, object]:
    with sqlite3.connect(path) as store:
        (value,) = store.execute("SELECT value FROM auth_kv WHERE key = ?", (key,)).fetchone()
    store.close()
    return dict(loads_object(value))


def test_a_device_login_with_google_shows_plan_and_credits(
    gateway: GatewayCommand, simulator: KiroSimulator
) -> None:
    simulator.login.device_answers += ["authorization_pending"] * 2
    login = gateway.run("login", "kiro", "--device", answers="1\n")
    assert login.returncode == 0, login.stderr
    assert "ABCD-EFGH" in login.stderr
    assert login.stdout.startswith("logged in to kiro as ann@example.com\n")

    status = gateway.output("status", "kiro")
    assert "ann@example.com" in status
    assert "KIRO PRO" in status
    assert "credits: 59 % left" in status


def test_a_device_login_with_a_builder_id(
    gateway: GatewayCommand, simulator: KiroSimulator
) -> None:
    simulator.state.add_account(Account("b", "builder", "bob@example.com"))
    login = gateway.run("login", "kiro", "--device", answers="3\n")
    assert login.returncode == 0, login.stderr
    assert "WXYZ-1234" in login.stderr
    assert "bob@example.com" in gateway.output("status", "kiro")
    gateway.output("refresh", "kiro")
    simulator.play("text: Here I am.")
    assert gateway.output("ask", "--model", "claude-haiku-4-5", "Hi") == "Here I am.\n"


def test_a_login_of_an_organisation_is_found_in_its_region_with_its_profile(
    gateway: GatewayCommand, simulator: KiroSimulator
) -> None:
    account = Account("o", "organisation", "eve@example.com", profile=ORGANISATION)
    simulator.state.add_account(account)
    login = gateway.run("login", "kiro", "--device", answers=f"4\n{START_URL}\n")
    assert login.returncode == 0, login.stderr
    simulator.play("text: Here I am.")
    assert gateway.output("ask", "--model", "sonnet", "Hi") == "Here I am.\n"
    assert simulator.requests[-1].region == "eu-central-1"


def test_an_imported_login_is_shared_from_then_on(
    gateway: GatewayCommand, simulator: KiroSimulator, home: Path
) -> None:
    path, key = home / "data.sqlite3", "kirocli:social:token"
    store_of_the_command_line(path, simulator.tokens)
    said = gateway.output("import", "kiro", "--from", "cli")
    assert said.startswith("imported the login of kiro as Kiro CLI (Google)\n")

    gateway.output("refresh", "kiro")
    shared = token_in(path, key)
    assert shared["access_token"] != simulator.tokens.access
    assert shared["later"] == "kept"
    simulator.state.account_of(str(shared["access_token"]))
    assert simulator.state.owner_of_refresh(str(shared["refresh_token"])) is simulator.account

    simulator.play("text: Here I am.")
    assert gateway.output("ask", "--model", "auto", "Hi") == "Here I am.\n"
    assert simulator.state.refreshes == 1


def test_a_builder_id_is_imported_with_the_program_it_belongs_to(
    gateway: GatewayCommand, simulator: KiroSimulator, home: Path
) -> None:
    account = simulator.state.add_account(Account("b", "builder", "bob@example.com"))
    client = simulator.state.register_client("us-east-1")
    store_of_the_command_line(
        home / "data.sqlite3",
        simulator.state.log_in(account.id),
        client_id=client.id,
        client_secret=client.secret,
        region="us-east-1",
    )
    gateway.output("import", "kiro", "--from", "auto")
    simulator.state.end_access_tokens()
    simulator.play("text: Here I am.")
    assert gateway.output("ask", "--model", "claude-opus-4.8", "Hi") == "Here I am.\n"
    assert simulator.state.refreshes == 1


def test_models_are_listed_with_and_without_a_login(
    gateway: GatewayCommand, simulator: KiroSimulator
) -> None:
    assert "glm-5" in gateway.output("models", "--provider", "kiro")
    login = gateway.run("login", "kiro", "--device", answers="1\n")
    assert login.returncode == 0, login.stderr
    live = gateway.output("models", "--provider", "kiro", "--refresh")
    assert "gpt-5.6-sol" in live
    assert "glm-5" not in live


@pytest.mark.parametrize("kind", ["social", "builder"])
def test_the_older_host_tells_of_models_and_plan_too(
    simulator: KiroSimulator, home: Path, kind: Kind
) -> None:
    """It refuses the profile that Builder IDs must name at the current one."""
    account = simulator.state.add_account(Account("someone", kind, "bob@example.com"))
    simulator.state.gone = {"management"}
    command = kiro_command(simulator, home, account)
    assert "gpt-5.6-sol" in command.output("models", "--provider", "kiro", "--refresh")
    assert "bob@example.com" in command.output("status", "kiro")


def test_credits_that_are_used_up_are_told(simulator: KiroSimulator, home: Path) -> None:
    simulator.account.used = simulator.account.limit
    command = kiro_command(simulator, home)
    assert "the credits are used up" in command.output("status", "kiro")
    simulator.play("text: Here I am.")
    said = command.failure("ask", "--model", "auto", "Hi")
    assert "reached the limit" in said
    assert len(simulator.requests) == 1


def test_a_login_that_is_over_is_told_with_the_command_to_run(
    simulator: KiroSimulator, home: Path
) -> None:
    command = kiro_command(simulator, home)
    simulator.state.refresh(simulator.tokens.refresh)
    result = command.run("refresh", "kiro")
    assert result.returncode == 1
    assert "run `gateway login kiro`" in result.stderr


def test_no_command_shows_a_secret(
    gateway: GatewayCommand, simulator: KiroSimulator, home: Path
) -> None:
    """Every secret of the simulator has one word in it."""
    simulator.state.add_account(Account("b", "builder", "bob@example.com"))
    store_of_the_command_line(home / "data.sqlite3", simulator.tokens)
    said = ""
    for words, answers in (
        (["import", "kiro"], ""),
        (["--debug", "status", "--json"], ""),
        (["--debug", "refresh"], ""),
        (["--debug", "models", "--provider", "kiro"], ""),
        (["--debug", "ask", "--model", "auto", "Hi"], ""),
        (["--debug", "logout", "kiro"], ""),
        (["--debug", "login", "kiro", "--device"], "1\n"),
        (["--debug", "logout", "kiro"], ""),
        (["--debug", "login", "kiro", "--device"], "3\n"),
        (["--debug", "refresh", "kiro"], ""),
        (["--debug", "doctor"], ""),
    ):
        result = gateway.run(*words, answers=answers)
        said += result.stdout + result.stderr
    assert "That was the whole script." in said
    assert len(simulator.state.secrets) > 8
    assert CANARY not in said
    written = [path for path in home.rglob("*.log") if CANARY in path.read_text()]
    assert written == []
