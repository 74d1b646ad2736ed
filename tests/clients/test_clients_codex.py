"""Real Codex CLI through a gateway: it works, and recovers as it is meant to.

What it does with an overflow and a used up plan, and how a later run brings the history, is tested
with the Codex provider.
"""

import pytest

from support.client_programs import CodexCLI, Lab

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]


def test_an_agentic_task(codex: CodexCLI, lab: Lab) -> None:
    """A function tool and a custom tool that takes free text under a grammar; tools in parallel; a
    rate limit that is waited for; thinking that comes back sealed.
    """
    script = """\
think: A command first.
tool: exec_command {"cmd": "echo hello > out.txt && wc -c out.txt"}
---
error: rate_limited slow down retry_after=1 times=1
tool: apply_patch *** Begin Patch
*** Add File: patched.txt
+a "patched" line
*** End Patch
---
text: Two at once.
tool: exec_command {"cmd": "cat patched.txt"}
tool: exec_command {"cmd": "echo two > two.txt && echo second"}
---
text: All files are written.
"""
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Write the files")

    assert codex.answer(run) == "All files are written."
    assert (lab.work / "out.txt").read_text() == "hello\n"
    assert (lab.work / "patched.txt").read_text() == 'a "patched" line\n'
    assert (lab.work / "two.txt").read_text() == "two\n"
    first, limited, again, *_, last = lab.requests()
    command, patch, read, second = last["results"]
    assert "6 out.txt" in command["text"]
    assert "patched.txt" in patch["text"]
    assert 'a "patched" line' in read["text"]
    assert "second" in second["text"]
    assert first["issuers"] == []
    assert limited["issuers"] == ["demo"]
    assert 1 <= again["time"] - limited["time"] < 10


def test_an_error_in_mid_stream_is_tried_again(codex: CodexCLI, lab: Lab) -> None:
    """What was complete before the error stays in the history, so the next try is a turn on."""
    script = "text: First half,\nerror: upstream_failed gone\n---\ntext: second half."
    with lab.gateway(script) as gateway:
        run = codex.ask(gateway, "Talk to me")

    assert codex.answer(run) == "second half."
    assert len(lab.requests()) == 2


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
