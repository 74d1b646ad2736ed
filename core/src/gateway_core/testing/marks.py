"""Words planted into a conversation, to be found again in what an upstream is sent for it.

Every text, result, tool description and set of arguments gets a word of its own, so that a loss, a
swap or a doubling shows however the upstream spells things.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from gateway_core.content import Message, Part, ResultPart, Text, ToolCall, ToolResult
from gateway_core.request import HostedTool, Request, Tool

__all__ = ["Mark", "mark"]

Sort: TypeAlias = Literal["text", "call", "result", "instruction", "tool"]


@dataclass(slots=True, frozen=True)
class Mark:
    """A planted word. message: the index of the message it is in; None for what is in none.

    path: where it is, for people (`messages[2].content[0]`). name: of the tool, for its calls and
    its definition. call_id: for calls and results.
    """

    word: str
    sort: Sort
    path: str
    message: int | None = None
    role: str = ""
    name: str = ""
    call_id: str = ""


def mark(request: Request) -> tuple[Request, list[Mark]]:
    """The request with a word in everything that must reach the upstream, and the words.

    The given request is not changed. Empty texts stay empty; thoughts get no word, because what
    becomes of them depends on their issuer. Words in messages come in the order of the messages.
    """
    marker = _Marker()
    marked = replace(
        request,
        instructions=[
            marker.text(text, "instruction", f"instructions[{index}]")
            for index, text in enumerate(request.instructions)
        ],
        messages=[marker.message(index, message) for index, message in enumerate(request.messages)],
        tools=[marker.tool(index, tool) for index, tool in enumerate(request.tools)],
    )
    return marked, marker.marks


class _Marker:
    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._at: int | None = None
        self._role = ""

    def message(self, index: int, message: Message) -> Message:
        self._at, self._role = index, message.role
        parts = [
            self._part(part, f"messages[{index}].content[{place}]")
            for place, part in enumerate(message.parts)
        ]
        self._at, self._role = None, ""
        return replace(message, parts=parts)

    def text(self, text: Text, sort: Sort, path: str, call_id: str = "") -> Text:
        if not text.text.strip():
            return text
        word = self._word(sort, path, call_id=call_id)
        return replace(text, text=f"{text.text} {word}")

    def tool(self, index: int, tool: Tool) -> Tool:
        if isinstance(tool, HostedTool):
            return tool
        word = self._word("tool", f"tools[{index}]", name=tool.name)
        return replace(tool, description=f"{tool.description or 'Does it.'} {word}")

    def _word(self, sort: Sort, path: str, *, name: str = "", call_id: str = "") -> str:
        word = f"zq{len(self.marks):04}"
        self.marks.append(Mark(word, sort, path, self._at, self._role, name, call_id))
        return word

    def _part(self, part: Part, path: str) -> Part:
        match part:
            case Text():
                return self.text(part, "text", path)
            case ToolCall():
                return self._call(part, path)
            case ToolResult():
                content = [
                    self._result_part(inner, f"{path}.content[{place}]", part.call_id)
                    for place, inner in enumerate(part.content)
                ]
                return replace(part, content=content)
        return part

    def _result_part(self, part: ResultPart, path: str, call_id: str) -> ResultPart:
        if isinstance(part, Text):
            return self.text(part, "result", path, call_id)
        return part

    def _call(self, call: ToolCall, path: str) -> ToolCall:
        word = self._word("call", path, name=call.name, call_id=call.id)
        if call.custom:
            return replace(call, arguments=f"{call.arguments} {word}")
        before, brace, after = call.arguments.partition("{")
        if not brace:
            return replace(call, arguments=f'{{"mark":"{word}"}}')
        comma = "" if after.lstrip().startswith("}") else ","
        return replace(call, arguments=f'{before}{{"mark":"{word}"{comma}{after}')
