"""Translation is pure, and a growing conversation keeps its beginning, so that caches hit."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from gateway_core import JsonObject, Request, Unsupported
from gateway_core.formats.anthropic import FORMAT as ANTHROPIC
from gateway_core.formats.chat import FORMAT as CHAT
from gateway_cursor.plan import RunPlan
from support.about import about
from support.corpus import CONVERSATIONS
from support.cursor_asking import degraded, planned, readable, translated
from support.pictures import PNG_BASE64

TURNS = 8
TOOL = "mcp__files__" + "a_rather_long_name_" * 4


def test_every_common_conversation_is_translated_or_refused_by_name() -> None:
    for name in CONVERSATIONS:
        with about(name):
            try:
                request = degraded(CONVERSATIONS[name])
                before = deepcopy(request)
                call = translated(request)
            except Unsupported as refusal:
                assert refusal.message
                continue
            assert request == before
            again = translated(deepcopy(request))
            assert again == call and again.body == call.body and again.headers == call.headers
            assert "fake-access-1" not in readable(call)


def claude_turn(turn: int, messages: list[JsonObject]) -> Request:
    """What Claude Code sends: the mark of caching moves, the first block of the instructions
    changes with each request.
    """
    marked = {**messages[-1], "content": [*messages[-1]["content"]]}
    marked["content"][-1] = {**marked["content"][-1], "cache_control": {"type": "ephemeral"}}
    body: JsonObject = {
        "model": "m",
        "max_tokens": 32_000,
        "thinking": {"type": "enabled", "budget_tokens": 31_999},
        "system": [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1; cch={turn};"},
            {"type": "text", "text": "You are Claude Code."},
        ],
        "tools": [
            {"name": name, "input_schema": {"type": "object"}} for name in ("Read", "Bash", TOOL)
        ],
        "messages": [*messages[:-1], marked],
    }
    return ANTHROPIC.read_request(body, {"x-claude-code-session-id": "s-1"})


def claude_turns() -> list[Request]:
    messages: list[JsonObject] = [
        {"role": "user", "content": [{"type": "text", "text": "Do it"}]},
        {"role": "system", "content": [{"type": "text", "text": "Working directory: /home/dev"}]},
    ]
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    turns = []
    for turn in range(TURNS):
        turns.append(claude_turn(turn, messages))
        ids = [f"toolu_{turn}_{'x' * 70}", f"toolu_{turn}_b"]
        uses = [{"type": "tool_use", "id": id, "name": TOOL, "input": {"n": turn}} for id in ids]
        results: list[Any] = [
            {"type": "tool_result", "tool_use_id": id, "content": "ok"} for id in reversed(ids)
        ]
        if turn == 2:
            results[0]["content"] = [{"type": "image", "source": source}]
        if turn == 3:
            results.append({"type": "text", "text": "<system-reminder>Soon.</system-reminder>"})
        said = [{"type": "text", "text": f"Turn {turn}."}, *uses] if turn != 4 else uses
        messages += [
            {"role": "assistant", "content": said},
            {"role": "user", "content": results[: 1 if turn == 5 else 3]},
        ]
    return turns


def chat_turns() -> list[Request]:
    """What a client sends that names no session and counts its calls anew in each turn."""
    messages: list[JsonObject] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Do it"},
    ]
    tool = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}
    turns = []
    for turn in range(TURNS):
        turns.append(
            CHAT.read_request({"model": "m", "messages": [*messages], "tools": [tool]}, {})
        )
        call = {"name": "run", "arguments": "{}"}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_0", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "call_0", "content": f"result {turn}"},
        ]
    return turns


def talk_turns() -> list[Request]:
    """Questions and answers."""
    messages: list[JsonObject] = []
    turns = []
    for turn in range(TURNS):
        messages.append({"role": "user", "content": f"Question {turn}?"})
        turns.append(CHAT.read_request({"model": "m", "messages": [*messages]}, {}))
        messages.append({"role": "assistant", "content": f"Answer {turn}."})
    return turns


def plans(turns: list[Request]) -> list[RunPlan]:
    return [planned(degraded(request)) for request in turns]


ALL = pytest.mark.parametrize("turns", [claude_turns, chat_turns, talk_turns])


@ALL
def test_the_blobs_of_each_turn_are_the_first_of_the_next(turns: Any) -> None:
    states = [plan.start.request.conversation_state for plan in plans(turns())]
    for earlier, later in pairwise(states):
        first, second = (list(one.root_prompt_messages_json) for one in (earlier, later))
        assert second[: len(first)] == first
        assert len(second) > len(first)
        done = list(earlier.turns)[:-1]  # the last one is still going on
        assert list(later.turns)[: len(done)] == done


@ALL
def test_all_that_stays_the_same_in_a_conversation_does(turns: Any) -> None:
    first, *others = plans(turns())
    for plan in others:
        assert plan.conversation == first.conversation
        assert plan.fingerprint == first.fingerprint
        assert plan.context == first.context
        assert plan.tools == first.tools


@ALL
def test_what_is_asked_has_the_id_under_which_it_is_told_later(turns: Any) -> None:
    first, second = plans(turns())[:2]
    asked = first.start.request.action.user_message_action.user_message
    assert any(asked.message_id.encode() in blob for blob in second.start.blobs.values())


@ALL
def test_the_form_in_words_keeps_its_beginning_too(turns: Any) -> None:
    starts = [plan.as_text() for plan in plans(turns()) if plan.as_text is not None]
    assert len(starts) == TURNS
    for earlier, later in pairwise(starts):
        first, second = (
            list(one.request.conversation_state.root_prompt_messages_json)
            for one in (earlier, later)
        )
        assert second[: len(first)] == first
