"""Claude Code and Codex CLI as programs from npm, run as a user would, in a clean environment.

How they must be started, and what they then send, was observed with real clients.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_core.json import loads_object
from support.command import GatewayCommand, Serving
from support.recorder_plugin import read_record

__all__ = ["ClaudeCode", "ClientRun", "CodexCLI", "Lab", "find_clients"]

_SECONDS = 80
_CODEX_CONFIG = """\
model = "gpt-5.5"
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


def find_clients() -> Path:
    """The folder with `node_modules`: `GATEWAY_TEST_CLIENTS`, else `.clients` of the checkout."""
    default = Path(__file__).parents[2] / ".clients"
    return Path(os.environ.get("GATEWAY_TEST_CLIENTS") or default) / "node_modules"


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


@dataclass(slots=True)
class Lab:
    """A folder with everything a client may touch, and a gateway that plays a script.

    The script is the demo provider's; its models are also found under the names that clients know.
    """

    root: Path
    work: Path = field(init=False)

    def __post_init__(self) -> None:
        # Codex refuses to run its helpers when its home lies below the temporary folder.
        for name in ("home/.codex", "tmp", "work", "gateway"):
            (self.root / name).mkdir(parents=True)
        self.work = self.root / "work"
        (self.root / "gateway" / "config.toml").write_text(
            '[routing]\nfallback = "demo"\n[routing.aliases]\n"gpt-5.5" = "demo"\n'
        )

    def gateway(self, script: str) -> GatewayCommand:
        """The `gateway` command with the demo provider playing this script."""
        file = self.root / "script.txt"
        file.write_text(script)
        command = GatewayCommand(self.root / "gateway")
        command.environ = {
            "GATEWAY_PLUGINS": "demo",
            "GATEWAY_PROVIDERS__DEMO__SCRIPT": str(file),
            "RECORDED_REQUESTS": str(self.root / "requests.jsonl"),
        }
        command.with_plugin("recorder", "support.recorder_plugin:RecorderPlugin")
        return command

    def requests(self) -> list[dict[str, Any]]:
        """What the gateway was asked so far; see `support.recorder_plugin`."""
        return read_record(self.root / "requests.jsonl")

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
    """Claude Code in print mode."""

    program: Path
    lab: Lab

    def ask(self, gateway: Serving, prompt: str, *arguments: str, **environ: str) -> ClientRun:
        """One prompt; tools may write, run commands and read."""
        environment = self.lab.environment(
            IS_SANDBOX="1",  # it refuses to run as root otherwise
            ANTHROPIC_BASE_URL=gateway.url,
            ANTHROPIC_AUTH_TOKEN=gateway.key or "none",
            ANTHROPIC_MODEL="gpt-5.5",
            ANTHROPIC_SMALL_FAST_MODEL="gpt-5.5",
            ANTHROPIC_DEFAULT_HAIKU_MODEL="gpt-5.5",
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
        """The final text of a run that succeeded."""
        result = run.lines[-1]
        assert run.code == 0, run
        assert (result["type"], result["is_error"]) == ("result", False), run
        return str(result["result"])


@dataclass(slots=True)
class CodexCLI:
    """Codex CLI in exec mode, with the gateway as its model provider."""

    program: Path
    lab: Lab

    def ask(self, gateway: Serving, prompt: str, *arguments: str) -> ClientRun:
        """One prompt; tools may do anything."""
        home = self.lab.root / "home" / ".codex"
        (home / "config.toml").write_text(_CODEX_CONFIG.format(url=gateway.url))
        environment = self.lab.environment(CODEX_HOME=str(home), GATEWAY_KEY=gateway.key or "none")
        command = [str(self.program), "exec", "--skip-git-repo-check", "--json"]
        command += ["--dangerously-bypass-approvals-and-sandbox", *arguments, prompt]
        return self.lab.run(command, environment)

    @staticmethod
    def answer(run: ClientRun) -> str:
        """The last message of a run that succeeded."""
        assert run.code == 0, run
        items = [line["item"] for line in run.lines if line["type"] == "item.completed"]
        messages = [item["text"] for item in items if item["type"] == "agent_message"]
        assert messages, run
        return str(messages[-1])
