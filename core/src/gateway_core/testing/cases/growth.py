"""Area G: what takes twice as much input takes twice as long, not four times.

Times are of the processor, the shortest of several, and judged generously: an input eight times as
large may take `_FACTOR` times as long; quadratic code takes sixty-four times.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from gateway_core.content import Message, Part, Text, ToolCall, ToolResult
from gateway_core.errors import GatewayError
from gateway_core.events import End, Event, Fail
from gateway_core.provider import UpstreamCall
from gateway_core.request import FunctionTool, Request
from gateway_core.testing.asking import REFUSALS, as_handed_on, ask
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Transcript

__all__ = ["AREA"]

AREA: Final = Area("G", "growth")

_TIMES_LARGER: Final = 8
_FACTOR: Final = 20
_QUICK: Final = 0.03
"""Seconds: what takes no longer is quick enough however it grew, and too short to measure."""
_MEASURABLE: Final = 0.002  # seconds
_SMALLER: Final = 64
_TRIES: Final = 3
_BEYOND_DOUBT: Final = 2
_PIECE: Final = 64 * 1024
_MEGABYTE: Final = 1024 * 1024
_REFUSALS: Final = (*REFUSALS, "context_overflow", "too_large")
_STARTS: Final = {"sse": b'data: {"text":"', "jsonl": b'{"text":"', "ndjson": b'{"text":"'}


@AREA.case(
    1,
    rule="The time of translation grows with the size of the request.",
    why="Agents send their whole history with every step; quadratic code turns a long session into "
    "minutes of waiting, and one client stops the server for all.",
    cure="Go through messages and tools once. Look things up in a dict instead of a list, join "
    "texts at the end, and encode each value once.",
    static=True,
)
def translation_is_linear(subject: Subject) -> None:
    findings = Findings()
    refusals = []
    for name, (size, build) in _REQUESTS.items():
        with findings.about(name):
            prepare = partial(_translating, subject, build)
            for largest in (size, size // _TIMES_LARGER):  # some upstreams take less
                try:
                    _expect_linear(prepare, largest)
                except GatewayError as error:
                    if error.kind not in _REFUSALS:
                        raise
                    refusal = f"it refuses {name}: {error.message}"
                else:
                    break
            else:
                refusals.append(refusal)
    findings.settle()
    if len(refusals) == len(_REQUESTS):
        raise NotApplicable("; ".join(refusals))


def _translating(
    subject: Subject, build: Callable[[int], Request], size: int
) -> Callable[[], object]:
    route = subject.route()
    handed_on = as_handed_on(subject, build(size), route)
    return lambda: ask(subject, handed_on, route)


def _many_messages(count: int) -> Request:
    messages = []
    for n in range(count // 4):
        parts: list[Part] = [Text(f"Step {n}."), ToolCall(f"call_{n}", "look", f'{{"n":{n}}}')]
        messages += [
            Message("user", [Text(f"Question {n}?")]),
            Message("assistant", parts),
            Message("user", [ToolResult(f"call_{n}", [Text(f"result {n}")])]),
            Message("assistant", [Text(f"Answer {n}.")]),
        ]
    return Request("", messages, tools=[FunctionTool("look", "Looks", {"type": "object"})])


def _long_text(characters: int) -> Request:
    return Request("", [Message("user", [Text("many words, äöü \n" * (characters // 17))])])


def _many_tools(count: int) -> Request:
    tools = [
        FunctionTool(f"tool_{n}", f"Tool {n}", {"type": "object", "properties": {}})
        for n in range(count)
    ]
    return Request("", [Message("user", [Text("Hello")])], tools=[*tools])


_REQUESTS: Final[dict[str, tuple[int, Callable[[int], Request]]]] = {
    "many messages": (400, _many_messages),
    "a long text": (128 * 1024, _long_text),
    "many tools": (100, _many_tools),
}


@AREA.case(
    2,
    rule="The time of decoding grows with the length of the answer.",
    why="An answer has thousands of events; quadratic code makes the last ones crawl and holds up "
    "every other stream of the server.",
    cure="Emit each delta as it comes and keep pieces in a list, joined once, where the whole is "
    "needed.",
)
def decoding_is_linear(subject: Subject) -> None:
    findings = Findings()
    seen = False
    for transcript in subject.transcripts:
        found = _repeatable(subject, transcript)
        if found is None:
            continue
        seen = True
        with findings.about(str(transcript)):
            _expect_linear(partial(_decoding_many, subject, transcript, found), 500)
        break
    findings.settle()
    if not seen:
        raise NotApplicable("no transcript in a text framing has an event that can be repeated")


def _decoding_many(
    subject: Subject, transcript: Transcript, parts: tuple[bytes, bytes, bytes], count: int
) -> Callable[[], object]:
    before, block, after = parts
    return _decoding(subject, transcript, before + block * count + after)


def _repeatable(subject: Subject, transcript: Transcript) -> tuple[bytes, bytes, bytes] | None:
    """Bytes before, of and after an event that an answer may have any number of."""
    gap = b"\n\n" if transcript.suffix == "sse" else b"\n"
    if transcript.suffix not in _STARTS or transcript.status != 200:
        return None
    blocks = [block + gap for block in transcript.data.split(gap)]
    plain = len(_decoding(subject, transcript, transcript.data)())
    for index, block in enumerate(blocks):
        before, after = b"".join(blocks[:index]), b"".join(blocks[index + 1 :])
        events = _decoding(subject, transcript, before + block * 3 + after)()
        if len(events) == plain + 2 and isinstance(events[-1], End):
            return before, block, after
    return None


def _decoding(subject: Subject, transcript: Transcript, data: bytes) -> Callable[[], list[Event]]:
    call = subject.call_for(transcript)
    route = subject.route(transcript.model)
    pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]

    def decode() -> list[Event]:
        decoder = subject.relay.decoder(call, route, transcript.headers)
        events: list[Event] = []
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.end()
        return events

    return decode


@AREA.case(
    3,
    rule="An event that never ends is taken in linear time and ends in `Fail`.",
    why="A broken upstream or a proxy may send megabytes without an end. Searching them again with "
    "every read stops the server.",
    cure="Keep what is unfinished in a list, search only the new bytes for the end of an event, "
    "and answer `end()` with `Fail` (`SSEReader` of the core does the first two).",
)
def unfinished_events_are_linear(subject: Subject) -> None:
    transcript = next((t for t in subject.transcripts if t.suffix in _STARTS), None)
    if transcript is None:
        raise NotApplicable("no transcript is in a text framing (.sse or .jsonl)")
    start = _STARTS[transcript.suffix]
    events = _decoding(subject, transcript, start + b"x" * _MEGABYTE)()
    if not events or not isinstance(events[-1], Fail):
        raise Violation("a stream that stops in the middle of an event does not end in Fail")
    _expect_linear(lambda size: _decoding(subject, transcript, start + b"x" * size), _MEGABYTE)


@AREA.case(
    4,
    rule="The time of reading an error grows with the size of its body.",
    why="Proxies answer with large pages; a pattern that backtracks over them stops the server.",
    cure="Cut the body before searching it, decode it once as JSON, and avoid nested repetition in "
    "patterns.",
    static=True,
)
def errors_are_read_in_linear_time(subject: Subject) -> None:
    findings = Findings()
    route = subject.route()
    call = ask(subject, as_handed_on(subject, _long_text(64), route), route)
    for name, build in _ERROR_BODIES.items():
        with findings.about(name):
            _expect_linear(partial(_reading, subject, call, build), 32 * 1024)
    findings.settle()


def _reading(
    subject: Subject, call: UpstreamCall, build: Callable[[int], bytes], size: int
) -> Callable[[], object]:
    body = build(size)
    return lambda: [subject.relay.error(status, {}, body, call) for status in (400, 500)]


_ERROR_BODIES: Final[dict[str, Callable[[int], bytes]]] = {
    "a long message": lambda n: b'{"error":{"message":"' + b"too long " * (n // 9) + b'"}}',
    "a page": lambda n: b"<html><p>" + b"<br> no \n" * (n // 9) + b"</html>",
    "open brackets": lambda n: b"[" * n,
    "blanks": lambda n: b" " * n,
}


def _expect_linear(prepare: Callable[[int], Callable[[], object]], largest: int) -> None:
    """Hold the time of what is prepared for a size against that for `_TIMES_LARGER` as much.

    largest: the size to begin with, at most; slow code is judged at a smaller one. What disturbs a
    measurement makes it longer, so the shortest of several is the true one.
    """
    size, small = _begin(prepare, largest)
    short = min(_seconds(small) for _ in range(_TRIES))
    large = prepare(size * _TIMES_LARGER)
    long = _seconds(large)
    for _ in range(_TRIES - 1):
        if long <= max(_QUICK, _FACTOR * short):
            return
        if long > _BEYOND_DOUBT * _FACTOR * short:
            break
        long = min(long, _seconds(large))
    if long > max(_QUICK, _FACTOR * short):
        raise Violation(
            f"{_TIMES_LARGER} times as much takes {long / short:.0f} times as long "
            f"({short * 1000:.1f} ms, then {long * 1000:.0f} ms)"
        )


def _begin(
    prepare: Callable[[int], Callable[[], object]], largest: int
) -> tuple[int, Callable[[], object]]:
    """A size that takes long enough to be measured and to outweigh what every call costs."""
    size = max(1, largest // _SMALLER)
    work = prepare(size)
    work()  # the first time may load and compile things
    enough = min(max(_MEASURABLE, 4 * _seconds(work)), 2 * _MEASURABLE)
    while size < largest and _seconds(work) < enough:
        size *= 2
        work = prepare(size)
    return size, work


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor and of this thread alone, never nothing."""
    with _no_collections():
        started = time.thread_time()
        work()
        return max(time.thread_time() - started, 1e-6)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Garbage collections would be counted to whoever happens to run."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
