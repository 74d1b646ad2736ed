"""Reading one line from a terminal in a thread that can be told to stop.

The usual ways block until somebody presses Enter, which would leave a thread behind that swallows
the next line. One class per family of systems, with the same two methods.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LineReader"]

if sys.platform == "win32":
    import _thread
    import msvcrt

    class LineReader:
        """Watches the console's keys, as a console cannot be selected on; a pipe is just read."""

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._stopped = threading.Event()

        def reset(self) -> None:
            """Before each `read`: forget an earlier `stop`."""
            self._stopped.clear()

        def read(self, secret: bool) -> str | None:
            """The next line; None at the end of input or when stopped. Blocks."""
            if not os.isatty(self._descriptor):
                line = sys.stdin.readline()
                return line.rstrip("\r\n") if line else None
            typed = ""
            while not self._stopped.wait(0.0 if msvcrt.kbhit() else 0.05):
                if not msvcrt.kbhit():
                    continue
                key = msvcrt.getwch()
                if key in "\r\n":
                    return typed
                if key in "\x03\x04\x1a":
                    if key == "\x03":
                        _thread.interrupt_main()
                    return None
                typed = typed[:-1] if key == "\b" else typed + key
                if not secret:
                    msvcrt.putwch(key)
            return None

        def stop(self) -> None:
            """Make `read` return at once."""
            self._stopped.set()

else:
    import select
    import termios

    class LineReader:
        """Waits for the descriptor and for a pipe of its own at the same time."""

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._wake: int | None = None
            self._stopped = False
            self._guard = threading.Lock()
            self._rest = b""

        def reset(self) -> None:
            """Before each `read`: forget an earlier `stop`."""
            with self._guard:
                self._stopped = False

        def read(self, secret: bool) -> str | None:
            """The next line; None at the end of input or when stopped. Blocks."""
            woken, wake = os.pipe()
            with self._guard:
                self._wake = wake
                if self._stopped:
                    os.write(wake, b"x")
            try:
                with _echo(self._descriptor, not secret):
                    return self._read_line(woken)
            finally:
                with self._guard:
                    self._wake = None
                os.close(woken)
                os.close(wake)

        def stop(self) -> None:
            """Make `read` return at once, also when it has not begun yet."""
            with self._guard:
                self._stopped = True
                if self._wake is not None:
                    os.write(self._wake, b"x")

        def _read_line(self, woken: int) -> str | None:
            while b"\n" not in self._rest:
                ready, _, _ = select.select([self._descriptor, woken], [], [])
                if woken in ready:
                    return None
                data = os.read(self._descriptor, 4096)
                if not data:
                    line, self._rest = self._rest, b""
                    return line.decode(errors="replace") if line else None
                self._rest += data
            line, _, self._rest = self._rest.partition(b"\n")
            return line.decode(errors="replace").rstrip("\r")

    @contextmanager
    def _echo(descriptor: int, wanted: bool) -> Iterator[None]:
        """Switch a terminal's echo off for a while; nothing on a pipe."""
        if wanted or not os.isatty(descriptor):
            yield
            return
        before = termios.tcgetattr(descriptor)
        hidden = termios.tcgetattr(descriptor)
        hidden[3] &= ~termios.ECHO
        termios.tcsetattr(descriptor, termios.TCSADRAIN, hidden)
        try:
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
