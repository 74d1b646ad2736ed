"""Input items within the rules of xAI.

Works on what `gateway_core.formats.responses` wrote and changes none of it in place. The rules:
only known fields, images as PNG or JPEG, no files inline. What becomes of an item depends on it
alone.
"""

from collections.abc import Sequence
from typing import Final

from gateway_core import Unsupported
from gateway_core.json import JsonObject
from gateway_grok.settings import Rail

__all__ = ["STORED_ONLY", "clean_items", "message"]

_PICTURE: Final = "[A picture was made here and shown to the user.]"
_IMAGE_TYPES: Final = ("data:image/png;", "data:image/jpeg;", "data:image/jpg;")
_DETAILS: Final = ("auto", "low", "high")
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "function_call": ("type", "call_id", "name", "arguments"),
    "function_call_output": ("type", "call_id", "output"),
    "reasoning": ("type", "id", "summary", "encrypted_content"),
    "web_search_call": ("type", "id", "status", "action"),
}
# xAI's own items, which come back as they went out.
_VERBATIM: Final = frozenset({"code_interpreter_call", "file_search_call", "mcp_call"})
STORED_ONLY: Final = frozenset({"item_reference", "compaction"})
"""Items that only the public API takes."""
# A trigger asks for something and tells nothing; `request` looks for the one at the end.
_LEFT_OUT: Final = frozenset(
    {"compaction_trigger", "mcp_list_tools", "tool_search_call", "tool_search_output"}
)


def message(role: str, text: str) -> JsonObject:
    """A message of one text."""
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def clean_items(items: Sequence[JsonObject], rail: Rail) -> list[JsonObject]:
    """The items as xAI takes them.

    Raises `Unsupported`, naming it, for content that xAI does not take.
    """
    return [clean for item in items if (clean := _clean(item, rail)) is not None]


def _clean(item: JsonObject, rail: Rail) -> JsonObject | None:
    kind = item["type"]
    if kind == "message":
        return _clean_message(item)
    if kind == "image_generation_call":
        return _said_message(_PICTURE) if item.get("result") else None
    if kind in _LEFT_OUT:
        return None
    if kind in _VERBATIM:
        return {key: value for key, value in item.items() if value is not None}
    if kind in STORED_ONLY:
        if rail == "proxy":
            raise Unsupported(
                f"only the public API of xAI takes {kind!r} items: set `rail` in [providers.grok] "
                'to "auto", or send what was said instead',
                param="input",
            )
        return {key: value for key, value in item.items() if value is not None}
    fields = _FIELDS.get(kind)
    if fields is None:
        raise Unsupported(
            f"Grok takes no {kind!r} items: remove it or choose another model", param="input"
        )
    clean = {key: item[key] for key in fields if item.get(key) is not None}
    if isinstance(output := clean.get("output"), list):
        clean["output"] = [_told(part) for part in output]
    if kind == "web_search_call":
        action = clean.get("action")
        if not isinstance(action, dict) or not action:
            return None
        clean["action"] = {"type": "search", **action}
    return clean


def _clean_message(item: JsonObject) -> JsonObject | None:
    """The message, or None when it says nothing."""
    role = item["role"]
    if role == "assistant":
        texts = [part.get("text") or part.get("refusal") or "" for part in item["content"]]
        said = [{"type": "output_text", "text": text} for text in texts if text]
        return {"type": "message", "role": role, "content": said} if said else None
    told = [_told(part) for part in item["content"]]
    told = [part for part in told if part.get("text") != ""]
    return {"type": "message", "role": role, "content": told} if told else None


def _said_message(text: str) -> JsonObject:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content}


def _told(part: JsonObject) -> JsonObject:
    kind = part.get("type")
    if kind == "input_text":
        return {"type": kind, "text": part["text"]}
    if kind == "input_image":
        if isinstance(url := part.get("image_url"), str):
            return _image(part, url)
        raise Unsupported("send the picture itself or its URL, not a file id", param="messages")
    if kind == "input_file":
        for key in ("file_url", "file_id"):
            if isinstance(part.get(key), str):
                return {"type": kind, key: part[key]}
        raise Unsupported(
            "Grok takes files by URL only: send the text of the file, or a link to it",
            param="messages",
        )
    raise Unsupported(
        f"Grok takes no {kind!r} content: remove it or choose another model", param="messages"
    )


def _image(part: JsonObject, url: str) -> JsonObject:
    if url.startswith("data:") and not url.lower().startswith(_IMAGE_TYPES):
        kind = url[5:].partition(";")[0]
        raise Unsupported(
            f"Grok takes pictures as PNG or JPEG, not as {kind}: convert it", param="messages"
        )
    image: JsonObject = {"type": "input_image", "image_url": url}
    return image | ({"detail": part["detail"]} if part.get("detail") in _DETAILS else {})
