"""Everything of a chat request that is not a message: tools, choice, shape, sampling, reasoning,
session.

Deliberately lenient about values that newer clients may add (a notice, never an error) and strict
about types that are plainly wrong.
"""

from collections.abc import Mapping
from typing import Any

from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.events import Notice
from gateway_core.formats.base import optional, required
from gateway_core.formats.chat.read_content import FORMAT_NAME, as_object
from gateway_core.formats.chat.read_pictures import (
    is_painting,
    only_pictures,
    read_painting,
    wished_painting,
)
from gateway_core.json import JsonObject
from gateway_core.request import (
    EFFORTS,
    CustomTool,
    FunctionTool,
    HostedTool,
    OutputSpec,
    ReasoningSpec,
    Sampling,
    SessionHints,
    Tool,
    ToolChoice,
)

__all__ = [
    "read_notices",
    "read_output",
    "read_reasoning",
    "read_sampling",
    "read_session",
    "read_tool_choice",
    "read_tools",
    "uses_functions",
]

_SESSION_HEADERS = ("session-id", "x-session-id", "session_id", "x-client-request-id")

# What the canonical model holds, or what a provider of the same format may copy from `source`.
_KNOWN: frozenset[str] = frozenset().union(
    ("model", "messages", "stream", "stream_options", "n", "modalities", "prediction"),
    ("tools", "tool_choice", "functions", "function_call", "parallel_tool_calls"),
    ("web_search_options", "image_config", "response_format", "verbosity"),
    ("reasoning_effort", "reasoning", "thinking", "max_tokens", "max_completion_tokens"),
    ("temperature", "top_p", "top_k", "stop", "seed", "presence_penalty", "frequency_penalty"),
    ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    ("prompt_cache_options", "service_tier", "store", "metadata", "provider"),
)
_IGNORED = frozenset({"logprobs", "top_logprobs", "logit_bias", "audio", "moderation"})


def read_tools(body: JsonObject) -> list[Tool]:
    """`tools`, else the older `functions`; `web_search_options`, and pictures among the
    `modalities`, as hosted tools after them.
    """
    tools: list[Tool] = []
    for index, item in enumerate(optional(body, "tools", list) or []):
        tools.append(_read_tool(as_object(item, f"tools[{index}]"), f"tools[{index}]"))
    if body.get("tools") is None:
        for index, item in enumerate(optional(body, "functions", list) or []):
            path = f"functions[{index}]"
            tools.append(_read_function(as_object(item, path), path))
    search = optional(body, "web_search_options", dict)
    if search is not None:
        tools.append(HostedTool("web_search", "web_search", _read_search(search)))
    painting = wished_painting(body, tools)
    return tools if painting is None else [*tools, painting]


def _read_tool(tool: JsonObject, path: str) -> Tool:
    kind = required(tool, "type", str, f"{path}.")
    if kind == "function":
        # Some clients send the flat shape of the Responses format.
        inner = tool if "function" not in tool and "name" in tool else tool.get("function")
        path = path if inner is tool else f"{path}.function"
        return _read_function(as_object(inner, path), path)
    if kind == "custom":
        inner = tool if "custom" not in tool and "name" in tool else tool.get("custom")
        path = path if inner is tool else f"{path}.custom"
        return _read_custom(as_object(inner, path), path)
    if is_painting(kind):
        return read_painting(tool)
    name = "web_search" if kind.startswith("web_search") else kind
    options = _read_search(tool) if name == "web_search" else {}
    return HostedTool(name, name, options, extras={FORMAT_NAME: tool})


def _read_function(function: JsonObject, path: str) -> FunctionTool:
    parameters = optional(function, "parameters", dict, f"{path}.")
    return FunctionTool(
        _tool_name(function, path),
        optional(function, "description", str, f"{path}."),
        parameters if parameters is not None else {"type": "object", "properties": {}},
        optional(function, "strict", bool, f"{path}."),
    )


def _read_custom(custom: JsonObject, path: str) -> CustomTool:
    format_ = optional(custom, "format", dict, f"{path}.")
    grammar = (format_ or {}).get("grammar")
    if format_ is not None and isinstance(grammar, dict):
        format_ = {"type": format_.get("type"), **grammar}
    description = optional(custom, "description", str, f"{path}.")
    return CustomTool(_tool_name(custom, path), description, format_)


