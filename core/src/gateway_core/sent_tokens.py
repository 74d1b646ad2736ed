"""Counts the tokens of what an upstream is sent: the body of a call, as its plugin has written it.

So it counts whatever policy and plugin have done to a request: tools that were bridged or moved
into words, schemas asked for in words, texts put in front, parts left out. It knows the bodies of
the Responses, chat completions and Messages formats; a plugin whose upstream speaks another counts
by itself, with the functions here and in `gateway_core.tokens`. What no model reads (ids, sealed
reasoning, knobs) is not counted; media are estimated, and so is an upstream's own compaction item,
which only its issuer can read. Pure, and slow: 10 ms for 160 KB.
"""

from base64 import b64decode
from typing import Any, Final

from gateway_core.content import Media, MediaKind
from gateway_core.json import JsonObject, dumps_text, loads
from gateway_core.tokens import (
    PER_CALL,
    PER_MESSAGE,
    PER_REQUEST,
    PER_TOOL,
    count_media,
    count_text,
)

__all__ = ["count_content", "count_sent", "count_tools"]

_UNREAD: Final = frozenset(
    {
        "annotations",
        "cache_control",
        "call_id",
        "data",
        "detail",
        "encrypted_content",
        "file_id",
        "filename",
        "format",
        "id",
        "index",
        "logprobs",
        "media_type",
        "phase",
        "role",
        "signature",
        "status",
        "tool_call_id",
        "tool_use_id",
        "type",
    }
)
_ADDRESS: Final = {"input_image": "image_url", "image_url": "image_url", "video_url": "video_url"}
_THOUGHTS: Final = ("reasoning", "reasoning_content")
_WRAPPED: Final = ("function", "custom")
_BYTES_PER_SEALED_TOKEN: Final = 5  # base64 of some four characters for each token


def count_sent(body: bytes) -> int | None:
    """Input tokens of a request's body; None when its shape is none that is known here."""
    try:
        sent = loads(body)
    except ValueError:
        return None
    if not isinstance(sent, dict):
        return None
    entries = sent.get("input")
    if entries is None:
        entries = sent.get("messages")
        if not isinstance(entries, list) or not all(map(_is_message, entries)):
            return None
    total = PER_REQUEST
    for key in ("instructions", "system"):
        if said := sent.get(key):
            total += PER_MESSAGE + count_content(said)
    total += _count_entries(entries) if isinstance(entries, list) else count_content(entries)
    total += count_tools(sent.get("tools"))
    schema = _schema_of(sent)
    return total + (count_text(dumps_text(schema)) if schema else 0)


def count_content(value: Any) -> int:
    """Tokens of the texts in a JSON value, of the media that are among them, and of arguments."""
    kind = type(value)
    if kind is str:
        return count_text(value)
    if kind is list:
        return sum(map(count_content, value))
    return _count_object(value) if kind is dict else 0


def count_tools(tools: Any) -> int:
    """Tokens of a list of tools: names, descriptions, and schemas as compact JSON."""
    return sum(map(_count_tool, tools)) if isinstance(tools, list) else 0


def _is_message(entry: object) -> bool:
    return isinstance(entry, dict) and ("content" in entry or "tool_calls" in entry)


def _count_entries(entries: list[Any]) -> int:
    total = 0
    for entry in entries:
        if not isinstance(entry, dict):
            total += count_content(entry)
        elif entry.get("type") == "additional_tools":
            total += count_tools(entry.get("tools"))
        elif "role" in entry:
            total += PER_MESSAGE + count_content(entry)
        elif entry.get("type") in ("compaction", "compaction_summary", "context_compaction"):
            total += len(entry.get("encrypted_content") or "") // _BYTES_PER_SEALED_TOKEN
        elif entry.get("type") == "reasoning":
            total += count_content(entry)
        else:
            total += PER_CALL + count_content(entry)
    return total


