"""Input tokens of a request to the service: counted over the body as it is sent. Pure.

The service's own count is unknown, and it puts words of its own in front; this is the o200k count
of what the gateway sends, with estimates for media. Identifiers and sealed reasoning count nothing.
"""

from base64 import b64decode
from typing import Any, Final

from gateway_core import JsonObject, Media
from gateway_core.json import dumps_text
from gateway_core.tokens import (
    PER_CALL,
    PER_MESSAGE,
    PER_REQUEST,
    PER_TOOL,
    count_media,
    count_text,
)

__all__ = ["count_sent"]

_TEXTS: Final = frozenset({"csv", "html", "md", "txt"})


def count_sent(body: JsonObject) -> int | None:
    """Tokens of the conversation in a body; None for a search, which no model reads."""
    state = body.get("conversationState")
    if state is None:
        return None
    messages = [*state.get("history", ()), state["currentMessage"]]
    return PER_REQUEST + sum(map(_count_message, messages))


def _count_message(message: JsonObject) -> int:
    (said,) = message.values()
    total = PER_MESSAGE + count_text(said["content"])
    for use in said.get("toolUses", ()):
        total += PER_CALL + count_text(use["name"]) + count_text(dumps_text(use["input"]))
    if thought := said.get("reasoningContent"):
        total += count_text(thought.get("reasoningText", {}).get("text") or "")
    for image in said.get("images", ()):
        total += count_media(Media("image", data=image["source"]["bytes"]))
    for document in said.get("documents", ()):
        total += count_text(document["name"]) + _count_document(document)
    context: JsonObject = said.get("userInputMessageContext", {})
    for result in context.get("toolResults", ()):
        total += PER_CALL + sum(count_text(part.get("text", "")) for part in result["content"])
    return total + sum(_count_tool(tool["toolSpecification"]) for tool in context.get("tools", ()))


def _count_document(document: JsonObject) -> int:
    data: str = document["source"]["bytes"]
    if document["format"] in _TEXTS:
        try:
            return count_text(b64decode(data).decode())
        except ValueError:
            pass  # other text encodings: estimated by size, like any document
    return count_media(Media("document", data=data))


def _count_tool(tool: dict[str, Any]) -> int:
    schema = dumps_text(tool["inputSchema"]["json"])
    return PER_TOOL + sum(map(count_text, (tool["name"], tool["description"], schema)))
