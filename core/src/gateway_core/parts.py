"""From vendor ids to grammatical events, and from events to a whole answer.

`PartWriter` is the only way decoders emit parts: it gives indexes, keeps one part open at a time
and, when an upstream interleaves parallel tool calls, holds the later ones until the earlier is
closed. `Collector` folds the same events into a `Response` for clients that do not stream.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway_core.content import (
    Citation,
    Extras,
    Foreign,
    Media,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.errors import GatewayError, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Notice,
    NoticeSeen,
    Open,
    Partial,
    StopReason,
    StreamedPart,
    Tick,
    Usage,
    UsageSeen,
    Whole,
    WholePart,
)

__all__ = ["Collector", "PartWriter", "Response", "collect"]


@dataclass(slots=True)
class _Held:
    """A part that waits for its turn: how it opens, the text so far, and its close when seen.

    It is held under its key while it may be written to; a whole one under a key of its own.
    """

    part: StreamedPart | WholePart
    whole: bool = False
    deltas: list[str] = field(default_factory=list)
    close: Close | None = None


class PartWriter:
    """Turns calls keyed by vendor ids into events that obey the grammar.

    Keys are any hashable the upstream uses to name a part. A key that was closed opens a new part
    when used again. Calls after `end` or `fail` do nothing.
    """

    __slots__ = (
        "_events",
        "_held",
        "_implicit",
        "_index",
        "_key",
        "_next",
        "_partials",
        "_started",
        "_tool",
        "_tools",
        "ended",
    )

    def __init__(self) -> None:
        self.ended = False
        self._started = False
        self._events: list[Event] = []
        self._next = 0
        self._index = -1
        self._key: Hashable = None
        self._tool = False
        self._tools = 0
        self._held: dict[Hashable, _Held] = {}
        self._implicit: set[Hashable] = set()
        self._partials: dict[str, int] = {}

    def take(self) -> list[Event]:
        """The events since the last call."""
        events = self._events
        self._events = []
        self._started = self._started or bool(events)
        return events

    def begin(self, id: str | None = None, model: str | None = None) -> None:
        """The upstream took the request; counts only as the first of all calls."""
        if not self._started and not self._events:
            self._events.append(Begin(id, model))

    def text(self, key: Hashable, text: str, *, refusal: bool = False) -> None:
        """Text of the answer; opens a part when the key has none."""
        if key == self._key and self._index >= 0:
            if text:
                self._events.append(Delta(self._index, text))
        elif text:
            self._write(key, Text("", refusal=refusal), text)

    def texts(self, key: Hashable, texts: Sequence[str]) -> None:
        """Several pieces of text, of which none is empty: one event for each."""
        if key == self._key and self._index >= 0:
            index = self._index
            self._events += [Delta(index, text) for text in texts]
            return
        for text in texts:
            self.text(key, text)

    def reasoning(self, key: Hashable, text: str) -> None:
        """Thinking; opens a part when the key has none."""
        if key == self._key and self._index >= 0:
            if text:
                self._events.append(Delta(self._index, text))
        elif text:
            self._write(key, Reasoning(""), text)

    def open_text(self, key: Hashable, part: Text | Reasoning) -> None:
        """Open a part that has extras, before any text of it is known."""
        if key != self._key or self._index < 0:
            self._write(key, part, "")

    def tool(
        self,
        key: Hashable,
        *,
        id: str,
        name: str,
        custom: bool = False,
        seal: Seal | None = None,
        extras: Extras | None = None,
    ) -> None:
        """A tool call starts; a second call for the same open key does nothing."""
        if self.ended or self.is_open(key):
            return
        self._tools += 1
        self._write(key, ToolCall(id, name, "", custom=custom, seal=seal, extras=extras), "")

    def arguments(self, key: Hashable, text: str) -> None:
        """More of a call's arguments; ignored when no such call is open."""
        if not text or self.ended:
            return
        if key == self._key and self._index >= 0:
            self._events.append(Delta(self._index, text))
        elif (held := self._held.get(key)) is not None and held.close is None:
            held.deltas.append(text)

    def whole(self, key: Hashable, part: WholePart) -> None:
        """A part in one piece."""
        if self.ended:
            return
        if self._must_wait():
            self._held[object()] = _Held(part, whole=True)  # no call will be about it
            return
        self._close_open()
        self._emit_whole(part)

    def close(
        self,
        key: Hashable,
        seal: Seal | None = None,
        *,
        citations: list[Citation] | None = None,
        extras: Extras | None = None,
    ) -> None:
        """The part is complete. An unknown key is no error.

        A seal that comes after its part had to be closed is kept as a part of its own.
        """
        if self.ended:
            return
        if key == self._key and self._index >= 0:
            self._events.append(Close(self._index, seal, citations, extras))
            self._index = -1
            self._drain()
        elif (held := self._held.get(key)) is not None:
            held.close = held.close or Close(0, seal, citations, extras)
        elif seal is not None and key in self._implicit:
            self._implicit.discard(key)
            self.whole(("late seal", key), Reasoning("", seal=seal))

    def is_open(self, key: Hashable) -> bool:
        """Whether the key has a part that may still be written to, open or waiting for its turn."""
        if key == self._key and self._index >= 0:
            return True
        held = self._held.get(key)
        return held is not None and held.close is None

    def usage(self, usage: Usage) -> None:
        """Totals so far."""
        if not self.ended:
            self._events.append(UsageSeen(usage))

    def notice(self, code: str, message: str) -> None:
        """Something the user should be able to learn."""
        if not self.ended:
            self._events.append(NoticeSeen(Notice(code, message)))

    def partial(self, id: str, media: Media) -> None:
        """The next picture on the way to the hosted call `id`."""
        if not self.ended:
            number = self._partials.get(id, 0)
            self._partials[id] = number + 1
            self._events.append(Partial(id, number, media))

    def tick(self) -> None:
        """The upstream is alive."""
        if not self.ended:
            self._events.append(Tick())

    def end(
        self,
        reason: StopReason,
        usage: Usage | None = None,
        *,
        raw_reason: str | None = None,
        stop_sequence: str | None = None,
        extras: Extras | None = None,
    ) -> None:
        """The answer is complete: closes everything. `stop` after tool calls becomes `tool_use`."""
        if self.ended:
            return
        self._close_open()
        self._drain(final=True)
        if reason == "stop" and self._tools:
            reason = "tool_use"
        self._events.append(End(reason, raw_reason, usage, stop_sequence, extras))
        self.ended = True

    def fail(self, error: GatewayError) -> None:
        """The answer broke off. The open part stays open: it is not complete."""
        if not self.ended:
            self._events.append(Fail(error))
            self._index = -1
            self.ended = True

    def _must_wait(self) -> bool:
        return bool(self._held) or (self._index >= 0 and self._tool)

    def _write(self, key: Hashable, part: StreamedPart, text: str) -> None:
        if self.ended:
            return
        held = self._held.get(key)
        if held is None and not self._must_wait():
            self._close_open()
            self._open(key, part)
            if text:
                self._events.append(Delta(self._index, text))
            return
        if held is not None and held.close is not None:
            self._give_away(key)
            held = None
        if held is None:
            held = self._held[key] = _Held(part)
        if text:
            held.deltas.append(text)

    def _give_away(self, key: Hashable) -> None:
        """Free the key of a closed part that still waits; the part keeps its place."""
        self._held = {
            object() if other == key else other: held for other, held in self._held.items()
        }

    def _open(self, key: Hashable, part: StreamedPart) -> None:
        self._key = key
        self._index = self._next
        self._next += 1
        self._tool = type(part) is ToolCall
        self._events.append(Open(self._index, part))

    def _emit_whole(self, part: WholePart) -> None:
        self._events.append(Whole(self._next, part))
        self._next += 1

    def _close_open(self) -> None:
        if self._index >= 0:
            self._events.append(Close(self._index))
            self._index = -1
            self._implicit.add(self._key)

    def _drain(self, *, final: bool = False) -> None:
        """Let held parts out in order until one is still being written."""
        while self._held:
            key = next(iter(self._held))
            held = self._held.pop(key)
            if held.whole:
                self._emit_whole(held.part)  # type: ignore[arg-type]  # whole says so
                continue
            self._open(key, held.part)  # type: ignore[arg-type]  # not whole
            self._events.extend(Delta(self._index, text) for text in held.deltas)
            if held.close is not None:
                held.close.index = self._index
                self._events.append(held.close)
                self._index = -1
            elif final or (self._held and not self._tool):
                self._close_open()
            else:
                return


