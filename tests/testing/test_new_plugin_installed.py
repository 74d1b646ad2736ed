"""A plugin made by `gateway plugins new`, built and installed beside nothing but gateway-core: its
tests pass, and an SDK talks through it.

Slow, and asks a package index for the dependencies: runs where GATEWAY_SLOW_TESTS is set, as a step
of its own in `.ci/run`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anthropic
import pytest

from gateway_core.cli.plugins_new import plugin_files
from gateway_core.testing.upstream import ReceivedRequest, chunks, json_answer, threaded_upstream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        "GATEWAY_SLOW_TESTS" not in os.environ,
        reason="slow: set GATEWAY_SLOW_TESTS=1 to build and install distributions",
    ),
]

WORKSPACE = Path(__file__).parents[2]
NAME = "lyre"


@dataclass
class Installed:
    """A clean environment with gateway-core and the plugin, whose sources are in `source`."""

    folder: Path
    source: Path

    def program(self, name: str) -> str:
        """The path of an installed command."""
        return str(self.folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / name)

    def environ(self, **more: str) -> dict[str, str]:
        """Nothing of ours but a home of its own."""
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        home = str(self.folder / "home")
        store = {"GATEWAY_CREDENTIALS__STORE": "file"}
        return {**kept, "HOME": home, "GATEWAY_HOME": home, **store, **more}

    def run(self, name: str, *arguments: str, answers: str = "") -> str:
        """The output of a command that must succeed."""
        done = subprocess.run(
            [self.program(name), *arguments],
            cwd=self.source,
            env=self.environ(),
            input=answers,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serve(self, **environ: str) -> Iterator[tuple[str, str]]:
        """`gateway serve` on a free port: its address and its key."""
        with subprocess.Popen(
            [self.program("gateway"), "serve", "--bind", "127.0.0.1:0"],
            cwd=self.folder,
            env=self.environ(**environ),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            banner = ""
            for line in process.stdout:
                banner += line
                if "Ctrl-C" in line:
                    break
            url = re.search(r"address +(http://\S+?)(?:,|$)", banner, re.MULTILINE)
            key = re.search(r"^ +key +(\S+)", banner, re.MULTILINE)
            assert url is not None and key is not None, banner
            try:
                yield url[1], key[1]
            finally:
                process.terminate()
                process.wait(20)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    for path, data in plugin_files(NAME, "chat", "Lyre", "api.lyre.example").items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(data)
    wheels = [build(WORKSPACE / "core", folder / "core"), build(source, folder / "plugin")]
    make_environment(folder / "venv", [*map(str, wheels), "pytest>=8,<10"])
    (folder / "home").mkdir()
    return Installed(folder, source)


def build(project: Path, into: Path) -> Path:
    """The wheel of a project."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into), cwd=project)
    (wheel,) = into.glob("*.whl")
    return wheel


def make_environment(folder: Path, packages: list[str]) -> None:
    """A virtual environment with these packages and what they depend on."""
    if (uv := shutil.which("uv") or shutil.which("uv", path=WORKSPACE / ".uv" / "bin")) is not None:
        run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        run(uv, "pip", "install", "--quiet", "--python", str(folder), *packages)
        return
    run(sys.executable, "-m", "venv", str(folder))
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(str(python), "-m", "pip", "install", "--quiet", *packages)


def run(*command: str, cwd: Path = WORKSPACE) -> None:
    # The suite trusts no certificates; an installer needs those of the system.
    environ = {name: value for name, value in os.environ.items() if name != "SSL_CERT_DIR"}
    environ["UV_NATIVE_TLS"] = "true"
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_own_tests_pass(installed: Installed) -> None:
    said = installed.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert re.search(r"\d+ passed", said)
    assert "pip install -e" not in said  # what the kit says where a plugin is not installed


def test_it_keeps_the_rules_as_installed(installed: Installed) -> None:
    assert ", 0 failed, " in installed.run("gateway", "plugins", "check", NAME)


def test_the_wheel_of_the_core_brings_the_templates(installed: Installed) -> None:
    made = installed.folder / "made"
    installed.run("gateway", "plugins", "new", "made", "--into", str(made))
    written = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert written == plugin_files("made", "chat", "Made", "api.made.example").keys()


def test_an_sdk_talks_through_it(installed: Installed) -> None:
    transcript = installed.source / "tests" / "transcripts" / "tool-calls.sse"

    async def play(request: ReceivedRequest) -> None:
        lists = request.target.endswith("/models")
        answer = json_answer({"data": [{"id": f"{NAME}-1"}]}) if lists else None
        await (answer or chunks(transcript.read_bytes()))(request)

    installed.run("gateway", "login", NAME, answers="lyre-key-1\n")
    with (
        threaded_upstream(play, play, play) as upstream,
        installed.serve(GATEWAY_PROVIDERS__LYRE__BASE_URL=upstream.url) as (url, key),
        anthropic.Anthropic(base_url=url, auth_token=key, api_key=None) as client,
        client.messages.stream(
            model=f"{NAME}-1",
            max_tokens=100,
            messages=[{"role": "user", "content": "How is the weather in Paris and Rome?"}],
            tools=[{"name": "get_weather", "input_schema": {"type": "object"}}],
        ) as stream,
    ):
        answer = stream.get_final_message()
        keys = {request.headers["authorization"] for request in upstream.requests}
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert answer.stop_reason == "tool_use"
    assert keys == {"Bearer lyre-key-1"}
