"""What the rules are and what they do to a request. Pure but for reading the file."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gateway_core import Message, Notice, Part, Request, Text, ToolChoice, ToolResult

__all__ = ["VARIABLE", "Rules", "load_rules"]

VARIABLE = "GATEWAY_HOUSE_RULES"
_REMOVED = "[removed by house rules]"


@dataclass(slots=True, frozen=True)
class Rules:
    """instruction: added after the client's own. drop_tools: names of tools that are not offered.
    redact: patterns whose matches never leave this machine.
    """

    instruction: str = ""
    drop_tools: frozenset[str] = frozenset()
    redact: tuple[re.Pattern[str], ...] = ()

    def apply(self, request: Request) -> list[Notice]:
        """Set the request's fields anew by the rules; what the user should know of it."""
        notices = self._drop_tools(request)
        if self.redact:
            request.instructions = [self._redacted(text) for text in request.instructions]
            request.messages = [self._redacted_message(message) for message in request.messages]
        if self.instruction:
            # Last, so that the beginning stays as it was and prompt caches keep hitting.
            request.instructions = [*request.instructions, Text(self.instruction)]
        return notices

    def _drop_tools(self, request: Request) -> list[Notice]:
        dropped = [tool.name for tool in request.tools if tool.name in self.drop_tools]
        if not dropped:
            return []
        request.tools = [tool for tool in request.tools if tool.name not in self.drop_tools]
        choice = request.tool_choice
        names = [name for name in choice.names if name not in self.drop_tools]
        if not request.tools or (choice.names and not names):
            request.tool_choice = ToolChoice(parallel=choice.parallel)
        else:
            request.tool_choice = replace(choice, names=names)
        message = f"house rules do not offer {', '.join(dropped)} to the model"
        return [Notice("house_rules_dropped_tool", message)]

    def _redacted(self, text: Text) -> Text:
        clean = text.text
        for pattern in self.redact:
            clean = pattern.sub(_REMOVED, clean)
        return text if clean == text.text else replace(text, text=clean)

    def _redacted_message(self, message: Message) -> Message:
        return replace(message, parts=[self._redacted_part(part) for part in message.parts])

    def _redacted_part(self, part: Part) -> Part:
        if isinstance(part, Text):
            return self._redacted(part)
        if isinstance(part, ToolResult):
            content = [
                self._redacted(item) if isinstance(item, Text) else item for item in part.content
            ]
            return replace(part, content=content)
        return part


def load_rules(environ: Mapping[str, str]) -> Rules:
    """The rules in the TOML file that the environment names; none when it names none.

    Raises `ValueError` that says what is wrong with the file: the plugin is then left out, and
    `gateway plugins` shows why.
    """
    if VARIABLE not in environ:
        return Rules()
    path = Path(environ[VARIABLE]).expanduser()
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        if unknown := sorted(table.keys() - {"instruction", "drop_tools", "redact"}):
            raise ValueError(f"unknown rule {', '.join(unknown)}")
        return Rules(
            instruction=str(table.get("instruction", "")),
            drop_tools=frozenset(table.get("drop_tools", [])),
            redact=tuple(re.compile(pattern) for pattern in table.get("redact", [])),
        )
    except (OSError, ValueError, TypeError, re.error) as error:
        raise ValueError(f"{VARIABLE}: {path}: {error}") from error
