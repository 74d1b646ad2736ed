"""Real Claude Code and real Codex CLI through a gateway with a simulated ChatGPT account.

They write real files; the simulator must not find anything that the backend would refuse.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.codex.installed import codex_command, codex_gateway
from simulators.codex.server import CodexSimulator
from support.client_programs import ClaudeCode, CodexCLI, Lab
from support.command import Serving
from support.installed_clients import claude_code, codex_cli
from support.server import Gateway

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]

TURNS = 8
LITE, ONLY_LITE = "gpt-5.6-sol", "gpt-5.6-luna"
"""In the lite lane; in no other than the lite lane. Others have their tools at the top."""


@pytest.fixture
def simulator() -> Iterator[CodexSimulator]:
    with CodexSimulator() as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    (lab.root / "gateway" / "config.toml").write_text("")
    return lab


@pytest.fixture
def model() -> str:
    """The model that answers."""
    return "gpt-5.5"


@pytest.fixture
def gateway(simulator: CodexSimulator, lab: Lab, model: str) -> Iterator[Gateway]:
    """A gateway in this process, logged in, and told of simulator and model."""
    settings = {"providers.codex.model": model}
    with codex_gateway(simulator, lab.root / "gateway", settings) as gateway:
        yield gateway


@pytest.fixture
def served(simulator: CodexSimulator, lab: Lab) -> Iterator[Serving]:
    """The same as the installed command: `gateway serve`, told by its environment alone."""
    with codex_command(simulator, lab.root / "gateway").serve() as serving:
        yield serving


@pytest.fixture
def claude(lab: Lab) -> ClaudeCode:
    return claude_code(lab)


@pytest.fixture
def codex(lab: Lab) -> CodexCLI:
    return codex_cli(lab)


def outputs(simulator: CodexSimulator) -> list[str]:
    """What the tools said, as the last request has it."""
    items = simulator.requests[-1].of_type("function_call_output", "custom_tool_call_output")
    return [str(item["output"]) for item in items]


def assert_cached(simulator: CodexSimulator) -> None:
    """Every request repeats an earlier one byte for byte, but for the first."""
    caches = [request.cache for request in simulator.requests if request.cache is not None]
    assert len(caches) > 1
    assert [cache.broken_at for cache in caches] == [None] * len(caches)
    assert all(cache.cached > 0 for cache in caches[1:])


@pytest.mark.parametrize("model", [LITE])
def test_claude_code_does_a_task(
    claude: ClaudeCode, gateway: Gateway, simulator: CodexSimulator, lab: Lab, model: str
) -> None:
    """It waits for a short rate limit too."""
    file = lab.work / "hello.txt"
    simulator.play(f"""\
think: **Planning**\\n\\nThe file first.
text: I write it.
tool: Write {{"file_path": "{file}", "content": "hello from the gateway\\n"}}
---
shape: interleave
think: Now two at once.
tool: Bash {{"command": "wc -c hello.txt", "description": "Count the characters"}}
tool: Bash {{"command": "echo two > two.txt && echo second", "description": "Another"}}
---
http: 429 rate_limit_exceeded retry=1 times=1
tool: Read {{"file_path": "{file}"}}
---
final: The files are written.
""")
    run = claude.ask(gateway, "Write hello.txt and two.txt, then count and read")

    assert claude.answer(run) == "The files are written."
    assert file.read_text() == "hello from the gateway\n"
    assert (lab.work / "two.txt").read_text() == "two\n"
    written, *both, read = outputs(simulator)
    assert "hello.txt" in written
    assert {output.strip() for output in both} == {"23 hello.txt", "second"}
    assert "hello from the gateway" in read
    assert [request.status for request in simulator.requests] == [200, 200, 429, 200, 200]
    assert_cached(simulator)
    assert {request.body["model"] for request in simulator.requests} == {model}
    assert len(simulator.requests[-1].of_type("reasoning")) == 2


def test_claude_code_goes_on_after_many_turns_and_its_own_compaction(
    claude: ClaudeCode, gateway: Gateway, simulator: CodexSimulator, lab: Lab
) -> None:
    """It notices nothing of a refresh and of lost reasoning in between."""
    turn = """\
