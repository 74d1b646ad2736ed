"""The command line with a plugin's state store: chosen, shown, read, and refused when absent."""

import json
from pathlib import Path

import openai
import pytest
from dirty_equals import IsPartialDict

from support.about import about
from support.command import GatewayCommand


@pytest.fixture
def there(gateway: GatewayCommand) -> Path:
    """The folder of the store `elsewhere`, which is installed."""
    gateway.with_plugin("elsewhere", "support.elsewhere_plugin:ElsewhereState")
    return gateway.home.with_name("there")


@pytest.fixture
def chosen(gateway: GatewayCommand, there: Path) -> GatewayCommand:
    """The command with that store in its settings."""
    gateway.output("config", "set", "state.store", "elsewhere")
    gateway.output("config", "set", "state.options.folder", str(there))
    return gateway


def test_it_is_set_step_by_step_and_each_step_is_checked(
    gateway: GatewayCommand, there: Path
) -> None:
    said = gateway.failure("config", "set", "state.store", "elswhere")
    assert said == (
        "state.store: no state store 'elswhere' is installed; did you mean 'elsewhere'?; "
        "nothing was changed"
    )
    gateway.output("config", "set", "state.store", "elsewhere")
    said = gateway.failure("config", "set", "state.options.foldr", "x")
    assert "did you mean 'folder'?" in said and said.endswith("nothing was changed")
    assert "state.options.folder is required" in gateway.failure("usage")
    gateway.output("config", "set", "state.options.folder", str(there))
    gateway.output("config", "set", "state.options.phrase", "1234")
    assert 'phrase = "1234"' in (gateway.home / "config.toml").read_text()
    assert gateway.output("usage").startswith("no request since")


def test_what_the_plugin_calls_a_secret_is_not_shown(chosen: GatewayCommand, there: Path) -> None:
    chosen.environ["GATEWAY_STATE__OPTIONS__PHRASE"] = "canary-phrase"
    rows = dict(line.split(maxsplit=1) for line in chosen.output("config", "show").splitlines())
    assert rows["state.store"].startswith('"elsewhere"')
    assert rows["state.options.folder"].startswith(f'"{there}"')
    assert rows["state.options.phrase"] == "(secret)  # GATEWAY_STATE__OPTIONS__PHRASE"


SECRETIVE = """
[state]
store = "secretive"
[state.options]
place = "there"
phrases = ["canary-1"]
seed = "canary-2"
prase = "canary-3"
older = "canary-4"
[state.options.by_host]
one = "canary-5"
[state.options.main]
port = 1
phrase = "canary-6"
[[state.options.servers]]
port = 2
phrase = "canary-7"
"""


def test_no_secret_in_lists_and_tables_is_shown(gateway: GatewayCommand) -> None:
    """Nor what nobody declares: left over from another store, or misspelled, it may be one."""
    gateway.with_plugin("secretive", "support.secretive_plugin:SecretiveState")
    gateway.home.mkdir(exist_ok=True)
    (gateway.home / "config.toml").write_text(SECRETIVE)
    for words in (["show"], ["show", "--json"], ["get", "state.options"]):
        said = gateway.output("config", *words)
        with about(words, said):
            assert "canary" not in said
            assert said.count("(secret)") == 7
            assert '"there"' in said
    for key in ("phrases", "older", "by_host.one", "servers"):
        assert gateway.output("config", "get", f"state.options.{key}") == "(secret)\n"
    assert "canary" not in gateway.failure("usage")
    gateway.environ["GATEWAY_STATE__STORE"] = "sqlite"
    assert gateway.output("config", "get", "state.options").count("(secret)") == 9


def test_without_its_plugin_no_option_is_shown(chosen: GatewayCommand, there: Path) -> None:
    chosen.environ["GATEWAY_PLUGINS"] = "none-at-all"
    assert str(there) not in chosen.output("config", "show")
    assert "state.options.folder = (secret)" in chosen.output("config", "get", "state.options")


def test_plugins_tell_which_stores_there_are(gateway: GatewayCommand, there: Path) -> None:
    (line,) = (line for line in gateway.output("plugins").splitlines() if "elsewhere" in line)
    assert line.endswith("state store elsewhere")
    shown = gateway.output("plugins", "show", "elsewhere").splitlines()
    assert "state store elsewhere, contract 1: used where state.store is 'elsewhere'" in shown
    assert "  folder = not set  (Path)" in shown
    gateway.environ |= {
        "GATEWAY_STATE__STORE": "elsewhere",
        "GATEWAY_STATE__OPTIONS__FOLDER": str(there),
        "GATEWAY_STATE__OPTIONS__PHRASE": "canary-phrase",
    }
    assert "state store elsewhere (in use)" in gateway.output("plugins")
    facts = json.loads(gateway.output("plugins", "show", "elsewhere", "--json"))
    assert facts["provider"] is None
    assert facts["store"] == IsPartialDict(name="elsewhere", contract=1, used=True)
    folder, phrase, _ = facts["store"]["settings"]
    assert folder == {
        "name": "folder",
        "type": "Path",
        "default": None,
        "value": str(there),
        "description": "where the file is",
        "env": "GATEWAY_STATE__OPTIONS__FOLDER",
    }
    assert phrase["value"] == "(secret)"


def test_requests_are_counted_where_the_settings_say(
    acme: GatewayCommand, chosen: GatewayCommand, there: Path
) -> None:
    acme.output("login", "acme", answers="anna\n")
    acme.output("ask", "--model", "acme-1", "Hello")
    assert [path.name for path in there.glob("*.db")] == ["state.db"]
    assert list(acme.home.rglob("*.sqlite3")) == []
    assert "acme/acme-1" in acme.output("usage")
    acme.output("config", "reset", "state")
    assert acme.output("usage").startswith("no request since")


@pytest.mark.parametrize("command", ["serve", "usage", "models", "status", "accounts"])
def test_nothing_begins_without_the_store_that_was_chosen(
    chosen: GatewayCommand, command: str
) -> None:
    chosen.environ["GATEWAY_PLUGINS"] = "none-at-all"
    said = chosen.failure(command)
    assert said == (
        f"{chosen.home / 'config.toml'}:2: state.store: no state store 'elsewhere' is installed; "
        "installed: sqlite; left out: elsewhere (switched off in the settings); "
        "see `gateway plugins`"
    )
    assert list(chosen.home.rglob("*.sqlite3")) == []
    for going_on in (["plugins"], ["config", "show"], ["config", "reset", "state.store"]):
        assert chosen.run(*going_on).returncode == 0


def test_a_server_finds_its_responses_again_after_a_restart(
    acme: GatewayCommand, chosen: GatewayCommand, there: Path
) -> None:
    acme.output("login", "acme", answers="anna\n")
    with acme.serve() as serving:
        with openai.OpenAI(base_url=f"{serving.url}/v1", api_key=serving.key) as client:
            made = client.responses.create(model="acme-1", input="Hello", store=True)
        assert serving.stop()[0] == 0
    with (
        acme.serve() as serving,
        openai.OpenAI(base_url=f"{serving.url}/v1", api_key=serving.key) as client,
    ):
        found = client.responses.retrieve(made.id)
    assert found.output_text == made.output_text == "hello"
    assert (there / "state.db").exists()
    assert list(acme.home.rglob("*.sqlite3")) == []