@dataclass(slots=True)
class Response:
    """A whole answer, as `collect` builds it. `stored`: see `Begin`."""

    parts: list[Part] = field(default_factory=list)
    stop: StopReason = "stop"
    raw_stop: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    stored: bool = False
    notices: list[Notice] = field(default_factory=list)
    extras: Extras | None = None


class Collector:
    """Folds events into a `Response`. A `Fail` raises its error; `done` tells that `End` was
    seen.
    """

    def __init__(self) -> None:
        self.response = Response()
        self.done = False
        self._text: list[str] = []

    def feed(self, events: Iterable[Event]) -> None:
        """Take the next events. Raises the `GatewayError` of a `Fail`."""
        response = self.response
        for event in events:
            match event:
                case Delta():
                    self._text.append(event.text)
                case Open():
                    response.parts.append(event.part)
                    self._text = []
                case Close():
                    self._finish_part(event)
                case Whole():
                    response.parts.append(event.part)
                case Begin():
                    response.id, response.model = event.id, event.model
                    response.stored = event.stored
                case UsageSeen():
                    response.usage = event.usage
                case NoticeSeen():
                    response.notices.append(event.notice)
                case End():
                    self.done = True
                    response.stop, response.raw_stop = event.reason, event.raw_reason
                    response.stop_sequence = event.stop_sequence
                    response.usage = event.usage or response.usage
                    response.extras = event.extras
                case Fail():
                    raise event.error

    def _finish_part(self, close: Close) -> None:
        part = self.response.parts[-1]
        text = "".join(self._text)
        if isinstance(part, ToolCall):
            part.arguments = text
            part.seal = close.seal or part.seal
        elif isinstance(part, Reasoning):
            part.text = text
            part.seal = close.seal or part.seal
        elif isinstance(part, Text):
            part.text = text
            part.citations = close.citations or part.citations
        if close.extras and not isinstance(part, Foreign):
            part.extras = {**(part.extras or {}), **close.extras}


def collect(events: Sequence[Event]) -> Response:
    """The whole answer that a finished stream tells.

    Raises the error of a `Fail`, and `UpstreamProtocol` when the stream has no end.
    """
    collector = Collector()
    collector.feed(events)
    if not collector.done:
        raise UpstreamProtocol("the upstream ended its answer without saying that it was complete")
    return collector.response