match: round one
think: Number {number}.
tool: Bash {{"command": "echo {number} >> numbers.txt", "description": "Count on"}}
"""
    turns = [turn.format(number=number) for number in range(1, TURNS + 1)]
    simulator.play(
        "---\n".join(
            [
                *turns,
                "match: round one\ntext: Counted.\n",
                "match: round two\nfail: context_length_exceeded times=1\n"
                'tool: Bash {"command": "echo end >> numbers.txt", "description": "End"}\n',
                "match: round two\ntext: Done after the compaction.\n",
                "match: <summary>\ntext: <analysis>Rounds.</analysis>\n"
                "<summary>The numbers were written.</summary>\n",
            ]
        )
    )
    claude.answer(claude.ask(gateway, "This is round one"))
    asked = len(simulator.requests)
    simulator.state.end_access_tokens()
    simulator.state.forget_seals()
    run = claude.ask(gateway, "This is round two", "--continue")

    assert simulator.state.refreshes == 1
    assert [request.status for request in simulator.requests[asked:]][:2] == [401, 400]
    assert claude.answer(run) == "Done after the compaction."
    numbers = (lab.work / "numbers.txt").read_text().split()
    assert numbers == [*map(str, range(1, TURNS + 1)), "end"]
    assert len(simulator.requests[-1].of_type("function_call")) < TURNS


def test_claude_code_searches_the_web(
    claude: ClaudeCode, gateway: Gateway, simulator: CodexSimulator
) -> None:
    simulator.play("""\
match: Perform a web search
search: rain in Riga
text: It rains in Riga.
---
match: Does it rain
tool: WebSearch {"query": "rain in Riga"}
---
match: Does it rain
text: It does rain.
""")
    run = claude.ask(gateway, "Does it rain?", "--dangerously-skip-permissions")

    assert claude.answer(run) == "It does rain."
    assert "https://example.com/found" in outputs(simulator)[-1]


@pytest.mark.parametrize("model", [ONLY_LITE])
def test_codex_cli_does_a_task(
    codex: CodexCLI, gateway: Gateway, simulator: CodexSimulator, lab: Lab, model: str
) -> None:
    simulator.play("""\
think: **Planning**
commentary: I begin with a command.
tool: exec_command {"cmd": "echo hello > out.txt && wc -c out.txt"}
---
http: 429 rate_limit_exceeded retry=1 times=1
think: Now the patch.
tool: apply_patch *** Begin Patch
*** Add File: patched.txt
+a "patched" line
*** End Patch
---
shape: interleave
tool: exec_command {"cmd": "cat patched.txt"}
tool: exec_command {"cmd": "echo two > two.txt && echo second"}
---
final: All files are written.
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
    assert [request.status for request in simulator.requests] == [200, 429, 200, 200, 200]
    assert_cached(simulator)
    assert {request.body["model"] for request in simulator.requests} == {model}
    assert len(simulator.requests[-1].of_type("reasoning")) == 2
    assert len(simulator.requests[-1].of_type("custom_tool_call")) == 1


def test_codex_cli_through_many_turns_and_on(
    codex: CodexCLI, gateway: Gateway, simulator: CodexSimulator, lab: Lab
) -> None:
    """It notices nothing of a refresh in between."""
    turn = """\
match: first
think: Number {number}.
tool: exec_command {{"cmd": "echo {number} >> numbers.txt"}}
"""
    turns = [turn.format(number=number) for number in range(1, TURNS + 1)]
    ends = ["match: first\ntext: Counted.\n", "match: second\ntext: And on.\n"]
    simulator.play("---\n".join([*turns, *ends]))
    assert codex.answer(codex.ask(gateway, "the first prompt")) == "Counted."
    simulator.state.end_access_tokens()
    run = codex.ask(gateway, "the second prompt", "resume", "--last")

    assert codex.answer(run) == "And on."
    assert (lab.work / "numbers.txt").read_text().split() == [*map(str, range(1, TURNS + 1))]
    assert len(simulator.requests[-1].of_type("function_call_output")) == TURNS
    assert simulator.state.refreshes == 1


def test_codex_cli_ends_with_a_used_up_plan(
    codex: CodexCLI, served: Serving, simulator: CodexSimulator
) -> None:
    simulator.play("http: 429 usage_limit_reached")
    run = codex.ask(served, "Go on")

    assert run.code == 1, run
    assert len(simulator.requests) == 1


def test_codex_cli_is_told_of_an_overflow(
    codex: CodexCLI, gateway: Gateway, simulator: CodexSimulator
) -> None:
    simulator.play("fail: context_length_exceeded")
    run = codex.ask(gateway, "Go on")

    assert run.code == 1, run
    assert "context window" in run.output
