"""The login prompt of a terminal.

Tells on standard error, so that standard output stays for results, and reads lines in a way that
can be cancelled: when the browser comes back, the question about pasting has to go away.
"""

import asyncio
import os
import sys
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from gateway_core.credentials.terminal_input import LineReader

__all__ = ["TerminalPrompt", "is_headless"]

_CONTAINER_MARKS = (".dockerenv", "run/.containerenv")


def is_headless(
    environ: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    root: Path = Path("/"),
) -> bool:
    """Whether a browser opened here would be seen by nobody: over SSH, in a container, or without
    a display. `BROWSER` overrides, as remote editors set it to a helper that opens one at home.
    """
    environ = os.environ if environ is None else environ
    if environ.get("BROWSER"):
        return False
    if any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return True
    if platform in ("win32", "darwin"):
        return False
    if environ.get("container") or any((root / mark).exists() for mark in _CONTAINER_MARKS):
        return True
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    return not any(environ.get(name) for name in displays)


class TerminalPrompt:
    """A `LoginPrompt` on a terminal, or on a pipe for scripts.

    output: where to tell, standard error by default. descriptor: where to read, standard input by
    default. browser: opens a URL, None for the system's. headless: never try to open one.
    """

    def __init__(
        self,
        *,
        output: TextIO | None = None,
        descriptor: int = 0,
        browser: Callable[[str], bool] | None = None,
        headless: bool | None = None,
    ) -> None:
        self._output = output
        self._reader = LineReader(descriptor)
        self._browser = browser or webbrowser.open
        self._headless = is_headless() if headless is None else headless

    def show(self, message: str) -> None:
        """Print a message. Control characters, which may come from a provider, are left out."""
        text = "".join(char for char in message if char.isprintable() or char in "\n\t")
        self._write(f"{text}\n")

    async def ask(self, question: str, *, secret: bool = False) -> str:
        """Ask for one line; what is typed stays hidden if it is secret. Raises `EOFError` when
        nobody can answer.
        """
        self._write(question)
        self._reader.reset()
        reading = asyncio.ensure_future(asyncio.to_thread(self._reader.read, secret))
        try:
            line = await asyncio.shield(reading)
        except asyncio.CancelledError:
            self._reader.stop()
            await asyncio.wait([reading])  # at once; the terminal is as it was after this
            self._write("\n")
            raise
        if line is None or secret:
            self._write("\n")
        if line is None:
            raise EOFError("nobody is there to answer")
        return line

    def open_browser(self, url: str) -> bool:
        """Open a web address, unless nobody would see it."""
        if self._headless or not url.startswith(("https://", "http://")):
            return False
        try:
            return self._browser(url)
        except (OSError, webbrowser.Error):
            return False

    def _write(self, text: str) -> None:
        output = self._output or sys.stderr
        output.write(text)
        output.flush()
