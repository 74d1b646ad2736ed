"""Real Claude Code and real Codex CLI through a gateway with a simulated Cursor account.

They do work in several steps, write real files, and keep Cursor waiting on one held run meanwhile;
the simulator must not find anything that the service would not take.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.cursor.installed import cursor_gateway
from simulators.cursor.server import CursorSimulator
from simulators.cursor.state import CANARY
from support.client_programs import ClaudeCode, CodexCLI, Lab
from support.installed_clients import claude_code, codex_cli
from support.server import Gateway

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]

MODEL = "claude-opus-5-high"


@pytest.fixture
def simulator() -> Iterator[CursorSimulator]:
    with CursorSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    (lab.root / "gateway" / "config.toml").write_text("")
    return lab


@pytest.fixture
def gateway(simulator: CursorSimulator, lab: Lab) -> Iterator[Gateway]:
    """A gateway in this process, logged in, and told of the simulator."""
    with cursor_gateway(simulator, lab.root / "gateway") as gateway:
        yield gateway


@pytest.fixture
def claude(lab: Lab) -> ClaudeCode:
    claude = claude_code(lab)
    claude.model = MODEL
    return claude


@pytest.fixture
def codex(lab: Lab) -> CodexCLI:
    """It knows what this model can do, and offers it all of its tools."""
    codex = codex_cli(lab)
    codex.model = "gpt-5.5"
    return codex


def three_steps(file: Path) -> str:
    """Write a file, run a command on it, read it back: one step after the other."""
    return f"""\
match: three steps
think: The file first.
text: I write it.
tool: Write {{"file_path": "{file}", "content": "hello from the gateway\\n"}}
---
match: three steps
tool: Bash {{"command": "wc -c hello.txt", "description": "Count the characters"}}
---
match: three steps
think: Is it there?
tool: Read {{"file_path": "{file}"}}
---
match: three steps
text: The three steps are done.
---
text: A side question.
"""


def test_claude_code_does_a_task_of_three_steps(
    claude: ClaudeCode, gateway: Gateway, simulator: CursorSimulator, lab: Lab
) -> None:
    file = lab.work / "hello.txt"
    simulator.play(three_steps(file))
    run = claude.ask(gateway, "Do the three steps: write, count, read")

    assert claude.answer(run) == "The three steps are done."
    assert file.read_text() == "hello from the gateway\n"
    held = next(one for one in simulator.runs if "three steps" in one.prompt)
    written, counted, read = held.results.values()
    assert "hello.txt" in written
    assert "23 hello.txt" in counted
    assert "hello from the gateway" in read
    assert len(held.given) == 3  # all of them on one run
    assert list(held.context.env.workspace_paths) == [str(lab.work)]
    assert CANARY not in run.output + run.errors


def test_claude_code_does_not_notice_that_its_runs_are_lost(
    claude: ClaudeCode, simulator: CursorSimulator, lab: Lab
) -> None:
    """Nothing is held, so that each step is a run of its own that replays those before."""
    file = lab.work / "hello.txt"
    simulator.play(three_steps(file))
    settings = {"providers.cursor.held_runs": 0}
    with cursor_gateway(simulator, lab.root / "gateway", settings) as gateway:
        run = claude.ask(gateway, "Do the three steps: write, count, read")

    assert claude.answer(run) == "The three steps are done."
    runs = [one for one in simulator.runs if "three steps" in one.prompt]
    assert [one.turn for one in runs] == [0, 1, 2, 3]
    assert len({one.conversation for one in runs}) == 1
    assert "23 hello.txt" in list(runs[-1].history.results.values())[1]


def test_claude_code_runs_tools_side_by_side_and_copes_with_failures(
    claude: ClaudeCode, gateway: Gateway, simulator: CursorSimulator, lab: Lab
) -> None:
    simulator.play(f"""\
shape: gzip partial
text: Two at once.
tool: Bash {{"command": "echo one > one.txt && echo first", "description": "One"}}
tool: Bash {{"command": "echo two > two.txt && echo second", "description": "Another"}}
---
shape: split step-first
ask: read_args {{"path": "{lab.work}/one.txt"}}
tool: Read {{"file_path": "{lab.work}/none.txt"}}
tool: Bash {{"command": "exit 3", "description": "Fail"}}
---
echo: failed
text: , and the rest is done.
""")
    run = claude.ask(gateway, "Write both files")

    assert claude.answer(run) == "2 failed, and the rest is done."
    assert (lab.work / "one.txt").read_text() == "one\n"
    assert (lab.work / "two.txt").read_text() == "two\n"
    held = next(one for one in simulator.runs if one.given)
    said = {text.split()[0] for text in held.results.values()}
    assert {"first", "second"} <= said  # it adds reminders of its own to the last of them


def test_claude_code_searches_for_tools_it_did_not_offer_at_first(
    claude: ClaudeCode, gateway: Gateway, simulator: CursorSimulator
) -> None:
    """Its offer grows while a run is held; the next step is a run of its own."""
    simulator.play("""\
tool: ToolSearch {"query": "select:WebFetch"}
---
text: Found it.
""")
    run = claude.ask(gateway, "Fetch it", "--dangerously-skip-permissions")
    assert claude.answer(run) == "Found it."


def test_codex_cli_answers(codex: CodexCLI, gateway: Gateway, simulator: CursorSimulator) -> None:
    simulator.play("think: **Planning**\ntext: Hello, Codex.")
    assert codex.answer(codex.ask(gateway, "Say hello")) == "Hello, Codex."


def test_codex_cli_does_a_task(
    codex: CodexCLI, gateway: Gateway, simulator: CursorSimulator, lab: Lab
) -> None:
    simulator.play("""\
think: **Planning**
text: I begin with a command.
tool: exec_command {"cmd": "echo hello > out.txt && wc -c out.txt"}
---
tool: exec_command {"cmd": "cat out.txt"}
tool: exec_command {"cmd": "echo two > two.txt && echo second"}
---
tool: apply_patch {"input": "*** Begin Patch\\n*** Add File: patched.txt\\n+new\\n*** End Patch\\n"}
---
text: All files are written.
""")
    run = codex.ask(gateway, "Write the files")

    assert codex.answer(run) == "All files are written."
    assert (lab.work / "out.txt").read_text() == "hello\n"
    assert (lab.work / "two.txt").read_text() == "two\n"
    assert (lab.work / "patched.txt").read_text() == "new\n"
    held = next(one for one in simulator.runs if one.given)
    assert len(held.given) == 4
    assert CANARY not in run.output + run.errors
