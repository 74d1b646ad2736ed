"""Real Claude Code and real Codex CLI through a gateway with a simulated Kiro account.

They write real files; the simulator must not find anything that the service would refuse.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.kiro.installed import kiro_gateway
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import CANARY
from support.client_programs import ClaudeCode, CodexCLI, Lab
from support.installed_clients import claude_code, codex_cli
from support.server import Gateway

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]

MODEL = "claude-opus-4.8"
LITE = "gpt-5.6-sol"
"""A name for which Codex CLI sends its tools inside of the input."""


@pytest.fixture
def simulator() -> Iterator[KiroSimulator]:
    with KiroSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    aliases = f'[routing.aliases]\n"{LITE}" = "{MODEL}"\n'
    (lab.root / "gateway" / "config.toml").write_text(aliases)
    return lab


@pytest.fixture
def gateway(simulator: KiroSimulator, lab: Lab) -> Iterator[Gateway]:
    """A gateway in this process, logged in, and told of the simulator."""
    with kiro_gateway(simulator, lab.root / "gateway") as gateway:
        yield gateway


@pytest.fixture
def claude(lab: Lab) -> ClaudeCode:
    claude = claude_code(lab)
    claude.model = MODEL
    return claude


@pytest.fixture
def codex(lab: Lab) -> CodexCLI:
    codex = codex_cli(lab)
    codex.model = MODEL
    return codex


def results(simulator: KiroSimulator) -> list[str]:
    """What the tools said, as the last request has it."""
    return [
        part["text"]
        for message in simulator.requests[-1].messages
        for result in message.get("userInputMessageContext", {}).get("toolResults", ())
        for part in result["content"]
    ]


def test_claude_code_does_a_task(
    claude: ClaudeCode, gateway: Gateway, simulator: KiroSimulator, lab: Lab
) -> None:
    """It offers its search only after the model has looked for it."""
    file = lab.work / "hello.txt"
    simulator.play(f"""\
think: The file first.
text: I write it.
tool: Write {{"file_path": "{file}", "content": "hello from the gateway\\n"}}
---
shape: interleave unknown
think: Now two at once.
tool: Bash {{"command": "wc -c hello.txt", "description": "Count the characters"}}
tool: Bash {{"command": "echo two > two.txt && echo second", "description": "Another"}}
---
shape: split object-start
tool: Read {{"file_path": "{file}"}}
---
tool: ToolSearch {{"query": "select:WebSearch"}}
---
tool: WebSearch {{"query": "rain in Riga"}}
---
tool: Read {{"file_path": "{lab.work}/none.txt"}}
---
text: The files are written.
""")
    run = claude.ask(gateway, "Write two files, read, and search", "--dangerously-skip-permissions")

    assert claude.answer(run) == "The files are written."
    assert file.read_text() == "hello from the gateway\n"
    assert (lab.work / "two.txt").read_text() == "two\n"
    written, *both, read, _found, searched, missing = results(simulator)
    assert "hello.txt" in written
    assert {output.strip() for output in both} == {"23 hello.txt", "second"}
    assert "hello from the gateway" in read
    assert simulator.searches == ["rain in Riga"]
    assert "https://example.com/found" in searched
    last = simulator.requests[-1]
    assert last.results[0]["status"] == "error", missing
    assert sum("reasoningContent" in message for message in last.messages) == 2
    assert CANARY not in run.output + run.errors


def test_codex_cli_does_a_task(
    codex: CodexCLI, gateway: Gateway, simulator: KiroSimulator, lab: Lab
) -> None:
    simulator.play("""\
think: **Planning**
text: I begin with a command.
tool: exec_command {"cmd": "echo hello > out.txt && wc -c out.txt"}
---
shape: interleave
tool: exec_command {"cmd": "cat out.txt"}
tool: exec_command {"cmd": "echo two > two.txt && echo second"}
---
text: All files are written.
""")
    run = codex.ask(gateway, "Write the files")

    assert codex.answer(run) == "All files are written."
    assert (lab.work / "out.txt").read_text() == "hello\n"
    assert (lab.work / "two.txt").read_text() == "two\n"
    assert "6 out.txt" in results(simulator)[0]
    assert "second" in results(simulator)[2]
    assert CANARY not in run.output + run.errors


def test_codex_cli_brings_its_tools_inside_of_the_input(
    codex: CodexCLI, gateway: Gateway, simulator: KiroSimulator, lab: Lab
) -> None:
    """One of them takes free text, a program, and is in a namespace."""
    codex.model = LITE
    simulator.play("""\
tool: functions__exec {"input": "text(await tools.exec_command({cmd: 'echo hello | tee out.txt'}))"}
---
text: It is written.
""")
    run = codex.ask(gateway, "Write the file")

    assert codex.answer(run) == "It is written."
    assert (lab.work / "out.txt").read_text() == "hello\n"
    assert "hello" in results(simulator)[0]
