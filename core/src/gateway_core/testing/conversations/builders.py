"""Small words for building canonical conversations; all take strings for plain texts."""

from collections.abc import Sequence

from gateway_core.content import Message, Part, ResultPart, Text, ToolCall, ToolResult
from gateway_core.json import JsonObject
from gateway_core.request import FunctionTool, Request, Tool
from gateway_core.testing.conversations.fresh import Fresh

__all__ = [
    "CITY_SCHEMA",
    "CONVERSATIONS",
    "MODEL",
    "after_call",
    "ask",
    "assistant",
    "result",
    "system",
    "user",
    "weather",
    "weather_call",
]

CONVERSATIONS: Fresh[Request] = Fresh()
"""All of them, by name; the modules of this package fill it."""

MODEL = "test-model"
CITY_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its name"}},
    "required": ["city"],
    "additionalProperties": False,
}


def user(*parts: Part | str) -> Message:
    """A message of the user."""
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: Part | str) -> Message:
    """A message of the model."""
    return Message("assistant", [Text(part) if isinstance(part, str) else part for part in parts])


def system(text: str) -> Message:
    """A system message between others."""
    return Message("system", [Text(text)])


def ask(*messages: Message | str, tools: Sequence[Tool] = ()) -> Request:
    """A request with these messages; strings are what the user says."""
    turns = [user(message) if isinstance(message, str) else message for message in messages]
    return Request(MODEL, turns, tools=list(tools))


def weather(strict: bool | None = None) -> FunctionTool:
    """A function tool with one string argument."""
    return FunctionTool("get_weather", "The weather of a city", dict(CITY_SCHEMA), strict)


def weather_call(id: str = "call_1", city: str = "Paris") -> ToolCall:
    """A call of that tool."""
    return ToolCall(id, "get_weather", f'{{"city":"{city}"}}')


def result(id: str, *content: ResultPart | str, failed: bool = False) -> ToolResult:
    """What a tool gave back."""
    parts = [Text(item) if isinstance(item, str) else item for item in content]
    return ToolResult(id, parts, failed)


def after_call(answer: ToolResult) -> Request:
    """A request that brings the result of the call `call_1`."""
    return ask("Weather?", assistant(weather_call()), user(answer), tools=[weather()])
