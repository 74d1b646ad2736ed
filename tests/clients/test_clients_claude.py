"""Real Claude Code through a gateway: it works, and recovers as it is meant to.

A run of it takes a second of computing, so each run here shows several things. What it does after a
context overflow is tested with the providers.
"""

import pytest

from support.client_programs import ClaudeCode, Lab

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]


def test_text_turn_through_the_installed_command(claude: ClaudeCode, lab: Lab) -> None:
    with lab.command("text: Hello from the script.").serve() as gateway:
        run = claude.ask(gateway, "Say hello")
    assert claude.answer(run) == "Hello from the script."


def test_an_agentic_task(claude: ClaudeCode, lab: Lab) -> None:
    """Tools one by one and in parallel, one that fails, and thinking that comes back sealed.

    A failure before the first event never reaches it: the gateway itself asks the provider again.
    """
    file = lab.work / "hello.txt"
    script = f"""\
think: The file first.
tool: Write {{"file_path": "{file}", "content": "hello from the gateway\\n"}}
---
text: Two at once.
tool: Bash {{"command": "wc -c hello.txt && echo one > one.txt", "description": "First"}}
tool: Bash {{"command": "echo two > two.txt && echo second", "description": "Second"}}
---
error: upstream_protocol gone times=1
tool: Read {{"file_path": "{file}"}}
---
tool: Read {{"file_path": "{lab.work}/not-there.txt"}}
---
text: The files are written.
"""
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Write hello.txt, then count and read it")

    assert claude.answer(run) == "The files are written."
    assert file.read_text() == "hello from the gateway\n"
    assert (lab.work / "one.txt").exists() and (lab.work / "two.txt").exists()
    requests = lab.requests()
    written, *both, read, missing = results = requests[-1]["results"]
    assert "hello.txt" in written["text"]
    assert {result["text"].strip() for result in both} == {"23 hello.txt", "second"}
    assert "hello from the gateway" in read["text"]
    assert len({result["id"] for result in results}) == 5
    assert [result["failed"] for result in results] == [False, False, False, False, True], missing
    assert [request["issuers"] for request in requests[:2]] == [[], ["demo"]]
    assert len(requests) == 6


def test_it_recovers_from_a_rate_limit_and_half_an_answer(claude: ClaudeCode, lab: Lab) -> None:
    """It waits for a rate limit, and resumes after an error in mid stream: what was written before
    is a closed block, so it is not lost.
    """
    script = """\
error: rate_limited slow down retry_after=1 times=1
tool: Bash {"command": "echo told", "description": "Tell"}
---
text: First half,
error: internal the wire broke
---
match: Resume directly
text: second half.
"""
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Talk to me")

    assert claude.answer(run) == "second half."
    contents = [line["message"]["content"] for line in run.lines if line["type"] == "assistant"]
    said = [block["text"] for (block,) in contents if block["type"] == "text"]
    assert said == ["First half,", "second half."]
    requests = lab.requests()
    assert [request["stream"] for request in requests] == [True] * 4
    assert 1 <= requests[1]["time"] - requests[0]["time"] < 10


def test_an_error_in_an_empty_stream_makes_it_ask_without_stream(
    claude: ClaudeCode, lab: Lab
) -> None:
    script = "wait: 500ms\nerror: internal the wire broke times=1\ntext: The whole."
    with lab.gateway(script, server__first_event_wait=0.05) as gateway:  # a ping starts the stream
        run = claude.ask(gateway, "Talk to me")

    assert claude.answer(run) == "The whole."
    assert [request["stream"] for request in lab.requests()] == [True, False]


def test_a_used_up_quota_ends_the_run_with_its_reason(claude: ClaudeCode, lab: Lab) -> None:
    script = "error: quota_exhausted the weekly limit is used up"
    with lab.gateway(script) as gateway:
        run = claude.ask(gateway, "Go on")

    assert run.code == 1, run
    assert "the weekly limit is used up" in run.lines[-1]["result"]
    assert len(lab.requests()) == 1
