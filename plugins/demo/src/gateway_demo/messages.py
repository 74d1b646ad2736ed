"""The conversation in the words of the demo upstream: pure, and the same beginning turn after turn.

    {"instructions": ["Be brief."],
     "tools": [{"name": "Bash", "description": "...", "schema": {...}},
               {"name": "apply_patch", "description": null, "format": null},
               {"hosted": "web_search", "options": {...}}],
     "options": {"temperature": 0.5, "effort": "low", "choice": "required", "shape": "json"},
     "messages": [
       {"role": "user", "parts": [{"text": "Hello"}, {"media": "image", "type": "image/png",
                                                      "data": "iVBO..."}]},
       {"role": "assistant", "parts": [
         {"thought": "They greet me.", "seal": "9f86..."},
         {"call": "call_1", "name": "Bash", "arguments": "{}"}]},
       {"role": "user", "parts": [{"result": "call_1", "parts": [{"text": "ok"}]}]}]}

Options are left out where the client did not say. The first key tells what a part is. `media` has
`data`, `url` or `file`, `call` may be `custom`, `result` may have `failed`; what ran at an upstream
is `ran`, with `name`, `arguments`, `outcome`.
"""

from dataclasses import asdict

from gateway_core import (
    CustomTool,
    Foreign,
    FunctionTool,
    HostedCall,
    JsonObject,
    Media,
    Message,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.content import Part
from gateway_core.request import Tool
from gateway_core.seals import replayable

__all__ = ["ISSUER", "count_seals", "write_conversation"]

ISSUER = "demo"


def write_conversation(request: Request) -> JsonObject:
    """`instructions`, `tools`, `options` and `messages`.

    Raises `Unsupported`, naming it, for an item that only another upstream understands.
    """
    return {
        "instructions": [text.text for text in request.instructions],
        "tools": [_tool(tool) for tool in request.tools],
        "options": _options(request),
        "messages": [
            _message(message, f"messages[{index}]")
            for index, message in enumerate(request.messages)
        ],
    }


def count_seals(conversation: JsonObject) -> int:
    """How many of its own sealed thoughts the upstream is shown again."""
    parts = [part for message in conversation["messages"] for part in message["parts"]]
    return sum("seal" in part for part in parts)


def _options(request: Request) -> JsonObject:
    choice, shape = request.tool_choice, request.output
    options = {
        **asdict(request.sampling),
        "effort": request.reasoning.effective_effort,
        "choice": choice.names or (None if choice.mode == "auto" else choice.mode),
        "parallel": choice.parallel,
        "shape": None if shape.kind == "text" else shape.kind,
        "schema": shape.schema,
        "verbosity": shape.verbosity,
    }
    return {name: value for name, value in options.items() if value not in (None, [])}


def _tool(tool: Tool) -> JsonObject:
    match tool:
        case FunctionTool():
            return _named(tool, schema=tool.parameters)
        case CustomTool():
            return _named(tool, format=tool.format)
    return {"hosted": tool.kind, "options": tool.options}


def _named(tool: FunctionTool | CustomTool, **how: JsonObject | None) -> JsonObject:
    return {"name": tool.name, "description": tool.description, **how}


def _message(message: Message, path: str) -> JsonObject:
    parts = [_part(part, f"{path}.content[{n}]") for n, part in enumerate(message.parts)]
    return {"role": message.role, "parts": [part for part in parts if part is not None]}


def _part(part: Part, path: str) -> JsonObject | None:
    """None for a thought that the upstream cannot be shown."""
    match part:
        case Text():
            return {"text": part.text}
        case Reasoning():
            return _thought(part)
        case ToolCall():
            custom = {"custom": True} if part.custom else {}
            return {"call": part.id, "name": part.name, "arguments": part.arguments, **custom}
        case ToolResult():
            inner = [_part(item, f"{path}.content[{n}]") for n, item in enumerate(part.content)]
            failed = {"failed": True} if part.failed else {}
            return {"result": part.call_id, "parts": inner, **failed}
        case HostedCall():
            ran = {"ran": part.id, "name": part.name, "arguments": part.arguments}
            return {**ran, "outcome": part.result}
        case Media():
            facts = {"type": part.type, "name": part.name}
            where = {"data": part.data, "url": part.url, "file": part.file}
            said = {key: value for key, value in (facts | where).items() if value is not None}
            return {"media": part.kind, **said}
        case Foreign():
            raise Unsupported(
                f"{path}: the demo upstream does not know the item {part.kind!r} of "
                f"{part.namespace!r}; send the conversation without it",
                param=path,
            )


def _thought(part: Reasoning) -> JsonObject | None:
    """Thoughts of other issuers go on without their seal, as far as they are in clear."""
    if part.seal is not None and replayable(part.seal, ISSUER):
        return {"thought": part.text, "seal": part.seal.data}
    return {"thought": part.text} if part.text else None
