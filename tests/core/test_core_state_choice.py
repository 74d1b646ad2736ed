"""Which store is taken: the one that the settings name, of whichever plugin, and never another."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway_core import CONTRACT, Settings, StateError, StateStoreInfo, hookimpl, load_settings
from gateway_core.plugins import PluginSet
from gateway_core.runtime import Runtime
from gateway_core.settings import SettingsError
from gateway_core.state import SqliteStore
from support.about import each
from support.elsewhere_plugin import ElsewhereSettings, ElsewhereState
from support.memory_state import MemoryDatabase, MemoryStatePlugin, MemoryStore
from support.providers import LineProvider

Make = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path) -> Make:
    """Settings from the text of a file and the environment, without any installed plugin."""

    def make(text: str = "", **environ: str) -> Settings:
        (tmp_path / "config.toml").write_text(text)
        bare = {"GATEWAY_HOME": str(tmp_path), "GATEWAY_PLUGINS": "none-at-all"}
        return load_settings(environ=bare | environ)

    return make


class Bringing:
    """A plugin with whatever store information a test needs."""

    plugin_name = "bringing"

    def __init__(self, info: Any) -> None:
        self._info = info

    @hookimpl
    def gateway_state_store(self) -> StateStoreInfo:
        if isinstance(self._info, Exception):
            raise self._info
        return self._info  # type: ignore[no-any-return]  # some are none, on purpose


def making(make: Callable[[Any, Path], Any]) -> Bringing:
    return Bringing(StateStoreInfo("made", CONTRACT, make))


def refused(settings: Settings, *plugins: object) -> str:
    with pytest.raises(SettingsError) as caught:
        PluginSet(settings, plugins).make_store()
    return str(caught.value)


async def test_without_a_choice_it_is_the_file_in_the_state_folder(
    make_settings: Make, tmp_path: Path
) -> None:
    store = PluginSet(make_settings(), [MemoryStatePlugin()]).make_store()
    assert isinstance(store, SqliteStore)
    await store.open()
    assert (tmp_path / "state" / "gateway.sqlite3").exists()
    await store.aclose()


async def test_a_plugins_store_gets_its_options_from_file_and_environment(
    make_settings: Make, tmp_path: Path
) -> None:
    given: list[tuple[ElsewhereSettings, Path]] = []

    class Noting(ElsewhereState):
        def make(self, options: ElsewhereSettings, folder: Path) -> SqliteStore:
            given.append((options, folder))
            return SqliteStore(options.folder / "state.db")

    settings = make_settings(
        f"[state]\nstore = 'elsewhere'\n[state.options]\nfolder = '{tmp_path}/there'\n",
        GATEWAY_STATE__OPTIONS__PHRASE="canary-phrase",
        GATEWAY_STATE__OPTIONS__PATIENCE="3",
    )
    store = PluginSet(settings, [Noting()]).make_store()
    [(options, folder)] = given
    assert (options.patience, folder) == (3.0, tmp_path / "state")
    assert options.phrase is not None and options.phrase.get_secret_value() == "canary-phrase"
    assert not (tmp_path / "there").exists(), "nothing is made beforehand"
    await store.open()
    assert (tmp_path / "there" / "state.db").exists()
    await store.aclose()
    assert "canary" not in repr(settings)


def test_a_provider_may_bring_a_store_as_well(make_settings: Make) -> None:
    class Both(LineProvider, ElsewhereState):
        pass

    plugins = PluginSet(make_settings(), [Both()])
    [report] = [report for report in plugins.reports if report.distribution is None]
    assert (report.provider, report.store, report.state) == ("lines", "elsewhere", "active")
    assert sorted(plugins.stores) == ["elsewhere", "sqlite"]


def test_a_name_that_nobody_has_stops_with_the_place(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings("# mine\n[state]\nstore = 'postgres'\n")
    assert refused(settings, MemoryStatePlugin()) == (
        f"{tmp_path}/config.toml:3: state.store: no state store 'postgres' is installed; "
        "installed: memory, sqlite"
    )
    with pytest.raises(SettingsError, match="no state store 'postgres'"):
        Runtime(settings, installed=False)


def test_a_misspelled_name_is_guessed(make_settings: Make) -> None:
    settings = make_settings(GATEWAY_STATE__STORE="memry")
    assert refused(settings, MemoryStatePlugin()) == (
        "GATEWAY_STATE__STORE: state.store: no state store 'memry' is installed; "
        "did you mean 'memory'?"
    )


def test_the_store_of_a_plugin_that_is_not_used_is_not_replaced(make_settings: Make) -> None:
    broken = Bringing(ImportError("no driver"))
    said = refused(make_settings(GATEWAY_STATE__STORE="made"), broken, LineProvider())
    assert said.endswith(
        "installed: sqlite; left out: bringing (ImportError: no driver); see `gateway plugins`"
    )
    off = make_settings(GATEWAY_STATE__STORE="memory", GATEWAY_PLUGINS__DISABLED="memory,lines")
    said = refused(off, MemoryStatePlugin(), LineProvider())
    assert said.endswith("left out: memory (switched off in the settings); see `gateway plugins`")


@each(
    "options, words",
    [
        ("folder = 'x'\npatiense = 3", "5: unknown setting 'patiense' in [state.options]; did you"),
        ("foldr = 'x'", "4: unknown setting 'foldr' in [state.options]; did you mean 'folder'?"),
        ("folder = 'x'\npatience = 'long'", "5: state.options.patience must be a number, not"),
        ("patience = 3", "4: state.options.folder is required"),
        ("folder = 'x'\nphrase = 3", "5: state.options.phrase must be a string"),
    ],
)
def test_wrong_options_stop_with_the_place(make_settings: Make, options: str, words: str) -> None:
    settings = make_settings(f"[state]\nstore = 'elsewhere'\n[state.options]\n{options}\n")
    assert f"config.toml:{words}" in refused(settings, ElsewhereState())


def test_the_built_in_store_takes_no_options(make_settings: Make) -> None:
    settings = make_settings("[state.options]\nfolder = '/there'\n")
    assert "unknown setting 'folder' in [state.options]" in refused(settings, ElsewhereState())


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (SqliteStore, "gateway_state_store returned type, not StateStoreInfo"),
        (StateStoreInfo("made", CONTRACT + 1, lambda *_: None), f"contract {CONTRACT + 1}"),  # type: ignore[arg-type]  # never made
        (StateStoreInfo("My Store", CONTRACT, ElsewhereState().make), "store name 'My Store'"),
        (StateStoreInfo("sqlite", CONTRACT, ElsewhereState().make), "'sqlite' is already taken"),
    ],
    ids=["type", "contract", "name", "taken"],
)
def test_a_plugin_that_brings_it_wrongly_is_left_out(
    make_settings: Make, info: Any, words: str
) -> None:
    plugins = PluginSet(make_settings(), [Bringing(info)])
    [report] = plugins.broken
    assert words in (report.reason or "")
    assert list(plugins.stores) == ["sqlite"]


def test_a_store_that_cannot_be_made_stops_and_hides_its_secrets(make_settings: Make) -> None:
    class Quoting(ElsewhereState):
        plugin_name = "quoting"

        def make(self, options: ElsewhereSettings, folder: Path) -> SqliteStore:
            assert options.phrase is not None
            raise OSError(f"cannot connect with {options.phrase.get_secret_value()}")

    settings = make_settings(
        GATEWAY_STATE__STORE="elsewhere",
        GATEWAY_STATE__OPTIONS__FOLDER="x",
        GATEWAY_STATE__OPTIONS__PHRASE="canary-phrase",
    )
    plugins = PluginSet(settings, [Quoting()])
    with pytest.raises(SettingsError) as caught:
        plugins.make_store()
    assert str(caught.value) == (
        "GATEWAY_STATE__STORE: state.store: the store 'elsewhere' cannot be made: "
        "OSError: cannot connect with [redacted]"
    )
    plugins.health.flush()
    failure = plugins.health.last("quoting", None)
    assert failure is not None and failure.hook == "gateway_state_store"


def test_what_is_no_store_is_refused(make_settings: Make) -> None:
    class Half(MemoryStore):
        batches = property(lambda self: self.no_such_thing, lambda self, value: None)

    settings = make_settings(GATEWAY_STATE__STORE="made")
    plugin = making(lambda options, folder: Half(MemoryDatabase()))
    assert refused(settings, plugin).endswith("WrongResult: gave Half without batches")


@each("part, lacking", [("usage", "prune"), ("runs", "finish"), ("presence", "id")])
def test_a_store_without_one_method_is_refused_by_its_name(
    make_settings: Make, part: str, lacking: str
) -> None:
    def make(options: object, folder: Path) -> MemoryStore:
        store = MemoryStore(MemoryDatabase())
        whole = getattr(store, part)
        names = (name for name in dir(whole) if not name.startswith("_") and name != lacking)
        setattr(store, part, SimpleNamespace(**{name: getattr(whole, name) for name in names}))
        return store

    settings = make_settings(GATEWAY_STATE__STORE="made")
    said = refused(settings, making(make))
    assert said.endswith(f"gave MemoryStore without {part}.{lacking}")


class Leaky(MemoryStore):
    """Its driver's errors come through."""

    async def open(self) -> None:
        raise ConnectionError("driver of canary@db")

    async def aclose(self) -> None:
        raise StateError("the server has gone away")


