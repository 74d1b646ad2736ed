"""Input items of a Responses request, read into canonical messages.

Items are smaller than messages: what the model said in one turn (reasoning, calls, texts) joins one
assistant message, and outputs that follow one another join one user message. Texts of the model
keep their item's `id`, `status` and `phase` in their own extras. System and developer messages
stay where they are. A summary that the gateway made is told to the model as a text of the user.
Items without a canonical form become `Foreign`, on the side they belong to.
"""

from typing import Any

from gateway_core import seals
from gateway_core.compaction import read_summary
from gateway_core.content import (
    Extras,
    Foreign,
    Message,
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
from gateway_core.formats.base import optional, required
from gateway_core.formats.responses.hosted import HOSTED_ITEMS, read_hosted
from gateway_core.formats.responses.read_parts import read_content
from gateway_core.formats.responses.schema import (
    FAILED_MARK,
    FORMAT_NAME,
    flat_name,
    kept_fields,
    role_of_item,
)
from gateway_core.json import JsonObject

__all__ = ["read_input", "reasoning_text"]

_ROLES: dict[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}


def read_input(value: Any) -> list[Message]:
    """The messages in `input`, a string or a list of items.

    Raises `InvalidRequest` with the path of the field (`input[3].call_id`).
    """
    if isinstance(value, str):
        return [Message("user", [Text(value)])] if value else []
    if not isinstance(value, list):
        raise InvalidRequest(
            f"input: expected a string or a list of items, got {type(value).__name__}",
            param="input",
        )
    conversation = _Conversation()
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            at = f"input[{index}]"
            raise InvalidRequest(f"{at}: expected an object, got {type(item).__name__}", param=at)
        conversation.take(item, f"input[{index}].", index)
    return conversation.messages


def reasoning_text(item: JsonObject) -> str:
    """The text of a reasoning item: its summary, else the raw text that open models show."""
    for key in ("summary", "content"):
        parts = item.get(key)
        if isinstance(parts, list):
            texts = [part.get("text") for part in parts if isinstance(part, dict)]
            if text := "\n\n".join(text for text in texts if isinstance(text, str) and text):
                return text
    return ""


class _Conversation:
    """Items in order, grouped into messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._results = False

    def take(self, item: JsonObject, path: str, index: int) -> None:
        """Add one item. Raises `InvalidRequest`."""
        if item.get("type") is None and "role" in item:
            kind = "message"
        else:
            kind = required(item, "type", str, path)
        match kind:
            case "message":
                self._message(item, path)
            case "function_call" | "custom_tool_call":
                self._assistant([_read_call(item, path)])
            case "function_call_output" | "custom_tool_call_output":
                self._result(_read_output(item, path))
            case "reasoning":
                self._assistant(_read_reasoning(item, path))
            case "compaction" | "compaction_summary" if text := _read_compaction(item, path):
                self._add(Message("user", [Text(text)]))
            case _ if kind in HOSTED_ITEMS:
                optional(item, "action", dict, path)
                self._assistant([read_hosted(item, f"item_{index}")])
            case _:
                self._foreign(Foreign(FORMAT_NAME, kind, item))

    def _message(self, item: JsonObject, path: str) -> None:
        name = required(item, "role", str, path)
        role = _ROLES.get(name)
        if role is None:
            raise InvalidRequest(
                f"{path}role: expected one of {', '.join(_ROLES)}, got {name!r}",
                param=f"{path}role",
            )
        if item.get("content") is None:
            required(item, "content", list, path)
        parts = read_content(item["content"], f"{path}content")
        extras = kept_fields(item, ("type", "role", "content"))
        if not parts:
            return
        if role == "assistant":
            self._assistant([_with_extras(part, extras) for part in parts])
        else:
            self._add(Message(role, [*parts], extras))

    def _assistant(self, parts: list[Part]) -> None:
        if not parts:
            return
        if self.messages and self.messages[-1].role == "assistant":
            self.messages[-1].parts.extend(parts)
        else:
            self._add(Message("assistant", parts))

    def _result(self, part: Part) -> None:
        if self._results:
            self.messages[-1].parts.append(part)
        else:
            self._add(Message("user", [part]))
            self._results = True

    def _foreign(self, part: Foreign) -> None:
        role = role_of_item(part.kind)
        if role == "assistant":
            self._assistant([part])
        elif part.kind.endswith("_output"):
            self._result(part)
        else:
            self._add(Message(role, [part]))

    def _add(self, message: Message) -> None:
        self.messages.append(message)
        self._results = False


def _with_extras(part: ResultPart, extras: Extras | None) -> Part:
    """A content part of the model's message with the item's own fields beside it."""
    if isinstance(part, Text):
        part.extras = extras
    return part


def _read_call(item: JsonObject, path: str) -> ToolCall:
    custom = item["type"] == "custom_tool_call"
    text_key = "input" if custom else "arguments"
    call_id = required(item, "call_id", str, path)
    name = required(item, "name", str, path)
    for key, value in (("call_id", call_id), ("name", name)):
        if not value:
            raise InvalidRequest(f"{path}{key}: must not be empty", param=f"{path}{key}")
    text = required(item, text_key, str, path)
    consumed = ["type", "call_id", "name", text_key]
    if namespace := optional(item, "namespace", str, path):
        consumed.remove("name")
        name = flat_name(namespace, name)
    return ToolCall(call_id, name, text, custom=custom, extras=kept_fields(item, consumed))


def _read_output(item: JsonObject, path: str) -> ToolResult:
    call_id = required(item, "call_id", str, path)
    if item.get("output") is None:
        required(item, "output", str, path)
    content = read_content(item["output"], f"{path}output")
    failed = False
    if content and isinstance(first := content[0], Text):
        mark, _, rest = first.text.partition("\n")
        if failed := mark == FAILED_MARK:
            content[:1] = [Text(rest)] if rest else []
    return ToolResult(
        call_id,
        content,
        failed=failed,
        custom=item["type"] == "custom_tool_call_output",
        extras=kept_fields(item, ("type", "call_id", "output")),
    )


def _read_compaction(item: JsonObject, path: str) -> str | None:
    """What our own compaction item says; None for an item that only its service can read."""
    opaque = optional(item, "encrypted_content", str, path) or ""
    try:
        return read_summary(opaque)
    except ValueError as error:
        at = f"{path}encrypted_content"
        raise InvalidRequest(f"{at}: {error}", param=at) from error


def _read_reasoning(item: JsonObject, path: str) -> list[Part]:
    """The reasoning, unless the item holds nothing at all."""
    for key in ("summary", "content"):
        parts = optional(item, key, list, path) or []
        for index, part in enumerate(parts):
            at = f"{path}{key}[{index}]"
            if not isinstance(part, dict):
                raise InvalidRequest(
                    f"{at}: expected an object, got {type(part).__name__}", param=at
                )
            required(part, "text", str, f"{at}.")
    id = optional(item, "id", str, path)
    opaque = optional(item, "encrypted_content", str, path)
    seal = None
    if opaque:
        seal = (
            seals.unpack(opaque)
            if opaque.startswith(seals.PREFIX)
            else Seal(FORMAT_NAME, opaque, id)
        )
    text = reasoning_text(item)
    if not text and seal is None:
        return []
    consumed = ("type", "summary", "content", "encrypted_content")
    return [Reasoning(text, seal, extras=kept_fields(item, consumed))]
