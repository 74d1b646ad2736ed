"""Canonical messages as the entries of Kiro's history, before any of its rules is enforced.

An entry says what one side said in one go. Nothing here knows the other entries: merging, pairing
and filling are `gateway_kiro.repair`'s business.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway_core import (
    Foreign,
    HostedCall,
    JsonObject,
    Media,
    Message,
    Reasoning,
    Request,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.json import dumps_text, loads
from gateway_core.seals import replayable
from gateway_kiro.media import image, text_document
from gateway_kiro.names import ToolNames

__all__ = ["ISSUER", "Entry", "Result", "Use", "as_text", "read_entries"]

ISSUER: Final = "kiro"
_EMPTY_RESULT: Final = "(empty result)"
_PICTURE: Final = "(the image is attached)"
_FILE: Final = "(the document is attached)"
# What other upstreams told a client to keep, or a client keeps for itself: says nothing to a model.
_SILENT: Final = frozenset({"item_reference", "tool_search_call", "tool_search_output"})


@dataclass(slots=True)
class Use:
    """A tool that was used; `name` is the one on the wire."""

    id: str
    name: str
    input: JsonObject


@dataclass(slots=True)
class Result:
    """What came of a use."""

    id: str
    text: str
    failed: bool = False


@dataclass(slots=True)
class Entry:
    """What one side said. Documents keep their canonical form and path until they are named."""

    role: Literal["user", "assistant"]
    texts: list[str] = field(default_factory=list)
    images: list[JsonObject] = field(default_factory=list)
    documents: list[tuple[Media, str]] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    reasoning: JsonObject | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing at all is in it."""
        has_text = any(text.strip() for text in self.texts)
        return not (
            has_text or self.images or self.documents or self.uses or self.results or self.reasoning
        )


def read_entries(request: Request, names: ToolNames, scope: str) -> tuple[list[str], list[Entry]]:
    """The texts that instruct the model before the first word of the user, and the entries.

    scope: that seals must have to be replayed. Raises `Unsupported`, naming it, for content that
    the service does not take.
    """
    instructions = [text.text for text in request.instructions]
    entries: list[Entry] = []
    for index, message in enumerate(request.messages):
        path = f"messages[{index}]"
        if message.role == "system":
            texts = [text for text in _texts(message, path) if text.strip()]
            if not entries:
                instructions += texts
            elif texts:
                told = "\n\n".join(texts)
                entries.append(Entry("user", [f"<system-reminder>\n{told}\n</system-reminder>"]))
            continue
        entry = Entry(message.role)
        for place, part in enumerate(message.parts):
            _read_part(part, entry, f"{path}.content[{place}]", names, scope)
        if not entry.silent:
            entries.append(entry)
    return [text for text in instructions if text.strip()], entries


def as_text(entries: list[Entry]) -> list[Entry]:
    """The same with tools told as text, for a turn in which no tool may be used."""
    for entry in entries:
        entry.texts[:0] = [f"[Tool result: {result.text}]" for result in entry.results]
        entry.texts += [f"[Tool call {use.name} {dumps_text(use.input)}]" for use in entry.uses]
        entry.results, entry.uses = [], []
    return entries


def _texts(message: Message, path: str) -> Iterator[str]:
    for place, part in enumerate(message.parts):
        if isinstance(part, Text):
            yield part.text
        else:
            raise _refused(part, f"{path}.content[{place}]")


def _read_part(part: Any, entry: Entry, path: str, names: ToolNames, scope: str) -> None:
    kind = type(part)
    if kind is Text:
        if part.text:
            entry.texts.append(part.text)
    elif kind is ToolCall:
        entry.uses.append(Use(part.id, names.wire(part.name), _input(part.arguments)))
    elif kind is ToolResult:
        entry.results.append(_result(part, entry, path))
    elif kind is Reasoning:
        entry.reasoning = _reasoning(part, scope) or entry.reasoning
    elif kind is HostedCall:
        if note := _note(part):
            entry.texts.append(note)
    elif kind is Media and entry.role == "user":
        _read_media(part, entry, path)
    elif kind is Media:
        entry.texts.append(f"[{part.kind}]")  # what another model made
    else:
        _read_foreign(part, entry, path, names)


def _read_media(media: Media, entry: Entry, path: str) -> str | None:
    """Attach the media to the entry; what stands for it in a tool result."""
    if media.kind == "image":
        entry.images.append(image(media, path))
        return _PICTURE
    if media.kind != "document":
        raise _refused(media, path)
    text = text_document(media)
    if text is not None:
        entry.texts.append(text.text)
        return None
    entry.documents.append((media, path))
    return _FILE


def _result(part: ToolResult, entry: Entry, path: str) -> Result:
    texts: list[str] = []
    for place, inner in enumerate(part.content):
        at = f"{path}.content[{place}]"
        if isinstance(inner, Text):
            texts.append(inner.text)
        elif isinstance(inner, Media):
            text = text_document(inner)
            stands = text.text if text else _read_media(inner, entry, at)
            if stands:
                texts.append(stands)
        elif inner.kind == "tool_reference":
            texts.append(f"The tool {inner.data.get('tool_name', '')} can be used now.")
        else:
            raise _refused(inner, at)
    text_of_all = "\n".join(texts)
    return Result(part.call_id, text_of_all if text_of_all.strip() else _EMPTY_RESULT, part.failed)


def _reasoning(part: Reasoning, scope: str) -> JsonObject | None:
    """The thought as it came from the service; None when it is not from there, or not from this
    account and model, which alone may send it back.

    A seal beside words signs them; one without words is the thought itself.
    """
    seal: Seal | None = part.seal
    if seal is None or not replayable(seal, ISSUER, scope):
        return None
    if part.redacted or not part.text:
        return {"redactedContent": seal.data}
    return {"reasoningText": {"text": part.text, "signature": seal.data}}


def _input(arguments: str) -> JsonObject:
    """Arguments as the object that the service insists on."""
    if not arguments.strip():
        return {}
    try:
        value = loads(arguments)
    except ValueError:
        return {"_raw": arguments}
    return value if isinstance(value, dict) else {"value": value}


def _note(call: HostedCall) -> str | None:
    """A search of the history in words: its call cannot be told to the service as a call."""
    result = call.result or {}
    if call.name != "web_search" or not isinstance(sources := result.get("sources"), list):
        return None
    found = [source for source in sources if isinstance(source, dict) and source.get("url")]
    lines = [f"- {source.get('title') or source['url']}: {source['url']}" for source in found]
    query = _input(call.arguments).get("query", "")
    return "\n".join([f"[Searched the web for {query!r}]", *lines])


def _read_foreign(part: Foreign, entry: Entry, path: str, names: ToolNames) -> None:
    """What only the Responses format knows: its local shell is a tool like others here."""
    data = part.data
    id = data.get("call_id") or data.get("id")
    if part.namespace == "responses" and part.kind in _SILENT:
        return
    if part.namespace == "responses" and part.kind == "local_shell_call" and id:
        action = data.get("action")
        entry.uses.append(
            Use(str(id), names.wire("local_shell"), action if isinstance(action, dict) else {})
        )
    elif part.namespace == "responses" and part.kind == "local_shell_call_output" and id:
        output = data.get("output")
        text = output if isinstance(output, str) else dumps_text(output)
        entry.results.append(Result(str(id), text or _EMPTY_RESULT))
    else:
        raise _refused(part, path)


def _refused(part: object, path: str) -> Unsupported:
    kind = part.kind if isinstance(part, Foreign | Media) else type(part).__name__
    return Unsupported(
        f"{path}: Kiro takes no {kind!r} content; remove it or choose another model", param=path
    )
