"""The `gateway` command with a home, an environment and plugins of its own.

Runs in this process where it can, as starting one takes many times as long as most commands.
"""

import importlib
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner

from gateway_core.cli import cli

__all__ = ["WITHOUT_OTHER_PLUGINS", "GatewayCommand", "Serving"]

_TESTS = Path(__file__).parents[1]
WITHOUT_OTHER_PLUGINS = [
    word
    for name in ("asyncio", "cacheprovider", "hypothesispytest", "inline_snapshot", "pytest_cov")
    for word in ("-p", f"no:{name}")
]
"""For a pytest in a process of its own: these take longer to import than what it is to do."""
_GATEWAY = [sys.executable, "-m", "gateway_core.cli"]


@dataclass(slots=True)
class Serving:
    """A running `gateway serve`: what it printed up to readiness, and where it listens."""

    process: subprocess.Popen[str]
    banner: str
    url: str
    key: str | None

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal and wait: exit code and what is on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=15)
        return self.process.returncode, errors


@dataclass(slots=True)
class GatewayCommand:
    """Runs `gateway` under `home`, with only the plugins that `with_plugin` added."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    def with_plugin(self, name: str, target: str) -> None:
        """Install a plugin: a distribution with one entry point, beside the home."""
        packages = self.home.with_name("packages")
        info = packages / f"gateway_{name}-1.2.3.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: gateway-{name}\nVersion: 1.2.3\n"
        )
        (info / "entry_points.txt").write_text(f"[gateway]\n{name} = {target}\n")
        known = self.environ.get("GATEWAY_PLUGINS", "")
        self.environ["GATEWAY_PLUGINS"] = f"{known},{name}".strip(",")
        importlib.invalidate_caches()

    def run(self, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command to its end; `answers` is its standard input.

        Within this process, but with the environment, input, output and logging of its own that a
        process would have. An error that would end in a traceback is raised.
        """
        with self._as_a_process(answers):
            result = CliRunner().invoke(
                cli, arguments, input=answers, prog_name="gateway", catch_exceptions=False
            )
        return subprocess.CompletedProcess(
            arguments, result.exit_code, result.stdout, result.stderr
        )

    def spawn(self, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        """The same as `run` in a process of its own, for what only a process shows."""
        return subprocess.run(
            [*_GATEWAY, *arguments],
            env=self._environment(),
            cwd=self.home.parent,
            input=answers,
            capture_output=True,
            text=True,
            timeout=18,
            check=False,
        )

    def output(self, *arguments: str, answers: str = "") -> str:
        """The standard output of a command that must succeed."""
        result = self.run(*arguments, answers=answers)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def failure(self, *arguments: str, answers: str = "") -> str:
        """The one line that a command which must fail prints on stderr."""
        result = self.run(*arguments, answers=answers)
        assert result.returncode == 1, (result.stdout, result.stderr)
        lines = result.stderr.strip().splitlines()
        assert lines and lines[-1].startswith("gateway: "), result.stderr
        return lines[-1].removeprefix("gateway: ")

    @contextmanager
    def serve(self, *arguments: str) -> Iterator[Serving]:
        """Start `gateway serve` on a free port and wait until it says that it serves."""
        with subprocess.Popen(
            [*_GATEWAY, "serve", "--bind", "127.0.0.1:0", *arguments],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            banner = ""
            for line in process.stdout:
                banner += line
                if "Ctrl-C" in line:
                    break
            else:
                raise AssertionError(f"it did not start: {process.stderr.read()}")
            url = re.search(r"address +(http://\S+?)(?:,|$)", banner, re.MULTILINE)
            key = re.search(r"^ +key +(\S+)", banner, re.MULTILINE)
            assert url is not None and key is not None, banner
            try:
                yield Serving(process, banner, url[1], None if key[1] == "none" else key[1])
            finally:
                process.kill()

    def _environment(self) -> dict[str, str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "SYSTEMROOT", "SSL_CERT_DIR")
            if name in os.environ
        }
        paths = [str(_TESTS), str(self.home.with_name("packages"))]
        return {
            **kept,
            "HOME": str(self.home),
            "GATEWAY_HOME": str(self.home),
            "GATEWAY_PLUGINS": "none-at-all",
            "GATEWAY_CREDENTIALS__STORE": "file",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONWARNINGS": "error",
            "TZ": "UTC",
            **self.environ,
        }

    @contextmanager
    def _as_a_process(self, answers: str) -> Iterator[None]:
        environment = self._environment()
        paths = environment["PYTHONPATH"].split(os.pathsep)
        with ExitStack() as stack:
            stack.enter_context(chdir(self.home.parent))
            stack.enter_context(patch.object(sys, "path", [*paths, *sys.path]))
            stack.callback(time.tzset)
            stack.enter_context(patch.dict(os.environ, environment, clear=True))
            time.tzset()
            stack.enter_context(_standard_input(answers))
            stack.enter_context(_logging_put_back())
            yield


@contextmanager
def _standard_input(text: str) -> Iterator[None]:
    """Descriptor 0 gives this text: questions of a login are read from it, not from `sys.stdin`."""
    kept = os.dup(0)
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    os.dup2(read, 0)
    os.close(read)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@contextmanager
def _logging_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in set(root.handlers).difference(handlers):
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
