"""What Kimi refuses in a request, and what a careful program does not send."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway_core.json import JsonObject, loads

__all__ = ["MODELS", "name_problems", "pair_problems", "problems"]

MODELS: Final[dict[str, JsonObject]] = {
    "k3": {
        "id": "k3",
        "display_name": "K3",
        "context_length": 1_048_576,
        "supports_reasoning": True,
        "supports_image_in": True,
        "supports_video_in": True,
        "supports_tool_use": True,
        "supports_thinking_type": "only",
        "think_efforts": {
            "support": True,
            "valid_efforts": ["low", "high", "max"],
            "default_effort": "high",
        },
    },
    "kimi-for-coding": {
        "id": "kimi-for-coding",
        "display_name": "Kimi For Coding",
        "context_length": 262_144,
        "supports_reasoning": True,
        "supports_image_in": True,
        "supports_video_in": True,
        "supports_thinking_type": "both",
    },
}
_KEYS: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_completion_tokens", "tools"),
        *("tool_choice", "thinking", "prompt_cache_key", "response_format", "stop"),
    }
)
_MESSAGE_KEYS: Final[dict[str, set[str]]] = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "reasoning_content", "tool_calls"},
    "tool": {"role", "tool_call_id", "content"},
}
_CHOICES: Final = {"$ref", "anyOf", "oneOf", "allOf", "not", "if"}
_AGENTS: Final = re.compile(r"KimiCLI/\d+\.\d+\.\d+")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""What all vendors take; some take more."""
_DEVICE: Final = ("platform", "version", "device-name", "device-model", "os-version", "device-id")


def problems(body: JsonObject, headers: Mapping[str, str]) -> Iterator[str]:
    """Everything that is wrong, in Kimi's words where it has some."""
    if unknown := body.keys() - _KEYS:
        yield f"unknown fields {sorted(unknown)}"
    if not _AGENTS.fullmatch(headers.get("user-agent", "")):
        yield f"the user agent is {headers.get('user-agent')!r}"
    for name in _DEVICE:
        if not headers.get(f"x-msh-{name}", "").isascii() or not headers.get(f"x-msh-{name}"):
            yield f"the header x-msh-{name} is missing"
    if body.get("stream") is not True or body.get("stream_options") != {"include_usage": True}:
        yield "official programs always stream, with usage"
    if type(body.get("max_completion_tokens", 1)) is not int:
        yield "max_completion_tokens is no whole number"
    yield from _thinking_problems(body)
    yield from _message_problems(body)
    yield from pair_problems(body)
    yield from name_problems(body)
    for tool in body.get("tools", ()):
        yield from _tool_problems(tool)


def name_problems(body: JsonObject) -> Iterator[str]:
    """Names of tools that a careful program does not send, and calls of tools by other names."""
    offered = {tool["function"]["name"] for tool in body.get("tools", ())}
    calls = [call for message in body["messages"] for call in message.get("tool_calls", ())]
    called = {call["function"]["name"] for call in calls}
    choice = body.get("tool_choice")
    chosen = {choice["function"]["name"]} if isinstance(choice, dict) else set()
    for name in sorted(offered | called | chosen):
        if not _NAME.fullmatch(name):
            yield f"the tool name {name!r} is not valid"
    if chosen - offered:
        yield f"the tool {chosen} is chosen and not offered"


def _thinking_problems(body: JsonObject) -> Iterator[str]:
    thinking, model = body.get("thinking"), MODELS[body["model"]]
    if not isinstance(thinking, dict) or thinking.keys() - {"type", "effort", "keep"}:
        yield f"thinking is {thinking!r}"
    elif thinking["type"] == "disabled":
        if model["supports_thinking_type"] != "both" or len(thinking) > 1:
            yield "the model cannot be kept from thinking"
    elif "effort" in thinking and thinking["effort"] not in model.get("think_efforts", {}).get(
        "valid_efforts", ()
    ):
        yield f"unsupported effort {thinking['effort']!r}"


def pair_problems(body: JsonObject) -> Iterator[str]:
    """Calls that are not answered before anything else is said, and answers to no such call."""
    open_calls: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                yield f"tool_call_id {message['tool_call_id']!r} is not found"
            open_calls.discard(message["tool_call_id"])
            continue
        if open_calls:
            yield f"tool calls {sorted(open_calls)} are not answered"
        open_calls = {call["id"] for call in message.get("tool_calls", ())}
        if len(open_calls) < len(message.get("tool_calls", ())):
            yield "two calls have the same id"
    if open_calls:
        yield f"tool calls {sorted(open_calls)} are not answered"


def _message_problems(body: JsonObject) -> Iterator[str]:
    thinks = body["thinking"]["type"] == "enabled"
    for index, message in enumerate(body["messages"]):
        role = message.get("role")
        if extra := message.keys() - _MESSAGE_KEYS.get(role, set()):
            yield f"messages[{index}]: unknown fields {sorted(extra)}"
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part.get("type") == "text" and not part.get("text"):
                yield "text content is empty"
        if role != "assistant":
            continue
        calls = message.get("tool_calls", ())
        if thinks and calls and "reasoning_content" not in message:
            where = f"in assistant tool call message at index {index}"
            yield f"thinking is enabled but reasoning_content is missing {where}"
        for call in calls:
            if len(call["id"]) > 64:
                yield f"the id {call['id']!r} is too long"
            loads(call["function"]["arguments"])


def _tool_problems(tool: JsonObject) -> Iterator[str]:
    function = tool["function"]
    if function.keys() - {"name", "description", "parameters"}:
        yield f"tools: unknown fields {sorted(function)}"
    if function["parameters"].get("type") != "object":
        yield f"{function['name']}: parameters are no object"
    yield from _untyped(function["parameters"], function["name"])


def _untyped(schema: Any, path: str) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        where = f"{path}.properties.{name}"
        if "type" not in inner and not inner.keys() & _CHOICES:
            yield f"At path '{where}': type is not defined"
        yield from _untyped(inner, where)
    if isinstance(items := schema.get("items"), dict):
        yield from _untyped({"properties": {"items": items}}, path)