def _tool_name(tool: JsonObject, path: str) -> str:
    name = required(tool, "name", str, f"{path}.")
    if not name:
        raise InvalidRequest(f"{path}.name: must not be empty", param=f"{path}.name")
    return name


def _read_search(options: JsonObject) -> JsonObject:
    """Options of web search in canonical keys; what is malformed is left out."""
    found: JsonObject = {}
    if isinstance(options.get("search_context_size"), str):
        found["context_size"] = options["search_context_size"]
    location = options.get("user_location")
    if isinstance(location, dict):
        inner = location.get("approximate")
        location = inner if isinstance(inner, dict) else location
        found["user_location"] = {
            key: location[key]
            for key in ("city", "country", "region", "timezone")
            if isinstance(location.get(key), str)
        }
    filters = options.get("filters")
    if isinstance(filters, dict):
        found |= {
            key: filters[key]
            for key in ("allowed_domains", "blocked_domains")
            if isinstance(filters.get(key), list)
        }
    return found


def uses_functions(body: JsonObject) -> bool:
    """Whether the client speaks the older dialect of `functions` and one `function_call`."""
    return body.get("tools") is None and body.get("functions") is not None


def read_tool_choice(body: JsonObject) -> ToolChoice:
    """`tool_choice` in each of its forms, or the older `function_call`; and parallel calls."""
    parallel = optional(body, "parallel_tool_calls", bool)
    if uses_functions(body):
        choice = _read_choice(body.get("function_call"), "function_call")
        # The older form has room for one call in an answer.
        choice.parallel = False
        return choice
    choice = _read_choice(body.get("tool_choice"), "tool_choice")
    choice.parallel = parallel
    return only_pictures(body, choice)


def _read_choice(value: Any, path: str) -> ToolChoice:
    if value is None or value == "auto":
        return ToolChoice()
    if value == "none":
        return ToolChoice("none")
    if value in ("required", "any"):
        return ToolChoice("required")
    if not isinstance(value, dict):
        raise InvalidRequest(
            f"{path}: expected 'auto', 'none', 'required' or an object, got {value!r}", param=path
        )
    kind = value.get("type", "function")
    if kind == "allowed_tools":
        return _read_allowed(value, path)
    return ToolChoice("tool", [_chosen_name(value, kind, path)])


def _read_allowed(value: JsonObject, path: str) -> ToolChoice:
    inner = value.get("allowed_tools", value)
    path = f"{path}.allowed_tools" if inner is not value else path
    allowed = as_object(inner, path)
    names = [
        _chosen_name(as_object(item, f"{path}.tools[{index}]"), None, f"{path}.tools[{index}]")
        for index, item in enumerate(required(allowed, "tools", list, f"{path}."))
    ]
    if not names:
        raise InvalidRequest(f"{path}.tools: must name a tool", param=f"{path}.tools")
    return ToolChoice("tool", names, required_among=allowed.get("mode") == "required")


def _chosen_name(value: JsonObject, kind: Any, path: str) -> str:
    kind = kind or value.get("type", "function")
    if kind not in ("function", "custom"):
        return str(kind).rpartition(":")[2]  # a hosted tool is named by its type
    inner = value.get(kind, value)
    path = f"{path}.{kind}" if inner is not value else path
    return required(as_object(inner, path), "name", str, f"{path}.")


def read_output(body: JsonObject, notices: list[Notice]) -> OutputSpec:
    """`response_format` and `verbosity`."""
    output = OutputSpec()
    verbosity = optional(body, "verbosity", str)
    if verbosity in ("low", "medium", "high"):
        output.verbosity = verbosity  # type: ignore[assignment]  # one of the three
    elif verbosity is not None:
        notices.append(Notice("dropped_verbosity", f"verbosity {verbosity!r} is not known"))
    shape = optional(body, "response_format", dict)
    if shape is None:
        return output
    kind = required(shape, "type", str, "response_format.")
    if kind == "json_object":
        output.kind = "json"
    elif kind == "json_schema":
        path = "response_format.json_schema"
        spec = as_object(shape.get("json_schema"), path)
        output.kind = "json_schema"
        output.name = required(spec, "name", str, f"{path}.")
        output.description = optional(spec, "description", str, f"{path}.")
        output.schema = optional(spec, "schema", dict, f"{path}.") or {}
        output.strict = optional(spec, "strict", bool, f"{path}.")
    elif kind != "text":
        message = f"response_format {kind!r} is not known; the answer is plain text"
        notices.append(Notice("dropped_response_format", message))
    return output


