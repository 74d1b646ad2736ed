"""Output items of a Responses stream, assembled into parts.

Takes what the events of a stream tell about items, in whatever order and completeness an upstream
gives it, and emits each part once: text from deltas, or from the first richer event when deltas
were missing. Items are known by their place in the output, because some services change ids from
event to event. It knows no bytes and no envelope; `read_stream` does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from gateway_core import seals
from gateway_core.content import Extras, Foreign, Reasoning, Seal, Text
from gateway_core.errors import UpstreamProtocol
from gateway_core.events import WholePart
from gateway_core.formats.responses.hosted import (
    HOSTED_ITEMS,
    read_hosted,
    read_partial_image,
)
from gateway_core.formats.responses.read_items import reasoning_text
from gateway_core.formats.responses.read_parts import read_citations
from gateway_core.formats.responses.schema import COMPACTIONS, FORMAT_NAME, flat_name
from gateway_core.json import JsonObject
from gateway_core.parts import PartWriter

__all__ = ["OutputReader", "OwnItem"]

OwnItem: TypeAlias = Callable[[JsonObject], Sequence[WholePart] | None]

_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


class _Said:
    """One content part of a message: its key in the part writer and what was emitted of it."""

    __slots__ = ("annotations", "closed", "key", "pieces", "refusal")

    def __init__(self, key: tuple[int, int]) -> None:
        self.key = key
        self.pieces: list[str] = []
        self.annotations: list[Any] = []
        self.refusal = False
        self.closed = False


class _Item:
    """One output item: what was told about it so far."""

    __slots__ = (
        "complete",
        "done",
        "early",
        "kind",
        "opened",
        "owned",
        "pieces",
        "said",
        "section",
        "shown_as",
    )

    def __init__(self) -> None:
        self.kind = ""
        self.early: JsonObject = {}
        self.said: dict[int, _Said] = {}
        self.pieces: list[str] = []
        self.section: tuple[bool, int] | None = None
        self.opened = False
        self.owned = False
        self.complete: str | None = None
        self.done = False
        self.shown_as = ""


class OutputReader:
    """Assembles the items of one answer into a `PartWriter`.

    `refused` tells that words of refusal were seen, `searches` counts finished web searches.

    own_item: a provider's own reading of an item, asked when it is announced and when it is done:
    the parts that stand for it, possibly none, or None to have it read as usual. Messages and
    reasoning are always read as usual. tool_names: the upstream's names of tools to those of the
    client, where they differ.
    """

    def __init__(
        self,
        writer: PartWriter,
        issuer: str,
        scope: str | None,
        own_item: OwnItem | None,
        tool_names: Mapping[str, str],
    ) -> None:
        self.refused = False
        self.searches = 0
        self._writer = writer
        self._issuer = issuer
        self._scope = scope
        self._own_item = own_item
        self._tool_names = tool_names
        self._items: dict[int, _Item] = {}
        self._places: dict[str, int] = {}
        self._call_ids: set[str] = set()

    def place(self, event: JsonObject, *, new: bool = False) -> int:
        """The place of the item that an event is about: by index, else by the item's id.

        An event that names neither is about the latest item, or the next when it is a `new` one.
        """
        index = event.get("output_index")
        if type(index) is int:
            return index
        item_id = event.get("item_id")
        if not isinstance(item_id, str) and isinstance(item := event.get("item"), dict):
            item_id = item.get("id")
        last = max(self._items, default=-1)
        if not isinstance(item_id, str):
            return last + 1 if new else max(last, 0)
        return self._places.setdefault(item_id, last + 1)

    def added(self, place: int, item: JsonObject) -> None:
        """An item starts. Calls open at once when their names are told."""
        state = self._item(place)
        state.early = item
        state.kind = _string(item, "type")
        if id := _string(item, "id"):
            self._places.setdefault(id, place)
        if self._read_own(item, state.kind) is not None:
            state.owned = True
        elif state.kind in _CALLS and _string(item, "call_id") and _string(item, "name"):
            self._open_call(place, state, item)

    def text(self, place: int, content: int, text: str, *, refusal: bool = False) -> None:
        """A piece of a message's text."""
        state = self._items.get(place)
        said = None if state is None else state.said.get(content)
        if said is None:
            said = self._said(place, content)
        if said.closed:
            return
        if not said.pieces:
            said.refusal = refusal
            self.refused |= refusal
            if extras := _phase(self._items[place].early):
                self._writer.open_text(said.key, Text("", refusal=refusal, extras=extras))
        said.pieces.append(text)
        self._writer.text(said.key, text, refusal=refusal)

    def texts(self, place: int, content: int, texts: Sequence[str]) -> None:
        """Several pieces of a message's text, of which none is empty."""
        first, *more = texts
        self.text(place, content, first)
        said = self._said(place, content)
        if more and not said.closed:
            said.pieces += more
            self._writer.texts(said.key, more)

    def annotation(self, place: int, content: int, annotation: Any) -> None:
        """An annotation of a text; it is kept until the text is complete."""
        self._said(place, content).annotations.append(annotation)

    def text_missing(self, place: int, content: int, full: str, *, refusal: bool) -> None:
        """All text of a content part, whose end is still to come; emits what is missing of it."""
        if rest := _rest(self._said(place, content).pieces, full):
            self.text(place, content, rest, refusal=refusal)

    def text_complete(self, place: int, content: int, part: JsonObject) -> None:
        """A content part is complete: what was missing of it is emitted.

        It closes with its item, which may tell more, or when the next part begins.
        """
        said = self._said(place, content)
        if isinstance(annotations := part.get("annotations"), list) and annotations:
            said.annotations = annotations
        refusal = part.get("type") == "refusal"
        full = _string(part, "refusal" if refusal else "text")
        if rest := _rest(said.pieces, full):
            self.text(place, content, rest, refusal=refusal)

    def reasoning(self, place: int, section: int, text: str, *, raw: bool) -> None:
        """A piece of reasoning: of the summary, or raw as open models show it.

        An item that shows both is told by what came first.
        """
        state = self._item(place)
        if state.done or (state.section is not None and state.section[0] is not raw):
            return
        if state.pieces and state.section != (raw, section):
            text = f"\n\n{text}"
        state.section = (raw, section)
        state.pieces.append(text)
        self._writer.reasoning(place, text)

    def arguments(self, place: int, text: str) -> None:
        """A piece of a call's arguments; kept while the call's name is not known."""
        state = self._item(place)
        if state.done or state.owned:
            return
        state.kind = state.kind or "function_call"
        state.pieces.append(text)
        if state.opened:
            self._writer.arguments(place, text)

    def arguments_complete(self, place: int, text: str) -> None:
        """All arguments of a call."""
        state = self._item(place)
        state.kind = state.kind or "function_call"
        state.complete = text
        if state.opened and not state.done:
            self._rest_of_call(place, state, text)

    def partial_image(self, place: int, event: JsonObject) -> None:
        """A picture on its way; the call will come under the id that is given here."""
        state = self._item(place)
        media = read_partial_image(event)
        if state.done or media is None:
            return
        state.kind = state.kind or "image_generation_call"
        state.shown_as = (
            state.shown_as
            or _string(state.early, "id")
            or _string(event, "item_id")
            or f"item_{place}"
        )
        self._writer.partial(state.shown_as, media)

    def done(self, place: int, item: JsonObject) -> None:
        """An item is complete. Raises `UpstreamProtocol` for a call without a name."""
        state = self._item(place)
        if state.done:
            return
        state.kind = kind = _string(item, "type") or state.kind
        if id := _string(item, "id"):
            self._places.setdefault(id, place)
        own = self._read_own({**item, "type": kind}, kind)
        if own is not None:
            state.owned = True
            for part in own:
                self._writer.whole(place, part)
        elif kind == "message":
            self._done_message(place, state, item)
        elif kind == "reasoning":
            self._done_reasoning(place, state, item)
        elif kind in _CALLS:
            self._done_call(place, state, item)
        elif kind in HOSTED_ITEMS:
            self.searches += kind == "web_search_call"
            id = state.shown_as or id or f"item_{place}"
            self._writer.whole(place, read_hosted({**item, "type": kind, "id": id}, id))
        elif kind:
            self._writer.whole(place, Foreign(FORMAT_NAME, kind, self._sealed(item, kind)))
        state.done = True

    def _sealed(self, item: JsonObject, kind: str) -> JsonObject:
        """The item; a compaction says in its opaque part who made it: nobody else can read it."""
        item = {**item, "type": kind}
        if kind in COMPACTIONS and (opaque := _string(item, "encrypted_content")):
            item["encrypted_content"] = seals.pack(Seal(self._issuer, opaque, None, self._scope))
        return item

    def finish(self, output: Any) -> None:
        """The answer is complete; `output` is what its last event lists, possibly nothing.

        Emits what only this list tells. Raises `UpstreamProtocol` when a call stays nameless.
        """
        free = dict(sorted(self._items.items()))
        for item in output if isinstance(output, list) else ():
            if isinstance(item, dict):
                place = self._match(item, free)
                free.pop(place, None)
                self.done(place, item)
        for state in self._items.values():
            if state.kind in _CALLS and not state.opened and not state.owned:
                raise UpstreamProtocol("the upstream sent a tool call without a name")

    def _match(self, item: JsonObject, free: dict[int, _Item]) -> int:
        """Which of the items seen so far this is: by id, by call id, else the next of its type."""
        id, call_id, kind = _string(item, "id"), _string(item, "call_id"), _string(item, "type")
        place = self._places.get(id) if id else None
        if place in free:
            return place
        for place, state in free.items():
            if call_id and _string(state.early, "call_id") == call_id:
                return place
        for place, state in free.items():
            if state.kind == kind or (kind in _CALLS and state.kind in _CALLS):
                return place
        return max(self._items, default=-1) + 1

    def _read_own(self, item: JsonObject, kind: str) -> Sequence[WholePart] | None:
        if self._own_item is None or kind in ("message", "reasoning"):
            return None
        return self._own_item(item)

    def _item(self, place: int) -> _Item:
        state = self._items.get(place)
        if state is None:
            state = self._items[place] = _Item()
        return state

    def _said(self, place: int, content: int) -> _Said:
        state = self._item(place)
        said = state.said.get(content)
        if said is None:
            state.kind = state.kind or "message"
            for earlier in state.said.values():
                self._close_said(earlier)
            said = state.said[content] = _Said((place, content))
        return said

    def _close_said(self, said: _Said, extras: Extras | None = None) -> None:
        if not said.closed:
            said.closed = True
            citations = read_citations(said.annotations)
            self._writer.close(said.key, citations=citations, extras=extras)

    def _done_message(self, place: int, state: _Item, item: JsonObject) -> None:
        content = item.get("content")
        for index, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict) and part.get("type") in ("output_text", "refusal", "text"):
                self.text_complete(place, index, part)
        late = None if _phase(state.early) else _phase(item)
        for said in state.said.values():
            self._close_said(said, late)

    def _done_reasoning(self, place: int, state: _Item, item: JsonObject) -> None:
        raw = state.section is not None and state.section[0]
        shown = {"content": item.get("content")} if raw else item
        if rest := _rest(state.pieces, reasoning_text(shown)):
            state.pieces.append(rest)
            self._writer.reasoning(place, rest)
        opaque = _string(item, "encrypted_content") or _string(state.early, "encrypted_content")
        id = _string(item, "id") or _string(state.early, "id") or None
        seal = Seal(self._issuer, opaque, id, self._scope) if opaque else None
        if state.pieces:
            self._writer.close(place, seal)
        elif seal is not None:
            self._writer.whole(place, Reasoning("", seal))

    def _open_call(self, place: int, state: _Item, item: JsonObject) -> None:
        name = _string(item, "name")
        if not name:
            raise UpstreamProtocol("the upstream sent a tool call without a name")
        name = self._tool_names.get(name, name)
        extras: Extras | None = None
        if namespace := _string(item, "namespace"):
            namespace = self._tool_names.get(namespace, namespace)
            extras = {FORMAT_NAME: {"namespace": namespace, "name": name}}
            name = flat_name(namespace, name)
        call_id = _string(item, "call_id") or _string(item, "id") or f"call_{place}"
        # Clients match results by id, so a repeated one must not stay.
        if call_id in self._call_ids:
            call_id = f"{call_id}_{place}"
        self._call_ids.add(call_id)
        custom = item.get("type") == "custom_tool_call"
        self._writer.tool(place, id=call_id, name=name, custom=custom, extras=extras)
        state.opened = True

    def _done_call(self, place: int, state: _Item, item: JsonObject) -> None:
        full = _string(item, _CALLS[state.kind])
        if not state.opened:
            known = {key: value for key, value in item.items() if value is not None}
            self._open_call(place, state, {**state.early, **known, "type": state.kind})
            for piece in state.pieces:
                self._writer.arguments(place, piece)
        self._rest_of_call(place, state, full or state.complete or "")
        self._writer.close(place)

    def _rest_of_call(self, place: int, state: _Item, full: str) -> None:
        if rest := _rest(state.pieces, full):
            state.pieces.append(rest)
            self._writer.arguments(place, rest)


def _string(item: JsonObject, key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _phase(item: JsonObject) -> Extras | None:
    phase = item.get("phase")
    return {FORMAT_NAME: {"phase": phase}} if isinstance(phase, str) else None


def _rest(pieces: list[str], full: str) -> str:
    """What is still missing of the full text; nothing when the pieces tell another story."""
    if not pieces:
        return full
    seen = "".join(pieces)
    return full[len(seen) :] if full.startswith(seen) else ""
