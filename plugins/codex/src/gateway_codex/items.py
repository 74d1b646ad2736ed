"""Input items within the rules of the backend: what is in each, and how they stand in a row.

Works on what `gateway_core.formats.responses` wrote and changes none of it in place. The rules:
only known fields and no ids but those of reasoning, calls and outputs in pairs, no call id twice,
and reasoning only before what it led to. What becomes of an item depends on earlier items alone,
except for calls that nobody answered.
"""

from collections.abc import Sequence
from typing import Any, Final

from gateway_codex.names import short_call_id
from gateway_core import ToolAliases, Unsupported
from gateway_core.json import JsonObject

__all__ = ["ABORTED", "clean_items", "message"]

ABORTED: Final = "aborted"
"""The output of a call that was never answered, in the words of the official client."""

_ORPHAN: Final = "[Result of an earlier tool call that is no longer part of this conversation]"
_LONGEST_ID: Final = 64
_PHASES: Final = ("commentary", "final_answer")
_DETAILS: Final = ("auto", "low", "high", "original")
_IMAGE_FIELDS: Final = ("type", "image_url", "detail")
_FILE_FIELDS: Final = ("type", "filename", "file_data", "file_url")
_OUTPUTS: Final = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
}
_OUTPUT_KINDS: Final = frozenset(_OUTPUTS.values())
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "function_call": ("type", "call_id", "name", "namespace", "arguments"),
    "custom_tool_call": ("type", "call_id", "name", "namespace", "input"),
    "function_call_output": ("type", "call_id", "output"),
    "custom_tool_call_output": ("type", "call_id", "output"),
    "reasoning": ("type", "id", "summary", "encrypted_content"),
}
# Private to one client, or about items that the backend never stored.
_DROPPED_FIELDS: Final = ("id", "internal_chat_message_metadata_passthrough", "cache_control")


