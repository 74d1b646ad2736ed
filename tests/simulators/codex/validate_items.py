"""What the backend refuses in the input items of a request, one by one and as a sequence."""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway_core.json import JsonObject
from simulators.codex.catalogue import ModelFacts
from simulators.codex.problem import Problem, check_keys, is_name, one_of

__all__ = ["item_problems"]

_LONGEST_ID: Final = 64
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "message": ("role", "content", "phase"),
    "function_call": ("call_id", "name", "arguments", "namespace"),
    "function_call_output": ("call_id", "output"),
    "custom_tool_call": ("call_id", "name", "input", "namespace"),
    "custom_tool_call_output": ("call_id", "output"),
    "reasoning": ("summary", "content", "encrypted_content"),
    "web_search_call": ("action",),
    "image_generation_call": (
        "result",
        "revised_prompt",
        "size",
        "quality",
        "background",
        "output_format",
        "action",
    ),
    "local_shell_call": ("call_id", "action"),
    "local_shell_call_output": ("call_id", "output"),
    "tool_search_call": ("call_id", "arguments", "execution"),
    "tool_search_output": ("call_id", "tools", "execution"),
    "compaction": ("encrypted_content",),
    "compaction_trigger": (),
    "additional_tools": ("role", "tools"),
}
_COMMON: Final = ("type", "id", "status", "internal_chat_message_metadata_passthrough")
_NEWER: Final = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "configuration_update",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
    }
)
_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "message": ("msg",),
    "function_call": ("fc",),
    "function_call_output": ("fc",),
    "custom_tool_call": ("ctc",),
    "custom_tool_call_output": ("ctco",),
    "reasoning": ("rs",),
    "web_search_call": ("ws",),
    "image_generation_call": ("ig",),
    "compaction": ("cmp",),
}
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_text": ("text",),
    "input_image": ("image_url", "file_id", "detail"),
    "input_file": ("filename", "file_data", "file_url", "file_id", "detail"),
    "output_text": ("text", "annotations", "logprobs"),
    "refusal": ("refusal",),
}
_INPUT_PARTS: Final = ("input_text", "input_image", "input_file")
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": _INPUT_PARTS,
    "developer": _INPUT_PARTS,
    "assistant": ("output_text", "refusal"),
}
_MAGIC: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_CALLS: Final[Mapping[str, tuple[str, str]]] = {
    "function_call": ("function_call_output", "function call"),
    "custom_tool_call": ("custom_tool_call_output", "custom tool call"),
    "tool_search_call": ("tool_search_output", "tool search call"),
}
_PRODUCED: Final = frozenset(
    {"reasoning", "web_search_call", "image_generation_call", "local_shell_call", "compaction"}
) | set(_CALLS)


def item_problems(items: object, facts: ModelFacts | None, *, lite: bool) -> Iterator[Problem]:
    """All problems of `input`; that it is a list which is not empty is checked elsewhere."""
    if not isinstance(items, list):
        return
    for index, item in enumerate(items):
        param = f"input[{index}]"
        if not isinstance(item, dict):
            yield Problem("Expected an object", param, "invalid_type")
            continue
        yield from _one_item(item, param, facts)
        if item.get("type") == "additional_tools" and not (lite and index == 0):
            yield Problem("additional_tools belongs first, with Responses Lite", param)
    typed = [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]
    yield from _pairing_problems(typed)
    yield from _reasoning_order_problems(typed)


def _kind(item: JsonObject) -> object:
    """The type; a message may go without."""
    return item.get("type", "message" if "role" in item else None)


def _one_item(item: JsonObject, param: str, facts: ModelFacts | None) -> Iterator[Problem]:
    kind = _kind(item)
    if kind in _NEWER:
        return
    if not isinstance(kind, str) or kind not in _KNOWN:
        yield Problem(f"Invalid value: {kind!r}.", f"{param}.type", "invalid_value")
        return
    yield from check_keys(item, (*_COMMON, *_KNOWN[kind]), param)
    yield from _id_problems(item, kind, param)
    if "call_id" in item or kind in _CALLS or kind.endswith("_tool_call_output"):
        call_id = item.get("call_id")
        if not isinstance(call_id, str) or not 1 <= len(call_id) <= _LONGEST_ID:
            message = f"Expected a string of 1 to 64 characters, got {call_id!r}"
            yield Problem(message, f"{param}.call_id", "string_above_max_length")
    if "name" in _KNOWN[kind] and not is_name(item.get("name")):
        yield Problem(f"Invalid name {item.get('name')!r}", f"{param}.name", "invalid_value")
    match kind:
        case "message":
            yield from _message_problems(item, param, facts)
        case "function_call":
            yield from _text(item, "arguments", param)
        case "custom_tool_call":
            yield from _text(item, "input", param)
        case "function_call_output" | "custom_tool_call_output":
            yield from _output_problems(item.get("output"), f"{param}.output", facts)
        case "reasoning":
            yield from _reasoning_problems(item, param)
        case "compaction":
            yield from _text(item, "encrypted_content", param)
        case "web_search_call":
            yield from _search_problems(item.get("action"), f"{param}.action")
        case "image_generation_call":
            yield from _base64_problems(item.get("result"), f"{param}.result")
        case "additional_tools":
            yield from one_of(item.get("role"), ("developer",), f"{param}.role")


