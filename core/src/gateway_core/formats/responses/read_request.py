"""A Responses request, read into a canonical `Request`.

Reads the fields around the input; items, parts and tools have readers of their own. A field that it
does not know becomes a notice, never an error. What only a Responses upstream can use (`include`,
`client_metadata`, `reasoning.context`, ...) stays in `source.body`.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from gateway_core.content import Message, Text
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.events import Notice
from gateway_core.formats.base import optional, required
from gateway_core.formats.responses.read_items import read_input
from gateway_core.formats.responses.read_tools import (
    read_tool_choice,
    read_tools,
    with_added_tools,
)
from gateway_core.formats.responses.schema import (
    FORMAT_NAME,
    KNOWN_FIELDS,
    REFUSED_FIELDS,
    UNHONOURED_FIELDS,
)
from gateway_core.json import JsonObject
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

# Codex CLI sends the thread in each of the first four, by version; other clients use the last.
_SESSION_HEADERS = (
    "session-id",
    "session_id",
    "thread-id",
    "x-client-request-id",
    "conversation_id",
)
_SUMMARIES: tuple[Literal["none", "auto", "concise", "detailed"], ...] = (
    "none",
    "auto",
    "concise",
    "detailed",
)
_VERBOSITIES: tuple[Literal["low", "medium", "high"], ...] = ("low", "medium", "high")

T = TypeVar("T", bound=str)


def read_request(body: JsonObject, headers: Mapping[str, str]) -> Request:
    """The canonical request in a decoded body; header names in lower case.

    `input` may be left out only together with `previous_response_id`. Raises `InvalidRequest` with
    the path of the field, and `Unsupported` for what only the vendor's platform keeps.
    """
    for key, instead in REFUSED_FIELDS.items():
        if body.get(key) is not None:
            raise Unsupported(f"{key}: {instead}", param=key)
    notices: list[Notice] = []
    instructions = optional(body, "instructions", str)
    parallel = optional(body, "parallel_tool_calls", bool)
    model = required(body, "model", str)
    messages, tools = with_added_tools(_read_messages(body), read_tools(body.get("tools")))
    request = Request(
        model=model,
        messages=messages,
        instructions=[Text(instructions)] if instructions else [],
        tools=tools,
        tool_choice=read_tool_choice(body.get("tool_choice"), parallel),
        output=_read_output(body, notices),
        sampling=_read_sampling(body),
        reasoning=_read_reasoning(body, notices),
        session=_read_session(body, headers),
        stream=optional(body, "stream", bool) or False,
        source=Source(FORMAT_NAME, body),
        notices=notices,
    )
    for key, value in body.items():
        if key not in KNOWN_FIELDS:
            notices.append(Notice("unknown_field", f"the field {key!r} is not known: left out"))
        elif key in UNHONOURED_FIELDS and value is not None:
            notices.append(Notice("ignored_field", f"the field {key!r} has no effect here"))
    return request


def _read_messages(body: JsonObject) -> list[Message]:
    value = body.get("input")
    if value is None:
        if body.get("previous_response_id") is None:
            raise InvalidRequest("input: field required", param="input")
        return []
    return read_input(value)


def _read_output(body: JsonObject, notices: list[Notice]) -> OutputSpec:
    text = optional(body, "text", dict) or {}
    output = OutputSpec(verbosity=_one_of(text, "verbosity", "text.", _VERBOSITIES, notices))
    format = optional(text, "format", dict, "text.")
    if format is None:
        return output
    kind = required(format, "type", str, "text.format.")
    if kind == "json_object":
        output.kind = "json"
    elif kind == "json_schema":
        output.kind = "json_schema"
        output.name = optional(format, "name", str, "text.format.")
        output.description = optional(format, "description", str, "text.format.")
        output.schema = required(format, "schema", dict, "text.format.")
        output.strict = optional(format, "strict", bool, "text.format.")
    elif kind != "text":
        notices.append(
            Notice("unknown_value", f"text.format.type {kind!r} is not known: plain text is asked")
        )
    return output


def _read_sampling(body: JsonObject) -> Sampling:
    limit = optional(body, "max_output_tokens", int)
    if limit is not None and limit < 1:
        raise InvalidRequest(
            f"max_output_tokens: must be at least 1, got {limit}", param="max_output_tokens"
        )
    return Sampling(
        max_output_tokens=limit,
        temperature=optional(body, "temperature", float),
        top_p=optional(body, "top_p", float),
        stop=_read_stop(body),
    )


def _read_stop(body: JsonObject) -> list[str]:
    """`stop` is not of this API, but clients that grew up with chat completions send it."""
    value = body.get("stop")
    if isinstance(value, str):
        return [value]
    stop = optional(body, "stop", list) or []
    for index, sequence in enumerate(stop):
        if not isinstance(sequence, str):
            raise InvalidRequest(
                f"stop[{index}]: expected a string, got {type(sequence).__name__}",
                param=f"stop[{index}]",
            )
    return stop


def _read_reasoning(body: JsonObject, notices: list[Notice]) -> ReasoningSpec:
    spec = optional(body, "reasoning", dict) or {}
    summary_key = "generate_summary" if spec.get("summary") is None else "summary"
    effort = _one_of(spec, "effort", "reasoning.", EFFORTS, notices)
    return ReasoningSpec(
        enabled=False if effort == "none" else None,
        effort=effort,
        summary=_one_of(spec, summary_key, "reasoning.", _SUMMARIES, notices),
    )


def _read_session(body: JsonObject, headers: Mapping[str, str]) -> SessionHints:
    cache_key = optional(body, "prompt_cache_key", str)
    candidates = [*(headers.get(name) for name in _SESSION_HEADERS), cache_key]
    return SessionHints(
        session_id=next((value for value in candidates if value), None),
        user=optional(body, "user", str) or optional(body, "safety_identifier", str),
        cache_key=cache_key,
        service_tier=optional(body, "service_tier", str),
        store=optional(body, "store", bool),
        previous_response_id=optional(body, "previous_response_id", str),
        metadata=optional(body, "metadata", dict),
    )


def _one_of(
    body: Mapping[str, Any], key: str, path: str, allowed: tuple[T, ...], notices: list[Notice]
) -> T | None:
    """A word out of a set; one that a newer client may know is left out with a notice."""
    value = optional(body, key, str, path)
    for word in allowed:
        if word == value:
            return word
    if value is not None:
        notices.append(Notice("unknown_value", f"{path}{key} {value!r} is not known: left out"))
    return None
