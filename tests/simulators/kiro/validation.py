"""Whether the service would take the body of GenerateAssistantResponse, rule by rule.

Who asks, and at which address, is not judged here. The first breach is the one that the service
answers with; a test wants to see them all.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from gateway_core.json import JsonObject, dumps
from simulators.kiro.catalogue import ModelFacts, field_problems
from simulators.kiro.problem import Problem, unknown_members
from simulators.kiro.validate_media import media_problems
from simulators.kiro.validate_tools import result_problems, tool_problems, use_problems

__all__ = ["body_problems", "image_bytes", "messages_of", "tokens_of"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ORIGINS: Final = ("AI_EDITOR", "CLI", "KIRO_CLI")
_BODY: Final = ("conversationState", "profileArn", "agentMode", "additionalModelRequestFields")
_STATE: Final = (
    "currentMessage",
    "chatTriggerType",
    "conversationId",
    "history",
    "agentTaskType",
    "agentContinuationId",
)
_USER: Final = (
    "content",
    "modelId",
    "origin",
    "images",
    "documents",
    "userInputMessageContext",
)
_CONTEXT: Final = ("tools", "toolResults", "envState")
_ASSISTANT: Final = ("content", "toolUses", "reasoningContent")
_TAGS: Final = ("<thinking_mode>", "<max_thinking_length>", "<thinking_effort>")
_MOST_ENTRIES: Final = 10_000
_LONGEST_CONTENT: Final = 600_000
_BAD_SIGNATURE: Final = "Invalid signature in thinking block"

Signed = Callable[[JsonObject], bool]
"""Whether a `reasoningContent` is one that the service made for this account and model."""


def body_problems(
    body: JsonObject, models: Mapping[str, ModelFacts], signed: Signed
) -> list[Problem]:
    """Every breach, in the order in which the service finds them."""
    try:
        return list(_problems(body, models, signed))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        return [Problem(f"the body has a wrong shape: {type(error).__name__} {error}")]


def messages_of(body: JsonObject) -> list[JsonObject]:
    """History and current message, each in its wrapper."""
    state = body["conversationState"]
    return [*state.get("history", []), state["currentMessage"]]


def image_bytes(body: JsonObject) -> int:
    """How much of a body is images, which neither bytes nor tokens count."""
    said = (message.get("userInputMessage", {}) for message in messages_of(body))
    return sum(len(image["source"]["bytes"]) for one in said for image in one.get("images", ()))


def tokens_of(body: JsonObject) -> int:
    """About how many tokens the service counts."""
    return (len(dumps(body)) - image_bytes(body)) // 4


def _problems(
    body: JsonObject, models: Mapping[str, ModelFacts], signed: Signed
) -> Iterator[Problem]:
    yield from unknown_members(body, _BODY, "the body")
    state = body["conversationState"]
    yield from unknown_members(state, _STATE, "conversationState")
    if state.get("chatTriggerType") != "MANUAL":
        yield Problem(f"chatTriggerType is {state.get('chatTriggerType')!r}")
    if state.get("agentTaskType", "vibe") not in ("vibe", "spectask"):
        yield Problem(f"agentTaskType is {state['agentTaskType']!r}")
    for key in ("conversationId", "agentContinuationId"):
        if not isinstance(id := state.get(key), str) or not _UUID.fullmatch(id):
            yield Problem(f"{key} is no UUID")
    if "\0" in "".join(_strings(body)):
        yield Problem("there is a NUL in a text")
    yield from _order(state)
    yield from _conversation(messages_of(body), signed)
    current = state["currentMessage"]["userInputMessage"]
    yield from _offer(current.get("userInputMessageContext", {}), messages_of(body))
    facts = models.get(str(current.get("modelId")))
    if facts is None:
        told = "Invalid model ID. Please select a different model to continue."
        yield Problem(f"no model is called {current.get('modelId')!r}", told, "INVALID_MODEL_ID")
    elif "additionalModelRequestFields" in body:
        told = "additionalModelRequestFields is not valid for this model."
        for breach in field_problems(body["additionalModelRequestFields"], facts):
            yield Problem(breach, told)


def _order(state: JsonObject) -> Iterator[Problem]:
    history = state.get("history", [])
    if state["currentMessage"].keys() != {"userInputMessage"}:
        yield Problem("the current message is not the user's")
    if len(history) > _MOST_ENTRIES:
        yield Problem("the history is too long")
    wanted = "userInputMessage"
    for place, entry in enumerate(history):
        if entry.keys() != {wanted}:
            yield Problem(f"history[{place}] should be one {wanted}")
            return
        told = wanted == "userInputMessage"
        wanted = "assistantResponseMessage" if told else "userInputMessage"
    if wanted != "userInputMessage":
        yield Problem("the history does not end with the assistant")


def _conversation(messages: list[JsonObject], signed: Signed) -> Iterator[Problem]:
    ids: set[str] = set()
    uses: dict[str, str] = {}
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        if (user := message.get("userInputMessage")) is not None:
            yield from _user(user, place)
            results = user.get("userInputMessageContext", {}).get("toolResults", [])
            yield from result_problems(results, place, index, uses)
            if results and any(tag in user["content"] for tag in _TAGS):
                yield Problem(f"{place} has thinking tags beside tool results")
            uses = {}
            continue
        said = message["assistantResponseMessage"]
        yield from unknown_members(said, _ASSISTANT, place)
        yield from _content(said, place)
        yield from use_problems(said, place, ids)
        uses = {use["toolUseId"]: use["name"] for use in said.get("toolUses", ())}
        if "reasoningContent" in said and not signed(said["reasoningContent"]):
            reason = "THINKING_SIGNATURE_INVALID"
            yield Problem(f"{place} has a foreign signature", _BAD_SIGNATURE, reason)


def _user(user: JsonObject, place: str) -> Iterator[Problem]:
    yield from unknown_members(user, _USER, place)
    yield from _content(user, place)
    if not isinstance(user.get("modelId"), str) or not user["modelId"]:
        yield Problem(f"{place} names no model")
    if user.get("origin") not in _ORIGINS:
        yield Problem(f"{place} has the origin {user.get('origin')!r}")
    context = user.get("userInputMessageContext", {})
    yield from unknown_members(context, _CONTEXT, f"{place}.userInputMessageContext")
    yield from media_problems(user, place)


def _content(message: JsonObject, place: str) -> Iterator[Problem]:
    content = message.get("content")
    if not isinstance(content, str) or not content:
        yield Problem(f"{place} has no content")
    elif len(content) > _LONGEST_CONTENT:
        yield Problem(f"{place} has a content of {len(content)} characters")


def _offer(context: JsonObject, messages: list[JsonObject]) -> Iterator[Problem]:
    """The tools of the current message, which alone may have some, and what they must cover."""
    for index, message in enumerate(messages[:-1]):
        said = message.get("userInputMessage", {})
        if "tools" in said.get("userInputMessageContext", {}):
            yield Problem(f"messages[{index}] offers tools in the history")
    offered = context.get("tools", [])
    if "tools" in context:
        yield from tool_problems(offered)
    names = {tool.get("toolSpecification", {}).get("name") for tool in offered}
    missing = [name for name in _used(messages) if name not in names]
    if missing:
        yield Problem(f"the history uses {missing[0]!r}, which is not offered")


def _used(messages: list[JsonObject]) -> Collection[str]:
    said = (message.get("assistantResponseMessage", {}) for message in messages)
    return {use["name"]: None for one in said for use in one.get("toolUses", ())}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
