"""What is wrong with a request by the rules that are known: for the log, beside a refusal that
names no reason.

Tells places and rules, never content. Pure; nothing here is asked while all is well.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from gateway_core import JsonObject

__all__ = ["problems"]

_TOOL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
_CALL: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TAGS: Final = ("<thinking_mode>", "<max_thinking_length>")
_MANY_TOOLS: Final = 120


def problems(body: JsonObject) -> list[str]:
    """Each breach in one line; none when no rule that is known is broken."""
    try:
        return list(_problems(body))
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        # Another plugin may have rewritten it; the refusal must be told all the same.
        return [f"it has another shape than it was given ({type(error).__name__})"]


def _problems(body: JsonObject) -> Iterator[str]:
    state = body["conversationState"]
    messages = [*state.get("history", []), state["currentMessage"]]
    if state.get("chatTriggerType") != "MANUAL":
        yield "chatTriggerType is not MANUAL"
    yield from _order(messages)
    ids: list[str] = []
    names: set[str] = set()
    for index, message in enumerate(messages):
        user = message.get("userInputMessage")
        if user is None:
            said = message["assistantResponseMessage"]
            ids = []
            for use in said.get("toolUses", ()):
                ids.append(use["toolUseId"])
                names.add(use["name"])
                if not isinstance(use["input"], dict):
                    yield f"[{index}] the input of a tool is no object"
        else:
            said = user
            yield from _results(index, user, ids)
            if not user.get("modelId"):
                yield f"[{index}] names no model"
            ids = []
        if not said["content"]:
            yield f"[{index}] has no content"
    tools = _context(messages[-1]).get("tools", [])
    yield from _tools(tools, names)


def _order(messages: list[JsonObject]) -> Iterator[str]:
    for index, message in enumerate(messages):
        if ("userInputMessage" in message) is (index % 2 == 1):
            yield f"[{index}] user and assistant do not alternate"
            return
    if len(messages) % 2 == 0:
        yield "the user does not speak last"


def _results(index: int, user: JsonObject, ids: list[str]) -> Iterator[str]:
    answered = [result["toolUseId"] for result in _results_of(user)]
    if sorted(answered) != sorted(ids):
        yield f"[{index}] results of {len(answered)} tools answer {len(ids)} uses"
    if any(not _CALL.fullmatch(id) for id in answered):
        yield f"[{index}] an id of a tool use is malformed"
    if answered and any(tag in user["content"] for tag in _TAGS):
        yield f"[{index}] asks to think beside results of tools"


def _tools(tools: list[JsonObject], used: set[str]) -> Iterator[str]:
    seen: set[str] = set()
    for tool in tools:
        specification = tool["toolSpecification"]
        name = specification["name"]
        if not _TOOL.fullmatch(name):
            yield f"the tool name {name!r} is malformed"
        if name in seen:
            yield f"the tool {name!r} is there twice"
        seen.add(name)
        if not specification.get("description"):
            yield f"the tool {name!r} has no description"
        if _refused_keyword(specification["inputSchema"]["json"]):
            yield f"the schema of the tool {name!r} has keywords that are refused"
    if missing := used - seen:
        yield f"{len(missing)} tools of the history are not offered"
    if len(tools) > _MANY_TOOLS:
        yield f"{len(tools)} tools may be too many"


def _refused_keyword(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_refused_keyword(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    if "additionalProperties" in schema or schema.get("required") == []:
        return True
    return any(
        any(_refused_keyword(inner) for inner in value.values())
        if key == "properties" and isinstance(value, dict)
        else _refused_keyword(value)
        for key, value in schema.items()
        if key not in ("enum", "const", "default", "examples", "required")
    )


def _context(message: JsonObject) -> JsonObject:
    context: JsonObject = message.get("userInputMessage", {}).get("userInputMessageContext", {})
    return context


def _results_of(user: JsonObject) -> list[JsonObject]:
    results: list[JsonObject] = user.get("userInputMessageContext", {}).get("toolResults", [])
    return results
