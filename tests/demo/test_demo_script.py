"""The demo provider's line script: what each verb means, and which section answers which turn."""

import pytest
from inline_snapshot import snapshot

from gateway_demo.script import ScriptError, Section, is_script, parse_script, turn_of
from support.about import each


def steps(text: str) -> list[dict[str, object]]:
    """The steps of a script with one section."""
    (section,) = parse_script(text)
    return section.steps


@each(
    "prompt, script",
    [
        ("text: hello", True),
        ("cut:", True),
        ("tool: Bash {}\n---\ntext: done", True),
        ("Please write text: hello", False),
        ("text:hello", False),
        ("Text: hello", False),
        ("Fix this:\nerror: overloaded", False),
        ("", False),
    ],
)
def test_a_prompt_is_a_script_when_its_first_line_starts_with_a_verb(
    prompt: str, script: bool
) -> None:
    assert is_script(prompt) is script


def test_every_verb_becomes_a_step() -> None:
    script = """\
think: hm
text: hello
tool: Write {"file_path": "a.txt"}
image: 8x4 red
search: best pelicans
burst: 200 words
usage: input=12 cached=5 written=2 output=7 reasoning=3
wait: 200ms
stop: length
error: rate_limited slow down retry_after=1.5 times=2
cut:"""
    assert steps(script) == snapshot(
        [
            {"do": "think", "text": "hm"},
            {"do": "text", "text": "hello"},
            {"do": "tool", "name": "Write", "arguments": '{"file_path": "a.txt"}'},
            {"do": "image", "width": 8, "height": 4, "colour": "#d64545"},
            {"do": "search", "query": "best pelicans"},
            {"do": "burst", "words": 200},
            {
                "do": "usage",
                "input": 12,
                "cache_read": 5,
                "cache_write": 2,
                "output": 7,
                "reasoning": 3,
            },
            {"do": "wait", "seconds": 0.2},
            {"do": "stop", "reason": "length"},
            {
                "do": "error",
                "kind": "rate_limited",
                "message": "slow down",
                "retry_after": 1.5,
                "times": 2.0,
            },
            {"do": "cut"},
        ]
    )


def test_what_may_be_left_out_has_a_default() -> None:
    assert steps("tool: ListAgents\nimage:\nerror: overloaded\nwait: 2s") == snapshot(
        [
            {"do": "tool", "name": "ListAgents", "arguments": "{}"},
            {"do": "image", "width": 64, "height": 64, "colour": "#1f9e9e"},
            {"do": "error", "kind": "overloaded", "message": "a scripted overloaded"},
            {"do": "wait", "seconds": 2.0},
        ]
    )


def test_text_goes_on_until_the_next_verb() -> None:
    assert steps("text: one\n  two\n\nthree\n\nthink: hm") == [
        {"do": "text", "text": "one\n  two\n\nthree"},
        {"do": "think", "text": "hm"},
    ]


def test_an_escaped_newline_keeps_a_verb_inside_the_text() -> None:
    assert steps(r"text: one\nwait: 2s") == [{"do": "text", "text": "one\nwait: 2s"}]


def test_a_free_form_tool_takes_the_following_lines() -> None:
    (step,) = steps("tool: apply_patch *** Begin Patch\n+hello\n*** End Patch")
    assert step["arguments"] == "*** Begin Patch\n+hello\n*** End Patch"


@each(
    "script, complaint",
    [
        ("text: fine\nerror: exploded", "line 2: unknown error 'exploded', expected one of inv"),
        ("wait: long", "line 1: expected a time, like `wait: 200ms`"),
        ("usage: tokens=4", "line 1: expected pairs like input=12"),
        ("burst: many", "line 1: expected a number of words"),
        ("stop: now", "line 1: expected one of stop, stop_sequence"),
        ("image: 4x4 octarine", "line 1: expected WIDTHxHEIGHT"),
        ("tool:", "line 1: something must follow the colon"),
        ("text: a\n---\nhello", "line 3: expected a verb, one of `match:`, `think:`"),
        ("text: a\nmatch: late", "line 2: `match:` comes first in its section"),
    ],
)
def test_a_mistake_is_told_with_its_line(script: str, complaint: str) -> None:
    with pytest.raises(ScriptError, match=complaint):
        parse_script(script)


@pytest.fixture
def agentic() -> list[Section]:
    """A script with two turns for any prompt and own answers for side requests."""
    return parse_script(
        """\
match: <analysis>
text: a summary
---
match: title
text: a title
---
tool: Write {}
---
text: done
---
match: title
text: a second title"""
    )


@pytest.mark.parametrize(
    ("prompt", "turn", "answer"),
    [
        ("write it", 0, {"do": "tool", "name": "Write", "arguments": "{}"}),
        ("write it", 1, {"do": "text", "text": "done"}),
        ("make a title", 0, {"do": "text", "text": "a title"}),
        ("make a title", 1, {"do": "text", "text": "a second title"}),
        ("give <analysis> and a title", 0, {"do": "text", "text": "a summary"}),
    ],
)
def test_the_turn_and_the_first_match_choose_the_section(
    agentic: list[Section], prompt: str, turn: int, answer: dict[str, object]
) -> None:
    assert turn_of(agentic, prompt, turn) == [answer]


def test_a_script_says_nothing_about_turns_after_its_last(agentic: list[Section]) -> None:
    assert turn_of(agentic, "write it", 2) is None


def test_a_script_for_certain_prompts_says_nothing_about_others() -> None:
    assert turn_of(parse_script("match: title\ntext: a title"), "write it", 0) is None


@pytest.mark.parametrize("text", ["", "\n\n", "---\n---\n"])
def test_sections_without_steps_do_not_count(text: str) -> None:
    assert parse_script(text) == []