def _id_problems(item: JsonObject, kind: str, param: str) -> Iterator[Problem]:
    if item.get("id") is None:
        return
    id = item["id"]
    if not isinstance(id, str) or not 1 <= len(id) <= _LONGEST_ID:
        message = f"Invalid '{param}.id': string too long or none."
        yield Problem(message, f"{param}.id", "string_above_max_length")
    elif not id.startswith(_PREFIXES.get(kind, ("",))):
        expected = _PREFIXES[kind][0]
        message = f"Invalid '{param}.id': '{id}'. Expected an ID that begins with '{expected}'."
        yield Problem(message, f"{param}.id", "invalid_value")


def _message_problems(item: JsonObject, param: str, facts: ModelFacts | None) -> Iterator[Problem]:
    role = item.get("role")
    if role == "system":
        yield Problem("System messages are not allowed")
        return
    yield from one_of(role, _ROLES, f"{param}.role")
    if not isinstance(role, str) or role not in _ROLES:
        return
    if item.get("phase") is not None:
        yield from one_of(item["phase"], ("commentary", "final_answer"), f"{param}.phase")
        if role != "assistant":
            yield Problem("Only assistant messages have a phase", f"{param}.phase")
    content = item.get("content")
    if isinstance(content, str):
        yield from _unicode_problems(content, f"{param}.content")
    elif not isinstance(content, list) or not content:
        yield Problem("Expected text or a list with parts", f"{param}.content", "invalid_type")
    else:
        yield from _part_problems(content, f"{param}.content", _ROLES[role], facts)


def _part_problems(
    parts: list[Any], param: str, allowed: tuple[str, ...], facts: ModelFacts | None
) -> Iterator[Problem]:
    for index, part in enumerate(parts):
        at = f"{param}[{index}]"
        if not isinstance(part, dict):
            yield Problem("Expected an object", at, "invalid_type")
            continue
        kind = part.get("type")
        yield from one_of(kind, allowed, f"{at}.type")
        if not isinstance(kind, str) or kind not in _PARTS:
            continue
        yield from check_keys(part, ("type", *_PARTS[kind]), at)
        match kind:
            case "input_text" | "output_text":
                yield from _text(part, "text", at)
            case "refusal":
                yield from _text(part, "refusal", at)
            case "input_image":
                yield from _image_problems(part, at, facts)
            case "input_file":
                yield from _file_problems(part, at)


def _image_problems(part: JsonObject, param: str, facts: ModelFacts | None) -> Iterator[Problem]:
    if facts is not None and not facts.media:
        yield Problem(f"{facts.slug} does not take images", param, "invalid_value")
    if part.get("detail") is not None:
        yield from one_of(part["detail"], ("auto", "low", "high", "original"), f"{param}.detail")
    url = part.get("image_url")
    if not isinstance(url, str):
        if not isinstance(part.get("file_id"), str):
            yield Problem("Expected an image_url", param, "missing_required_parameter")
        return
    if not url.startswith("data:"):
        if not url.startswith(("https://", "http://")):
            yield Problem("Expected a URL", f"{param}.image_url", "invalid_image_url")
        return
    head, _, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        yield Problem(f"Invalid data URL {head!r}", f"{param}.image_url", "invalid_image_url")
        return
    decoded = _decode(data)
    if decoded is None or not decoded.startswith(_MAGIC):
        message = "The image data you provided does not represent a valid image."
        yield Problem(message, f"{param}.image_url", "invalid_image")


