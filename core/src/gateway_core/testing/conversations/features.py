"""What a conversation needs of a provider, and whether declared capabilities oblige to it.

A feature is a word:

- `image`, `document`, `audio`, `video`: media of that kind; `result_image` and so on: in the result
  of a tool; `media_url`, `image_url` and so on: by URL; `media_file`: by the id of a file;
  `document_data`: inline and more than plain text; `rare_image`: neither PNG nor JPEG;
- `tools`, `custom_tools`, `hosted:web_search` and so on: offered; `calls`, `custom_calls`,
  `hosted_calls`: in the history; `orphan_call`, `orphan_result`, `repeated_call_id`,
  `broken_arguments`: what is odd about them;
- `reasoning`, `foreign`, `assistant_first`, `empty_turn`, `system_in_between`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from gateway_core.content import (
    Foreign,
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.json import loads_object
from gateway_core.provider import Capabilities
from gateway_core.request import CustomTool, HostedTool, Request, Tool

__all__ = ["features", "obliged"]

_KINDS: Final = frozenset({"image", "document", "audio", "video"})
_COMMON_IMAGES: Final = ("image/png", "image/jpeg")
_OPTIONAL: Final = frozenset(
    {
        "foreign",
        "media_file",
        "rare_image",
        "document_data",
        "document_url",
        "audio_url",
        "video_url",
        "result_document",
        "result_audio",
        "result_video",
        "orphan_result",
        "broken_arguments",
    }
)
"""What a provider may refuse whatever it declares: `Capabilities` has no word for it."""


def features(request: Request) -> frozenset[str]:
    """What the conversation needs, in the words of this module."""
    found = set(_features_of_calls(request.messages))
    for tool in request.tools:
        found.add(_feature_of_tool(tool))
    for message in request.messages:
        for part in message.parts:
            found.update(_features_of_part(part))
        if message.role == "assistant" and not _says_something(message):
            found.add("empty_turn")
    if request.messages and request.messages[0].role == "assistant":
        found.add("assistant_first")
    if any(message.role == "system" for message in request.messages):
        found.add("system_in_between")
    return frozenset(found)


def obliged(request: Request, capabilities: Capabilities) -> bool:
    """Whether a provider that declares these capabilities must be able to ask this."""
    needed = features(request)
    if needed & _OPTIONAL or not needed & _KINDS <= capabilities.input:
        return False
    if "media_url" in needed and not capabilities.media_urls:
        return False
    if needed & {"tools", "custom_tools", "calls", "custom_calls"} and not capabilities.tools:
        return False
    hosted = {word.partition(":")[2] for word in needed if word.startswith("hosted:")}
    return hosted <= capabilities.hosted_tools


def _feature_of_tool(tool: Tool) -> str:
    if isinstance(tool, HostedTool):
        return f"hosted:{tool.kind}"
    return "custom_tools" if isinstance(tool, CustomTool) else "tools"


def _features_of_part(part: Part) -> Iterator[str]:
    match part:
        case Media():
            yield part.kind
            if part.data is None and part.file is not None:
                yield "media_file"
            elif part.data is None and part.url is not None:
                yield from ("media_url", f"{part.kind}_url")
            elif part.kind == "document" and part.type != "text/plain":
                yield "document_data"
            elif part.kind == "image" and part.type not in _COMMON_IMAGES:
                yield "rare_image"
        case ToolResult():
            for inner in part.content:
                yield from _features_of_part(inner)
                if isinstance(inner, Media):
                    yield f"result_{inner.kind}"
        case ToolCall():
            yield "custom_calls" if part.custom else "calls"
            if not part.custom and not _is_object(part.arguments):
                yield "broken_arguments"
        case HostedCall():
            yield "hosted_calls"
        case Foreign():
            yield "foreign"
        case Reasoning():
            yield "reasoning"


def _features_of_calls(messages: list[Message]) -> Iterator[str]:
    parts = [part for message in messages for part in message.parts]
    calls = Counter(part.id for part in parts if isinstance(part, ToolCall))
    results = Counter(part.call_id for part in parts if isinstance(part, ToolResult))
    if calls.keys() - results.keys():
        yield "orphan_call"
    if results.keys() - calls.keys():
        yield "orphan_result"
    if any(count > 1 for count in calls.values()):
        yield "repeated_call_id"


def _says_something(message: Message) -> bool:
    return any(not isinstance(part, Text) or part.text for part in message.parts)


def _is_object(arguments: str) -> bool:
    try:
        loads_object(arguments)
    except ValueError:
        return False
    return True
