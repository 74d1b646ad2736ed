"""Agents at work: conversations that grow turn by turn, as coding assistants send them.

The request of turn n + 1 is the one of turn n with an answer and its tool results after it, so
whatever an upstream is sent for the first must be the beginning of what it is sent for the second.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway_core.content import Media, Message, Reasoning, Seal, Text, ToolCall, ToolResult
from gateway_core.json import JsonObject
from gateway_core.request import FunctionTool, ReasoningSpec, Request, SessionHints
from gateway_core.testing.conversations.builders import (
    CONVERSATIONS,
    ask,
    assistant,
    result,
    system,
    user,
)
from gateway_core.testing.conversations.pictures import PNG_BASE64

__all__ = ["SESSIONS", "TURNS"]

TURNS: Final = 12
_FILE: JsonObject = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "line": {"type": "integer"}},
    "required": ["path"],
}
_TOOLS: Final = {
    "Read": "Reads a file",
    "mcp__shell__" + "run_it_in_the_shell_of_the_project_" * 2: "Runs a command",
}
_READ, _RUN = _TOOLS


def _coding_assistant(turn: int) -> Request:
    """Thoughts, words and parallel calls in each answer; results come back in another order, one
    failed, one brings a picture, and reminders stand beside them.
    """
    messages = [user("<system-reminder>Today is a day.</system-reminder>", "Find the bug.")]
    for n in range(turn):
        ids = [f"toolu_{n}_{'x' * 70}", f"toolu_{n}_b"]
        messages += [_assistant_turn(n, ids), _results(n, ids)]
    request = ask(
        *messages, tools=[FunctionTool(name, text, dict(_FILE)) for name, text in _TOOLS.items()]
    )
    request.instructions = [Text("You are a coding assistant."), Text("Be brief.")]
    request.reasoning = ReasoningSpec(enabled=True)
    request.session = SessionHints(session_id="6a5c1b1e-0000-4000-8000-000000000002")
    request.stream = True
    return request


def _assistant_turn(turn: int, ids: list[str]) -> Message:
    thought = Reasoning(f"I look at file {turn}.", Seal("replay", f"c2VhbA{turn}"))
    calls = [
        ToolCall(ids[0], _READ, f'{{"path":"src/ä{turn}.py","line":{turn}}}'),
        ToolCall(ids[1], _RUN, f'{{"path": "tests/{turn}"}}'),
    ]
    return assistant(thought, f"Step {turn}.", *calls)


def _results(turn: int, ids: list[str]) -> Message:
    picture = Media("image", "image/png", data=PNG_BASE64)
    shown: list[Media] = [picture] if turn == 2 else []
    found = ToolResult(ids[0], [Text(f"file {turn}"), *shown])
    ran = result(ids[1], f"exit code {turn}", failed=turn == 3)
    reminders = [f"<system-reminder>turn {turn}</system-reminder>"] if turn % 4 == 1 else []
    return user(ran, found, *reminders)


def _simple_agent(turn: int) -> Request:
    """A client that names no session, counts its calls anew in each turn and adds a system message
    on its way.
    """
    messages = [user("Count the files.")]
    for n in range(turn):
        messages.append(assistant(ToolCall("call_0", "count", f'{{"path":"{n}"}}')))
        messages.append(user(result("call_0", f"{n} files")))
        if n == 4:
            messages.append(system("The user switched to another folder."))
    return ask(*messages, tools=[FunctionTool("count", "Counts files", dict(_FILE))])


def _talk(turn: int) -> Request:
    """Nothing but words."""
    messages = [user("Question 0?")]
    for n in range(turn):
        messages += [assistant(f"Answer {n}."), user(f"Question {n + 1}?")]
    request = ask(*messages)
    request.instructions = [Text("Be brief.")]
    return request


SESSIONS: Final[Mapping[str, Callable[[int], Request]]] = {
    "coding-assistant": _coding_assistant,
    "simple-agent": _simple_agent,
    "talk": _talk,
}
"""By name, what makes the request that follows so many complete turns, from 0 to `TURNS`."""


def _add(name: str) -> None:
    CONVERSATIONS.add(f"session-of-a-{name}", lambda: SESSIONS[name](TURNS))


for _name in SESSIONS:
    _add(_name)
