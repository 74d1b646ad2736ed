"""Claude Code and Codex CLI as programs from npm, run as a user would, in a clean environment.

How they must be started, and what they then send, was observed with real clients. They are found
in the folder that `GATEWAY_TEST_CLIENTS` names (one with `node_modules`), else on the PATH.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from gateway_core.json import loads_object

__all__ = ["ClaudeCode", "ClientRun", "CodexCLI", "Listening", "RealClients", "Sandbox"]

_SECONDS = 80
_MODEL = "gpt-5.5"
_CODEX_CONFIG = """\
model = "{model}"
model_provider = "gateway"
check_for_update_on_startup = false
web_search = "disabled"
[analytics]
enabled = false
[model_providers.gateway]
name = "Local gateway"
base_url = "{url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
request_max_retries = 2
stream_max_retries = 2
"""


class Listening(Protocol):
    """A gateway that a client can be told of, in this process or another."""

    @property
    def url(self) -> str:
        """Its root, without `/v1`."""
        ...

    @property
    def key(self) -> str | None:
        """What it wants to be sent; None when it asks for nothing."""
        ...


@dataclass(slots=True)
class ClientRun:
    """What one run of a client left behind: its exit code, output, and output as JSON lines."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of the output."""
        lines = self.output.splitlines()
        return [loads_object(line) for line in lines if line.startswith("{")]

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.output}\n{self.errors}"


class Sandbox:
    """A folder with everything a client may touch; `work` is where it works."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        # Codex refuses to run its helpers when its home lies below the temporary folder.
        for name in ("home/.codex", "tmp", "work"):
            (root / name).mkdir(parents=True)

    def environment(self, **more: str) -> dict[str, str]:
        """A clean environment for a client; Node is found where this process finds it."""
        node = shutil.which("node")
        path = "/usr/bin:/bin" if node is None else f"{Path(node).parent}:/usr/bin:/bin"
        return {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "PATH": path,
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            **more,
        }

    def run(self, command: list[str], environment: dict[str, str]) -> ClientRun:
        """Run a client in the working folder to its end, with nothing to read."""
        result = subprocess.run(
            command,
            env=environment,
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return ClientRun(result.returncode, result.stdout, result.stderr)


@dataclass(slots=True)
class ClaudeCode:
    """Claude Code in print mode. `model` is what it asks the gateway for, in every role."""

    program: Path
    lab: Sandbox
    model: str = _MODEL

    def ask(self, gateway: Listening, prompt: str, *arguments: str, **environ: str) -> ClientRun:
        """One prompt; tools may write, run commands and read."""
        environment = self.lab.environment(
            IS_SANDBOX="1",  # it refuses to run as root otherwise
            ANTHROPIC_BASE_URL=gateway.url,
            ANTHROPIC_AUTH_TOKEN=gateway.key or "none",
            ANTHROPIC_MODEL=self.model,
            ANTHROPIC_SMALL_FAST_MODEL=self.model,
            ANTHROPIC_DEFAULT_HAIKU_MODEL=self.model,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            DISABLE_AUTOUPDATER="1",
            CLAUDE_CODE_MAX_RETRIES="2",
            **environ,
        )
        tools = ["--allowedTools", "Write", "Bash", "Read"]
        shape = ["--output-format", "stream-json", "--verbose"]
        command = [str(self.program), "-p", prompt, *arguments, *tools, *shape]
        return self.lab.run(command, environment)

    @staticmethod
    def answer(run: ClientRun) -> str:
        """The final text of a run. Raises `AssertionError` with all of its output otherwise."""
        result = run.lines[-1] if run.lines else {}
        good = run.code == 0 and result.get("type") == "result" and result["is_error"] is False
        if not good:
            raise AssertionError(f"Claude Code failed: {run}")
        return str(result["result"])


@dataclass(slots=True)
class CodexCLI:
    """Codex CLI in exec mode, with the gateway as its model provider, asking for `model`."""

    program: Path
    lab: Sandbox
    model: str = _MODEL

    def ask(self, gateway: Listening, prompt: str, *arguments: str) -> ClientRun:
        """One prompt; tools may do anything."""
        home = self.lab.root / "home" / ".codex"
        config = _CODEX_CONFIG.format(url=gateway.url, model=self.model)
        (home / "config.toml").write_text(config, "utf-8")
        environment = self.lab.environment(CODEX_HOME=str(home), GATEWAY_KEY=gateway.key or "none")
        command = [str(self.program), "exec", "--skip-git-repo-check", "--json"]
        command += ["--dangerously-bypass-approvals-and-sandbox", *arguments, prompt]
        return self.lab.run(command, environment)

    @staticmethod
    def answer(run: ClientRun) -> str:
        """The last message of a run. Raises `AssertionError` with all of its output otherwise."""
        items = [line["item"] for line in run.lines if line["type"] == "item.completed"]
        messages = [item["text"] for item in items if item["type"] == "agent_message"]
        if run.code != 0 or not messages:
            raise AssertionError(f"Codex CLI failed: {run}")
        return str(messages[-1])


class RealClients:
    """Hands out the client programs that are installed.

    sandbox: the folder that they work in. missing: called with what to do when one is not there,
    and must not return (`pytest.skip`). folder: where to look when `GATEWAY_TEST_CLIENTS` says
    nothing, before the PATH. install: the command that installs all of them.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        missing: Callable[[str], NoReturn],
        *,
        folder: Path | None = None,
        install: str | None = None,
    ) -> None:
        self.sandbox = sandbox
        self._missing = missing
        named = os.environ.get("GATEWAY_TEST_CLIENTS")
        found = Path(named) if named else folder
        self._modules = None if found is None else found / "node_modules"
        self._install = install

    def claude_code(self, model: str = _MODEL) -> ClaudeCode:
        """Claude Code, asking for this model."""
        # npm may refuse the script that links the native program, which works when called directly.
        pattern = "@anthropic-ai/claude-code-*/claude"
        native = sorted(self._modules.glob(pattern)) if self._modules else []
        program = self._find("Claude Code", "claude", "@anthropic-ai/claude-code", *native)
        return ClaudeCode(program, self.sandbox, model)

    def codex_cli(self, model: str = _MODEL) -> CodexCLI:
        """Codex CLI, asking for this model."""
        return CodexCLI(self._find("Codex CLI", "codex", "@openai/codex"), self.sandbox, model)

    def _find(self, title: str, name: str, package: str, *native: Path) -> Path:
        """The first program that is there."""
        linked = [self._modules / ".bin" / name] if self._modules else []
        for program in (*native, *linked):
            if program.exists() and os.access(program, os.X_OK):
                return program
        if self._modules is None and (found := shutil.which(name)) is not None:
            return Path(found)
        command = self._install or f"npm install -g {package}"
        self._missing(f"{title} is not installed: run `{command}` (needs Node)")
