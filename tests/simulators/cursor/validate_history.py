"""The history of a conversation: one JSON document for each message (section 7.2)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway_core.json import JsonObject, loads_object
from simulators.cursor.problem import Problem

__all__ = ["History", "read_history"]


@dataclass(slots=True)
class History:
    """What the blobs of a history say. results: text of each, by call id; failed: ids of those that
    are marked so; calls: arguments by call id, names by call id.
    """

    entries: list[JsonObject] = field(default_factory=list)
    calls: dict[str, JsonObject] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    @property
    def system(self) -> str:
        """The text of the leading entry."""
        if self.entries and self.entries[0].get("role") == "system":
            return str(self.entries[0]["content"])
        return ""


def read_history(blobs: list[bytes]) -> tuple[History, list[Problem]]:
    """The history in these blobs, and all that is wrong with it."""
    history = History()
    return history, [Problem(text) for text in _read(blobs, history)]


def _read(blobs: list[bytes], history: History) -> Iterator[str]:
    unanswered: list[str] = []
    for place, blob in enumerate(blobs):
        where = f"entry {place} of the history"
        try:
            entry = loads_object(blob)
        except ValueError:
            yield f"{where} is no JSON object"
            continue
        history.entries.append(entry)
        role, content = entry.get("role"), entry.get("content")
        if (role == "system") != (place == 0):
            yield f"{where} has the role {role!r}"
        if role != "tool" and unanswered:
            yield f"{where} comes before results of {unanswered}"
            unanswered = []
        if role == "system":
            if not isinstance(content, str) or not content.strip():
                yield f"{where}: the system prompt is no text"
            elif "x-anthropic-billing-header" in content:
                yield f"{where}: the system prompt has a line that differs each time"
            continue
        if not isinstance(content, list) or not content:
            yield f"{where}: the content of {role!r} is no list of parts"
            continue
        if role == "user":
            yield from _only_text(where, content)
        elif role == "assistant":
            yield from _assistant(where, content, history, unanswered)
        elif role == "tool":
            yield from _tool(where, entry, history, unanswered)
        else:
            yield f"{where} has the role {role!r}"
    if unanswered:
        yield f"the history ends before results of {unanswered}"


def _only_text(where: str, content: list[Any]) -> Iterator[str]:
    for part in content:
        if not isinstance(part, dict) or part.keys() != {"type", "text"} or part["type"] != "text":
            yield f"{where} has a part that is no text"
        elif not isinstance(part["text"], str) or not part["text"]:
            yield f"{where} has an empty text"


def _assistant(
    where: str, content: list[Any], history: History, unanswered: list[str]
) -> Iterator[str]:
    yield from _only_text(where, [part for part in content if part.get("type") != "tool-call"])
    for part in content:
        if part.get("type") != "tool-call":
            continue
        if part.keys() != {"type", "toolCallId", "toolName", "args"}:
            yield f"{where} has a call with {sorted(part)}"
            continue
        id = part["toolCallId"]
        if id in history.calls:
            yield f"{where} repeats the call {id}"
        if not isinstance(part["args"], dict):
            yield f"{where}: the arguments of {id} are no object"
        history.calls[id] = part["args"]
        history.names[id] = part["toolName"]
        unanswered.append(id)


def _tool(where: str, entry: JsonObject, history: History, unanswered: list[str]) -> Iterator[str]:
    if len(entry["content"]) != 1:
        yield f"{where} has {len(entry['content'])} results"
        return
    part = entry["content"][0]
    expected = {"type", "toolCallId", "toolName", "result"}
    if part.keys() - {"isError"} != expected or part["type"] != "tool-result":
        yield f"{where} has a result with {sorted(part)}"
        return
    id = part["toolCallId"]
    if entry.get("id") != id:
        yield f"{where} and its result have different ids"
    if id not in unanswered:
        yield f"{where} answers {id}, which is not asked"
        return
    unanswered.remove(id)
    if part["toolName"] != history.names[id]:
        yield f"{where} calls the tool {part['toolName']!r}, which was {history.names[id]!r}"
    if not isinstance(part["result"], str):
        yield f"{where}: the result is no text"
    history.results[id] = str(part["result"])
    if part.get("isError", False):
        history.failed.add(id)
