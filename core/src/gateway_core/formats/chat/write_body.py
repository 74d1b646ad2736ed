"""The assistant message of a whole chat answer, and the small objects that a streamed one shares
with it.
"""

from collections.abc import Sequence

from gateway_core.content import Citation, HostedCall, Media, Part, Reasoning, Seal, Text, ToolCall
from gateway_core.json import JsonObject
from gateway_core.seals import pack

__all__ = [
    "REASONING_GAP",
    "TEXT_GAP",
    "annotation",
    "answer_message",
    "image_of",
    "image_url",
    "seal_detail",
    "tool_call",
]

TEXT_GAP = "\n\n"
"""Between two texts that something else stood between; neighbours are joined as they are."""

REASONING_GAP = "\n\n"
"""Between two reasoning parts."""


def answer_message(parts: Sequence[Part], *, legacy: bool = False) -> JsonObject:
    """The `message` of a choice. What the format cannot show (hosted calls other than pictures,
    foreign items) is left out.

    legacy: the client speaks `function_call` and gets the first call in that form.
    """
    content, refusal, reasoning = "", "", ""
    annotations: list[JsonObject] = []
    details: list[JsonObject] = []
    images: list[JsonObject] = []
    calls: list[JsonObject] = []
    last_text = -1
    for index, part in enumerate(parts):
        if isinstance(part, Text):
            if part.refusal:
                refusal += part.text
                continue
            if content and part.text and last_text != index - 1:
                content += TEXT_GAP
            annotations += [
                annotation(citation, len(content), len(part.text))
                for citation in part.citations or ()
            ]
            content += part.text
            last_text = index
        elif isinstance(part, Reasoning):
            reasoning += (REASONING_GAP if reasoning and part.text else "") + part.text
            if part.seal is not None:
                details.append(seal_detail(part.seal, len(details)))
        elif isinstance(part, ToolCall):
            # An empty string is no JSON; a call without arguments means an empty object.
            bare = not part.arguments and not part.custom
            calls.append(tool_call(part, "{}" if bare else part.arguments))
        elif (picture := image_of(part)) is not None:
            images.append(image_url(picture))
    message: JsonObject = {
        "role": "assistant",
        "content": content or None,
        "refusal": refusal or None,
    }
    if reasoning:
        message["reasoning_content"] = reasoning
    if details:
        message["reasoning_details"] = details
    if annotations:
        message["annotations"] = annotations
    if images:
        message["images"] = images
    if calls and legacy:
        message["function_call"] = calls[0].get("function")
    elif calls:
        message["tool_calls"] = calls
    return message


def tool_call(call: ToolCall, arguments: str) -> JsonObject:
    """An entry of `tool_calls`, with these arguments."""
    if call.custom:
        return {
            "id": call.id,
            "type": "custom",
            "custom": {"name": call.name, "input": arguments},
        }
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def seal_detail(seal: Seal, index: int) -> JsonObject:
    """A seal in the field that routers' clients send back untouched."""
    return {"type": "reasoning.encrypted", "data": pack(seal), "index": index}


def annotation(citation: Citation, start: int, length: int) -> JsonObject:
    """A citation as `url_citation`; without offsets of its own it covers the whole text."""
    first = 0 if citation.start is None else citation.start
    last = length if citation.end is None else citation.end
    return {
        "type": "url_citation",
        "url_citation": {
            "url": citation.url,
            "title": citation.title or citation.url,
            "start_index": start + first,
            "end_index": start + last,
        },
    }


def image_of(part: Part) -> Media | None:
    """The picture that a part shows, if it is one."""
    if isinstance(part, Media):
        return part if part.kind == "image" else None
    if isinstance(part, HostedCall) and part.name == "image_generation" and part.result:
        data = part.result.get("data")
        if isinstance(data, str) and data:
            return Media("image", part.result.get("media_type") or "image/png", data=data)
    return None


def image_url(picture: Media) -> JsonObject:
    """An `image_url` part or `images` entry: a data URL, or the picture's own URL."""
    url = picture.url
    if picture.data is not None:
        url = f"data:{picture.type or 'image/png'};base64,{picture.data}"
    return {"type": "image_url", "image_url": {"url": url or ""}}
