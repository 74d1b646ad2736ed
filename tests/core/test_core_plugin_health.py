"""The last failure of a plugin: noted while it runs, read by another process."""

import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from dirty_equals import IsDatetime

from gateway_core import Exchange, Request, Route, UpstreamCall, hookimpl, load_settings
from gateway_core.errors import Internal
from gateway_core.plugin_health import LastFailure, PluginHealth, WrongResult
from gateway_core.plugins import PluginSet
from gateway_core.private_files import write_private
from gateway_core.redaction import register_secret
from support.clock import Clock
from support.providers import LineProvider

MakeHealth = Callable[[], PluginHealth]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "plugins"


@pytest.fixture
def make_health(folder: Path, clock: Clock) -> Iterator[MakeHealth]:
    """Makes what one process each would have; all over the same folder."""
    made: list[PluginHealth] = []

    def make() -> PluginHealth:
        made.append(PluginHealth(folder, clock=clock, pause=3600))
        return made[-1]

    yield make
    for health in made:
        health.flush()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(make_health: MakeHealth) -> PluginHealth:
    return make_health()


@pytest.fixture
def command(make_health: MakeHealth) -> PluginHealth:
    """As a command in another process has it."""
    return make_health()


def test_what_failed_in_one_process_is_known_in_another(
    server: PluginHealth, command: PluginHealth, clock: Clock
) -> None:
    server.record("lines", "1.0", "gateway_translate", ValueError("no colour"))
    server.flush()
    assert command.last("lines", "1.0") == LastFailure(
        "lines", "1.0", "gateway_translate", "raised ValueError: no colour", clock()
    )


def test_nothing_is_known_of_a_plugin_that_never_failed(command: PluginHealth) -> None:
    assert command.last("lines", "1.0") is None


def test_repetitions_are_counted_over_the_life_of_servers(
    make_health: MakeHealth, command: PluginHealth, clock: Clock
) -> None:
    for _ in range(2):
        server = make_health()
        for number in range(3):
            clock.advance(minutes=1)
            server.record("lines", "1.0", "gateway_translate", ValueError(f"line {number}"))
        server.flush()
    failure = command.last("lines", "1.0")
    assert failure is not None
    assert (failure.count, failure.at, failure.reason) == (
        6,
        clock(),
        "raised ValueError: line 2",
    )


@pytest.mark.parametrize(
    ("hook", "error"),
    [("gateway_translate", KeyError("id")), ("gateway_models", ValueError("no colour"))],
    ids=["another error", "another hook"],
)
def test_another_failure_is_counted_afresh(
    server: PluginHealth, command: PluginHealth, hook: str, error: Exception
) -> None:
    server.record("lines", "1.0", "gateway_translate", ValueError("no colour"))
    server.record("lines", "1.0", hook, error)
    server.flush()
    failure = command.last("lines", "1.0")
    assert failure is not None
    assert (failure.hook, failure.count) == (hook, 1)


def test_what_another_version_left_behind_is_removed(
    server: PluginHealth, command: PluginHealth, folder: Path
) -> None:
    server.record("lines", "1.0", "gateway_translate", ValueError("no colour"))
    server.flush()
    assert command.last("lines", "1.1") is None
    assert list(folder.iterdir()) == []


