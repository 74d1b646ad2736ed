"""Real Codex CLI through a gateway: it works, and recovers as it is meant to."""

import pytest

from support.client_programs import CodexCLI, Lab

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]


def test_text_turn_through_the_installed_command(codex: CodexCLI, lab: Lab) -> None:
    with lab.command("text: Hello from the script.").serve() as gateway:
        run = codex.ask(gateway, "Say hello")
    assert codex.answer(run) == "Hello from the script."


def test_agentic_task_with_command_and_patch(codex: CodexCLI, lab: Lab) -> None:
    """A function tool and a custom tool that takes free text under a grammar."""
    script = """\
tool: exec_command {"cmd": "echo hello > out.txt && wc -c out.txt"}
---
tool: apply_patch *** Begin Patch
*** Add File: patched.txt
+a "patched" line
*** End Patch
---
tool: exec_command {"cmd": "cat patched.txt"}
---
text: Both files are written.
"""
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Write both files")

    assert codex.answer(run) == "Both files are written."
    assert (lab.work / "out.txt").read_text() == "hello\n"
    assert (lab.work / "patched.txt").read_text() == 'a "patched" line\n'
    command, patch, read = lab.requests()[-1]["results"]
    assert "6 out.txt" in command["text"]
    assert "patched.txt" in patch["text"]
    assert 'a "patched" line' in read["text"]


def test_parallel_tools(codex: CodexCLI, lab: Lab) -> None:
    script = """\
text: Two at once.
tool: exec_command {"cmd": "echo one > one.txt && echo first"}
tool: exec_command {"cmd": "echo two > two.txt && echo second"}
---
text: Both are done.
"""
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Write both files")

    assert codex.answer(run) == "Both are done."
    assert (lab.work / "one.txt").exists() and (lab.work / "two.txt").exists()
    first, second = lab.requests()[-1]["results"]
    assert "first" in first["text"] and "second" in second["text"]


def test_sealed_thinking_comes_back(codex: CodexCLI, lab: Lab) -> None:
    script = """\
think: A command will tell.
tool: exec_command {"cmd": "echo told"}
---
text: It told.
"""
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Find out")

    assert codex.answer(run) == "It told."
    first, second = lab.requests()
    assert first["issuers"] == []
    assert second["issuers"] == ["demo"]


def test_an_error_in_mid_stream_is_tried_again(codex: CodexCLI, lab: Lab) -> None:
    """What was complete before the error stays in the history, so the next try is a turn on."""
    script = "text: First half,\nerror: upstream_failed gone\n---\ntext: second half."
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Talk to me")

    assert codex.answer(run) == "second half."
    assert len(lab.requests()) == 2


def test_a_rate_limit_is_waited_for(codex: CodexCLI, lab: Lab) -> None:
    script = "error: rate_limited slow down retry_after=1 times=1\ntext: Here I am."
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Hurry")

    assert codex.answer(run) == "Here I am."
    first, second = lab.requests()
    assert 1 <= second["time"] - first["time"] < 10


def test_a_used_up_quota_ends_the_run(codex: CodexCLI, lab: Lab) -> None:
    with lab.gateway("error: quota_exhausted the weekly limit is used up") as gateway:
        run = codex.ask(gateway, "Go on")

    assert run.code == 1, run
    assert len(lab.requests()) == 1


def test_a_context_overflow_is_told_as_such(codex: CodexCLI, lab: Lab) -> None:
    script = "error: context_overflow the context window is full"
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Go on")

    assert run.code == 1, run
    assert "context window" in run.output
    assert len(lab.requests()) == 1


def test_a_second_run_brings_the_history(codex: CodexCLI, lab: Lab) -> None:
    script = "match: first\ntext: One.\n---\nmatch: second\ntext: Two."
    with lab.gateway(script) as gateway:
        codex.answer(codex.ask(gateway, "the first prompt"))
        run = codex.ask(gateway, "the second prompt", "resume", "--last")
    assert codex.answer(run) == "Two."


def test_a_task_over_one_websocket_connection(
    codex: CodexCLI, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """Warm-up and turns come over the same connection, each with only what is new."""
    script = """\
tool: exec_command {"cmd": "echo hello > out.txt && cat out.txt"}
---
text: It says hello.
"""
    over_websocket = ("-c", "model_providers.gateway.supports_websockets=true")
    with caplog.at_level("INFO", "gateway_core.request"), lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Write and read", *over_websocket)

    assert codex.answer(run) == "It says hello."
    assert (lab.work / "out.txt").read_text() == "hello\n"
    [result] = lab.requests()[-1]["results"]
    assert "hello" in result["text"]
    ids = [record.__dict__["fields"]["id"] for record in caplog.records if record.msg]
    assert [id.partition("_")[2].partition("_")[2] for id in ids] == ["", "2", "3"]


def test_without_a_websocket_it_falls_back_at_once(codex: CodexCLI, lab: Lab) -> None:
    over_websocket = ("-c", "model_providers.gateway.supports_websockets=true")
    with lab.gateway("text: By POST.", server__websocket=False) as gateway:
        run = codex.ask(gateway, "Say hello", *over_websocket)
    assert codex.answer(run) == "By POST."
    assert not any(line["type"] == "error" for line in run.lines)
