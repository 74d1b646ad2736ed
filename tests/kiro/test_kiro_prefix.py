"""Translation is pure, and a growing conversation keeps its beginning, so that caches hit."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from gateway_core import JsonObject, Message, Request, Text, Unsupported
from gateway_core.formats.anthropic import FORMAT as ANTHROPIC
from gateway_core.formats.chat import FORMAT as CHAT
from gateway_core.json import dumps
from support.about import about, each
from support.corpus import CONVERSATIONS
from support.kiro_asking import asked, degraded, messages_of, translated

MODELS = ("claude-sonnet-4.5", "claude-opus-4.8", "qwen3-coder-next")
TURNS = 10
TOOL = "mcp__files__" + "a_rather_long_name_" * 4


@pytest.mark.parametrize("model", MODELS)
def test_every_common_conversation_is_translated_or_refused_by_name(model: str) -> None:
    for name in CONVERSATIONS:
        with about(name):
            check_translation(name, model)


def check_translation(name: str, model: str) -> None:
    try:
        request = degraded(CONVERSATIONS[name], model)
        before = deepcopy(request)
        call = translated(request, model)
    except Unsupported as refusal:
        assert refusal.message
        return
    assert request == before
    again = translated(deepcopy(request), model)
    assert again == call and again.body == call.body and again.headers == call.headers
    assert "fake-access-1" not in call.body.decode()


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
        "tools": [{"name": TOOL, "input_schema": {"type": "object"}}],
        "messages": [*messages[:-1], marked],
    }
    return ANTHROPIC.read_request(body, {"x-claude-code-session-id": "s-1"})


def claude_turns() -> list[Request]:
    messages: list[JsonObject] = [{"role": "user", "content": [{"type": "text", "text": "Do it"}]}]
    turns = []
    for turn in range(TURNS):
        turns.append(claude_turn(turn, messages))
        ids = [f"toolu_{turn}_{'x' * 70}", f"toolu_{turn}_b"]
        uses = [{"type": "tool_use", "id": id, "name": TOOL, "input": {"n": turn}} for id in ids]
        results: list[Any] = [
            {"type": "tool_result", "tool_use_id": id, "content": "ok"} for id in reversed(ids)
        ]
        said = [{"type": "text", "text": f"Turn {turn}."}, *uses] if turn != 4 else uses
        messages += [
            {"role": "assistant", "content": said},
            {"role": "user", "content": results[: 1 if turn == 5 else 2]},
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


@each("model", ["claude-sonnet-4.5", "claude-opus-4.8"])
@each("turns", [claude_turns, chat_turns])
def test_each_turn_begins_with_the_bytes_of_the_turn_before(turns: Any, model: str) -> None:
    bodies = [asked(degraded(request, model), model) for request in turns()]
    for earlier, later in pairwise(bodies):
        first, second = (as_history(body) for body in (earlier, later))
        assert dumps(second).startswith(dumps(first)[:-1])
        assert len(second) == len(first) + 2
    ids = {body["conversationState"]["conversationId"] for body in bodies}
    assert len(ids) == 1


def as_history(body: JsonObject) -> list[JsonObject]:
    """All messages as a later turn repeats them: tools stand with the latest only."""
    messages = messages_of(body)
    context = messages[-1].get("userInputMessageContext", {})
    context.pop("tools", None)
    if not context:
        messages[-1].pop("userInputMessageContext", None)
    return messages


def test_a_tool_loop_is_one_continuation_and_a_new_question_another() -> None:
    ids = [asked(request)["conversationState"]["agentContinuationId"] for request in claude_turns()]
    assert len(set(ids)) == 1
    request = claude_turns()[-1]
    request.messages += [Message("assistant", [Text("Done.")]), Message("user", [Text("More!")])]
    assert asked(request)["conversationState"]["agentContinuationId"] not in ids
