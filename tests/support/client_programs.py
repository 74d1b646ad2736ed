"""The kit's client drivers, and a lab in which a gateway plays a script for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway_core.testing.clients import ClaudeCode, ClientRun, CodexCLI, Listening, Sandbox
from gateway_demo.plugin import DemoProvider
from support.command import GatewayCommand
from support.recorder_plugin import RecorderPlugin, read_record
from support.server import Gateway, running_gateway

__all__ = ["ClaudeCode", "ClientRun", "CodexCLI", "Lab", "Listening"]


class Lab(Sandbox):
    """A folder with everything a client may touch, and a gateway that plays a script.

    The script is the demo provider's; its models are also found under the names that clients know.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (root / "gateway").mkdir()
        (root / "gateway" / "config.toml").write_text(
            '[routing]\nfallback = "demo"\n[routing.aliases]\n"gpt-5.5" = "demo"\n'
        )

    @contextmanager
    def gateway(self, script: str, **settings: object) -> Iterator[Gateway]:
        """A gateway in this process that plays a script; arguments are settings with `__` for dots.

        Starting `gateway serve` takes as much computing as what a client does.
        """
        plugins = [DemoProvider(), RecorderPlugin(self._record)]
        ours: dict[str, object] = {
            "providers.demo.script": str(self._written(script)),
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        folder = self.root / "gateway"
        with running_gateway(folder, extra_plugins=plugins, settings=ours) as gateway:
            yield gateway

    def command(self, script: str) -> GatewayCommand:
        """The `gateway` command with the demo provider playing this script."""
        command = GatewayCommand(self.root / "gateway")
        command.environ = {
            "GATEWAY_PLUGINS": "demo",
            "GATEWAY_PROVIDERS__DEMO__SCRIPT": str(self._written(script)),
            "RECORDED_REQUESTS": str(self._record),
        }
        command.with_plugin("recorder", "support.recorder_plugin:RecorderPlugin")
        return command

    def requests(self) -> list[dict[str, Any]]:
        """What the gateway was asked so far; see `support.recorder_plugin`."""
        return read_record(self._record)

    @property
    def _record(self) -> Path:
        return self.root / "requests.jsonl"

    def _written(self, script: str) -> Path:
        file = self.root / "script.txt"
        file.write_text(script)
        return file
