"""The terminal's login prompt, on pipes and on a pseudo-terminal."""

import asyncio
import io
import os
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_core.credentials.prompt import TerminalPrompt, is_headless

if sys.platform == "win32":
    pytest.skip("pipes cannot stand in for a Windows console", allow_module_level=True)

import pty
import termios


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Where the prompt reads, and where the test types."""
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue  # the test has closed it


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The prompt's side of a terminal, and the person's."""
    person, prompt = pty.openpty()
    yield prompt, person
    os.close(prompt)
    os.close(person)


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def wait_until_hidden(tty: int) -> None:
    """Until the terminal has stopped to echo; nothing tells, so it has to be watched."""
    while termios.tcgetattr(tty)[3] & termios.ECHO:
        os.sched_yield()


async def test_it_asks_and_returns_the_line(pipe: tuple[int, int], output: io.StringIO) -> None:
    reading, writing = pipe
    os.write(writing, "c0de é\r\n".encode())

    assert await TerminalPrompt(descriptor=reading, output=output).ask("Code? ") == "c0de é"
    assert output.getvalue() == "Code? "


async def test_lines_typed_ahead_are_kept(pipe: tuple[int, int], output: io.StringIO) -> None:
    reading, writing = pipe
    os.write(writing, b"one\ntwo\nthree")
    os.close(writing)
    prompt = TerminalPrompt(descriptor=reading, output=output)

    assert [await prompt.ask("") for _ in range(3)] == ["one", "two", "three"]


async def test_nobody_there_is_the_end_of_input(pipe: tuple[int, int], output: io.StringIO) -> None:
    reading, writing = pipe
    os.close(writing)

    with pytest.raises(EOFError):
        await TerminalPrompt(descriptor=reading, output=output).ask("Code? ")


async def test_asking_does_not_block_the_loop_and_can_be_taken_back(
    pipe: tuple[int, int], output: io.StringIO
) -> None:
    reading, writing = pipe
    prompt = TerminalPrompt(descriptor=reading, output=output)
    question = asyncio.create_task(prompt.ask("Code? "))
    await asyncio.sleep(0)
    assert output.getvalue() == "Code? "
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question

    os.write(writing, b"for the next question\n")
    assert await prompt.ask("Again? ") == "for the next question"


async def test_a_secret_is_not_echoed_and_the_terminal_recovers(
    terminal: tuple[int, int], output: io.StringIO
) -> None:
    tty, person = terminal
    before = termios.tcgetattr(tty)
    prompt = TerminalPrompt(descriptor=tty, output=output)
    question = asyncio.create_task(prompt.ask("Key? ", secret=True))
    await asyncio.to_thread(wait_until_hidden, tty)
    os.write(person, b"hidden\n")

    assert await question == "hidden"
    assert termios.tcgetattr(tty) == before
    os.write(tty, b"|")
    assert b"hidden" not in os.read(person, 100)


async def test_a_secret_question_taken_back_leaves_the_echo_on(
    terminal: tuple[int, int], output: io.StringIO
) -> None:
    tty, _ = terminal
    before = termios.tcgetattr(tty)
    question = asyncio.create_task(
        TerminalPrompt(descriptor=tty, output=output).ask("Key? ", secret=True)
    )
    await asyncio.to_thread(wait_until_hidden, tty)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question

    assert termios.tcgetattr(tty) == before


def test_messages_go_to_standard_error_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    TerminalPrompt().show("Log in\tat:\n\x1b[2Jhttps://example.org\x07")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "Log in\tat:\n[2Jhttps://example.org\n"


class TestBrowser:
    def test_it_is_opened_where_somebody_sees_it(self) -> None:
        opened: list[str] = []

        def browser(url: str) -> bool:
            opened.append(url)
            return True

        prompt = TerminalPrompt(browser=browser, headless=False)

        assert prompt.open_browser("https://example.org/") is True
        assert opened == ["https://example.org/"]

    def test_it_is_not_opened_where_nobody_does(self) -> None:
        prompt = TerminalPrompt(browser=lambda url: True, headless=True)

        assert prompt.open_browser("https://example.org/") is False

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "-version"])
    def test_only_web_addresses_are_opened(self, url: str) -> None:
        prompt = TerminalPrompt(browser=lambda url: True, headless=False)

        assert prompt.open_browser(url) is False

    def test_a_browser_that_does_not_start_is_no_error(self) -> None:
        def broken(url: str) -> bool:
            raise webbrowser.Error("could not locate runnable browser")

        assert TerminalPrompt(browser=broken, headless=False).open_browser("https://x") is False


@pytest.mark.parametrize(
    ("environ", "platform", "headless"),
    [
        ({"DISPLAY": ":0"}, "linux", False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", False),
        ({"WSL_DISTRO_NAME": "Ubuntu"}, "linux", False),
        ({}, "linux", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "a b c d"}, "linux", True),
        ({"DISPLAY": ":0", "container": "podman"}, "linux", True),
        ({"SSH_TTY": "/dev/pts/0", "BROWSER": "/usr/bin/helper"}, "linux", False),
        ({}, "darwin", False),
        ({"SSH_CLIENT": "a b c"}, "darwin", True),
        ({}, "win32", False),
    ],
)
def test_where_a_browser_would_be_seen(
    environ: dict[str, str], platform: str, headless: bool, tmp_path: Path
) -> None:
    assert is_headless(environ, platform, tmp_path) is headless


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_container_is_known_by_its_mark(mark: str, tmp_path: Path) -> None:
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).write_text("")

    assert is_headless({"DISPLAY": ":0"}, "linux", tmp_path) is True