def _count_object(value: JsonObject) -> int:
    media = _media_in(value)
    if media is not None:
        return count_media(media)
    total = PER_CALL if value.get("type") in ("tool_use", "tool_result") else 0
    for key, inner in value.items():
        kind = type(inner)
        if key == "reasoning_details" and any(said in value for said in _THOUGHTS):
            continue  # the same thoughts once more, for the vendor that signed them
        if kind is str:
            total += 0 if key in _UNREAD else count_text(inner)
        elif kind is list:
            if key == "tool_calls":
                total += PER_CALL * len(inner)
            total += 0 if key in _UNREAD else sum(map(count_content, inner))
        elif kind is dict and inner:
            if key in ("input", "arguments", "action"):
                total += count_text(dumps_text(inner))
            elif key not in _UNREAD:
                total += _count_object(inner)
    return total


def _count_tool(tool: Any) -> int:
    if not isinstance(tool, dict):
        return 0
    if isinstance(tool.get("tools"), list):  # a namespace with tools in it
        named = PER_TOOL + count_text(tool.get("name") or "")
        return named + count_text(tool.get("description") or "") + count_tools(tool["tools"])
    inner = next((tool[key] for key in _WRAPPED if isinstance(tool.get(key), dict)), tool)
    total = PER_TOOL
    rest: JsonObject = {}
    for key, value in inner.items():
        if key in ("name", "description"):
            total += count_text(value) if isinstance(value, str) else 0
        elif key in ("parameters", "input_schema", "format"):
            total += count_text(dumps_text(value)) if value else 0
        elif key not in ("type", "strict", "cache_control", "eager_input_streaming"):
            rest[key] = value
    if "name" not in inner and isinstance(kind := inner.get("type"), str):
        total += count_text(kind)
    return total + (count_text(dumps_text(rest)) if rest else 0)


def _schema_of(sent: JsonObject) -> Any:
    """The schema that the answer is held to, wherever the format has it."""
    for path in (
        ("text", "format", "schema"),
        ("response_format", "json_schema", "schema"),
        ("output_config", "format", "schema"),
        ("output_format", "schema"),
    ):
        value: Any = sent
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value:
            return value
    return None


def _media_in(value: JsonObject) -> Media | None:
    """What a content part holds, if it is no text: in each of the formats' spellings."""
    kind = value.get("type")
    if kind in ("input_image", "image_url", "video_url"):
        return _at_address("video" if kind == "video_url" else "image", value.get(_ADDRESS[kind]))
    if kind in ("input_file", "file"):
        file = value.get("file") if kind == "file" else value
        file = file if isinstance(file, dict) else {}
        return _at_address("document", file.get("file_data") or file.get("file_url"))
    if kind == "input_audio":
        audio = value.get("input_audio")
        data = audio.get("data") if isinstance(audio, dict) else None
        return Media("audio", data=data if isinstance(data, str) else None)
    if kind in ("image", "document"):
        source = value.get("source")
        if isinstance(source, dict) and "content" not in source:
            data = source.get("data")
            text = source.get("type") == "text"
            type_ = "text/plain" if text else source.get("media_type")
            return Media(kind, type_, data=data if isinstance(data, str) else None)
    if kind == "image_generation_call" and isinstance(result := value.get("result"), str):
        return Media("image", data=result)
    return None


def _at_address(kind: MediaKind, address: Any) -> Media:
    """Media by the text or object that says where they are; a data URL has them in it."""
    if isinstance(address, dict):
        address = address.get("url")
    if not isinstance(address, str):
        return Media(kind)
    head, comma, data = address.partition(",")
    if not comma or not head.startswith("data:"):
        return Media(kind, url=address)
    type_ = head[5:].partition(";")[0]
    if type_.startswith("text/"):
        try:
            return Media(kind, "text/plain", data=b64decode(data).decode())
        except ValueError:
            pass
    return Media(kind, type_, data=data)
