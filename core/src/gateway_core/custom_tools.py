"""Freeform tools for upstreams that know only function tools, there and back.

A `CustomTool` goes upstream as a function with one string property, `input`, and so do the custom
calls and results of the history. On the way back `RestoreCustomTools` turns the calls to these
functions into custom calls again while they stream. Sans-IO; it knows no wire format and no
provider.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from gateway_core.content import Message, Part, ToolCall, ToolResult
from gateway_core.events import Close, Delta, Event, Open
from gateway_core.json import dumps_text, loads
from gateway_core.provider import Capabilities
from gateway_core.request import CustomTool, FunctionTool, Request

__all__ = ["RestoreCustomTools", "as_function_tool", "bridge_message", "bridged_custom_tools"]


def bridged_custom_tools(request: Request, capabilities: Capabilities) -> frozenset[str]:
    """Names of the custom tools that these capabilities turn into functions; mostly empty."""
    if capabilities.custom_tools:
        return frozenset()
    return frozenset(tool.name for tool in request.tools if type(tool) is CustomTool)


def as_function_tool(tool: CustomTool) -> FunctionTool:
    """The function that stands in for a custom tool; its description carries the grammar."""
    lines = [tool.description] if tool.description else []
    lines.append("Give the whole free text in `input`; it is not JSON.")
    if grammar := grammar_of(tool):
        lines.append(f"The text must follow this {grammar[0]} grammar:\n{grammar[1]}")
    return FunctionTool(
        name=tool.name,
        description="\n\n".join(lines),
        parameters={
            "type": "object",
            "properties": {"input": {"type": "string", "description": "The free text."}},
            "required": ["input"],
            "additionalProperties": False,
        },
    )


def grammar_of(tool: CustomTool) -> tuple[str, str] | None:
    """Syntax and definition of the tool's grammar, or None when it takes any text."""
    spec = tool.format
    if not spec or spec.get("type") != "grammar":
        return None
    return str(spec.get("syntax", "")), str(spec.get("definition", ""))


def bridge_message(message: Message) -> Message:
    """The message with its custom calls and results as those of functions.

    The same object when it has none. Extras of a converted part are left out: they name an item of
    another type.
    """
    for part in message.parts:
        if (type(part) is ToolCall or type(part) is ToolResult) and part.custom:
            return replace(message, parts=[_bridge_part(part) for part in message.parts])
    return message


def _bridge_part(part: Part) -> Part:
    if isinstance(part, ToolCall) and part.custom:
        arguments = dumps_text({"input": part.arguments})
        return replace(part, arguments=arguments, custom=False, extras=None)
    if isinstance(part, ToolResult) and part.custom:
        return replace(part, custom=False, extras=None)
    return part


class RestoreCustomTools:
    """Calls to bridged tools become custom calls again: free text in place of JSON arguments.

    The text streams on as it comes as long as the arguments look like `{"input": "..."}`. Anything
    else waits for the end of the call and is then taken by the best reading: another key order, one
    string under another key, or the arguments as they are.
    """

    __slots__ = ("_names", "_text")

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._text: _FreeText | None = None

    def feed(self, events: Sequence[Event]) -> list[Event]:
        """The same events, with calls to bridged tools rewritten."""
        restored: list[Event] = []
        for event in events:
            if type(event) is Delta and self._text is not None:
                if text := self._text.feed(event.text):
                    restored.append(Delta(event.index, text))
                continue
            if type(event) is Open:
                part = event.part
                if type(part) is ToolCall and part.name in self._names:
                    self._text = _FreeText()
                    restored.append(Open(event.index, replace(part, custom=True)))
                    continue
            elif type(event) is Close and self._text is not None:
                if text := self._text.end():
                    restored.append(Delta(event.index, text))
                self._text = None
            restored.append(event)
        return restored


_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
# Unknown escapes count as complete and stay as written: models make them, and the text must go on.
_COMPLETE = re.compile(r'(?:[^"\\]++|\\(?:u[0-9a-fA-F]{4}|u(?![0-9a-fA-F]{0,3}\Z)|[^u]))*+')
_HALF_PAIR_LAST = re.compile(r"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})\Z")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SIMPLE = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}


class _FreeText:
    """Decodes the string in `{"input": "..."}` piece by piece, however the pieces are cut."""

    __slots__ = ("_inside", "_over", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._inside = False
        self._over = False

    def feed(self, raw: str) -> str:
        """The text that is certain now."""
        if self._over:
            return ""
        self._waiting.append(raw)
        if not self._inside and not self._enter():
            return ""
        waiting = "".join(self._waiting)
        done = _COMPLETE.match(waiting)
        assert done is not None  # the pattern matches the empty string
        text = done.group()
        rest = waiting[len(text) :]
        self._over = rest.startswith('"')
        if not self._over and (half := _HALF_PAIR_LAST.search(text)):
            text, rest = text[: half.start(1)], text[half.start(1) :] + rest
        self._waiting = [] if self._over else [rest]
        return _unescape(text)

    def end(self) -> str:
        """What is left when the call ends: the rest of a cut string, or the best reading."""
        waiting = "".join(self._waiting)
        self._waiting = []
        return _unescape(waiting) if self._inside else _best_reading(waiting)

    def _enter(self) -> bool:
        """Whether the text of the string has been reached; keeps what follows its quote."""
        if len(self._waiting) > 1 and len(self._waiting[0]) > 64:
            return False  # judged before: something else than our shape, which end() reads
        waiting = "".join(self._waiting)
        self._waiting = [waiting]
        if head := _HEAD.match(waiting):
            self._waiting = [waiting[head.end() :]]
            self._inside = True
        return self._inside


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(_one_escape, text)
    if any("\ud800" <= character <= "\udfff" for character in text):
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _one_escape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return _SIMPLE.get(match[2], match[0])


def _best_reading(arguments: str) -> str:
    try:
        value = loads(arguments)
    except ValueError:
        return arguments
    if isinstance(value, dict):
        if isinstance(text := value.get("input"), str):
            return text
        if len(value) == 1 and isinstance(text := next(iter(value.values())), str):
            return text
    return value if isinstance(value, str) else arguments
