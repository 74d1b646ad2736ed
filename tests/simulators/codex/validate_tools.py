"""What the backend refuses in tools, in the choice among them, and in JSON schemas."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway_core.json import JsonObject
from simulators.codex.catalogue import ModelFacts
from simulators.codex.problem import Problem, check_keys, is_name, one_of

__all__ = ["schema_problems", "tool_problems"]

_FUNCTION: Final = ("type", "name", "description", "parameters", "strict")
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "function": _FUNCTION,
    "custom": ("type", "name", "description", "format"),
    "web_search": (
        "type",
        "external_web_access",
        "search_context_size",
        "filters",
        "user_location",
        "search_content_types",
    ),
    "image_generation": (
        "type",
        "output_format",
        "output_compression",
        "size",
        "quality",
        "background",
        "partial_images",
        "model",
        "moderation",
        "action",
        "input_fidelity",
    ),
    "local_shell": ("type",),
    "namespace": ("type", "name", "description", "tools"),
    "tool_search": ("type", "execution", "description", "parameters"),
}
_LITE_REFUSAL: Final = (
    "X-OpenAI-Internal-Codex-Responses-Lite only supports function tools, custom tools, and "
    "client-executed tool search."
)
_NOT_FOR_SCHEMAS: Final = ("$schema", "defer_loading", "eager_input_streaming")


def tool_problems(body: JsonObject, facts: ModelFacts | None, *, lite: bool) -> Iterator[Problem]:
    """Problems of `tools` (in the lite lane those in the input) and of `tool_choice`."""
    param, tools = "tools", body.get("tools", [])
    if lite:
        param, tools = "input[0].tools", _additional_tools(body)
    if not isinstance(tools, list):
        yield Problem("Expected a list", param, "invalid_type")
        return
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        yield from _one_tool(tool, f"{param}[{index}]", facts, lite=lite)
        name = tool.get("name") if isinstance(tool, dict) else None
        if isinstance(name, str) and name in seen:
            yield Problem(f"Tool names must be unique: {name!r}", f"{param}[{index}].name")
        if isinstance(name, str):
            seen.add(name)
    if "tool_choice" in body:
        yield from _choice_problems(body["tool_choice"], tools)


def _additional_tools(body: JsonObject) -> Any:
    items = body.get("input")
    first = items[0] if isinstance(items, list) and items else None
    if isinstance(first, dict) and first.get("type") == "additional_tools":
        return first.get("tools")
    return []


def _one_tool(
    tool: object, param: str, facts: ModelFacts | None, *, lite: bool, nested: bool = False
) -> Iterator[Problem]:
    if not isinstance(tool, dict):
        yield Problem("Expected an object", param, "invalid_type")
        return
    kind = tool.get("type")
    known = _KNOWN.get(kind) if isinstance(kind, str) else None
    if known is None:
        yield Problem(f"Unsupported tool type: {kind}", f"{param}.type", "invalid_value")
        return
    deferred = ("defer_loading",) if nested else ()
    yield from check_keys(tool, (*known, *deferred), param)
    if not isinstance(tool.get("description", ""), str | None):
        yield Problem("Expected a string", f"{param}.description", "invalid_type")
    if "name" in known and not is_name(tool.get("name")):
        message = (
            f"Expected a string that matches '^[a-zA-Z0-9_-]{{1,64}}$', got {tool.get('name')!r}"
        )
        yield Problem(message, f"{param}.name", "invalid_value")
    hosted = kind in ("web_search", "image_generation", "local_shell")
    if lite and (hosted or (kind == "tool_search" and tool.get("execution") != "client")):
        yield Problem(_LITE_REFUSAL, param)
    match kind:
        case "function":
            yield from _function_problems(tool, param)
        case "custom":
            yield from _grammar_problems(tool.get("format"), f"{param}.format")
        case "web_search":
            yield from _search_problems(tool, param)
        case "image_generation":
            yield from _image_problems(tool, param, facts)
        case "tool_search":
            yield from one_of(tool.get("execution"), ("client", "server"), f"{param}.execution")
        case "namespace":
            tools = tool.get("tools")
            if not isinstance(tools, list) or not tools:
                yield Problem("Expected a list with tools", f"{param}.tools", "invalid_type")
                return
            for index, inner in enumerate(tools):
                below = f"{param}.tools[{index}]"
                yield from _one_tool(inner, below, facts, lite=lite, nested=True)


def _function_problems(tool: JsonObject, param: str) -> Iterator[Problem]:
    if not isinstance(tool.get("strict"), bool | None):
        yield Problem("Expected a boolean", f"{param}.strict", "invalid_type")
    # Without a word about it, a schema is held to the strict rules.
    strict = tool.get("strict", True) is True
    yield from schema_problems(tool.get("parameters"), f"{param}.parameters", strict=strict)


def schema_problems(schema: object, param: str, *, strict: bool) -> Iterator[Problem]:
    """Problems of a JSON schema that must describe an object."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield Problem("The schema must be of type 'object'", param, "invalid_function_parameters")
        return
    if not isinstance(schema.get("properties"), dict):
        message = "In context=(), object schema missing properties"
        yield Problem(message, param, "invalid_function_parameters")
    yield from _schema_node_problems(schema, param, strict=strict)


