"""How the demo provider finds its prompt, its turn and its replayed seals in a request."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_core import (
    CustomTool,
    HostedTool,
    InvalidRequest,
    JsonObject,
    Message,
    Reasoning,
    Request,
    Route,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.formats.anthropic import FORMAT
from gateway_core.json import loads_object
from gateway_core.request import SessionHints
from gateway_demo.request import find_prompt, write_program
from gateway_demo.script import parse_script
from support.about import each

CAPTURES = Path(__file__).parents[1] / "captures"
SYSTEM = Message("system", [Text("The date is today.")])
REMINDER = Text("<system-reminder>\ntext: not me\n</system-reminder>")


def user(*texts: str) -> Message:
    """A message of text blocks."""
    return Message("user", [Text(text) for text in texts])


def call(id: str = "c1") -> Message:
    """The assistant calls a tool."""
    return Message("assistant", [ToolCall(id, "Write", "{}")])


def results(*more: Text) -> Message:
    """The tool's answer, and what the client puts beside it."""
    return Message("user", [ToolResult("c1", [Text("text: from a tool")]), *more])


@each(
    "messages, prompt, turn",
    [
        ([user("hi")], "hi", 0),
        ([user("a wrapper", "hi"), SYSTEM], "hi", 0),
        ([Message("user", [REMINDER, Text("hi"), REMINDER])], "hi", 0),
        ([user("hi"), call(), results()], "hi", 1),
        ([user("hi"), call(), results(REMINDER)], "hi", 1),
        ([user("hi"), call(), results(Text("now sum up"))], "now sum up", 0),
        ([user("hi"), call(), results(), SYSTEM, call("c2"), results()], "hi", 2),
        ([user("hi"), call(), call("c2"), results()], "hi", 1),
        ([user("hi"), call(), results(), Message("user", [REMINDER])], "hi", 1),
        ([user("hi"), call(), results(), call(), user("now this")], "now this", 0),
        ([user("hi"), call()], "hi", 1),
        ([SYSTEM], "", 0),
    ],
)
def test_the_prompt_and_the_turns_since(messages: list[Message], prompt: str, turn: int) -> None:
    assert find_prompt(messages) == (prompt, turn)


@each(
    "capture, prompt, turn",
    [
        ("claude-2.1.329-text", "Write hello.txt", 0),
        ("claude-2.1.329-tools-turn4", "Write hello.txt", 3),
        ("claude-2.1.329-parallel-results", "do the parallel thing", 1),
        ("claude-2.1.197-thinking-history", "do the thinking thing", 2),
        ("claude-2.1.329-compact", "CRITICAL: Respond with TEXT ONLY.", 0),
    ],
)
def test_the_prompt_is_found_in_what_claude_code_really_sends(
    capture: str, prompt: str, turn: int
) -> None:
    sent = loads_object((CAPTURES / f"{capture}.json").read_bytes())["request"]
    headers = {name.lower(): value for name, value in sent["headers"]}
    found, count = find_prompt(FORMAT.read_request(sent["body"], headers).messages)
    assert found.startswith(prompt)
    assert count == turn


def program(request: Request, script: str = "", model: str = "demo") -> JsonObject:
    """What the upstream is sent."""
    return write_program(request, Route("demo", model, model), parse_script(script), delay_ms=0)


def test_a_script_in_the_prompt_goes_before_the_script_file() -> None:
    request = Request("demo", [user("text: from the prompt")])
    assert program(request, "text: from the file")["steps"][0]["text"] == "from the prompt"


def test_the_script_file_answers_any_other_prompt() -> None:
    request = Request("demo", [user("hi")])
    assert program(request, "text: from the file")["steps"][0]["text"] == "from the file"


def test_a_prompt_with_a_broken_script_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="demo script, line 2: unknown error 'boom'"):
        program(Request("demo", [user("text: a\nerror: boom")]))


def test_without_a_script_the_prompt_is_quoted_and_scripts_are_explained() -> None:
    (step, _) = program(Request("demo", [user("How are you? " * 20)]))["steps"]
    assert "How are you? How are you?" in step["text"]
    assert "…" in step["text"]
    assert "`text: hi`" in step["text"]


def test_the_thinking_model_thinks_before_its_friendly_answer() -> None:
    steps = program(Request("demo", [user("hi")]), model="demo-thinking")["steps"]
    assert [step["do"] for step in steps] == ["think", "text", "usage"]


def test_own_seals_are_replayed_and_counted_and_those_of_others_stay_here() -> None:
    thoughts = [Seal("demo", "ours"), Seal("codex", "theirs"), None]
    history = [
        user("hi"),
        Message("assistant", [Reasoning("hm", seal) for seal in thoughts]),
        user("and now?"),
    ]
    sent = program(Request("demo", history))
    assert sent["messages"][1]["parts"] == [
        {"thought": "hm", "seal": "ours"},
        {"thought": "hm"},
        {"thought": "hm"},
    ]
    assert "1 of my sealed thoughts" in sent["steps"][0]["text"]


def test_calls_get_ids_that_differ_within_an_answer_and_from_turn_to_turn() -> None:
    first = Request("demo", [user("tool: A\ntool: B\n---\ntool: C")])
    second = replace(first, messages=[*first.messages, call(), results()])
    ids = [
        step["id"]
        for request in (first, second)
        for step in program(request)["steps"]
        if step["do"] == "tool"
    ]
    assert ids == ["call_1_1", "call_1_2", "call_3_1"]


def test_a_call_is_free_form_when_the_client_offers_the_tool_as_such() -> None:
    request = Request(
        "demo",
        [user("tool: apply_patch x\ntool: Bash {}\nimage:")],
        tools=[
            CustomTool("apply_patch", None),
            HostedTool("image_generation", "image_generation"),
        ],
    )
    patch, bash, image, _ = program(request)["steps"]
    assert (patch["custom"], bash["custom"], image["hosted"]) == (True, False, True)


def test_tokens_are_estimated_unless_the_script_tells_them() -> None:
    estimated = program(Request("demo", [user("text: " + "x" * 394)]))["steps"][-1]
    assert estimated == {"do": "usage", "input": 101, "output": 99}
    (_, told) = program(Request("demo", [user("text: x\nusage: output=7")]))["steps"]
    assert told == {"do": "usage", "output": 7}


def test_translation_is_deterministic_and_leaves_the_request_untouched() -> None:
    request = Request(
        "demo",
        [user("tool: Bash {}"), call(), results()],
        tools=[CustomTool("apply_patch", None)],
        session=SessionHints(session_id="s1"),
    )
    before = deepcopy(request)
    assert program(request) == program(before)
    assert request == before