class Unspeakable(Exception):
    """Cannot even be told."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("id"), "raised KeyError: 'id'"),
        (SystemExit(), "raised SystemExit"),
        (WrongResult("returned dict, not Account"), "returned dict, not Account"),
        (ValueError("two\nlines\x1b[31m"), "raised ValueError: two lines [31m"),
        (ValueError("for access_token=abc1"), "raised ValueError: for access_token=[redacted]"),
        (ValueError("for opaque-canary"), "raised ValueError: for [redacted]"),
        (ValueError("x" * 999), f"raised ValueError: {'x' * 280}…"),
        (Unspeakable(), "raised Unspeakable"),
    ],
    ids=["raised", "exit", "result", "lines", "name", "registered", "long", "unspeakable"],
)
def test_the_reason_is_one_short_line_without_secrets(
    server: PluginHealth, command: PluginHealth, error: BaseException, reason: str
) -> None:
    register_secret("opaque-canary")
    server.record("lines", None, "gateway_models", error)
    server.flush()
    failure = command.last("lines", None)
    assert failure is not None
    assert failure.reason == reason


def test_the_file_is_private(server: PluginHealth, folder: Path) -> None:
    server.record("../lines", "1.0", "gateway_models", ValueError())
    server.flush()
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"plugin":"lines","version":"1.0","at":"once"}', b"\xff"]
)
def test_a_file_that_cannot_be_understood_is_no_failure(
    server: PluginHealth, command: PluginHealth, folder: Path, content: bytes
) -> None:
    server.record("lines", "1.0", "gateway_models", ValueError())
    server.flush()
    (file,) = folder.iterdir()
    file.write_bytes(content)
    assert command.last("lines", "1.0") is None


def test_a_plugin_that_keeps_failing_does_not_hammer_the_disk(
    server: PluginHealth, command: PluginHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[str] = []
    written = threading.Event()

    def watched(path: Path, data: bytes) -> None:
        write_private(path, data)
        writers.append(threading.current_thread().name)
        written.set()

    monkeypatch.setattr("gateway_core.plugin_health.write_private", watched)
    server.record("lines", "1.0", "gateway_translate", ValueError())
    assert written.wait(10)
    for _ in range(50):
        server.record("lines", "1.0", "gateway_translate", ValueError())
    assert writers == ["plugin-health"], "at once, and not by the thread that serves"
    server.flush()
    failure = command.last("lines", "1.0")
    assert failure is not None
    assert (len(writers), failure.count) == (2, 51)


def test_a_folder_that_cannot_be_written_costs_only_the_memory(
    server: PluginHealth, command: PluginHealth, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file where the folder should be")
    server.record("lines", "1.0", "gateway_translate", ValueError())
    server.flush()
    assert command.last("lines", "1.0") is None
    assert "the failure of plugin lines could not be kept" in caplog.text


# what the plugin host notes


class Failing(LineProvider):
    """Raises in a hook of a turn, returns nonsense from another, and cannot listen."""

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        raise KeyError("id")

    @hookimpl
    def gateway_count_tokens(self) -> int:
        return "many"  # type: ignore[return-value]  # its mistake

    @hookimpl
    def gateway_exchange(self, exchange: Exchange) -> None:
        raise OSError("disk full")


EXCHANGE = Exchange(
    id="x-1",
    format="chat",
    provider="lines",
    account=None,
    model="line-1",
    requested="line-1",
    stream=False,
    status=200,
    error=None,
    started_at=datetime(2030, 1, 1, tzinfo=UTC),
    first_event=0.1,
    duration=0.2,
    usage=None,
)
REQUEST, ROUTE = Request("line-1", []), Route("lines", "line-1", "line-1")


def translate(plugins: PluginSet) -> None:
    with pytest.raises(Internal):
        plugins.providers["lines"].translate(REQUEST, ROUTE, None)


def count(plugins: PluginSet) -> None:
    with pytest.raises(Internal):
        plugins.providers["lines"].count_tokens(REQUEST, ROUTE)


def observe(plugins: PluginSet) -> None:
    plugins.observe(EXCHANGE)


@pytest.mark.parametrize(
    ("fail", "hook", "reason"),
    [
        (translate, "gateway_translate", "raised KeyError: 'id'"),
        (count, "gateway_count_tokens", "returned str, not int"),
        (observe, "gateway_exchange", "raised OSError: disk full"),
    ],
    ids=["raised", "result", "observer"],
)
def test_the_host_notes_each_failing_hook(
    tmp_path: Path, fail: Callable[[PluginSet], None], hook: str, reason: str
) -> None:
    settings = load_settings({"plugins.enabled": "none"}, {"GATEWAY_HOME": str(tmp_path)})
    plugins = PluginSet(settings, [Failing()])
    fail(plugins)
    plugins.health.flush()
    failure = PluginSet(settings, [Failing()]).health.last("lines", None)
    assert failure is not None
    assert failure.facts() == {
        "hook": hook,
        "reason": reason,
        "at": IsDatetime(iso_string=True),
        "count": 1,
    }