def _schema_node_problems(schema: Any, param: str, *, strict: bool) -> Iterator[Problem]:
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _schema_node_problems(item, f"{param}[{index}]", strict=strict)
    if not isinstance(schema, dict):
        return
    for key in _NOT_FOR_SCHEMAS:
        if key in schema:
            yield Problem(f"'{key}' is not permitted", f"{param}.{key}", "invalid_schema")
    properties = schema.get("properties")
    if strict and (schema.get("type") == "object" or properties is not None):
        names = set(properties) if isinstance(properties, dict) else set()
        if schema.get("additionalProperties") is not False:
            message = "'additionalProperties' is required to be supplied and to be false"
            yield Problem(message, param, "invalid_function_parameters")
        required = schema.get("required")
        if set(required if isinstance(required, list) else ()) != names:
            message = "'required' is required to be an array including every key in properties"
            yield Problem(message, param, "invalid_function_parameters")
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions", "patternProperties"):
            for name, inner in value.items() if isinstance(value, dict) else ():
                yield from _schema_node_problems(inner, f"{param}.{key}.{name}", strict=strict)
        elif key not in ("enum", "const", "default", "examples", "required"):
            yield from _schema_node_problems(value, f"{param}.{key}", strict=strict)


def _grammar_problems(form: object, param: str) -> Iterator[Problem]:
    match form:
        case None | {"type": "text"}:
            return
        case {"type": "grammar", "syntax": "lark" | "regex", "definition": str()}:
            assert isinstance(form, dict)
            yield from check_keys(form, ("type", "syntax", "definition"), param)
        case _:
            yield Problem("Invalid format of a custom tool", param, "invalid_value")


def _search_problems(tool: JsonObject, param: str) -> Iterator[Problem]:
    if "search_context_size" in tool:
        sizes = ("low", "medium", "high")
        yield from one_of(tool["search_context_size"], sizes, f"{param}.search_context_size")
    filters = tool.get("filters")
    if filters is not None:
        yield from check_keys(filters, ("allowed_domains", "blocked_domains"), f"{param}.filters")
    place = tool.get("user_location")
    if place is not None:
        known = ("type", "city", "country", "region", "timezone")
        yield from check_keys(place, known, f"{param}.user_location")
        yield from one_of(place.get("type"), ("approximate",), f"{param}.user_location.type")


def _image_problems(tool: JsonObject, param: str, facts: ModelFacts | None) -> Iterator[Problem]:
    if facts is not None and not facts.media:
        yield Problem(f"Tool 'image_generation' is not supported with {facts.slug}.", param)
    partial = tool.get("partial_images", 0)
    if not isinstance(partial, int) or not 0 <= partial <= 3:
        yield Problem("Expected 0 to 3", f"{param}.partial_images", "invalid_value")
    for key, allowed in {
        "output_format": ("png", "jpeg", "webp"),
        "quality": ("auto", "low", "medium", "high"),
        "background": ("auto", "transparent", "opaque"),
        "action": ("auto", "generate", "edit"),
    }.items():
        if key in tool:
            yield from one_of(tool[key], allowed, f"{param}.{key}")


def _choice_problems(choice: object, tools: list[Any]) -> Iterator[Problem]:
    listed = [tool for tool in tools if isinstance(tool, dict)]
    match choice:
        case "auto" | "none":
            return
        case "required":
            if not listed:
                yield Problem(
                    "Tool choice 'required' must be specified with 'tools'", "tool_choice"
                )
        case {"type": "function" | "custom" as kind, "name": str(name)}:
            assert isinstance(choice, dict)
            yield from check_keys(choice, ("type", "name"), "tool_choice")
            if not any((tool.get("type"), tool.get("name")) == (kind, name) for tool in listed):
                message = f"Tool choice '{name}' not found in 'tools' parameter."
                yield Problem(message, "tool_choice", status=502)
        case {"type": "web_search" | "image_generation" as kind}:
            assert isinstance(choice, dict)
            yield from check_keys(choice, ("type",), "tool_choice")
            if not any(tool.get("type") == kind for tool in listed):
                message = f"Tool choice '{kind}' not found in 'tools' parameter."
                yield Problem(message, "tool_choice", status=502)
        case {"type": "allowed_tools", "mode": "auto" | "required", "tools": list(allowed)}:
            assert isinstance(choice, dict)
            yield from check_keys(choice, ("type", "mode", "tools"), "tool_choice")
            for index, item in enumerate(allowed):
                if not isinstance(item, dict) or not any(
                    all(tool.get(key) == value for key, value in item.items()) for tool in listed
                ):
                    message = "An allowed tool is not found in 'tools' parameter."
                    yield Problem(message, f"tool_choice.tools[{index}]")
        case _:
            yield Problem(f"Invalid tool choice {choice!r}", "tool_choice", "invalid_value")
