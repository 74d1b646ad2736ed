"""Settings: where values come from, who wins, and what is said when one is wrong."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from gateway_core.paths import find_paths
from gateway_core.settings import (
    Settings,
    SettingsError,
    load_settings,
    local_key,
    provider_settings,
)

Load = Callable[..., Settings]


class DemoSettings(BaseModel):
    """What a provider's table may look like."""

    model_config = ConfigDict(extra="forbid")

    delay_ms: int = 0
    pin: SecretStr | None = None


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings file of the home that `load` uses."""
    return tmp_path / "config.toml"


@pytest.fixture
def load(config: Path) -> Load:
    """Load settings from text, environment and flags alone."""

    def load(text: str = "", flags: dict[str, object] | None = None, **environ: str) -> Settings:
        config.write_text(text)
        return load_settings(flags, {"GATEWAY_HOME": str(config.parent), **environ})

    return load


def wrong(load: Load, text: str = "", **environ: str) -> str:
    """What is said about settings that must be refused."""
    with pytest.raises(SettingsError) as caught:
        load(text, **environ)
    return str(caught.value)


# where values come from


def test_defaults_need_no_file(tmp_path: Path) -> None:
    settings = load_settings(environ={"GATEWAY_HOME": str(tmp_path / "none")})
    assert settings.server.bind == ("127.0.0.1:14550",)
    assert settings.server.require_key is True
    assert settings.origins == {}


FILE = '[server]\nbind = "127.0.0.1:1"\n'


@pytest.mark.parametrize(
    ("text", "environ", "flags", "bind", "origin"),
    [
        (FILE, {}, {}, "127.0.0.1:1", "config.toml:2"),
        (FILE, {"GATEWAY_BIND": "127.0.0.1:2"}, {}, "127.0.0.1:2", "GATEWAY_BIND"),
        ("", {"GATEWAY_SERVER__BIND": "127.0.0.1:3"}, {}, "127.0.0.1:3", "GATEWAY_SERVER__BIND"),
        (
            FILE,
            {"GATEWAY_BIND": "127.0.0.1:2", "GATEWAY_SERVER__BIND": "127.0.0.1:3"},
            {},
            "127.0.0.1:3",
            "GATEWAY_SERVER__BIND",
        ),
        (
            FILE,
            {"GATEWAY_BIND": "127.0.0.1:2"},
            {"server.bind": "127.0.0.1:4"},
            "127.0.0.1:4",
            "--bind",
        ),
        (FILE, {"GATEWAY_BIND": ""}, {"server.bind": None}, "127.0.0.1:1", "config.toml:2"),
    ],
    ids=["file", "variable", "long variable", "long over short", "flag", "empty is not given"],
)
def test_flag_over_environment_over_file(
    load: Load,
    text: str,
    environ: dict[str, str],
    flags: dict[str, object],
    bind: str,
    origin: str,
) -> None:
    settings = load(text, flags, **environ)
    assert settings.server.bind == (bind,)
    assert str(settings.origins["server.bind"]).endswith(origin)


def test_short_variables(load: Load) -> None:
    settings = load(
        GATEWAY_API_KEY="local-secret",
        GATEWAY_PLUGINS="codex, kiro",
        GATEWAY_MODEL_FALLBACK="gpt-5.5",
    )
    assert settings.server.api_key == SecretStr("local-secret")
    assert settings.plugins.enabled == ("codex", "kiro")
    assert settings.routing.fallback == "gpt-5.5"


def test_tables_merge_key_by_key(load: Load) -> None:
    text = '[routing.aliases]\nopus = "a"\n"gpt-5.5" = "b"\n'
    settings = load(text, GATEWAY_ROUTING__ALIASES__OPUS="c")
    assert settings.routing.aliases == {"opus": "c", "gpt-5.5": "b"}


def test_lists_in_variables_are_commas_or_json(load: Load) -> None:
    settings = load(GATEWAY_PLUGINS__DISABLED='["a", "b"]', GATEWAY_ROUTING__PRIORITY="codex,demo")
    assert settings.plugins.disabled == ("a", "b")
    assert settings.routing.priority == ("codex", "demo")


def test_other_programs_variables_are_left_alone(load: Load) -> None:
    settings = load(GATEWAY_INTERFACE="CGI/1.1", GATEWAY_NOPE="x", GATEWAY_PORT="tcp://10.0.0.1:80")
    assert settings.origins == {}


def test_a_windows_file_is_read(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbf[log]\r\nlevel = 'debug'\r\n")
    assert load_settings(environ={"GATEWAY_HOME": str(config.parent)}).log.level == "debug"


# what is wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '# mine\n[server]\nbnd = "x"\n',
            ":3: unknown setting 'bnd' in [server]; did you mean 'bind'?",
        ),
        ("\n[servr]\n", ":2: there is no table 'servr'; did you mean 'server'?"),
        ('[timeouts]\nidle = "soon"\n', ":2: timeouts.idle must be a number, not 'soon'"),
        ("[timeouts]\nidle = -1\n", ":2: timeouts.idle: input should be greater than 0, not -1"),
        ("[plugins]\nstrict = 'maybe'\n", ":2: plugins.strict must be true or false, not 'maybe'"),
        ("[plugins]\ndisabled = 3\n", ":2: plugins.disabled must be a list, not 3"),
        ("[routing]\naliases = 3\n", ":2: routing.aliases must be a table, not 3"),
        ("server = 3\n", ":1: server must be a table, not 3"),
        ("[routing.aliases]\nopus = 4\n", ":2: routing.aliases.opus must be a string, not 4"),
        (
            "[log]\nlevel = 'loud'\n",
            ":2: log.level must be 'debug', 'info', 'warning' or 'error', not 'loud'",
        ),
        (
            "[server]\nbind = 'here'\n",
            ":2: server.bind: 'here' is no address; write HOST:PORT, like 127.0.0.1:14550",
        ),
        ("[server]\nbind = [\n", ":2: is not valid TOML: "),
        (
            "[server\n",
            ":1: is not valid TOML: expected ']' at the end of a table declaration",
        ),
        ("[log]\nlevel = 3\nformat = 4\n", "not 3 (and 1 more)"),
        (
            "[batches]\nkeep_days = 0.5\n",
            ":2: batches: expire_hours = 24 is no less than keep_days = 0.5 (12 hours): results",
        ),
        ("[batches]\nexpire_hours = 696\n", "expire_hours = 696 is no less than keep_days = 29"),
    ],
)
def test_a_wrong_file_is_named_with_the_line(
    load: Load, config: Path, text: str, said: str
) -> None:
    message = wrong(load, text)
    assert message.startswith(str(config))
    assert said in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server = 1\n", ":1: server must be a table, not 1"),
        ("[server]\nbind = 5\n", ":2: server.bind must be a list, not 5"),
        ("[server.bind]\nhost = 'here'\n", ":2: server.bind must be a list"),
    ],
)
@pytest.mark.parametrize("hidden_by", ["flag", "variable"])
def test_what_is_wrong_in_the_file_is_not_hidden(
    load: Load, config: Path, text: str, said: str, hidden_by: str
) -> None:
    flags: dict[str, object] = {"server.bind": "127.0.0.1:4"} if hidden_by == "flag" else {}
    environ = {"GATEWAY_BIND": "127.0.0.1:4"} if hidden_by == "variable" else {}
    with pytest.raises(SettingsError) as caught:
        load(text, flags, **environ)
    assert str(caught.value) == f"{config}{said}"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "GATEWAY_SERVER__BND",
            "x",
            "unknown setting 'bnd' in [server]; did you mean GATEWAY_SERVER__BIND?",
        ),
        (
            "GATEWAY_SERVR__BIND",
            "x",
            "there is no table 'servr'; did you mean GATEWAY_SERVER__BIND?",
        ),
        ("GATEWAY_PLUGIN", "x", "unknown variable; did you mean GATEWAY_PLUGINS?"),
        ("GATEWAY_TIMEOUTS__IDLE", "soon", "timeouts.idle must be a number, not 'soon'"),
        ("GATEWAY_SERVER__", "x", "write GATEWAY_TABLE__KEY, like GATEWAY_SERVER__BIND"),
    ],
)
def test_a_wrong_variable_is_named(load: Load, variable: str, value: str, said: str) -> None:
    assert wrong(load, **{variable: value}) == f"{variable}: {said}"


def test_a_wrong_flag_is_named(load: Load) -> None:
    with pytest.raises(SettingsError, match=r"^--bind: server\.bind: 'x' is no address"):
        load("", {"server.bind": "x"})


def test_a_wrong_key_is_never_shown(load: Load) -> None:
    assert "canary" not in wrong(load, '[server]\napi_key = "can ary canary"\n')
    assert "443322" not in wrong(load, "[server]\napi_key = 443322\n")


def test_a_file_that_is_no_text_is_refused(config: Path) -> None:
    config.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load_settings(environ={"GATEWAY_HOME": str(config.parent)})


# providers' own tables


def test_a_provider_table_becomes_the_providers_model(load: Load) -> None:
    settings = load("[providers.my-demo]\ndelay_ms = 5\n", GATEWAY_PROVIDERS__MY_DEMO__DELAY_MS="7")
    assert provider_settings(settings, "my-demo", DemoSettings).delay_ms == 7
    assert provider_settings(settings, "other", DemoSettings).delay_ms == 0


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        (
            "[providers.demo]\n\ndelay = 5\n",
            {},
            "config.toml:3: unknown setting 'delay' in [providers.demo]; did you mean 'delay_ms'?",
        ),
        (
            "[providers]\ndemo = {delay_ms = 'x'}\n",
            {},
            "config.toml:2: providers.demo.delay_ms must be a whole number, not 'x'",
        ),
        (
            "",
            {"GATEWAY_PROVIDERS__DEMO__DELAY": "5"},
            "GATEWAY_PROVIDERS__DEMO__DELAY: unknown setting 'delay' in [providers.demo]; "
            "did you mean GATEWAY_PROVIDERS__DEMO__DELAY_MS?",
        ),
        (
            "[providers.demo]\npin = 443322\n",
            {},
            "config.toml:2: providers.demo.pin must be a string",
        ),
    ],
)
def test_a_wrong_provider_table_is_explained_alike(
    load: Load, text: str, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        provider_settings(load(text, **environ), "demo", DemoSettings)
    assert str(caught.value).endswith(said)


# places and the local key


def test_home_moves_everything(tmp_path: Path) -> None:
    paths = find_paths({"GATEWAY_HOME": str(tmp_path)})
    places = (paths.config_file, paths.key_file, paths.credentials, paths.state, paths.logs)
    assert all(place.is_relative_to(tmp_path) for place in (*places, paths.cache))


def test_without_home_the_key_lies_beside_the_settings() -> None:
    paths = find_paths({})
    assert paths.key_file.parent == paths.config_file.parent


def test_the_generated_key_is_kept_and_private(load: Load) -> None:
    settings = load()
    key = local_key(settings)
    assert key.startswith("gw-") and len(key) == 46
    assert local_key(load()) == key
    assert stat.S_IMODE(settings.paths.key_file.stat().st_mode) == 0o600


def test_a_key_that_was_set_is_not_written_down(load: Load) -> None:
    settings = load(GATEWAY_API_KEY="local-secret")
    assert local_key(settings) == "local-secret"
    assert not settings.paths.key_file.exists()


def test_an_empty_key_file_is_replaced(load: Load) -> None:
    settings = load()
    settings.paths.key_file.write_text("")
    key = local_key(settings)
    assert key.startswith("gw-")
    assert settings.paths.key_file.read_text().strip() == key


def test_a_readable_key_file_is_made_private(load: Load) -> None:
    settings = load()
    settings.paths.key_file.write_text("gw-mine\n")
    settings.paths.key_file.chmod(0o644)
    assert local_key(settings) == "gw-mine"
    assert stat.S_IMODE(settings.paths.key_file.stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from gateway_core.settings import load_settings, local_key\n"
        "settings = load_settings(environ={'GATEWAY_HOME': sys.argv[1]})\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(local_key(settings))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=15)[0] for process in processes}
    assert len(keys) == 1
    assert keys.pop().startswith("gw-")


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("chrome-extension://abc", "chrome-extension://abc"),
    ],
)
def test_an_origin_is_known_as_browsers_write_it(load: Load, said: str, known: str) -> None:
    settings = load(flags={"server.allowed_origins": [said]})
    assert settings.server.allowed_origins == (known,)


@pytest.mark.parametrize(
    "said", ["*", "null", "/", "app.example", "https://app.example/path", "https://*.example"]
)
def test_what_no_browser_sends_is_no_origin(load: Load, said: str) -> None:
    with pytest.raises(SettingsError, match="is no origin"):
        load(flags={"server.allowed_origins": [said]})