def _file_problems(part: JsonObject, param: str) -> Iterator[Problem]:
    given = [key for key in ("file_data", "file_url", "file_id") if part.get(key) is not None]
    if len(given) != 1:
        yield Problem(f"Expected one source, got {given}", param, "missing_required_parameter")
    data = part.get("file_data")
    if data is not None:
        if not isinstance(part.get("filename"), str):
            yield Problem("file_data needs a filename", f"{param}.filename")
        head, _, encoded = str(data).partition(",")
        if not head.startswith("data:") or not head.endswith(";base64"):
            yield Problem(f"Invalid data URL {head[:40]!r}", f"{param}.file_data", "invalid_value")
        else:
            yield from _base64_problems(encoded, f"{param}.file_data")


def _output_problems(output: object, param: str, facts: ModelFacts | None) -> Iterator[Problem]:
    if isinstance(output, list):
        yield from _part_problems(output, param, _INPUT_PARTS, facts)
    elif isinstance(output, str):
        yield from _unicode_problems(output, param)
    else:
        yield Problem("Expected text or a list of parts", param, "invalid_type")


def _reasoning_problems(item: JsonObject, param: str) -> Iterator[Problem]:
    summary = item.get("summary")
    if not isinstance(summary, list):
        yield Problem("Missing required parameter", f"{param}.summary", "invalid_type")
    for index, part in enumerate(summary if isinstance(summary, list) else ()):
        match part:
            case {"type": "summary_text", "text": str()} if len(part) == 2:
                continue
        yield Problem("Expected a summary_text", f"{param}.summary[{index}]", "invalid_value")
    if not isinstance(item.get("content"), list | None):
        yield Problem("Expected a list or null", f"{param}.content", "invalid_type")
    if not item.get("encrypted_content"):
        yield Problem(
            f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is "
            "set to false. Try again with `store` set to true, or remove this item from your "
            "input.",
            "input",
            status=404,
        )
    elif not isinstance(item["encrypted_content"], str):
        yield Problem("Expected a string", f"{param}.encrypted_content", "invalid_type")


def _search_problems(action: object, param: str) -> Iterator[Problem]:
    match action:
        case {"type": "search" | "open_page" | "find_in_page"}:
            return
        case _:
            yield Problem("Expected what was searched", param, "invalid_value")


def _pairing_problems(items: list[tuple[int, JsonObject]]) -> Iterator[Problem]:
    """Calls and outputs come in pairs, in this order, and no call id is used twice."""
    for call_kind, (output_kind, words) in _CALLS.items():
        calls: dict[str, int] = {}
        answered: set[str] = set()
        for index, item in items:
            kind, call_id = _kind(item), item.get("call_id")
            if kind not in (call_kind, output_kind) or not isinstance(call_id, str):
                continue
            param = f"input[{index}].call_id"
            if kind == call_kind and call_id in calls:
                yield Problem(f"Duplicate call_id {call_id!r}", param, "invalid_value")
            elif kind == call_kind:
                calls[call_id] = index
            elif call_id not in calls:
                message = f"No tool call found for {words} output with call_id {call_id}."
                yield Problem(message, "input")
            elif call_id in answered:
                yield Problem(f"Duplicate output for call_id {call_id!r}", param, "invalid_value")
            else:
                answered.add(call_id)
        for call_id in calls:
            if call_id not in answered:
                yield Problem(f"No tool output found for {words} {call_id}.", "input")


def _reasoning_order_problems(items: list[tuple[int, JsonObject]]) -> Iterator[Problem]:
    for position, (_, item) in enumerate(items):
        if item.get("type") != "reasoning":
            continue
        following = items[position + 1][1] if position + 1 < len(items) else {}
        said = _kind(following) == "message" and following.get("role") == "assistant"
        if not said and _kind(following) not in _PRODUCED:
            yield Problem(
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required "
                "following item.",
                "input",
            )


def _text(value: JsonObject, key: str, param: str) -> Iterator[Problem]:
    text = value.get(key)
    if not isinstance(text, str):
        yield Problem(f"Expected text, got {text!r}", f"{param}.{key}", "invalid_type")
    else:
        yield from _unicode_problems(text, f"{param}.{key}")


def _unicode_problems(text: str, param: str) -> Iterator[Problem]:
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield Problem("The text has half a surrogate pair", param, "invalid_unicode")


def _base64_problems(data: object, param: str) -> Iterator[Problem]:
    if not isinstance(data, str) or _decode(data) is None:
        yield Problem("Expected base64", param, "invalid_base64")


def _decode(data: str) -> bytes | None:
    try:
        return b64decode(data, validate=True) or None
    except (binascii.Error, ValueError):
        return None
