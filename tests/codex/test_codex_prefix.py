"""A growing conversation keeps its translated beginning byte for byte, so that the cache hits."""

from collections.abc import Iterator
from itertools import pairwise

from gateway_core import JsonObject, Reasoning, Request, Seal, Text, ToolCall
from gateway_core.formats.anthropic import FORMAT as ANTHROPIC
from gateway_core.formats.chat import FORMAT as CHAT
from gateway_core.formats.responses import FORMAT as RESPONSES
from gateway_core.json import dumps
from gateway_core.seals import pack
from support.about import each
from support.codex_asking import CREDENTIAL, body_of, degraded, translated
from support.pictures import PNG_BASE64

TURNS = 12
HEADERS = {"x-claude-code-session-id": "6a5c1b1e-0000-4000-8000-000000000001"}
CACHED = {"cache_control": {"type": "ephemeral"}}
SCOPE = translated(Request("gpt-5.5", []), credential=CREDENTIAL).state.scope
TOOL = "mcp__files__" + "a_rather_long_name_" * 4


def seal(turn: int) -> Seal:
    return Seal("codex", f"gAAAA{turn}", f"rs_{turn}", SCOPE)


def claude_turns() -> Iterator[Request]:
    """What Claude Code sends turn by turn: the mark of caching moves, the first block of the system
    prompt changes with each request, calls are parallel, and one was never answered.
    """
    messages: list[JsonObject] = [{"role": "user", "content": [text("Do it")]}]
    for turn in range(TURNS):
        marked = {**messages[-1], "content": [*messages[-1]["content"]]}
        marked["content"][-1] = {**marked["content"][-1], **CACHED}
        body: JsonObject = {
            "model": "gpt-5.5",
            "max_tokens": 32000,
            "stream": True,
            "thinking": {"type": "adaptive"},
            "system": [
                text(f"x-anthropic-billing-header: cc_version=2.1; cch={turn};"),
                {**text("You are Claude Code."), **CACHED},
            ],
            "tools": [{"name": TOOL, "input_schema": {"type": "object"}}],
            "messages": [*messages[:-1], marked],
        }
        yield ANTHROPIC.read_request(body, HEADERS)
        calls = [f"toolu_{turn}_{'x' * 70}", f"toolu_{turn}_b"]
        messages += [
            {"role": "assistant", "content": claude_answer(turn, calls)},
            {"role": "user", "content": claude_results(turn, calls)},
        ]


def text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def claude_answer(turn: int, calls: list[str]) -> list[JsonObject]:
    thinking = {"type": "thinking", "thinking": f"Turn {turn}", "signature": pack(seal(turn))}
    uses = [
        {"type": "tool_use", "id": id, "name": TOOL, "input": {"n": turn, "path": "ä"}}
        for id in calls
    ]
    return [thinking, text(f"Turn {turn}."), *uses]


def claude_results(turn: int, calls: list[str]) -> list[JsonObject]:
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    results: list[JsonObject] = [
        {"type": "tool_result", "tool_use_id": calls[1], "content": "ok", "is_error": turn == 3},
        {
            "type": "tool_result",
            "tool_use_id": calls[0],
            "content": [text("a picture"), {"type": "image", "source": source}],
        },
    ]
    reminder = text(f"<system-reminder>turn {turn}</system-reminder>")
    return [*(results[:1] if turn == 5 else results), reminder]


def codex_turns() -> Iterator[Request]:
    """What the official client sends turn by turn, with ids that differ each time it is asked."""
    items: list[JsonObject] = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Do it"}]},
    ]
    patch = {"type": "custom", "name": "apply_patch", "description": "Patches"}
    for turn in range(TURNS):
        named = [{**item, "id": f"msg_{turn}_{index}"} for index, item in enumerate(items)]
        body: JsonObject = {
            "model": "gpt-5.5",
            "stream": True,
            "store": False,
            "input": named,
            "tools": [patch],
            "prompt_cache_key": "6a5c1b1e-0000-4000-8000-000000000001",
        }
        yield RESPONSES.read_request(body, {})
        said = {"type": "output_text", "text": f"Turn {turn}."}
        items += [
            {"type": "reasoning", "summary": [], "encrypted_content": pack(seal(turn))},
            {"type": "message", "role": "assistant", "phase": "commentary", "content": [said]},
            {
                "type": "custom_tool_call",
                "call_id": f"c{turn}",
                "name": "apply_patch",
                "input": "x",
            },
            {"type": "custom_tool_call_output", "call_id": f"c{turn}", "output": "Done"},
        ]


def chat_turns() -> Iterator[Request]:
    """What a chat client sends that names no session and counts its calls anew in each turn."""
    messages: list[JsonObject] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Do it"},
    ]
    tool = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}
    for turn in range(TURNS):
        yield CHAT.read_request({"model": "gpt-5.5", "messages": [*messages], "tools": [tool]}, {})
        call = {"name": "run", "arguments": "{}"}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_0", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "call_0", "content": f"result {turn}"},
        ]


CLIENTS = {"Claude Code": claude_turns, "Codex CLI": codex_turns, "a chat client": chat_turns}


@each("model", ["gpt-5.5", "gpt-5.6-sol"])
@each("client", CLIENTS)
def test_each_turn_begins_with_the_bytes_of_the_turn_before(client: str, model: str) -> None:
    calls = [translated(degraded(request, model), model) for request in CLIENTS[client]()]
    bodies = [body_of(call) for call in calls]
    for earlier, later in pairwise(bodies):
        # Without the closing bracket of the list.
        assert dumps(later["input"]).startswith(dumps(earlier["input"])[:-1])
        assert len(later["input"]) > len(earlier["input"])
    for body in bodies:
        rest = {key: value for key, value in body.items() if key != "input"}
        assert dumps(rest) == dumps({k: v for k, v in bodies[0].items() if k != "input"})
    assert len({call.headers["session-id"] for call in calls}) == 1


def test_the_conversation_of_claude_code_is_what_it_seems() -> None:
    last = list(claude_turns())[-1]
    parts = [part for message in last.messages for part in message.parts]
    assert sum(isinstance(part, ToolCall) for part in parts) == 2 * (TURNS - 1)
    assert [part.seal for part in parts if isinstance(part, Reasoning)] == [
        seal(turn) for turn in range(TURNS - 1)
    ]
    assert [block.text for block in last.instructions] == ["You are Claude Code."]
    assert isinstance(parts[0], Text)
