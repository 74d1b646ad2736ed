"""A request in the Anthropic Messages format, read into the canonical request.

Knows the request around the messages; `read_blocks` knows their contents. Fields and values that a
newer client may send are never an error: they are left out, with a notice when they would have
changed the answer. Malformed input raises `InvalidRequest` with the path of the field.

`thinking.display` is read only when it asks for thinking to be shown. `omitted` does not switch
anything off: the signature must still flow, and the text beside it is what remains of the thinking
when the conversation moves to a provider that cannot read the signature.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

from gateway_core.content import Message, Role, Text, ToolResult
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.events import Notice
from gateway_core.formats.anthropic.read_blocks import BlockReader, kept_fields, read_content_list
from gateway_core.formats.anthropic.read_tools import (
    apply_tool_changes,
    read_tool_choice,
    read_tools,
)
from gateway_core.formats.anthropic.schema import BILLING_MARK, FORMAT_NAME, KNOWN_FIELDS
from gateway_core.formats.base import optional, required
from gateway_core.json import JsonObject, loads
from gateway_core.request import (
    EFFORTS,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    SessionHints,
    Source,
)

__all__ = ["read_request"]

_ROLES: tuple[Role, ...] = get_args(Role)
_UNMET: Final = {
    "container": "has no containers to run code or skills in; leave `container` out and offer a "
    "tool of your own",
    "thread": "holds no conversation of this format; leave `thread` out and send all of it in "
    "`messages`",
    "compaction": "writes no compaction blocks; leave `compaction` out and ask for a summary in "
    "`messages`",
}
"""Fields that nothing else can stand in for: the answer without them would be to something else."""
_USUAL_EDIT: Final = "clear_thinking_"
_OUTPUT_KEYS: Final = frozenset({"effort", "format"})


def read_request(body: JsonObject, headers: Mapping[str, str]) -> Request:
    """The canonical request. `headers` have lower-case names.

    Session and agent come from the headers that Claude Code sends, the session else from the JSON
    inside `metadata.user_id`. `max_tokens` may be absent. Raises `InvalidRequest`, and
    `Unsupported` for a `container`, a `thread` and a `compaction`.
    """
    for field, why in _UNMET.items():
        if body.get(field) not in (None, False):
            raise Unsupported(f"{field}: the gateway {why}", param=field)
    notices = [
        Notice("unknown_field", f"the field {key!r} is unknown and was left out")
        for key in body.keys() - KNOWN_FIELDS
    ]
    notices.sort(key=lambda notice: notice.message)
    notices += _context_notices(body)
    blocks = BlockReader()
    model = required(body, "model", str)
    if not model:
        raise InvalidRequest("model: must not be empty", param="model")
    messages = _read_messages(body, blocks)
    tools = apply_tool_changes(read_tools(body), blocks.tool_changes)
    return Request(
        model=model,
        messages=messages,
        instructions=_read_system(body, notices),
        tools=tools,
        tool_choice=read_tool_choice(body, notices),
        output=_read_output(body, notices),
        sampling=_read_sampling(body),
        reasoning=_read_reasoning(body, notices),
        session=_read_session(body, headers),
        stream=optional(body, "stream", bool) or False,
        source=Source(FORMAT_NAME, body),
        notices=notices,
    )


def _context_notices(body: JsonObject) -> list[Notice]:
    """What is left out of how the vendor's service would edit the conversation. The one edit that
    Claude Code asks for in every request is about thinking, which is no reader's business.
    """
    settings = optional(body, "context_management", dict) or {}
    notices = []
    for index, edit in enumerate(optional(settings, "edits", list, "context_management.") or []):
        kind = edit.get("type") if isinstance(edit, dict) else None
        if not (isinstance(kind, str) and kind.startswith(_USUAL_EDIT)):
            path = f"context_management.edits.{index}"
            notices.append(Notice("unknown_context_edit", f"{path}: {kind!r} was left out"))
    return notices


def _read_messages(body: JsonObject, blocks: BlockReader) -> list[Message]:
    """The messages that say something; consecutive ones of tool results become one."""
    messages: list[Message] = []
    for index, item in enumerate(required(body, "messages", list)):
        if not isinstance(item, dict):
            path = f"messages.{index}"
            raise InvalidRequest(
                f"{path}: expected an object, got {type(item).__name__}", param=path
            )
        role = item.get("role")
        if role not in _ROLES:
            path = f"messages.{index}."
            role = required(item, "role", str, path)
            raise InvalidRequest(
                f"{path}role: expected one of {', '.join(map(repr, _ROLES))}, got {role!r}",
                param=f"{path}role",
            )
        content = item.get("content")
        if content is None:
            if role == "system":
                continue  # one that only carries settings
            required(item, "content", list, f"messages.{index}.")
        parts = blocks.read(content, role, f"messages.{index}.content")
        if not parts:
            continue
        last = messages[-1] if messages else None
        if (
            last is not None
            and last.role == role
            and isinstance(parts[0], ToolResult)
            and isinstance(last.parts[-1], ToolResult)
        ):
            last.parts.extend(parts)
        else:
            messages.append(Message(role, parts))
    if not messages:
        raise InvalidRequest("messages: at least one message with content", param="messages")
    return messages


def _read_system(body: JsonObject, notices: list[Notice]) -> list[Text]:
    value = body.get("system")
    if value is None:
        return []
    blocks = (
        [{"type": "text", "text": value}]
        if isinstance(value, str)
        else read_content_list(value, "system")
    )
    texts: list[Text] = []
    for index, block in enumerate(blocks):
        if block["type"] != "text":
            notices.append(
                Notice("unknown_block", f"system.{index}: {block['type']!r} was left out")
            )
            continue
        text = required(block, "text", str, f"system.{index}.")
        if index == 0 and text.startswith(BILLING_MARK):
            text = text.partition("\n")[2]
        if text:
            texts.append(Text(text, extras=kept_fields(block, "cache_control")))
    return texts


def _read_output(body: JsonObject, notices: list[Notice]) -> OutputSpec:
    config = optional(body, "output_config", dict) or {}
    notices += [
        Notice("unknown_field", f"the field 'output_config.{key}' was left out")
        for key in sorted(config.keys() - _OUTPUT_KEYS)
    ]
    path = "output_config.format."
    spec = optional(config, "format", dict, "output_config.")
    if spec is None:
        path = "output_format."
        spec = optional(body, "output_format", dict)
    if spec is None:
        return OutputSpec()
    match required(spec, "type", str, path):
        case "json_schema":
            return OutputSpec(
                kind="json_schema",
                name=optional(spec, "name", str, path),
                schema=required(spec, "schema", dict, path),
            )
        case "json" | "json_object":
            return OutputSpec(kind="json")
        case "text":
            return OutputSpec()
        case other:
            notices.append(
                Notice("unknown_output_format", f"the output format {other!r} was left out")
            )
            return OutputSpec()


def _read_sampling(body: JsonObject) -> Sampling:
    stop = optional(body, "stop_sequences", list) or []
    for index, item in enumerate(stop):
        if not isinstance(item, str):
            path = f"stop_sequences.{index}"
            raise InvalidRequest(
                f"{path}: expected a string, got {type(item).__name__}", param=path
            )
    return Sampling(
        max_output_tokens=optional(body, "max_tokens", int),
        temperature=optional(body, "temperature", float),
        top_p=optional(body, "top_p", float),
        top_k=optional(body, "top_k", int),
        stop=list(stop),
    )


def _read_reasoning(body: JsonObject, notices: list[Notice]) -> ReasoningSpec:
    spec = ReasoningSpec()
    thinking = optional(body, "thinking", dict)
    if thinking is not None:
        # Every type but `disabled` is a way of thinking, also one that is newer than this reader.
        spec.enabled = required(thinking, "type", str, "thinking.") != "disabled"
        spec.budget_tokens = optional(thinking, "budget_tokens", int, "thinking.")
        if optional(thinking, "display", str, "thinking.") == "summarized":
            spec.summary = "auto"
    config = optional(body, "output_config", dict) or {}
    effort = optional(config, "effort", str, "output_config.")
    if effort is None or effort in EFFORTS:
        spec.effort = effort
    else:
        notices.append(Notice("unknown_effort", f"the effort {effort!r} was left out"))
    return spec


def _read_session(body: JsonObject, headers: Mapping[str, str]) -> SessionHints:
    metadata = optional(body, "metadata", dict)
    user = optional(metadata or {}, "user_id", str, "metadata.")
    inside = _read_user(user) if user else {}
    return SessionHints(
        session_id=headers.get("x-claude-code-session-id") or inside.get("session_id"),
        agent_id=headers.get("x-claude-code-agent-id"),
        user=inside.get("account_uuid") or inside.get("device_id") or user,
        service_tier=optional(body, "service_tier", str),
        metadata=metadata,
    )


def _read_user(user: str) -> dict[str, str]:
    """The strings of the JSON object that Claude Code sends as user id; empty for plain ids."""
    if not user.startswith("{"):
        return {}
    try:
        value: Any = loads(user)
    except ValueError:
        return {}
    return {key: item for key, item in value.items() if isinstance(item, str)}
