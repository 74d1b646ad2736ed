"""Parts of an answer as items of a `response` object, and the object around them.

Knows finished parts only; `write_stream` says the same things piece by piece. Items are given as
objects without ids; who writes the answer owns the ids.
"""

from typing import NamedTuple

from gateway_core import seals
from gateway_core.content import (
    Extras,
    Foreign,
    HostedCall,
    Media,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.errors import GatewayError
from gateway_core.events import StopReason, Usage
from gateway_core.formats.openai_errors import error_object
from gateway_core.formats.responses.hosted import image_item, search_item
from gateway_core.formats.responses.schema import FORMAT_NAME, extras_of
from gateway_core.formats.responses.write_request import write_annotations
from gateway_core.formats.responses.write_tools import ToolNames
from gateway_core.json import JsonObject
from gateway_core.request import Request

__all__ = [
    "ID_PREFIXES",
    "WrittenResponse",
    "call_item",
    "echo_of",
    "failure_of",
    "outcome_of",
    "reasoning_item",
    "text_item",
    "usage_of",
    "whole_item",
]

ID_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "web_search_call": "ws",
    "image_generation_call": "ig",
    "compaction": "cmp",
}
"""How the id of an item starts, by type; Codex CLI and the vendor's service go by it."""

_INCOMPLETE: dict[StopReason, str] = {
    "length": "max_output_tokens",
    "context_window": "max_output_tokens",
    "refusal": "content_filter",
}


class WrittenResponse(NamedTuple):
    """A response object as the client was given it, in JSON; `created_at` in Unix seconds.

    upstream: whether the provider stores it too.
    """

    id: str
    created_at: int
    body: bytes
    upstream: bool = False


def text_item(part: Text, text: str, *, status: str) -> JsonObject:
    """A `message` item with one content part; `phase` is taken from the part's extras."""
    content: JsonObject
    if part.refusal:
        content = {"type": "refusal", "refusal": text}
    else:
        annotations = write_annotations(part.citations)
        content = {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
    item = {"type": "message", "status": status, "role": "assistant", "content": [content]}
    phase = extras_of(part.extras).get("phase")
    return item | ({} if phase is None else {"phase": phase})


def reasoning_item(text: str, seal: Seal | None) -> JsonObject:
    """A `reasoning` item: the text as one summary part, the seal packed as `encrypted_content`."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    item: JsonObject = {"type": "reasoning", "summary": summary}
    return item | ({} if seal is None else {"encrypted_content": seals.pack(seal)})


def call_item(call: ToolCall, text: str, names: ToolNames, *, status: str) -> JsonObject:
    """A `function_call` or `custom_tool_call` item, with the namespace of its tool."""
    kind, key = ("custom_tool_call", "input") if call.custom else ("function_call", "arguments")
    named = names.fields(call.name, call.extras)
    return {"type": kind, "status": status, "call_id": call.id, **named, key: text}


def whole_item(part: Media | HostedCall | Foreign | Reasoning) -> JsonObject | None:
    """The item of a part that comes in one piece; None when the format has no item for it."""
    match part:
        case Reasoning():
            return reasoning_item(part.text, part.seal)
        case HostedCall(name="web_search"):
            return search_item(part, titles=True)
        case HostedCall(name="image_generation"):
            return image_item(part)
        case Media(kind="image", data=str()):
            result: JsonObject = {"media_type": part.type or "image/png", "data": part.data}
            return image_item(HostedCall("", "image_generation", "", result))
        case Media(url=str()):
            link = f"![{part.name or part.kind}]({part.url})"
            return text_item(Text(""), link, status="completed")
        case Foreign(namespace="responses"):
            return {**part.data, "type": part.kind}
    return None


def usage_of(usage: Usage | None) -> JsonObject:
    """The `usage` object. Unknown totals are 0: Codex CLI takes no other answer."""
    usage = usage or Usage()
    details = {"cached_tokens": usage.cache_read or 0}
    if usage.cache_write is not None:
        details["cache_write_tokens"] = usage.cache_write
    input_tokens, output_tokens = usage.input or 0, usage.output or 0
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": details,
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": input_tokens + output_tokens,
    }


def outcome_of(reason: StopReason, *, refused: bool, extras: Extras | None) -> JsonObject:
    """`status` and what goes with it at the end of an answer.

    refused: whether the answer holds words of refusal, which then say it all; a refusal without
    words is an answer cut by a content filter.
    """
    incomplete = None if reason == "refusal" and refused else _INCOMPLETE.get(reason)
    outcome: JsonObject = {
        "status": "completed" if incomplete is None else "incomplete",
        "error": None,
        "incomplete_details": None if incomplete is None else {"reason": incomplete},
    }
    end_turn = extras_of(extras).get("end_turn")
    return outcome | ({} if end_turn is None else {"end_turn": end_turn})


def failure_of(error: GatewayError) -> JsonObject:
    """The `error` of a failed response, with the codes that Codex CLI acts on.

    It retries after the delay that it finds in the message of a rate limit, it must not repeat a
    request that is wrong in itself, and it gives up on `server_is_overloaded` (seen in 0.169), so a
    passing overload goes under another name.
    """
    shown = error_object(error)
    if error.kind == "overloaded":
        shown["code"] = "server_overloaded"
    elif error.kind in ("invalid_request", "unsupported") and error.code is None:
        shown["code"] = "invalid_prompt"
    elif error.kind == "rate_limited" and error.retry_after is not None:
        delay = f"try again in {error.retry_after:g}s"
        if "try again in" not in error.message.lower():
            shown["message"] = f"{error.message.rstrip()} Please {delay}."
    return shown


def echo_of(request: Request) -> JsonObject:
    """The request's parameters as a response object repeats them.

    Instructions and tools are not repeated: they are most of a request, no client was found that
    reads them, and they would be sent three times in a stream.
    """
    body = request.source.body if request.source.format == FORMAT_NAME else {}
    session = request.session
    return {
        "background": body.get("background") is True,
        "instructions": None,
        "max_output_tokens": request.sampling.max_output_tokens,
        "metadata": session.metadata or {},
        "parallel_tool_calls": request.tool_choice.parallel is not False,
        "previous_response_id": session.previous_response_id,
        "prompt_cache_key": session.cache_key,
        "reasoning": {"effort": request.reasoning.effort, "summary": request.reasoning.summary},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": session.service_tier or "auto",
        "temperature": request.sampling.temperature,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [],
        "top_p": request.sampling.top_p,
        "truncation": body.get("truncation") or "disabled",
        "user": session.user,
    }
