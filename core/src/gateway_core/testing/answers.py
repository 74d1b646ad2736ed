"""What an event stream says, so that two streams can be compared, and what makes them different.

Two streams say the same when their parts are the same in kind, facts, order and whole text, and
they end the same way. Free to differ are the boundaries of deltas, ticks, how often usage was
reported on the way, ids that the decoder made up itself (they are not in the upstream's bytes), and
all of an error but its kind (its words may tell the time).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

from gateway_core.content import Reasoning, Text, ToolCall
from gateway_core.errors import GatewayError
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
    Usage,
    UsageSeen,
    Whole,
)

__all__ = ["Answer", "ToldPart", "answer_of", "difference", "lost_content"]

_LONGEST_QUOTE = 60
_MADE_UP = "(made up)"


@dataclass(slots=True)
class ToldPart:
    """One part: what it is, everything said of it but its text, and its whole text."""

    kind: str
    facts: dict[str, object]
    text: str = ""
    complete: bool = False


@dataclass(slots=True)
class Answer:
    """All that a stream says. `end` is None unless it ended well, `error` unless it failed.

    usage: the last counts, on the way or at the end.
    """

    begin: tuple[str | None, str | None] | None = None
    parts: list[ToldPart] = field(default_factory=list)
    partials: list[Partial] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    usage: Usage | None = None
    end: End | None = None
    error: GatewayError | None = None

    def texts(self, kind: str) -> str:
        """The texts of all parts of a kind (`Text`, `Reasoning`), joined."""
        return "".join(part.text for part in self.parts if part.kind == kind)

    @property
    def calls(self) -> list[ToldPart]:
        """The tool calls."""
        return [part for part in self.parts if part.kind == "ToolCall"]

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.end is not None:
            return f"End({self.end.reason!r})"
        return "nothing" if self.error is None else f"Fail of kind {self.error.kind}"


def answer_of(events: Sequence[Event], data: bytes | None = None) -> Answer:
    """What the events say. data: the upstream's bytes, to tell made-up ids by."""

    def known(id: str) -> str:
        return id if data is None or str(id).encode() in data else _MADE_UP

    answer = Answer()
    for event in events:
        match event:
            case Delta():
                answer.parts[-1].text += event.text
            case Open():
                answer.parts.append(ToldPart(type(event.part).__name__, _facts(event.part, known)))
            case Close():
                part = answer.parts[-1]
                part.complete = True
                for name in ("seal", "citations", "extras"):
                    if (value := getattr(event, name)) is not None:
                        part.facts[name] = value
            case Whole():
                facts = _facts(event.part, known)
                text = event.part.text if isinstance(event.part, Reasoning) else ""
                part = ToldPart(type(event.part).__name__, facts, text, complete=True)
                answer.parts.append(part)
            case Begin():
                answer.begin = (event.id and known(event.id), event.model)
            case UsageSeen():
                answer.usage = event.usage
            case NoticeSeen():
                answer.notices.append(event.notice)
            case Partial():
                answer.partials.append(Partial(known(event.id), event.number, event.media))
            case End():
                answer.end = event
                answer.usage = event.usage or answer.usage
            case Fail():
                answer.error = event.error
    return answer


def difference(answer: Answer, other: Answer) -> str | None:
    """The first thing that two streams say differently, in words; None when there is none."""
    if lost := lost_content(answer, other):
        return lost
    if answer.ending != other.ending:
        return f"it ends in {answer.ending} instead of {other.ending}"
    compared = {
        "the beginning": (answer.begin, other.begin),
        "the notices": (answer.notices, other.notices),
        "the partial pictures": (answer.partials, other.partials),
        "the usage": (answer.usage, other.usage),
        "the end": (_end_facts(answer.end), _end_facts(other.end)),
    }
    for name, (left, right) in compared.items():
        if left != right:
            return f"{name}: {_quote(left)} instead of {_quote(right)}"
    return None


def lost_content(answer: Answer, other: Answer) -> str | None:
    """The first part in which a stream differs from another, in words; None when there is none."""
    for number, (left, right) in enumerate(zip(answer.parts, other.parts, strict=False), 1):
        if left.kind != right.kind:
            return f"part {number} is {left.kind} instead of {right.kind}"
        if left.text != right.text:
            at = _parting(left.text, right.text)
            return (
                f"part {number} ({left.kind}) goes on with {_quote(left.text[at:])} instead of "
                f"{_quote(right.text[at:])} after {at} characters"
            )
        if left.facts != right.facts:
            return f"part {number} is {_quote(left.facts)} instead of {_quote(right.facts)}"
    if len(answer.parts) != len(other.parts):
        return f"it has {len(answer.parts)} parts instead of {len(other.parts)}"
    return None


def _facts(part: object, known: Callable[[str], str]) -> dict[str, object]:
    text = "arguments" if isinstance(part, ToolCall) else "text"
    dropped = {text} if isinstance(part, Text | Reasoning | ToolCall) else set()
    facts = {
        item.name: getattr(part, item.name)
        for item in fields(part)  # type: ignore[arg-type]  # all parts are dataclasses
        if item.name not in dropped
    }
    if isinstance(id := facts.get("id"), str):
        facts["id"] = known(id)
    return facts


def _end_facts(end: End | None) -> object:
    return end and (end.reason, end.raw_reason, end.stop_sequence, end.extras)


def _parting(text: str, other: str) -> int:
    """Where two texts part."""
    pairs = enumerate(zip(text, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(text), len(other)))


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
