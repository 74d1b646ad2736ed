"""Area S: decoding, on every transcript: the upstream's bytes to events."""

from collections.abc import Iterator
from typing import Final

from gateway_core.events import Delta, End, Event, Fail, Open, Whole
from gateway_core.testing.answers import Answer, answer_of, difference, lost_content
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.cases.spoiling import READ_BYTES, blown_up, misshapen, spoiled
from gateway_core.testing.cases.stream_facts import (
    bad_arguments,
    missing_features,
    repeated_ids,
    unmet,
)
from gateway_core.testing.decoding import Decoding, decodings, fed, sampled
from gateway_core.testing.framing import is_framed, unknown_event
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]

AREA: Final = Area("S", "stream decoding")

_SOME = 8
_MISSHAPEN = 600


@AREA.case(
    1,
    rule="The transcripts show every feature that the provider declares: text, tool calls and "
    "parallel ones, reasoning, and an error inside a successful answer.",
    why="What no transcript shows is decoded for the first time in front of a user.",
    cure="Add the transcripts that are named, or declare less in `Capabilities`. Record them with "
    "`gateway serve --debug`, scrub them, or write them by the upstream's documentation.",
)
def transcripts_cover_what_is_declared(subject: Subject) -> None:
    answers = {str(decoding): decoding.whole for decoding in decodings(subject)}
    if missing := missing_features(subject, answers):
        raise Violation("; ".join(missing))


