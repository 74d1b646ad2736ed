"""Content blocks of Anthropic messages, read into canonical parts.

Knows blocks only, not the request around them. Block types that it does not know become `Foreign`;
known ones that lack a field or hold a wrong type raise `InvalidRequest` with the path of the field
(`messages.0.content.1.text`, as the vendor writes it).
"""

from base64 import b64decode
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from gateway_core import seals
from gateway_core.content import (
    Citation,
    Extras,
    Foreign,
    HostedCall,
    Media,
    Part,
    Reasoning,
    ResultPart,
    Role,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.errors import InvalidRequest
from gateway_core.formats.anthropic.schema import (
    FORMAT_NAME,
    HOSTED_ID_PREFIX,
    PLACE_OF_BLOCK,
    RESULT_SUFFIX,
    UNPARSED_INPUT,
)
from gateway_core.formats.base import optional, required
from gateway_core.json import JsonObject, dumps_text

__all__ = ["BlockReader", "ToolChange", "kept_fields", "read_content_list"]


class ToolChange(NamedTuple):
    """A system message in mid-conversation adds or withdraws a tool. `tool` is the reference or
    definition inside the block, `path` where it was found.
    """

    kind: Literal["addition", "removal"]
    tool: JsonObject
    path: str


def kept_fields(block: JsonObject, *keys: str) -> Extras | None:
    """The named fields, as extras of this format, or None when the block has none of them."""
    kept = {key: block[key] for key in keys if block.get(key) is not None}
    return {FORMAT_NAME: kept} if kept else None


def read_content_list(value: Any, path: str) -> list[JsonObject]:
    """A list of blocks as it is. Raises `InvalidRequest` when it is no list of objects, each with
    a type.
    """
    if not isinstance(value, list):
        raise InvalidRequest(
            f"{path}: expected a string or a list of blocks, got {type(value).__name__}", param=path
        )
    for index, block in enumerate(value):
        if not isinstance(block, dict):
            at = f"{path}.{index}"
            raise InvalidRequest(f"{at}: expected an object, got {type(block).__name__}", param=at)
        if not isinstance(block.get("type"), str):
            required(block, "type", str, f"{path}.{index}.")
    return value


class BlockReader:
    """Reads the contents of one request's messages, in order.

    It remembers calls of hosted tools, whose results may stand in a later message. Tool changes
    that it met on the way are in `tool_changes`.
    """

    def __init__(self) -> None:
        self.tool_changes: list[ToolChange] = []
        self._hosted: dict[str, HostedCall] = {}

    def read(self, content: Any, role: Role, path: str) -> list[Part]:
        """The parts of a message's content; `path` names it in errors."""
        if isinstance(content, str):
            return [Text(content)] if content else []
        parts: list[Part] = []
        for index, block in enumerate(read_content_list(content, path)):
            at = f"{path}.{index}."
            kind = block["type"]
            if PLACE_OF_BLOCK.get(kind, role) != role:
                raise InvalidRequest(
                    f"{at}type: {kind!r} blocks can only be in messages of the role "
                    f"{PLACE_OF_BLOCK[kind]!r}",
                    param=f"{at}type",
                )
            if kind == "text":
                _read_text(block, at, parts)
            elif kind == "tool_use":
                parts.append(_read_tool_use(block, at))
            elif kind == "tool_result":
                parts.append(_read_tool_result(block, at))
            elif kind in ("thinking", "redacted_thinking"):
                _read_thinking(block, at, parts)
            elif kind in _SIMPLE:
                parts.extend(_SIMPLE[kind](block, at))
            elif kind in ("tool_addition", "tool_removal"):
                self._read_tool_change(block, at)
            else:
                self._read_hosted(block, at, parts)
        return parts

    def _read_tool_change(self, block: JsonObject, path: str) -> None:
        tool = required(block, "tool", dict, path)
        kind: Literal["addition", "removal"] = (
            "addition" if block["type"] == "tool_addition" else "removal"
        )
        self.tool_changes.append(ToolChange(kind, tool, f"{path}tool."))

    def _read_hosted(self, block: JsonObject, path: str, parts: list[Part]) -> None:
        """A call of a hosted tool, its result, or something newer than this reader."""
        kind = block["type"]
        if kind == "server_tool_use":
            wire_id = required(block, "id", str, path)
            name = required(block, "name", str, path)
            arguments = dumps_text(optional(block, "input", dict, path) or {})
            call = HostedCall(wire_id.removeprefix(HOSTED_ID_PREFIX), name, arguments)
            self._hosted[wire_id] = call
            parts.append(call)
            return
        known = self._hosted.get(str(block.get("tool_use_id")))
        if kind == "web_search_tool_result":
            wire_id = required(block, "tool_use_id", str, path)
            if known is None:
                known = HostedCall(wire_id.removeprefix(HOSTED_ID_PREFIX), "web_search", "{}")
                parts.append(known)
            known.result = _read_search_outcome(block, path)
        elif known is not None and kind.endswith(RESULT_SUFFIX):
            content = block.get("content")
            known.result = content if isinstance(content, dict) else {"content": content}
        else:
            parts.append(Foreign(FORMAT_NAME, kind, block))


def _read_seal(opaque: str | None) -> Seal | None:
    """Ours unpacked; anything else was signed by the vendor's own service. Empty says nothing."""
    if not opaque:
        return None
    if opaque.startswith(seals.PREFIX):
        return seals.unpack(opaque)
    return Seal(FORMAT_NAME, opaque)


def _read_text(block: JsonObject, path: str, parts: list[Part]) -> None:
    text = required(block, "text", str, path)
    if not text:
        return  # says nothing, and upstreams refuse it
    part = Text(text)
    if "citations" in block:
        part.citations = _read_citations(block["citations"])
    if "cache_control" in block:
        part.extras = kept_fields(block, "cache_control")
    parts.append(part)


def _read_citations(value: Any) -> list[Citation] | None:
    if not isinstance(value, list):
        return None
    found = [
        Citation(item["url"], item.get("title"))
        for item in value
        if isinstance(item, dict) and isinstance(item.get("url"), str)
    ]
    return found or None


def _read_tool_use(block: JsonObject, path: str) -> ToolCall:
    value = optional(block, "input", dict, path) or {}
    unparsed = value.get(UNPARSED_INPUT)
    if isinstance(unparsed, dict) and isinstance(unparsed.get("raw"), str):
        arguments = unparsed["raw"]
    else:
        arguments = dumps_text(value)
    call = ToolCall(required(block, "id", str, path), required(block, "name", str, path), arguments)
    if "signature" in block:
        call.seal = _read_seal(optional(block, "signature", str, path))
    if "cache_control" in block:
        call.extras = kept_fields(block, "cache_control")
    return call


def _read_thinking(block: JsonObject, path: str, parts: list[Part]) -> None:
    if block["type"] == "redacted_thinking":
        seal = _read_seal(required(block, "data", str, path))
        if seal is not None:
            parts.append(Reasoning("", seal, redacted=True))
        return
    text = required(block, "thinking", str, path)
    seal = _read_seal(optional(block, "signature", str, path))
    if text or seal is not None:
        parts.append(Reasoning(text, seal))


def _read_tool_result(block: JsonObject, path: str) -> ToolResult:
    content = block.get("content")
    parts: list[ResultPart] = []
    if isinstance(content, str):
        if content:
            parts.append(Text(content))
    elif content is not None:
        for index, inner in enumerate(read_content_list(content, f"{path}content")):
            at = f"{path}content.{index}."
            read = _SIMPLE.get(inner["type"])
            if read is not None:
                parts.extend(read(inner, at))
            else:
                parts.append(Foreign(FORMAT_NAME, inner["type"], inner))
    result = ToolResult(required(block, "tool_use_id", str, path), parts)
    if "is_error" in block:
        result.failed = optional(block, "is_error", bool, path) or False
    if "cache_control" in block:
        result.extras = kept_fields(block, "cache_control")
    return result


def _read_search_outcome(block: JsonObject, path: str) -> JsonObject:
    """Sources or an error code; page ages and encrypted excerpts mean nothing to other services."""
    content = block.get("content")
    if isinstance(content, dict):
        return {"error": str(content.get("error_code") or "unavailable")}
    sources = optional(block, "content", list, path) or []
    found = [item for item in sources if isinstance(item, dict)]
    return {"sources": [{"url": item.get("url"), "title": item.get("title")} for item in found]}


def _read_result_text(block: JsonObject, path: str) -> list[ResultPart]:
    parts: list[Part] = []
    _read_text(block, path, parts)
    return [part for part in parts if isinstance(part, Text)]


def _read_image(block: JsonObject, path: str) -> list[ResultPart]:
    source = required(block, "source", dict, path)
    at = f"{path}source."
    media = _read_common_source("image", source, at)
    if media is None:
        return [Foreign(FORMAT_NAME, "image", block)]
    media.extras = kept_fields(block, "cache_control", "transformations")
    return [media]


def _read_document(block: JsonObject, path: str) -> list[ResultPart]:
    """The document, after its context as text: only the vendor knows a place for that."""
    source = required(block, "source", dict, path)
    at = f"{path}source."
    kind = required(source, "type", str, at)
    images: list[ResultPart] = []
    if kind == "text":
        media: Media | None = Media(
            "document", "text/plain", data=required(source, "data", str, at)
        )
    elif kind == "content":
        media, images = _read_content_source(source, at)
    else:
        media = _read_common_source("document", source, at)
    if media is None:
        return [Foreign(FORMAT_NAME, "document", block)]
    media.name = optional(block, "title", str, path)
    media.extras = kept_fields(block, "cache_control", "citations", "context")
    context = optional(block, "context", str, path)
    return [*([Text(context)] if context else []), media, *images]


def _read_content_source(source: JsonObject, path: str) -> tuple[Media, list[ResultPart]]:
    """A document made of blocks: its texts as one plain text, its images after it."""
    content = source.get("content")
    if isinstance(content, str):
        return Media("document", "text/plain", data=content), []
    texts: list[str] = []
    images: list[ResultPart] = []
    for index, block in enumerate(read_content_list(content, f"{path}content")):
        at = f"{path}content.{index}."
        if block["type"] == "text":
            texts.append(required(block, "text", str, at))
        elif block["type"] == "image":
            images.extend(_read_image(block, at))
        else:
            images.append(Foreign(FORMAT_NAME, block["type"], block))
    return Media("document", "text/plain", data="\n".join(texts)), images


def _read_common_source(
    kind: Literal["image", "document"], source: JsonObject, path: str
) -> Media | None:
    """What images and documents share; None for a source type that is newer than this reader."""
    match required(source, "type", str, path):
        case "base64":
            media_type = required(source, "media_type", str, path)
            data = required(source, "data", str, path)
            if kind == "document" and media_type == "text/plain":
                data = _decode_text(data, f"{path}data")
            return Media(kind, media_type, data=data)
        case "url":
            # A URL source carries no type; the vendor takes PDF documents only.
            fetched_type = "application/pdf" if kind == "document" else None
            return Media(kind, fetched_type, url=required(source, "url", str, path))
        case "file":
            return Media(kind, file=required(source, "file_id", str, path))
        case _:
            return None


def _decode_text(data: str, path: str) -> str:
    try:
        return b64decode(data, validate=True).decode()
    except ValueError as error:
        raise InvalidRequest(f"{path}: expected base64 of UTF-8 text", param=path) from error


def _read_search_result(block: JsonObject, path: str) -> list[ResultPart]:
    """A search result that the client found itself: a text that names its source."""
    url = required(block, "source", str, path)
    title = required(block, "title", str, path)
    content = read_content_list(block.get("content"), f"{path}content")
    texts = [
        required(inner, "text", str, f"{path}content.{index}.")
        for index, inner in enumerate(content)
    ]
    return [
        Text(
            "\n".join([title, url, *texts]),
            citations=[Citation(url, title)],
            extras=kept_fields(block, "cache_control"),
        )
    ]


def _read_tool_reference(block: JsonObject, path: str) -> list[ResultPart]:
    """Claude Code's tool search answers with names; the definitions are among the tools by then."""
    name = required(block, "tool_name", str, path)
    return [Text(f"Tool loaded: {name}", extras={FORMAT_NAME: {"tool_reference": name}})]


_Simple: TypeAlias = Callable[[JsonObject, str], list[ResultPart]]
_SIMPLE: dict[str, _Simple] = {
    "text": _read_result_text,
    "image": _read_image,
    "document": _read_document,
    "search_result": _read_search_result,
    "tool_reference": _read_tool_reference,
}
