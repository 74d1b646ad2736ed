"""What must not be shown of the options of a store, however its settings model names them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_core import Settings, StateStore, hookimpl, load_settings
from gateway_core.plugins import PluginSet
from gateway_core.settings import SettingsError
from gateway_core.settings_file import KeyPath
from gateway_core.settings_layers import is_declared, is_secret
from gateway_core.state.info import StateStoreInfo
from support.about import about, each
from support.secretive_plugin import SecretiveSettings, SecretiveState

Make = Callable[[str], Settings]


@pytest.fixture
def make_settings(tmp_path: Path) -> Make:
    """Settings that choose the store, with the text of its options."""

    def make(options: str) -> Settings:
        text = f"[state]\nstore = 'secretive'\n[state.options]\n{options}\n"
        (tmp_path / "config.toml").write_text(text)
        return load_settings(
            environ={"GATEWAY_HOME": str(tmp_path), "GATEWAY_PLUGINS": "none-at-all"}
        )

    return make


@each(
    "path, secret, declared",
    [
        (("place",), False, True),
        (("retries",), False, True),
        (("labels", "some"), False, True),
        (("phrase",), True, True),
        (("phrases",), True, True),
        (("by_host",), True, True),
        (("by_host", "one.example"), True, True),
        (("seed",), True, True),
        (("main", "port"), False, True),
        (("main", "phrase"), True, True),
        (("main", "prase"), True, False),
        (("servers",), True, True),
        (("login",), True, True),
        (("login", "port"), False, True),
        (("older",), True, False),
        (("labels", "password"), True, True),
    ],
)
def test_what_is_secret_and_what_is_declared(path: KeyPath, secret: bool, declared: bool) -> None:
    """What is not declared may be anything, where its model has secrets."""
    assert is_secret(path, SecretiveSettings) is secret
    assert is_declared(path, SecretiveSettings) is declared


def test_without_a_model_only_a_name_tells() -> None:
    assert is_secret(("main", "api_key"))
    assert not is_secret(("main", "phrase"))


@each(
    "options, words",
    [
        ("phrases = 'canary'", "state.options.phrases must be a list"),
        ("phrases = ['fine', {canary = 1}]", "state.options.phrases must be a string"),
        ("by_host = 'canary'", "state.options.by_host"),
        ("by_host = ['canary']", "state.options.by_host"),
        ("by_host = {one = ['canary']}", "state.options.by_host.one must be a string"),
        ("by_host = {one = {two = 'canary'}}", "state.options.by_host.one must be a string"),
        ("seed = ['canary']", "state.options.seed"),
        ("servers = 'canary'", "state.options.servers must be a list"),
        ("servers = ['canary']", "state.options.servers"),
        ("servers = [{phrase = 'canary'}]", "state.options.servers is required"),
        ("servers = [{port = 'canary'}]", "state.options.servers must be a whole number"),
        ("main = ['canary']", "state.options.main"),
        ("main = {port = 1, phrase = ['canary']}", "state.options.main.phrase must be a string"),
        ("place = ['canary']", "state.options.place must be a string"),
        ("prase = 'canary'", "unknown setting 'prase' in [state.options]; did you mean 'phrase'?"),
        ("older = 'canary'", "unknown setting 'older' in [state.options]"),
    ],
)
def test_no_error_about_an_option_tells_a_secret(
    make_settings: Make, options: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        PluginSet(make_settings(options), [SecretiveState()]).make_store()
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)


def test_what_is_no_secret_is_quoted(make_settings: Make) -> None:
    with pytest.raises(SettingsError, match="not 'many'"):
        PluginSet(make_settings("retries = ['many']"), [SecretiveState()]).make_store()


class Quoting(SecretiveState):
    """Its driver's errors have all that it was told in them."""

    plugin_name = "quoting"

    @hookimpl
    def gateway_state_store(self) -> StateStoreInfo:
        return super().gateway_state_store()

    def make(self, options: SecretiveSettings, folder: Path) -> StateStore:
        told = [options.phrase, *options.phrases, *options.by_host.values(), options.seed]
        if options.main is not None:
            told.append(options.main.phrase)
        told += [server.phrase for server in options.servers]
        raise OSError(" ".join(str(one.get_secret_value()) for one in told if one is not None))


def test_secrets_in_lists_and_tables_are_redacted_as_well(make_settings: Make) -> None:
    for number, options in enumerate(
        [
            "phrases = ['canary-word-%d']",
            "by_host = {one = 'canary-word-%d'}",
            "seed = 'canary-word-%d'",
            "main = {port = 1, phrase = 'canary-word-%d'}",
            "servers = [{port = 1, phrase = 'canary-word-%d'}]",
        ]
    ):
        with about(options), pytest.raises(SettingsError, match="redacted") as caught:
            PluginSet(make_settings(options % number), [Quoting()]).make_store()
        assert "canary" not in str(caught.value)
