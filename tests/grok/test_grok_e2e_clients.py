"""Real Claude Code and real Codex CLI through a gateway with a simulated Grok subscription.

They write real files; the simulator must not find anything that xAI would refuse.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from support.client_programs import ClaudeCode, CodexCLI, Lab
from support.installed_clients import claude_code, codex_cli
from support.server import Gateway

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]

MODEL = "grok-4.6"


@pytest.fixture
def simulator() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    (lab.root / "gateway" / "config.toml").write_text("")
    return lab


@pytest.fixture
def claude(lab: Lab) -> ClaudeCode:
    return claude_code(lab)


@pytest.fixture
def codex(lab: Lab) -> CodexCLI:
    return codex_cli(lab)


@pytest.fixture
def gateway(simulator: GrokSimulator, lab: Lab) -> Iterator[Gateway]:
    """A gateway that takes every model that a client names for one of Grok's."""
    settings = {"routing.aliases": {"gpt-5.5": f"grok/{MODEL}"}}
    with grok_gateway(simulator, lab.root / "gateway", settings) as gateway:
        yield gateway


def outputs(simulator: GrokSimulator) -> list[str]:
    """What the tools said, as the last request has it."""
    return [str(item["output"]) for item in simulator.requests[-1].of_type("function_call_output")]


def assert_cached(simulator: GrokSimulator) -> None:
    """Every request repeats an earlier one byte for byte, but for the first."""
    caches = [request.cache for request in simulator.requests if request.cache is not None]
    assert len(caches) > 1
    assert [cache.broken_at for cache in caches] == [None] * len(caches)
    assert all(cache.cached > 0 for cache in caches[1:])


def test_claude_code_does_a_task(
    claude: ClaudeCode, gateway: Gateway, simulator: GrokSimulator, lab: Lab
) -> None:
    """Streams of any shape, and an overload in the middle, make no difference to it."""
    file = lab.work / "hello.txt"
    simulator.play(f"""\
think: The file first.
text: I write it.
tool: Write {{"file_path": "{file}", "content": "hello from the gateway\\n"}}
---
shape: raw-reasoning bare
think: Now two at once.
tool: Bash {{"command": "wc -c hello.txt", "description": "Count the characters"}}
tool: Bash {{"command": "echo two > two.txt && echo second", "description": "Another"}}
---
http: 503 overloaded_error times=1
shape: empty-output done
tool: Read {{"file_path": "{file}"}}
---
text: The files are written.
""")
    run = claude.ask(gateway, "Write hello.txt and two.txt, then count and read")

    assert claude.answer(run) == "The files are written."
    assert file.read_text() == "hello from the gateway\n"
    assert (lab.work / "two.txt").read_text() == "two\n"
    written, *both, read = outputs(simulator)
    assert "hello.txt" in written
    assert {output.strip() for output in both} == {"23 hello.txt", "second"}
    assert "hello from the gateway" in read
    assert_cached(simulator)
    assert {(request.rail, request.body["model"]) for request in simulator.requests} == {
        ("proxy", MODEL)
    }
    assert len(simulator.requests[-1].of_type("reasoning")) == 2


def test_codex_cli_does_a_task(
    codex: CodexCLI, gateway: Gateway, simulator: GrokSimulator, lab: Lab
) -> None:
    """Its free-form patch is a function for xAI, and a patch again for the client."""
    simulator.play("""\
think: A command first.
text: I begin with a command.
tool: exec_command {"cmd": "echo hello > out.txt && wc -c out.txt"}
---
think: Now the patch.
tool: apply_patch *** Begin Patch
*** Add File: patched.txt
+a "patched" line
*** End Patch
---
tool: exec_command {"cmd": "cat patched.txt"}
tool: exec_command {"cmd": "echo two > two.txt && echo second"}
---
text: All files are written.
""")
    run = codex.ask(gateway, "Write the files")

    assert codex.answer(run) == "All files are written."
    assert (lab.work / "out.txt").read_text() == "hello\n"
    assert (lab.work / "patched.txt").read_text() == 'a "patched" line\n'
    assert (lab.work / "two.txt").read_text() == "two\n"
    command, patch, *both = outputs(simulator)
    assert "6 out.txt" in command
    assert "patched.txt" in patch
    assert any('a "patched" line' in output for output in both)
    assert_cached(simulator)
    assert len(simulator.requests[-1].of_type("reasoning")) == 2
