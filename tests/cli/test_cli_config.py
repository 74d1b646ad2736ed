"""`gateway config`."""

import json
import stat
from pathlib import Path

import pytest

from support.command import GatewayCommand


@pytest.fixture
def file(gateway: GatewayCommand) -> Path:
    """The settings file, with a comment and a secret in it."""
    gateway.home.mkdir()
    file = gateway.home / "config.toml"
    file.write_text(
        '# mine\n[server]\napi_key = "canary-key"\n\n[timeouts]\nidle = 30  # short\n'
        '[providers.acme]\nregion = "us"\naccess_token = "canary-token"\n'
    )
    return file


def test_path_is_where_the_settings_would_be(gateway: GatewayCommand) -> None:
    assert gateway.output("config", "path") == f"{gateway.home / 'config.toml'}\n"


def test_show_names_origins_and_masks_secrets(gateway: GatewayCommand, file: Path) -> None:
    gateway.environ["GATEWAY_TIMEOUTS__TOTAL"] = "90"
    shown = gateway.output("config", "show")
    rows = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert rows["timeouts.idle"] == f"30.0  # {file}:6"
    assert rows["timeouts.total"] == "90.0  # GATEWAY_TIMEOUTS__TOTAL"
    assert rows["timeouts.connect"] == "15.0"
    assert rows["routing.fallback"] == "(not set)"
    assert rows["providers.acme.region"] == f'"us"  # {file}:8'
    assert rows["server.api_key"] == f"(secret)  # {file}:3"
    assert "canary" not in shown


def test_what_a_provider_calls_a_secret_is_not_shown(acme: GatewayCommand) -> None:
    acme.output("config", "set", "providers.acme.pin", "canary-pin")
    assert acme.output("config", "get", "providers.acme.pin") == "(secret)\n"
    assert "canary" not in acme.output("config", "show")


def test_show_speaks_json(gateway: GatewayCommand, file: Path) -> None:
    shown = gateway.output("config", "show", "--json")
    values = json.loads(shown)
    assert values["timeouts.idle"] == {"value": 30.0, "origin": f"{file}:6"}
    assert values["server.bind"] == {"value": ["127.0.0.1:14550"], "origin": "default"}
    assert "canary" not in shown


def test_get_prints_the_bare_value(gateway: GatewayCommand, file: Path) -> None:
    assert gateway.output("config", "get", "log.level") == "info\n"
    assert gateway.output("config", "get", "server.bind") == '["127.0.0.1:14550"]\n'


def test_get_prints_a_table(gateway: GatewayCommand, file: Path) -> None:
    assert gateway.output("config", "get", "timeouts") == (
        "timeouts.connect = 15.0\ntimeouts.idle = 30.0\ntimeouts.total = 3600.0\n"
    )


def test_get_of_nothing_is_an_error(gateway: GatewayCommand) -> None:
    said = gateway.failure("config", "get", "server.bnd")
    assert said == "there is no setting 'server.bnd'; `gateway config show` lists them"


def test_set_keeps_comments_and_makes_the_file_private(gateway: GatewayCommand, file: Path) -> None:
    gateway.output("config", "set", "timeouts.idle", "45")
    assert "[timeouts]\nidle = 45  # short\n" in file.read_text()
    assert file.read_text().startswith("# mine\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("server.bind", "127.0.0.1:1,[::1]:2", 'bind = ["127.0.0.1:1", "[::1]:2"]'),
        ("plugins.strict", "true", "strict = true"),
        ("routing.fallback", "gpt-5.5", 'fallback = "gpt-5.5"'),
        ("routing.fallback", "5", 'fallback = "5"'),
        ('routing.aliases."gpt-4.1"', "gpt-5.5", '"gpt-4.1" = "gpt-5.5"'),
        ("log.file", "/var/log/gateway.log", 'file = "/var/log/gateway.log"'),
    ],
)
def test_set_writes_the_kind_of_value_the_setting_takes(
    gateway: GatewayCommand, key: str, value: str, line: str
) -> None:
    gateway.output("config", "set", key, value)
    assert line in (gateway.home / "config.toml").read_text().splitlines()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("timeouts.idle", "soon", "timeouts.idle must be a number, not 'soon'"),
        ("server.bnd", "x", "unknown setting 'bnd' in [server]; did you mean 'bind'?"),
        ("servr.bind", "x", "there is no table 'servr'; did you mean 'server'?"),
    ],
)
def test_set_refuses_what_would_not_load(
    gateway: GatewayCommand, file: Path, key: str, value: str, said: str
) -> None:
    before = file.read_text()
    assert gateway.failure("config", "set", key, value) == f"{said}; nothing was changed"
    assert file.read_text() == before


def test_set_asks_the_provider_about_its_own_table(acme: GatewayCommand) -> None:
    said = acme.failure("config", "set", "providers.acme.pause", "5")
    assert "did you mean 'pause_ms'?" in said
    acme.output("config", "set", "providers.acme.pause_ms", "5")
    assert acme.output("config", "get", "providers.acme.pause_ms") == "5\n"


def test_set_mends_a_broken_value(gateway: GatewayCommand) -> None:
    gateway.home.mkdir()
    file = gateway.home / "config.toml"
    file.write_text("[timeouts]\nidle = 'soon'\n")
    assert gateway.failure("config", "show").startswith(f"{file}:2: timeouts.idle must be")
    gateway.output("config", "set", "timeouts.idle", "30")
    assert gateway.output("config", "get", "timeouts.idle") == "30.0\n"


def test_set_does_not_touch_a_malformed_file(gateway: GatewayCommand) -> None:
    gateway.home.mkdir()
    file = gateway.home / "config.toml"
    file.write_text("[timeouts\nidle = 3\n")
    assert ":1: is not valid TOML" in gateway.failure("config", "set", "timeouts.idle", "30")
    assert file.read_text() == "[timeouts\nidle = 3\n"


def test_reset_takes_one_key_back(gateway: GatewayCommand, file: Path) -> None:
    gateway.output("config", "reset", "timeouts.idle")
    assert gateway.output("config", "get", "timeouts.idle") == "300.0\n"
    assert "[timeouts]" in file.read_text()


def test_reset_of_everything_asks_first(gateway: GatewayCommand, file: Path) -> None:
    assert gateway.run("config", "reset", answers="n\n").returncode == 1
    assert file.exists()
    gateway.output("config", "reset", "--yes")
    assert not file.exists()


def test_reset_of_what_does_not_exist_is_an_error(gateway: GatewayCommand) -> None:
    assert "there is no setting 'server.bnd'" in gateway.failure("config", "reset", "server.bnd")


def test_key_is_generated_once(gateway: GatewayCommand) -> None:
    key = gateway.output("config", "key")
    assert key.startswith("gw-")
    assert gateway.output("config", "key") == key
