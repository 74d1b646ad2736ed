"""Faults in reading the upstream's stream: areas S, D and U."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from gateway_core import (
    Event,
    HostedCall,
    JsonObject,
    ToolCall,
    Usage,
)
from gateway_core.events import End, Open, Tick, UsageSeen, Whole
from gateway_core.json import dumps, loads, loads_object
from gateway_core.testing.subject import Subject
from gateway_demo.stream import DemoDecoder
from support.mutants.base import Make, Mutant, demo_subject
from support.mutants.changes import ChangedEvents, decoding

__all__ = ["MUTANTS"]

Lines = Callable[[JsonObject], JsonObject | None]


class Wrapped:
    """A decoder around the honest one; subclasses spoil it."""

    def __init__(self) -> None:
        self.honest = DemoDecoder()

    def feed(self, data: bytes) -> Sequence[Event]:
        return self.honest.feed(data)

    def end(self) -> Sequence[Event]:
        return self.honest.end()

    def data_to_send(self) -> bytes:
        return b""


class EndsWithTheBytes(Wrapped):
    """Takes the end of the bytes for the end of the answer."""

    def end(self) -> Sequence[Event]:
        return self.honest.feed(b'{"type":"end","reason":"stop"}\n')


class DecodesReadByRead(Wrapped):
    """Makes characters of each read alone."""

    def feed(self, data: bytes) -> Sequence[Event]:
        return self.honest.feed(data.decode("utf-8", "ignore").encode())


class KnowsOneLineEnd(Wrapped):
    """Asks that lines end exactly as its author saw them."""

    def __init__(self) -> None:
        super().__init__()
        self.pending = b""

    def feed(self, data: bytes) -> Sequence[Event]:
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [e for line in lines if line[-1:] == b"}" for e in self.honest.feed(line + b"\n")]


class SkipsWhatItCannotRead(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.pending = b""

    def feed(self, data: bytes) -> Sequence[Event]:
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [
            event for line in lines if _is_json(line) for event in self.honest.feed(line + b"\n")
        ]


class TrustsTypes(Wrapped):
    """Does arithmetic with what should be numbers."""

    def feed(self, data: bytes) -> Sequence[Event]:
        for line in data.split(b"\n"):
            if _is_json(line) and line and isinstance(value := loads(line), dict):
                sum(value.get(name, 0) for name in ("input", "output"))
        return self.honest.feed(data)


class GoesOnAfterTheEnd(Wrapped):
    """Tells that the connection lives, also when the answer is over."""

    def feed(self, data: bytes) -> Sequence[Event]:
        return self.honest.feed(data) or [Tick()]


class TakesShortLinesOnly(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.pending = b""

    def feed(self, data: bytes) -> Sequence[Event]:
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [e for line in lines for e in self.honest.feed(line[:65_536] + b"\n")]


class Shares:
    """One decoder for all answers until one of them ends."""

    shared = DemoDecoder()

    def feed(self, data: bytes) -> Sequence[Event]:
        return Shares.shared.feed(data)

    def end(self) -> Sequence[Event]:
        honest, Shares.shared = Shares.shared, DemoDecoder()
        return honest.end()

    def data_to_send(self) -> bytes:
        return b""


class WaitsForTheEnd(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.pending = b""

    def feed(self, data: bytes) -> Sequence[Event]:
        self.pending += data
        return []

    def end(self) -> Sequence[Event]:
        return [*self.honest.feed(self.pending), *self.honest.end()]


class SendsNothingAtAll(Wrapped):
    def data_to_send(self) -> bytes:
        return None  # type: ignore[return-value]  # the fault


class RewritesLines(Wrapped):
    """Reads each line as another one, or not at all."""

    def __init__(self, rewrite: Lines) -> None:
        super().__init__()
        self.rewrite = rewrite
        self.pending = b""

    def feed(self, data: bytes) -> Sequence[Event]:
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [event for line in lines for event in self.honest.feed(self.rewritten(line))]

    def rewritten(self, line: bytes) -> bytes:
        if not _is_json(line):
            return line + b"\n"
        value = self.rewrite(loads_object(line))
        return b"" if value is None else dumps(value) + b"\n"


class NeverEnds(RewritesLines):
    """Knows no end marker, and is silent when the bytes end."""

    def __init__(self) -> None:
        super().__init__(lambda line: None if line["type"] == "end" else line)

    def end(self) -> Sequence[Event]:
        return []


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(loads(line), dict)
    except ValueError:
        return False


def reading(rewrite: Lines) -> Make:
    """The demo provider that reads lines of its upstream so."""
    return decoding(lambda: RewritesLines(rewrite))


def telling(change: Callable[[Event], Event | None]) -> Make:
    """The demo provider with something done to each of its events; None drops one."""

    def changed(events: list[Event]) -> Sequence[Event]:
        return [new for event in events if (new := change(event)) is not None]

    return decoding(lambda: ChangedEvents(changed))


def counting(change: Callable[[Usage], Usage]) -> Make:
    """The demo provider that reports other counts."""

    def changed(event: Event) -> Event:
        if isinstance(event, UsageSeen):
            return UsageSeen(change(event.usage))
        if isinstance(event, End) and event.usage is not None:
            return replace(event, usage=change(event.usage))
        return event

    return telling(changed)


def swallow_errors(line: JsonObject) -> JsonObject:
    return {"type": "end", "reason": "stop"} if line["type"] == "error" else line


def say_errors(line: JsonObject) -> JsonObject:
    return {"type": "text", "text": line["message"]} if line["type"] == "error" else line


def cut_arguments(line: JsonObject) -> JsonObject:
    if line["type"] == "arguments":
        return {**line, "text": line["text"].removesuffix("}")}
    return line


def lose_second_calls(event: Event) -> Event:
    if isinstance(event, Open) and isinstance(event.part, ToolCall):
        event.part.id = "call_1"
    return event


def lose_thoughts(line: JsonObject) -> JsonObject | None:
    if line["type"] == "close":
        return {**line, "seal": None}
    return None if line["type"] == "think" else line


def give_null_for_nothing(line: JsonObject) -> JsonObject:
    return {**line, "text": "null"} if line.get("text") == "{}" else line


def fail_on_news(line: JsonObject) -> JsonObject:
    if line["type"] == "gateway.unheard_of":
        return {"type": "error", "kind": "upstream_protocol", "message": "what is this?"}
    return line


def lose_addresses(event: Event) -> Event:
    """A search result without the fields that the documentation names."""
    if isinstance(event, Whole) and isinstance(event.part, HostedCall) and event.part.result:
        event.part.result = {"sources": [{"name": "a page"}]}
    return event


def invent_a_reason(event: Event) -> Event:
    if isinstance(event, End):
        return replace(event, reason="finished")  # type: ignore[arg-type]  # the fault
    return event


def count_up(event: Event) -> Event:
    """Counts per report instead of totals."""
    if isinstance(event, End) and event.usage and event.usage.output:
        return replace(event, usage=replace(event.usage, output=event.usage.output - 1))
    return event


def count_in_floats(usage: Usage) -> Usage:
    return replace(usage, input=1.5)  # type: ignore[arg-type]  # the fault


def count_below_zero(usage: Usage) -> Usage:
    return replace(usage, output=-1)


def leave_the_cache_out(usage: Usage) -> Usage:
    return replace(usage, input=(usage.input or 0) - (usage.cache_read or 0))


def forget_usage(event: Event) -> Event | None:
    if isinstance(event, UsageSeen):
        return None
    return replace(event, usage=None) if isinstance(event, End) else event


def english_subject(make: Make) -> Subject:
    """The demo provider whose author has recorded plain English and nothing else."""
    subject = demo_subject(make)
    subject.transcripts = [item for item in subject.transcripts if item.data.isascii()]
    return subject


def _rows() -> Iterator[Mutant]:
    yield Mutant("loses thoughts", "S01", reading(lose_thoughts), "shows reasoning")
    yield Mutant("ends without End", "S02", decoding(NeverEnds), "must end in End or Fail")
    yield Mutant("swallows an error", "S03", reading(swallow_errors), "Fail of kind overloaded")
    yield Mutant("decodes read by read", "S04", decoding(DecodesReadByRead), "text")
    yield Mutant(
        "decodes read by read in English",
        "S04",
        decoding(DecodesReadByRead),
        "several bytes",
        subject=english_subject,
    )
    yield Mutant("takes a cut for the end", "S05", decoding(EndsWithTheBytes), "cut off at byte")
    yield Mutant("skips what it cannot read", "S06", decoding(SkipsWhatItCannotRead), "at byte")
    yield Mutant("trusts types", "S07", decoding(TrustsTypes), "TypeError")
    yield Mutant("fails on new events", "S08", reading(fail_on_news), "an unknown event at byte")
    yield Mutant("goes on after the end", "S09", decoding(GoesOnAfterTheEnd), "there is Tick")
    yield Mutant("takes short events only", "S10", decoding(TakesShortLinesOnly), "megabyte")
    yield Mutant("shares state", "S11", decoding(Shares), "in turns")
    yield Mutant("cuts arguments", "S12", reading(cut_arguments), "no JSON")
    yield Mutant("gives null", "S12", reading(give_null_for_nothing), "no JSON object: 'null'")
    yield Mutant("repeats call ids", "S12", telling(lose_second_calls), "unique")
    yield Mutant("waits for the end", "S13", decoding(WaitsForTheEnd), "in one go")
    yield Mutant("sends no bytes", "S14", decoding(SendsNothingAtAll), "NoneType")
    yield Mutant("knows one line end", "S15", decoding(KnowsOneLineEnd), "with CRLF line ends")
    yield Mutant("takes errors for words", "S16", reading(say_errors), "no transcript shows")
    yield Mutant("sources without addresses", "D01", telling(lose_addresses), "KeyError: 'url'")
    yield Mutant("a reason of its own", "D01", telling(invent_a_reason), "KeyError: 'finished'")
    yield Mutant("forgets the usage", "U01", telling(forget_usage), "no transcript gives")
    yield Mutant("counts in floats", "U02", counting(count_in_floats), "1.5")
    yield Mutant("counts below zero", "U02", counting(count_below_zero), "-1")
    yield Mutant("leaves the cache out", "U03", counting(leave_the_cache_out), "of the cache")
    yield Mutant("ends with other counts", "U04", telling(count_up), "the last report")
    yield Mutant("counts down", "U05", telling(count_up), "output falls")


MUTANTS = list(_rows())
