"""Canonical messages as the entries of Cursor's history: one side at a time, calls with results.

An entry says what one side said in one go. What becomes of a message depends on it and on those
before it alone, so that the beginning of a conversation stays as it is while it grows. How entries
are written is `gateway_cursor.history`'s business.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from gateway_core import (
    Foreign,
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
from gateway_core.json import dumps_text, loads
from gateway_cursor.tools import shown_name

__all__ = ["Call", "Entry", "Picture", "Piece", "Result", "read_entries", "reminder"]

_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
_CANCELLED: Final = "No result was provided for this tool call."
# What other upstreams told a client to keep, or a client keeps for itself: says nothing to a model.
_SILENT: Final = frozenset({"item_reference", "tool_search_call", "tool_search_output"})


@dataclass(slots=True)
class Picture:
    """An image, and where in the request it is. number: counted through the conversation from 1."""

    media: Media
    path: str
    number: int

    @property
    def marker(self) -> str:
        """What stands for it where only text can stand."""
        return f"[image {self.number}]"


Piece: TypeAlias = str | Picture


@dataclass(slots=True)
class Call:
    """A tool that was used. name: as the model knows it. arguments: an object."""

    id: str
    name: str
    arguments: JsonObject


@dataclass(slots=True)
class Result:
    """What came of a call. given: the client's own id of the call; id and name: as in the call that
    it belongs to, empty as long as that is not known.
    """

    given: str
    pieces: list[Piece]
    failed: bool = False
    id: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        """All of it as text, with markers for the images."""
        return _joined(self.pieces)


@dataclass(slots=True)
class Entry:
    """What one side said.

    pieces: its words and images. calls: of the assistant; `order` holds its words and calls as they
    came. results: of the user, each with its call. given: all results that the client sent, those
    without a call too; `orphans` tells these in words.
    """

    role: Literal["user", "assistant"]
    pieces: list[Piece] = field(default_factory=list)
    order: list[str | Call] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    given: list[Result] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its words, with markers for the images."""
        return _joined([*self.orphans, *self.pieces])

    @property
    def calls(self) -> list[Call]:
        """The tools that were used."""
        return [item for item in self.order if isinstance(item, Call)]

    def pictures(self) -> Iterator[Picture]:
        """All images in it, those of results first."""
        for result in self.given:
            yield from (piece for piece in result.pieces if isinstance(piece, Picture))
        yield from (piece for piece in self.pieces if isinstance(piece, Picture))


def reminder(text: str) -> str:
    """A text as what it is: not said by the user in whose message it stands."""
    return f"<system-reminder>\n{text}\n</system-reminder>"


def read_entries(request: Request) -> tuple[list[str], list[Entry]]:
    """The texts that instruct the model before the first word of the user, and the entries: the
    sides alternate, and each call has its result in the entry after it.

    Raises `Unsupported`, naming it, for content that the service does not take.
    """
    instructions = [text.text for text in request.instructions]
    entries: list[Entry] = []
    reader = _Reader()
    for index, message in enumerate(request.messages):
        path = f"messages[{index}]"
        if message.role == "system":
            told = "\n\n".join(text for text in _texts(message, path) if text.strip())
            if not told:
                continue
            if not entries:
                instructions.append(told)
                continue
            read = Entry("user", [reminder(told)])
        else:
            read = reader.entry(message, path)
        if not (read.pieces or read.order or read.given):
            continue
        if entries and entries[-1].role == read.role:
            _extend(entries[-1], read)
        else:
            entries.append(read)
    _pair(entries)
    return [text for text in instructions if text.strip()], entries


def _texts(message: Message, path: str) -> Iterator[str]:
    for place, part in enumerate(message.parts):
        if isinstance(part, Text):
            yield part.text
        else:
            raise _refused(part, f"{path}.content[{place}]")


def _extend(entry: Entry, more: Entry) -> None:
    entry.pieces += more.pieces
    entry.order += more.order
    entry.given += more.given


def _joined(pieces: Iterable[Piece]) -> str:
    return "\n\n".join(piece if isinstance(piece, str) else piece.marker for piece in pieces)


