"""Area U: token counts."""

from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from typing import Final

from gateway_core.content import Text
from gateway_core.events import End, Usage, UsageSeen
from gateway_core.request import Request
from gateway_core.testing.asking import as_handed_on
from gateway_core.testing.case import Area, Findings, Violation
from gateway_core.testing.conversations.builders import (
    after_call,
    ask,
    assistant,
    result,
    weather,
)
from gateway_core.testing.decoding import Decoding, decodings
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]

AREA: Final = Area("U", "usage")

_WORDS: Final = 400
_MANY_WORDS: Final = "Look: " + "a river behind the hill, " * (_WORDS // 5)
_PLACES: Final[dict[str, Callable[[str], Request]]] = {
    "a message": lambda text: ask(text),
    "instructions": lambda text: replace(ask("Look"), instructions=[Text(text)]),
    "an earlier answer": lambda text: ask("Look", assistant(text), "And?"),
    "a result": lambda text: after_call(result("call_1", text)),
    "a tool": lambda text: ask("Look", tools=[replace(weather(), description=text)]),
}
_COUNTS = tuple(item.name for item in fields(Usage) if item.name != "raw")


@AREA.case(
    1,
    rule="At least one transcript reports usage.",
    why="Agents shorten their history by the counts, and users watch their limits by them.",
    cure="Add a transcript in which the upstream reports counts, and hand them to "
    "`writer.usage(...)` or `writer.end(..., usage)`.",
)
def usage_is_reported(subject: Subject) -> None:
    if not any(_reports(decoding) for decoding in decodings(subject)):
        raise Violation("no transcript gives a Usage with input or output")


@AREA.case(
    2,
    rule="Counts are whole numbers that are not negative, or None where unknown.",
    why="They are added up, stored, and read by typed clients.",
    cure="Check what the upstream sends before it becomes a `Usage`; leave out what is no count.",
)
def counts_are_whole_numbers(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        for usage in _usages(decoding):
            with findings.about(str(decoding)):
                for name in _COUNTS:
                    count = getattr(usage, name)
                    if count is not None and (type(count) is not int or count < 0):
                        raise Violation(f"{name} is {count!r}")
                if usage.raw is not None and not isinstance(usage.raw, dict):
                    raise Violation(f"raw is a {type(usage.raw).__name__}, not an object")
    findings.settle()


@AREA.case(
    3,
    rule="Totals include their parts: input what was read from and written to a cache, output the "
    "reasoning.",
    why="The Anthropic format subtracts the cache from the input: with a total that leaves it out, "
    "clients see wrong sizes and never compact.",
    cure="Add the parts where the upstream counts them apart.",
)
def totals_include_their_parts(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        for usage in _usages(decoding):
            with findings.about(str(decoding)):
                cached = (usage.cache_read or 0) + (usage.cache_write or 0)
                if usage.input is not None and usage.input < cached:
                    raise Violation(f"input is {usage.input}, of which {cached} are of the cache")
                if usage.output is not None and usage.output < (usage.reasoning or 0):
                    raise Violation(
                        f"output is {usage.output}, of which {usage.reasoning} are reasoning"
                    )
    findings.settle()


@AREA.case(
    4,
    rule="The usage that End carries is the last one reported on the way.",
    why="Each report replaces the one before; formats take whichever they need.",
    cure="Hand the latest counts to `writer.end`, or none.",
)
def the_end_carries_the_last_usage(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            events = decoding.whole_events
            seen = [event.usage for event in events if isinstance(event, UsageSeen)]
            end = events[-1]
            if not isinstance(end, End) or end.usage is None or not seen:
                continue
            for name in _COUNTS:
                last, carried = getattr(seen[-1], name), getattr(end.usage, name)
                if last != carried:
                    raise Violation(f"End says {name} = {carried}, the last report {last}")
    findings.settle()


@AREA.case(
    5,
    rule="Output counts that are reported several times do not fall.",
    why="Reports are totals so far, not differences: one that falls means that they were mixed up.",
    cure="Add up where the upstream reports differences.",
)
def output_does_not_fall(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            counts = [usage.output for usage in _usages(decoding) if usage.output is not None]
            for before, after in pairwise(counts):
                if after < before:
                    raise Violation(f"output falls from {before} to {after}")
    findings.settle()


@AREA.case(
    6,
    rule="What a request would cost is counted without asking anyone: in instructions, messages, "
    "results and tools, the same each time.",
    why="Clients ask for counts by the dozen, and decide by them when to shorten a conversation; "
    "one that leaves a part out lets them run into the limit.",
    cure="Leave `gateway_count_tokens` to the core, or count all that a model reads in the `call` "
    "that it is given.",
    static=True,
)
def what_is_sent_is_counted(subject: Subject) -> None:
    findings = Findings()
    tools = subject.capabilities(subject.route()).tools
    for place, build in _PLACES.items():
        if not tools and build("").tools:
            continue
        with findings.about(place):
            plain, grown = (_counted(subject, build(text)) for text in ("Look", _MANY_WORDS))
            if type(plain) is not int or plain < 1:
                raise Violation(f"a short request counts {plain!r}")
            if grown - plain < _WORDS // 4:
                raise Violation(f"{_WORDS} words more count {grown - plain} tokens more")
            if _counted(subject, build(_MANY_WORDS)) != grown:
                raise Violation("the same request counts another number when asked again")
    findings.settle()


def _counted(subject: Subject, request: Request) -> int:
    route = subject.route()
    asked = as_handed_on(subject, request, route)
    return subject.relay.count_tokens(asked, route, subject.credential)


def _usages(decoding: Decoding) -> list[Usage]:
    """All reports in order, the one of End last."""
    return [
        event.usage
        for event in decoding.whole_events
        if isinstance(event, UsageSeen | End) and event.usage is not None
    ]


def _reports(decoding: Decoding) -> bool:
    return any(usage.input is not None or usage.output is not None for usage in _usages(decoding))