async def test_what_a_store_raises_by_mistake_is_a_state_error(
    make_settings: Make, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(GATEWAY_STATE__STORE="made")
    plugins = PluginSet(settings, [making(lambda options, folder: Leaky(MemoryDatabase()))])
    store = plugins.make_store()
    with pytest.raises(StateError, match="the state store 'made' failed in open: ConnectionError"):
        await store.open()
    with pytest.raises(StateError, match="gone away"):
        await store.aclose()
    await store.presence.announce()
    assert await store.presence.is_alive(store.presence.id)
    assert "plugin bringing failed in its state store" in caplog.text
    plugins.health.flush()
    assert plugins.health.last("bringing", None) is not None


async def test_a_store_that_fails_to_close_holds_up_nothing(
    make_settings: Make, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(GATEWAY_STATE__STORE="made", GATEWAY_CREDENTIALS__STORE="file")
    plugin = making(lambda options, folder: Leaky(MemoryDatabase()))
    with caplog.at_level(logging.WARNING):
        async with Runtime(settings, extra_plugins=[plugin], installed=False) as runtime:
            http = runtime.transports.get("lines", "someone").http
    assert "the state was not closed: the server has gone away" in caplog.text
    assert http.is_closed


class Hanging(MemoryStore):
    """Its server says nothing any more."""

    async def aclose(self) -> None:
        await asyncio.Event().wait()


async def test_a_store_that_hangs_when_it_is_closed_is_left(
    make_settings: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.runtime.CLOSING_SECONDS", 0.05)
    settings = make_settings(GATEWAY_STATE__STORE="made", GATEWAY_CREDENTIALS__STORE="file")
    plugin = making(lambda options, folder: Hanging(MemoryDatabase()))
    async with asyncio.timeout(5), Runtime(settings, extra_plugins=[plugin]) as runtime:
        http = runtime.transports.get("lines", "someone").http
    assert "the state was not closed within 0.05 s" in caplog.text
    assert http.is_closed


async def test_a_disk_that_is_gone_when_the_store_is_closed_holds_up_nothing(
    make_settings: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = SqliteStore.aclose

    async def aclose(self: SqliteStore) -> None:
        await close(self)
        raise OSError("no such device")

    monkeypatch.setattr(SqliteStore, "aclose", aclose)
    async with Runtime(make_settings(GATEWAY_CREDENTIALS__STORE="file")) as runtime:
        http = runtime.transports.get("lines", "someone").http
    assert "the state was not closed: no such device" in caplog.text
    assert http.is_closed