class _Reader:
    """Reads parts, and counts the images on the way."""

    __slots__ = ("_images",)

    def __init__(self) -> None:
        self._images = 0

    def entry(self, message: Message, path: str) -> Entry:
        entry = Entry("assistant" if message.role == "assistant" else "user")
        for place, part in enumerate(message.parts):
            self._part(part, entry, f"{path}.content[{place}]")
        return entry

    def _part(self, part: Any, entry: Entry, path: str) -> None:
        kind = type(part)
        if kind is Text:
            _say(entry, part.text)
        elif kind is ToolCall:
            name = shown_name(part.name)
            entry.order.append(Call(part.id, name, _object(part.arguments)))
        elif kind is ToolResult:
            entry.given.append(self._result(part, path))
        elif kind is Reasoning:
            return  # the service has no place for thoughts of earlier turns
        elif kind is HostedCall:
            _say(entry, _note(part))
        elif kind is Media and entry.role == "assistant":
            _say(entry, f"[{part.kind}]")  # what another model made
        elif kind is Media:
            entry.pieces.append(self._picture(part, path))
        else:
            _read_foreign(part, entry, path)

    def _picture(self, media: Media, path: str) -> Picture:
        if media.kind != "image":
            raise _refused(media, path)
        self._images += 1
        return Picture(media, path, self._images)

    def _result(self, part: ToolResult, path: str) -> Result:
        pieces: list[Piece] = []
        for place, inner in enumerate(part.content):
            at = f"{path}.content[{place}]"
            if isinstance(inner, Text):
                pieces.append(inner.text)
            elif isinstance(inner, Media):
                pieces.append(self._picture(inner, at))
            elif inner.kind == "tool_reference":
                pieces.append(f"The tool {inner.data.get('tool_name', '')} can be used now.")
            else:
                raise _refused(inner, at)
        return Result(part.call_id, pieces, part.failed)


def _say(entry: Entry, text: str) -> None:
    if text.strip():
        (entry.order if entry.role == "assistant" else entry.pieces).append(text)


def _object(arguments: str) -> JsonObject:
    if not arguments.strip():
        return {}
    try:
        value = loads(arguments)
    except ValueError:
        return {"_raw": arguments}
    return value if isinstance(value, dict) else {"value": value}


def _note(call: HostedCall) -> str:
    """A search of the history in words: its call is no call of a tool of the client."""
    result = call.result or {}
    if call.name != "web_search" or not isinstance(sources := result.get("sources"), list):
        return ""
    found = [source for source in sources if isinstance(source, dict) and source.get("url")]
    lines = [f"- {source.get('title') or source['url']}: {source['url']}" for source in found]
    query = _object(call.arguments).get("query", "")
    return "\n".join([f"[Searched the web for {query!r}]", *lines])


def _read_foreign(part: Foreign, entry: Entry, path: str) -> None:
    """What only the Responses format knows: its local shell is a tool like others here."""
    data = part.data
    id = data.get("call_id") or data.get("id")
    if part.namespace == "responses" and part.kind in _SILENT:
        return
    if part.namespace == "responses" and part.kind == "local_shell_call" and id:
        action = data.get("action")
        arguments = action if isinstance(action, dict) else {}
        entry.order.append(Call(str(id), shown_name("local_shell"), arguments))
    elif part.namespace == "responses" and part.kind == "local_shell_call_output" and id:
        output = data.get("output")
        text = output if isinstance(output, str) else dumps_text(output)
        entry.given.append(Result(str(id), [text]))
    else:
        raise _refused(part, path)


def _pair(entries: list[Entry]) -> None:
    """Every call with one result in the entry after it, every result with its call.

    A call without a result gets one that says so; a result without a call becomes text, for what it
    says may still matter. Ids that come twice are told apart.
    """
    used: dict[str, int] = {}
    waiting: list[tuple[str, Call]] = []
    for entry in entries:
        if entry.role == "assistant":
            waiting = []
            for call in entry.calls:
                waiting.append((call.id, call))
                call.id = _unused(_fit(call.id), used)
        else:
            _answer(entry, waiting)
            waiting = []
    if waiting:
        last = Entry("user")
        _answer(last, waiting)
        entries.append(last)


def _answer(entry: Entry, waiting: list[tuple[str, Call]]) -> None:
    calls: dict[str, list[Call]] = {}
    for given, call in waiting:
        calls.setdefault(given, []).append(call)
    unanswered = {call.id: call for _, call in waiting}
    answered: dict[str, Result] = {}
    for result in entry.given:
        called = calls.get(result.given)
        if not called:
            entry.orphans.append(f"[Result of an earlier tool call: {result.text}]")
            continue
        # Of several results for one call the last counts.
        call = called.pop(0) if len(called) > 1 else called[0]
        result.id, result.name = call.id, call.name
        answered[call.id] = result
        unanswered.pop(call.id, None)
    missing = [Result("", [_CANCELLED], True, call.id, call.name) for call in unanswered.values()]
    entry.results = [*answered.values(), *missing]


def _fit(id: str) -> str:
    """The id of a call if it fits, else its beginning and a hash."""
    if _CALL_ID.fullmatch(id):
        return id
    digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{_UNFIT.sub('_', id)[:47]}_{digest}"


def _unused(id: str, used: dict[str, int]) -> str:
    """The id, with a number when the conversation has it already: some services count anew in every
    turn. used: ids, and the highest number that each of them was given.
    """
    number, unused = used.get(id, 0), id
    while unused in used:
        number += 1
        unused = f"{id[:58]}_{number + 1}"
    used[unused] = 0
    used[id] = number
    return unused


def _refused(part: object, path: str) -> Unsupported:
    kind = part.kind if isinstance(part, Foreign | Media) else type(part).__name__
    return Unsupported(
        f"{path}: Cursor takes no {kind!r} content; remove it or choose another model", param=path
    )