def message(role: str, text: str) -> JsonObject:
    """A message of one text."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": role, "content": content}


def clean_items(items: Sequence[JsonObject], aliases: ToolAliases) -> list[JsonObject]:
    """The items as the backend takes them.

    Raises `Unsupported`, naming it, for content that it does not take.
    """
    cleaned: list[JsonObject] = []
    for position, item in enumerate(items):
        if item["type"] != "compaction_trigger" or position == len(items) - 1:
            clean = _clean(item, aliases)
            if clean is not None:
                cleaned.append(clean)
    return _followed_reasoning(_paired(cleaned))


def _clean(item: JsonObject, aliases: ToolAliases) -> JsonObject | None:
    kind = item["type"]
    if kind == "message":
        return _clean_message(item)
    if kind == "item_reference" or (kind == "image_generation_call" and not item.get("result")):
        return None
    fields = _FIELDS.get(kind)
    if fields is None:
        # An output of the local shell names its call by `id`.
        dropped = _DROPPED_FIELDS[1:] if kind == "local_shell_call_output" else _DROPPED_FIELDS
        clean = {k: v for k, v in item.items() if k not in dropped and v is not None}
        return _clean_search(clean) if kind == "web_search_call" else clean
    clean = {key: item[key] for key in fields if key in item}
    for key in ("name", "namespace"):
        if key in clean:
            clean[key] = aliases.wire(clean[key])
    output = clean.get("output")
    if isinstance(output, list):
        clean["output"] = [_told(part) for part in output]
    if kind == "reasoning" and len(clean.get("id", "")) > _LONGEST_ID:
        del clean["id"]
    return clean


def _clean_message(item: JsonObject) -> JsonObject | None:
    """The message, or None when it says nothing."""
    role = item["role"]
    clean: JsonObject = {"type": "message", "role": role}
    said = _said if role == "assistant" else _told
    parts = [said(part) for part in item["content"]]
    clean["content"] = [part for part in parts if part.get("text") != ""]
    if role == "assistant" and item.get("phase") in _PHASES:
        clean["phase"] = item["phase"]
    return clean if clean["content"] else None


def _said(part: JsonObject) -> JsonObject:
    if part.get("type") == "output_text":
        return {key: part[key] for key in ("type", "text", "annotations") if key in part}
    if part.get("type") == "refusal":
        return {"type": "refusal", "refusal": part["refusal"]}
    raise _unsupported(part)


def _told(part: JsonObject) -> JsonObject:
    kind = part.get("type")
    if part.get("file_id") is not None:
        raise Unsupported(
            "files are not uploaded through this gateway: send the content itself, not a file id",
            param="messages",
        )
    if kind == "input_text":
        return {"type": kind, "text": part["text"]}
    if kind == "input_image":
        clean: JsonObject = {key: part[key] for key in _IMAGE_FIELDS if key in part}
        if clean.get("detail") not in (None, *_DETAILS):
            del clean["detail"]
        return clean
    if kind == "input_file":
        clean = {key: part[key] for key in _FILE_FIELDS if key in part}
        if "file_data" in clean and "filename" not in clean:
            pdf = str(clean["file_data"]).startswith("data:application/pdf")
            clean["filename"] = "document.pdf" if pdf else "document"
        return clean
    raise _unsupported(part)


def _unsupported(part: JsonObject) -> Unsupported:
    return Unsupported(
        f"Codex models take no {part.get('type')!r} content: remove it or choose another model",
        param="messages",
    )


def _clean_search(item: JsonObject) -> JsonObject | None:
    """A finished search; without the query it would say nothing, and the backend refuses it."""
    action = item.get("action")
    if not isinstance(action, dict) or not action:
        return None
    sources = action.get("sources")
    if isinstance(sources, list):
        known = [source for source in sources if isinstance(source, dict) and source.get("url")]
        action = {**action, "sources": known}
    return {**item, "action": {"type": "search", **action}}


class _Call:
    """A call on its way to be answered: where it stands, and under which id it is sent."""

    __slots__ = ("answered", "id", "kind", "position")

    def __init__(self, id: str, kind: str, position: int) -> None:
        self.id = id
        self.kind = kind
        self.position = position
        self.answered = False

    def takes(self, output: str) -> bool:
        """Whether an item of this type can be its output."""
        if output in _OUTPUT_KINDS:
            return self.kind in _OUTPUTS or self.kind == "local_shell_call"
        return self.kind not in _OUTPUTS

    def answer(self, item: JsonObject) -> JsonObject:
        """The output under its id and in its own form: some clients answer a free-form call or the
        local shell as if it were a function.
        """
        if item["type"] not in _OUTPUT_KINDS:
            return {**item, "call_id" if "call_id" in item else "id": self.id}
        if self.kind in _OUTPUTS:
            return {**item, "type": _OUTPUTS[self.kind], "call_id": self.id}
        told = item["output"]
        if isinstance(told, list):
            told = "\n".join(part["text"] for part in told if "text" in part)
        return {"type": "local_shell_call_output", "id": self.id, "output": told}


def _paired(items: list[JsonObject]) -> list[JsonObject]:
    """Every call with one output after it, every output with its call before it.

    A call without an output gets one that says so; an output without a call becomes a message, for
    what it says may still matter. Of items that only one client knows, the lonely half is dropped.
    """
    calls: dict[str, _Call] = {}
    all_calls: list[_Call] = []
    used: set[str] = set()
    paired: list[JsonObject | None] = []
    for item in items:
        kind: str = item["type"]
        key = _call_key(item)
        if key is None:
            paired.append(item)
        elif not kind.endswith("_output"):
            call = calls[key] = _Call(_unused(short_call_id(key), used), kind, len(paired))
            all_calls.append(call)
            paired.append({**item, "call_id": call.id})
        elif (answered := calls.get(key)) is None or not answered.takes(kind):
            paired.append(_orphan(item))
        elif not answered.answered:
            answered.answered = True
            paired.append(answered.answer(item))
    unanswered = {call.position: call for call in all_calls if not call.answered}
    complete: list[JsonObject] = []
    for position, entry in enumerate(paired):
        lonely = unanswered.get(position)
        if entry is None or (lonely is not None and lonely.kind not in _OUTPUTS):
            continue
        complete.append(entry)
        if lonely is not None:
            output = {"type": _OUTPUTS[lonely.kind], "call_id": lonely.id, "output": ABORTED}
            complete.append(output)
    return complete


def _call_key(item: JsonObject) -> str | None:
    """What pairs a call with its output; None for items that are neither."""
    key = item.get("call_id")
    if key is None and item["type"] == "local_shell_call_output":
        key = item.get("id")
    return key if isinstance(key, str) else None


def _unused(id: str, used: set[str]) -> str:
    """The id, with a number when the conversation has it already: some services count anew in every
    turn.
    """
    number, unused = 1, id
    while unused in used:
        number += 1
        unused = f"{id[:58]}_{number}"
    used.add(unused)
    return unused


def _orphan(item: JsonObject) -> JsonObject | None:
    if item["type"] not in _OUTPUT_KINDS:
        return None
    told: Any = item["output"]
    if isinstance(told, str):
        return message("user", f"{_ORPHAN}\n{told}")
    content = [{"type": "input_text", "text": _ORPHAN}, *told]
    return {"type": "message", "role": "user", "content": content}


def _followed_reasoning(items: list[JsonObject]) -> list[JsonObject]:
    """The items without reasoning that nothing of the model follows: the backend refuses it."""
    kept: list[JsonObject] = []
    following: JsonObject = {}
    for item in reversed(items):
        if item["type"] == "reasoning" and not _by_model(following):
            continue
        kept.append(item)
        following = item
    kept.reverse()
    return kept


def _by_model(item: JsonObject) -> bool:
    kind = item.get("type", "")
    return item.get("role") == "assistant" or kind == "reasoning" or kind.endswith("_call")
