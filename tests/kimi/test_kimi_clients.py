"""Real Claude Code through a gateway with a simulated Kimi account: it writes real files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.kimi.installed import kimi_gateway
from simulators.kimi.server import KimiSimulator
from support.client_programs import Lab
from support.installed_clients import claude_code

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]


@pytest.fixture
def simulator() -> Iterator[KimiSimulator]:
    with KimiSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


def test_claude_code_does_a_task(simulator: KimiSimulator, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab")
    (lab.root / "gateway" / "config.toml").write_text("")
    claude = claude_code(lab)
    claude.model = "kimi/k3"
    file = lab.work / "hello.txt"
    simulator.play(f"""\
think: The file first.
text: I write it.
tool: Write {{"file_path": "{file}", "content": "hello from the gateway\\n"}}
---
shape: interleave usage-in-choice
think: Now two at once.
tool: Bash {{"command": "wc -c hello.txt", "description": "Count the characters"}}
tool: Bash {{"command": "echo two > two.txt && echo second", "description": "Another"}}
---
shape: no-ids split
tool: Read {{"file_path": "{file}"}}
---
text: The files are written.
""")
    with kimi_gateway(simulator, lab.root / "gateway") as gateway:
        run = claude.ask(gateway, "Write hello.txt and two.txt, then count and read")

    assert claude.answer(run) == "The files are written."
    assert file.read_text() == "hello from the gateway\n"
    assert (lab.work / "two.txt").read_text() == "two\n"
    last = simulator.requests[-1]
    results = [str(message["content"]).strip() for message in last.of_role("tool")]
    assert {"23 hello.txt", "second"} <= set(results)
    assert "hello from the gateway" in results[-1]
    thoughts = [message["reasoning_content"] for message in last.of_role("assistant")]
    assert thoughts == ["The file first.", "Now two at once.", ""]
    assert last.prefix_kept
    assert last.body["prompt_cache_key"]
