"""Tool names as upstreams take them, and back to those of the client.

Claude Code names the tools of MCP servers `mcp__<server>__<tool>`, which easily passes the 64
letters, digits, `_` and `-` that most upstreams allow. An alias follows from its name alone, so the
translated history of a conversation does not change when it grows. Pure; knows no wire format.
"""

import hashlib
import re
from dataclasses import replace
from itertools import count
from typing import Final

from gateway_core.content import Message, Part, ToolCall
from gateway_core.request import HostedTool, Request, Tool

__all__ = ["ToolAliases", "tool_alias"]

_LONGEST: Final = 64
_DIGEST: Final = 8
_FITS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FITS_LETTER_FIRST: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")


def tool_alias(name: str, *, letter_first: bool = False) -> str:
    """The name if it fits, else its end, where a tool of a server says what it does, and a hash.

    At most 64 of `A-Za-z0-9_-`. letter_first: whether it has to begin with a letter.
    """
    return name if _fits(name, letter_first) else _shortened(name, letter_first)


class ToolAliases:
    """The names under which the tools of one request are sent, each another.

    restore: the name that was sent to the client's name, for those that differ. The stream readers
    of `gateway_core.formats` take it as `tool_names`.

    letter_first: whether the upstream insists on a letter at the beginning of a name.
    """

    __slots__ = ("_letter_first", "_owners", "_sent", "restore")

    def __init__(self, request: Request, *, letter_first: bool = False) -> None:
        self.restore: dict[str, str] = {}
        self._letter_first = letter_first
        self._sent: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        names = [tool.name for tool in request.tools if type(tool) is not HostedTool]
        names += [
            part.name
            for message in request.messages
            for part in message.parts
            if type(part) is ToolCall
        ]
        names = list(dict.fromkeys(names))
        unfit = [name for name in names if not _fits(name, letter_first)]
        if unfit:  # what fits keeps its name, whoever else would like to have it
            self._owners = {name: name for name in names if _fits(name, letter_first)}
            for name in unfit:
                self.wire(name)

    def wire(self, name: str) -> str:
        """The name as it is sent."""
        sent = self._sent.get(name)
        if sent is None:
            sent = tool_alias(name, letter_first=self._letter_first)
            again = count(1)
            while self._owners.setdefault(sent, name) != name:
                sent = _shortened(name, self._letter_first, next(again))
            self._sent[name] = sent
            if sent != name:
                self.restore[sent] = name
        return sent

    def fit(self, request: Request) -> Request:
        """The request with these names in its tools, its history and its choice of tools.

        Tools that run at the upstream keep theirs. The same object when all names fit; otherwise a
        copy of what changes.
        """
        choice = request.tool_choice
        hosted = {tool.name for tool in request.tools if type(tool) is HostedTool}
        chosen = [name if name in hosted else self.wire(name) for name in choice.names]
        if not self.restore:
            return request
        return replace(
            request,
            tools=[self._fit_tool(tool) for tool in request.tools],
            messages=[self._fit_message(message) for message in request.messages],
            tool_choice=choice if chosen == choice.names else replace(choice, names=chosen),
        )

    def _fit_tool(self, tool: Tool) -> Tool:
        if type(tool) is HostedTool or (sent := self.wire(tool.name)) == tool.name:
            return tool
        return replace(tool, name=sent)

    def _fit_message(self, message: Message) -> Message:
        parts: list[Part] | None = None
        for place, part in enumerate(message.parts):
            if type(part) is ToolCall and (sent := self.wire(part.name)) != part.name:
                parts = parts or [*message.parts]
                parts[place] = replace(part, name=sent)
        return message if parts is None else replace(message, parts=parts)


def _fits(name: str, letter_first: bool) -> bool:
    return (_FITS_LETTER_FIRST if letter_first else _FITS).fullmatch(name) is not None


def _shortened(name: str, letter_first: bool, again: int = 0) -> str:
    """again: counts names that were taken already."""
    safe = _UNFIT.sub("_", name)
    start = "mcp__" if safe.startswith("mcp__") else ""
    room = _LONGEST - _DIGEST - 1 - len(start)
    end = safe.removeprefix(start)[-room:]
    if letter_first and not start and not end[:1].isalpha():
        end = f"t{end[-room + 1 :]}"
    hashed = name if not again else f"{name}\n{again}"
    digest = hashlib.sha256(hashed.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{start}{end}_{digest[:_DIGEST]}"