def read_reasoning(body: JsonObject, notices: list[Notice]) -> ReasoningSpec:
    """`reasoning_effort`, and the `reasoning` and `thinking` objects of routers and vendors."""
    spec = ReasoningSpec()
    thinking = optional(body, "thinking", dict) or {}
    if (kind := optional(thinking, "type", str, "thinking.")) is not None:
        spec.enabled = kind != "disabled"
    spec.budget_tokens = optional(thinking, "budget_tokens", int, "thinking.")
    effort = optional(thinking, "effort", str, "thinking.")
    reasoning = optional(body, "reasoning", dict) or {}
    enabled = optional(reasoning, "enabled", bool, "reasoning.")
    spec.enabled = spec.enabled if enabled is None else enabled
    spec.budget_tokens = (
        optional(reasoning, "max_tokens", int, "reasoning.") or spec.budget_tokens or None
    )
    summary = optional(reasoning, "summary", str, "reasoning.")
    if summary in ("none", "auto", "concise", "detailed"):
        spec.summary = summary  # type: ignore[assignment]  # one of the four
    if optional(reasoning, "exclude", bool, "reasoning."):
        spec.summary = "none"
    effort = optional(reasoning, "effort", str, "reasoning.") or effort
    effort = optional(body, "reasoning_effort", str) or effort
    if effort in ("off", "disabled"):
        effort = "none"
    if effort in EFFORTS:
        spec.effort = effort
        spec.enabled = False if effort == "none" else spec.enabled
    elif effort not in (None, "auto", "default"):
        notices.append(Notice("dropped_effort", f"reasoning effort {effort!r} is not known"))
    return spec


def read_sampling(body: JsonObject) -> Sampling:
    """Limits and knobs. Raises `Unsupported` for more than one choice."""
    if (optional(body, "n", int) or 1) != 1:
        raise Unsupported("n: only one choice per request is possible", param="n")
    limit = _positive(body, "max_completion_tokens")
    if limit is None:
        limit = _positive(body, "max_tokens")
    stop = body.get("stop")
    if stop is None:
        stop = []
    elif isinstance(stop, str):
        stop = [stop]
    if not isinstance(stop, list) or not all(isinstance(item, str) for item in stop):
        raise InvalidRequest("stop: expected a string or a list of strings", param="stop")
    return Sampling(
        limit,
        optional(body, "temperature", float),
        optional(body, "top_p", float),
        optional(body, "top_k", int),
        [item for item in stop if item],
        optional(body, "seed", int),
        optional(body, "presence_penalty", float),
        optional(body, "frequency_penalty", float),
    )


def _positive(body: JsonObject, key: str) -> int | None:
    value = optional(body, key, int)
    if value is not None and value < 1:
        raise InvalidRequest(f"{key}: must be at least 1, got {value}", param=key)
    return value


def read_session(body: JsonObject, headers: Mapping[str, str]) -> SessionHints:
    """Continuity: `prompt_cache_key` names the session too, else one of the usual headers does."""
    cache_key = optional(body, "prompt_cache_key", str) or None
    from_headers = (headers[name] for name in _SESSION_HEADERS if headers.get(name))
    return SessionHints(
        session_id=cache_key or next(from_headers, None),
        user=optional(body, "user", str) or optional(body, "safety_identifier", str),
        cache_key=cache_key,
        service_tier=optional(body, "service_tier", str),
        store=optional(body, "store", bool),
        metadata=optional(body, "metadata", dict),
    )


def read_notices(body: JsonObject) -> list[Notice]:
    """What of the request has no effect here."""
    notices = []
    for key, value in body.items():
        if key in _KNOWN or value is None or value is False:
            continue
        if key in _IGNORED:
            notices.append(Notice(f"dropped_{key}", f"{key!r} has no effect here"))
        else:
            message = f"{key!r} is not a field of chat completions; ignored"
            notices.append(Notice("unknown_field", message))
    return notices
