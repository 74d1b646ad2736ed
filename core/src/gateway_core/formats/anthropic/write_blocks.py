"""Canonical parts, usage and stop reasons as Anthropic objects.

The whole answer is built from these, and the stream tells the same objects in pieces, so that both
say the same. Knows no events.
"""

from collections.abc import Iterable

from gateway_core import seals
from gateway_core.content import (
    Citation,
    Foreign,
    HostedCall,
    Media,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.events import StopReason, Usage
from gateway_core.formats.anthropic.schema import (
    FORMAT_NAME,
    HOSTED_ID_PREFIX,
    RESULT_SUFFIX,
    STOP_REASONS,
    UNPARSED_INPUT,
)
from gateway_core.json import JsonObject, loads

__all__ = [
    "UniqueIds",
    "citation_objects",
    "content_blocks",
    "is_visible",
    "may_be_empty",
    "signature",
    "stop_reason",
    "tool_use_start",
    "usage_object",
]

_MAY_BE_EMPTY: frozenset[StopReason] = frozenset(
    {"length", "refusal", "pause", "context_window", "stop_sequence"}
)


class UniqueIds:
    """Gives each tool call of one answer an id of its own: clients drop one of two that share."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """The wanted id when it is free, else the same with a number."""
        unique, number = wanted, 2
        while unique in self._taken:
            unique, number = f"{wanted}_{number}", number + 1
        self._taken.add(unique)
        return unique


def content_blocks(part: Part, ids: UniqueIds) -> list[JsonObject]:
    """The blocks of a part of an answer, none when the format has no place for it.

    Without a place are media other than images and items of other namespaces.
    """
    match part:
        case Text():
            block: JsonObject = {"type": "text", "text": part.text}
            if part.citations:
                block["citations"] = citation_objects(part.citations)
            return [block]
        case Reasoning(redacted=True):
            return (
                [{"type": "redacted_thinking", "data": signature(part.seal)}] if part.seal else []
            )
        case Reasoning():
            return [{"type": "thinking", "thinking": part.text, "signature": signature(part.seal)}]
        case ToolCall():
            return [{**tool_use_start(part, ids), "input": _call_input(part)}]
        case HostedCall(name="image_generation"):
            result = part.result or {}
            return _image(result.get("media_type"), result.get("data"), None)
        case HostedCall():
            return _hosted_blocks(part)
        case Media(kind="image"):
            return _image(part.type, part.data, part.url)
        case Foreign(namespace=namespace) if namespace == FORMAT_NAME:
            return [{"type": part.kind, **part.data}]
        case _:
            return []


def signature(seal: Seal | None) -> str:
    """The text that carries a seal through the client; empty when there is none."""
    return "" if seal is None else seals.pack(seal)


def tool_use_start(call: ToolCall, ids: UniqueIds) -> JsonObject:
    """A `tool_use` block without its input. A seal that the call brings along is an extra key,
    which newer clients send back.
    """
    block: JsonObject = {
        "type": "tool_use",
        "id": ids.take(call.id),
        "name": call.name,
        "input": {},
    }
    if call.seal is not None:
        block["signature"] = signature(call.seal)
    return block


def citation_objects(citations: Iterable[Citation]) -> list[JsonObject]:
    """Sources of a text. The cited words are not repeated."""
    return [
        {
            "type": "web_search_result_location",
            "url": citation.url,
            "title": citation.title,
            "cited_text": "",
            "encrypted_index": "",
        }
        for citation in citations
    ]


def is_visible(part: Part, blocks: list[JsonObject]) -> bool:
    """Whether a part that became these blocks is something to see or to do for the client."""
    match part:
        case Text():
            return bool(part.text) and not part.text.isspace()
        case ToolCall():
            return True
        case Reasoning():
            return False
        case HostedCall(name=name):
            return name == "image_generation" and bool(blocks)
        case _:
            return bool(blocks)


def may_be_empty(reason: StopReason) -> bool:
    """Whether an answer may end so with nothing to see in it. A client that gets an empty success
    would ask again.
    """
    return reason in _MAY_BE_EMPTY


def stop_reason(reason: StopReason, *, has_calls: bool) -> str:
    """The format's word. `tool_use` needs calls, and calls that wait for results need it."""
    if has_calls and reason in ("stop", "other"):
        return "tool_use"
    if reason == "tool_use" and not has_calls:
        return "end_turn"
    return STOP_REASONS[reason]


def usage_object(usage: Usage | None, searches: int = 0) -> JsonObject:
    """Totals, where `input_tokens` does not include what was read from or written to a cache."""
    usage = usage or Usage()
    read, write = usage.cache_read or 0, usage.cache_write or 0
    result: JsonObject = {
        "input_tokens": max(0, (usage.input or 0) - read - write),
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output or 0,
    }
    if usage.reasoning is not None:
        result["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    searches = searches if usage.web_searches is None else usage.web_searches
    if searches:
        result["server_tool_use"] = {"web_search_requests": searches}
    return result


def _call_input(call: ToolCall) -> JsonObject:
    if call.custom:
        return {"input": call.arguments}
    return _input_object(call.arguments)


def _input_object(arguments: str) -> JsonObject:
    """Arguments as the object that the format demands; others in the wrapper that Claude Code uses,
    from which the reader takes them out again.
    """
    if not arguments or arguments.isspace():
        return {}
    try:
        value = loads(arguments)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    return {UNPARSED_INPUT: {"raw": arguments, "len": len(arguments)}}


def _hosted_blocks(call: HostedCall) -> list[JsonObject]:
    """A call that ran upstream and its outcome, which the client's history needs side by side."""
    wire_id = HOSTED_ID_PREFIX + call.id.removeprefix(HOSTED_ID_PREFIX)
    use: JsonObject = {
        "type": "server_tool_use",
        "id": wire_id,
        "name": call.name,
        "input": _input_object(call.arguments),
    }
    result: JsonObject = {
        "type": call.name + RESULT_SUFFIX,
        "tool_use_id": wire_id,
        "content": _search_content(call.result) if call.name == "web_search" else call.result,
    }
    return [use] if call.name != "web_search" and call.result is None else [use, result]


def _search_content(result: JsonObject | None) -> JsonObject | list[JsonObject]:
    result = result or {}
    if result.get("error"):
        return {"type": "web_search_tool_result_error", "error_code": result["error"]}
    return [
        {
            "type": "web_search_result",
            "url": source["url"],
            "title": source.get("title") or source["url"],
            "encrypted_content": "",
            "page_age": None,
        }
        for source in result.get("sources") or []
    ]


def _image(media_type: str | None, data: str | None, url: str | None) -> list[JsonObject]:
    """An image in an answer: our extension, in the shape of an image in a request."""
    if data:
        source = {"type": "base64", "media_type": media_type or "image/png", "data": data}
    elif url:
        source = {"type": "url", "url": url}
    else:
        return []
    return [{"type": "image", "source": source}]