@AREA.case(
    2,
    rule="The events of every transcript obey the grammar, and the last one is End or Fail.",
    why="Writers trust the grammar: a broken stream reaches the client as a broken answer.",
    cure="Emit parts only through `PartWriter`, and call its `end` or `fail` once.",
)
def events_obey_the_grammar(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            decoding.events(decoding.data)
    findings.settle()


@AREA.case(
    3,
    rule="What a transcript's `.toml` expects comes out of it; without one it ends in End.",
    why="The folder is the specification of the upstream: a difference is a change of behaviour.",
    cure="Mend the decoder, or the expectation when it was wrong.",
)
def transcripts_mean_what_is_expected(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            if wrong := unmet(decoding.transcript.expect, decoding.whole):
                raise Violation(wrong)
    findings.settle()


@AREA.case(
    4,
    rule="Every split of the same bytes gives the same events, but for ticks and delta bounds.",
    why="A network cuts where it likes: in the middle of an event, a word or a character.",
    cure="Keep what is incomplete until the rest comes; decode characters only from whole events.",
)
def every_split_says_the_same(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        data = decoding.data
        with findings.about(str(decoding)):
            singles = [data[at : at + 1] for at in range(len(data))]
            _same(decoding.answer(*singles), decoding.whole, "byte by byte")
            _same(decoding.answer(b"", data, b""), decoding.whole, "with empty reads")
            for at in decoding.places:
                halves = decoding.answer(data[:at], data[at:])
                _same(halves, decoding.whole, f"cut at byte {at}")
    findings.settle()


@AREA.case(
    5,
    rule="A stream that is cut off ends in Fail; in End only when nothing of the answer is lost.",
    why="An answer that looks complete and is not gets stored, run and built upon by agents.",
    cure="Emit End only for the upstream's own end marker, and in `end()` call "
    "`writer.fail(UpstreamProtocol(...))` when none was seen. Where the upstream has no such "
    "marker say `end_marker = False` in the conformance class; then cuts inside events must fail.",
)
def a_cut_stream_fails(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            for at in decoding.places if subject.end_marker else _inside_events(decoding):
                cut = decoding.answer(decoding.data[:at])
                _nothing_lost(cut, decoding.whole, f"cut off at byte {at}")
    findings.settle()


@AREA.case(
    6,
    rule="Garbage in a stream leads to Fail or is skipped; never to an exception or a wrong End.",
    why="Proxies put pages of HTML into streams and connections break inside of events.",
    cure="Turn what cannot be parsed into `writer.fail(UpstreamProtocol(...))`.",
)
def garbage_is_refused_or_skipped(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            for how, data in spoiled(decoding):
                _nothing_lost(decoding.answer(data), decoding.whole, how)
    findings.settle()


@AREA.case(
    7,
    rule="Events whose fields have other types than expected never make a decoder raise.",
    why="Upstreams change without notice; an exception in a decoder is a bug in the log and an "
    "internal error for the client, where a failed turn would say what happened.",
    cure="Check types before use, or turn KeyError, TypeError and the like into a Fail.",
)
def wrong_types_do_not_raise(subject: Subject) -> None:
    findings = Findings()
    found = _framed(subject)
    for decoding in found:
        with findings.about(str(decoding)):
            for how, data in misshapen(decoding.transcript, _MISSHAPEN // len(found) + 1):
                decoder = decoding.decoder()
                try:
                    _ended_once([*fed(decoder, data), *fed(decoder, None)], "its end")
                except Violation as violation:
                    raise Violation(f"with {how}, {violation}") from violation
    findings.settle()


@AREA.case(
    8,
    rule="Events of unknown kinds are skipped, wherever they come.",
    why="Upstreams add events; a decoder that fails on them breaks all users on that day.",
    cure="Give the dispatch over event kinds a branch that does nothing.",
)
def unknown_events_are_skipped(subject: Subject) -> None:
    findings = Findings()
    tried = False
    for decoding in decodings(subject):
        event = subject.unknown_event
        if event is None and is_framed(decoding.transcript):
            event = unknown_event(decoding.transcript)
        if event is None:
            continue
        tried = True
        with findings.about(str(decoding)):
            data = decoding.data
            for at in sampled((0, *decoding.boundaries), _SOME):
                answer = decoding.answer(data[:at] + event + data[at:])
                answer.begin = decoding.whole.begin  # some protocols name the answer in each event
                _same(answer, decoding.whole, f"with an unknown event at byte {at}")
    findings.settle()
    if not tried:
        raise NotApplicable(
            "the kit cannot write this framing: set `unknown_event` of the conformance class to an "
            "event of a kind that does not exist"
        )


@AREA.case(
    9,
    rule="Nothing follows End or Fail, and feed() and end() after it are harmless.",
    why="A client that was told the end reads no further, or takes the rest for another answer.",
    cure="Ask `writer.ended` before handling an event, and return `writer.take()` from both.",
)
def nothing_follows_the_end(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            decoder = decoding.decoder()
            events = [*fed(decoder, decoding.data), *fed(decoder, decoding.data)]
            events += fed(decoder, None)
            _ended_once(events, "the same answer once more")
            late = [*fed(decoder, None), *fed(decoder, decoding.data), *fed(decoder, None)]
            _ended_once([*events, *late], "an end() before")
    findings.settle()


@AREA.case(
    10,
    rule="A huge event comes through whole.",
    why="A model writes a file of a megabyte in one tool call, or a vendor sends it in one event.",
    cure="Set no limit on an event's size below some tens of megabytes.",
)
def a_huge_event_comes_through(subject: Subject) -> None:
    tried = 0
    findings = Findings()
    for decoding in _framed(subject):
        if tried == 3 or (huge := blown_up(decoding)) is None:
            continue
        tried += 1
        data, expected = huge
        with findings.about(str(decoding)):
            for size in (len(data), READ_BYTES):
                reads = [data[at : at + size] for at in range(0, len(data), size)]
                answer = decoding.answer(*reads)
                if answer.error is not None:
                    raise Violation(f"an event of a megabyte fails: {answer.error.kind}")
                if "".join(part.text for part in answer.parts) != expected:
                    raise Violation("an event of a megabyte lost some of its text")
    findings.settle()
    if not tried:
        raise NotApplicable("no transcript has a text that could be blown up")


@AREA.case(
    11,
    rule="Two decoders at work at the same time do not share state.",
    why="One server decodes many answers at once: shared state mixes the answers of users.",
    cure="Make everything in the decoder's `__init__`, nothing on the class or the plugin.",
)
def decoders_do_not_share_state(subject: Subject) -> None:
    findings = Findings()
    found = decodings(subject)
    for first, second in zip(found, [*found[1:], found[0]], strict=True):
        with findings.about(f"{first} and {second} in turns"):
            pair = (first, second)
            decoders = [decoding.decoder() for decoding in pair]
            events: list[list[Event]] = [[], []]
            for reads in zip(*(_quarters(decoding.data) for decoding in pair), strict=True):
                for decoder, read, seen in zip(decoders, reads, events, strict=True):
                    seen.extend(fed(decoder, read))
            for decoder, decoding, seen in zip(decoders, pair, events, strict=True):
                seen.extend(fed(decoder, None))
                _same(answer_of(seen, decoding.data), decoding.whole, f"for {decoding}")
    findings.settle()


@AREA.case(
    12,
    rule="Ids of tool calls are unique within an answer, and the arguments of a complete function "
    "call are JSON or empty.",
    why="Clients match results by id and parse arguments; one that cannot drops the whole turn.",
    cure="Make an id where the upstream sends none; pass its arguments on as they came.",
)
def tool_calls_can_be_run(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            for wrong in (repeated_ids(decoding.whole), bad_arguments(decoding.whole)):
                if wrong:
                    raise Violation(wrong)
    findings.settle()


@AREA.case(
    13,
    rule="Events come out as soon as the bytes that say them are in.",
    why="A decoder that waits for the end makes every answer appear at once, after minutes.",
    cure="Return from `feed` what its bytes completed.",
)
def events_are_not_held_back(subject: Subject) -> None:
    streamed = [decoding for decoding in decodings(subject) if _deltas(decoding.whole, decoding)]
    if not streamed:
        raise NotApplicable("no transcript has a part in several deltas: add one that streams")
    if not any(_arrivals(decoding) > 1 for decoding in streamed):
        raise Violation(
            f"fed byte by byte, {streamed[0]} gives all of its text in one go at the end"
        )


@AREA.case(
    14,
    rule="data_to_send() gives bytes at any time, `b''` unless the protocol answers back.",
    why="The exchange asks after every read, and sends what it is given.",
    cure="Return `b''`.",
)
def what_to_send_is_bytes(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            decoder = decoding.decoder()
            for read in (b"", decoding.data, None):
                fed(decoder, read)
                if not isinstance(reply := decoder.data_to_send(), bytes):
                    raise Violation(f"data_to_send() gives {type(reply).__name__}")
    findings.settle()


def _framed(subject: Subject) -> list[Decoding]:
    found = [decoding for decoding in decodings(subject) if is_framed(decoding.transcript)]
    if not found:
        raise NotApplicable("the kit writes events of `.sse` and `.jsonl` transcripts only")
    return found


def _same(answer: Answer, whole: Answer, how: str) -> None:
    if wrong := difference(answer, whole):
        raise Violation(f"{how}, {wrong}")


def _nothing_lost(answer: Answer, whole: Answer, how: str) -> None:
    """An End is a lie unless the whole answer ended well and all of it is here."""
    if answer.end is None:
        return
    lost = lost_content(answer, whole)
    if whole.end is None or answer.end.reason != whole.end.reason:
        lost = lost or f"the whole answer ends in {whole.ending}"
    if lost:
        raise Violation(f"{how}, it still ends in {answer.ending}: {lost}")


def _inside_events(decoding: Decoding) -> list[int]:
    """Places just before and behind the ends of events; in between is the transport's business."""
    near = {0, *(end + step for end in decoding.boundaries for step in (-1, 1))}
    inside = near - set(decoding.boundaries)
    return sampled((at for at in inside if at < len(decoding.data)), len(decoding.places))


def _ended_once(events: list[Event], after: str) -> None:
    ends = [at for at, event in enumerate(events) if isinstance(event, End | Fail)]
    if not ends:
        raise Violation("there is no End and no Fail")
    if extra := events[ends[0] + 1 :]:
        raise Violation(f"after the end and {after}, there is {type(extra[0]).__name__}")


def _quarters(data: bytes) -> Iterator[bytes]:
    step = len(data) // 4 + 1
    return (data[at * step : (at + 1) * step] for at in range(4))


def _deltas(answer: Answer, decoding: Decoding) -> bool:
    """Whether the transcript has a part in several deltas."""
    return answer.end is not None and any(
        sum(type(event) is Delta and event.index == index for event in decoding.whole_events) > 1
        for index in range(len(answer.parts))
    )


def _arrivals(decoding: Decoding) -> int:
    """How many reads of one byte bring something of the answer."""
    decoder = decoding.decoder()
    reads = (decoding.data[at : at + 1] for at in range(len(decoding.data)))
    shown = (Open, Delta, Whole)
    return sum(any(isinstance(event, shown) for event in fed(decoder, read)) for read in reads)
