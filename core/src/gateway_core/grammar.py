"""The grammar of event streams, as a checker.

Used by tests on every stream and by `gateway serve --debug`; never on the normal path. `check`
takes events one by one and raises `GrammarError` with the rule that was broken.
"""

from collections.abc import Iterable

from gateway_core.content import HostedCall, Reasoning, Text, ToolCall
from gateway_core.events import Begin, Close, Delta, End, Event, Fail, Open, Partial, Whole

__all__ = ["GrammarChecker", "GrammarError", "check_stream"]


class GrammarError(AssertionError):
    """A decoder emitted events that no writer is prepared for."""


class GrammarChecker:
    """Holds events to the grammar that `gateway_core.events` writes down.

    A `Fail` may cut an open part; an `End` may not. Indexes count from 0 without gaps. The partial
    pictures of a call come in order, and none after the call itself.
    """

    def __init__(self) -> None:
        self._open: int | None = None
        self._next = 0
        self._started = False
        self._last: Event | None = None
        self._call_ids: set[str] = set()
        self._partials: dict[str, int] = {}
        self._complete: set[str] = set()

    def check(self, events: Iterable[Event]) -> None:
        """Take the next events. Raises `GrammarError`."""
        for event in events:
            self._check(event)

    def finish(self) -> None:
        """The stream is over. Raises `GrammarError` unless its last event was `End` or `Fail`."""
        if not isinstance(self._last, End | Fail):
            raise GrammarError(f"a stream must end in End or Fail, not in {self._last!r}")

    def _check(self, event: Event) -> None:
        if isinstance(self._last, End | Fail):
            raise GrammarError(f"nothing may follow {self._last!r}, got {event!r}")
        match event:
            case Begin():
                self._require(not self._started, event, "Begin comes first and once")
            case Open(index, part):
                self._take_index(index, event)
                self._require(not _text_of(part), event, "Open carries no text; it comes as deltas")
                self._open = index
                if isinstance(part, ToolCall):
                    self._require(part.id not in self._call_ids, event, "call ids are unique")
                    self._require(bool(part.id and part.name), event, "a call has id and name")
                    self._call_ids.add(part.id)
            case Delta(index, text):
                self._require(index == self._open, event, "Delta belongs to the open part")
                self._require(text != "", event, "Delta is not empty")
            case Close(index):
                self._require(index == self._open, event, "Close belongs to the open part")
                self._open = None
            case Whole(index, part):
                self._take_index(index, event)
                if isinstance(part, HostedCall):
                    self._complete.add(part.id)
            case Partial(id, number):
                self._require(id not in self._complete, event, "Partial comes before its call")
                expected = self._partials.get(id, 0)
                self._require(number == expected, event, f"the next number is {expected}")
                self._partials[id] = number + 1
            case End():
                self._require(self._open is None, event, "End comes after everything is closed")
        self._started = True
        self._last = event

    def _take_index(self, index: int, event: Event) -> None:
        self._require(self._open is None, event, "one part is open at a time")
        self._require(index == self._next, event, f"the next index is {self._next}")
        self._next += 1

    @staticmethod
    def _require(condition: bool, event: Event, rule: str) -> None:
        if not condition:
            raise GrammarError(f"{rule}; got {event!r}")


def _text_of(part: Text | Reasoning | ToolCall) -> str:
    return part.arguments if isinstance(part, ToolCall) else part.text


def check_stream(events: Iterable[Event]) -> None:
    """Check a whole stream. Raises `GrammarError`."""
    checker = GrammarChecker()
    checker.check(events)
    checker.finish()
