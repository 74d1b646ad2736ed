"""Real Claude Code through a gateway: it works, and recovers as it is meant to."""

import pytest

from support.client_programs import ClaudeCode, Lab

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]


def test_text_turn_through_the_installed_command(claude: ClaudeCode, lab: Lab) -> None:
    with lab.command("text: Hello from the script.").serve() as gateway:
        run = claude.ask(gateway, "Say hello")
    assert claude.answer(run) == "Hello from the script."


def test_agentic_task_in_three_steps(claude: ClaudeCode, lab: Lab) -> None:
    file = lab.work / "hello.txt"
    script = f"""\
tool: Write {{"file_path": "{file}", "content": "hello from the gateway\\n"}}
---
tool: Bash {{"command": "wc -c hello.txt", "description": "Count the characters"}}
---
tool: Read {{"file_path": "{file}"}}
---
text: The file is written.
"""
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Write hello.txt, then count and read it")

    assert claude.answer(run) == "The file is written."
    assert file.read_text() == "hello from the gateway\n"
    written, counted, read = lab.requests()[-1]["results"]
    assert "hello.txt" in written["text"]
    assert counted["text"].strip() == "23 hello.txt"
    assert "hello from the gateway" in read["text"]
    assert not any(result["failed"] for result in (written, counted, read))


def test_parallel_tools(claude: ClaudeCode, lab: Lab) -> None:
    script = """\
text: Two at once.
tool: Bash {"command": "echo one > one.txt && echo first", "description": "First"}
tool: Bash {"command": "echo two > two.txt && echo second", "description": "Second"}
---
text: Both are done.
"""
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Write both files")

    assert claude.answer(run) == "Both are done."
    assert (lab.work / "one.txt").exists() and (lab.work / "two.txt").exists()
    results = lab.requests()[-1]["results"]
    assert {result["text"].strip() for result in results} == {"first", "second"}
    assert len({result["id"] for result in results}) == 2


def test_a_failed_tool_comes_back_as_such(claude: ClaudeCode, lab: Lab) -> None:
    script = f"""\
tool: Read {{"file_path": "{lab.work}/not-there.txt"}}
---
text: It is not there.
"""
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Read the file")

    assert claude.answer(run) == "It is not there."
    (result,) = lab.requests()[-1]["results"]
    assert result["failed"]


def test_sealed_thinking_comes_back(claude: ClaudeCode, lab: Lab) -> None:
    script = """\
think: A command will tell.
tool: Bash {"command": "echo told", "description": "Tell"}
---
think: It has told.
text: It told.
"""
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Find out")

    assert claude.answer(run) == "It told."
    first, second = lab.requests()
    assert first["issuers"] == []
    assert second["issuers"] == ["demo"]


def test_an_error_in_mid_stream_makes_it_resume(claude: ClaudeCode, lab: Lab) -> None:
    """What was written before the error is a closed block, so it is not lost."""
    script = """\
text: First half,
error: internal the wire broke
---
match: Resume directly
text: second half.
"""
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Talk to me")

    assert claude.answer(run) == "second half."
    said = [line["message"]["content"] for line in run.lines if line["type"] == "assistant"]
    assert [block["text"] for (block,) in said] == ["First half,", "second half."]
    assert [request["stream"] for request in lab.requests()] == [True, True]


def test_an_error_in_an_empty_stream_makes_it_ask_without_stream(
    claude: ClaudeCode, lab: Lab
) -> None:
    script = "wait: 500ms\nerror: internal the wire broke times=1\ntext: The whole."
    with lab.gateway(script, server__first_event_wait=0.05) as gateway:  # a ping starts the stream
        run = claude.ask(gateway, "Talk to me")

    assert claude.answer(run) == "The whole."
    assert [request["stream"] for request in lab.requests()] == [True, False]


def test_a_failure_before_the_first_event_never_reaches_it(claude: ClaudeCode, lab: Lab) -> None:
    """The gateway itself asks the provider again."""
    script = "error: upstream_protocol gone times=1\ntext: The whole."
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Talk to me")

    assert claude.answer(run) == "The whole."
    assert len(lab.requests()) == 2


def test_a_rate_limit_is_waited_for(claude: ClaudeCode, lab: Lab) -> None:
    script = "error: rate_limited slow down retry_after=1 times=1\ntext: Here I am."
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Hurry")

    assert claude.answer(run) == "Here I am."
    first, second = lab.requests()
    assert 1 <= second["time"] - first["time"] < 10


def test_a_used_up_quota_ends_the_run_with_its_reason(claude: ClaudeCode, lab: Lab) -> None:
    script = "error: quota_exhausted the weekly limit is used up"
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Go on")

    assert run.code == 1, run
    assert "the weekly limit is used up" in run.lines[-1]["result"]
    assert len(lab.requests()) == 1


def test_a_context_overflow_starts_its_own_compaction(claude: ClaudeCode, lab: Lab) -> None:
    """It needs two rounds of history to have something to compact."""
    script = """\
match: <summary>
text: <analysis>Rounds one and two.</analysis>
<summary>We said hello twice.</summary>
---
match: round one
text: Hello once.
---
match: round two
text: Hello twice.
---
match: round three
error: context_overflow the context window is full times=1
text: Hello after the compaction.
"""
    with lab.gateway(script) as gateway:
        claude.answer(claude.ask(gateway, "This is round one"))
        claude.answer(claude.ask(gateway, "This is round two", "--continue"))
        run = claude.ask(gateway, "This is round three", "--continue")

    assert claude.answer(run) == "Hello after the compaction."
    *_, refused, compaction, repeated = lab.requests()
    assert "round three" in refused["text"]
    assert "<summary>" in compaction["text"]
    assert "round three" in repeated["text"]
