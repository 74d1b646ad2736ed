"""Area S: decoding, on every transcript: the upstream's bytes to events."""

from typing import Final

from gateway_core.events import End, Event, Fail
from gateway_core.testing.answers import Answer, answer_of, difference, lost_content
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.cases.spoiling import READ_BYTES, grown, misshapen, spoiled
from gateway_core.testing.cases.stream_facts import (
    bad_arguments,
    missing_features,
    repeated_ids,
    unmet,
)
from gateway_core.testing.decoding import Decoding, decodings, fed, sampled
from gateway_core.testing.framing import is_framed, respelled, unknown_event
from gateway_core.testing.subject import Subject

__all__ = ["AREA", "ended_once", "same"]

AREA: Final = Area("S", "stream decoding")

_SOME = 8
_MISSHAPEN = 600
_HUGE = "lorem ipsum " * 90_000
_WIDE = " äß→語🙂"


@AREA.case(
    1,
    rule="The transcripts show every feature that the provider declares: text, tool calls and "
    "parallel ones, reasoning.",
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
            same(decoding.answer(*singles(data)), decoding.whole, "byte by byte")
            same(decoding.answer(b"", data, b""), decoding.whole, "with empty reads")
            for at in decoding.places:
                halves = decoding.answer(data[:at], data[at:])
                same(halves, decoding.whole, f"cut at byte {at}")
    with findings.about("with characters of several bytes"):
        _expect_wide_characters(decodings(subject))
    findings.settle()


def _expect_wide_characters(found: list[Decoding]) -> None:
    """Authors mostly record English; there every byte is a character."""
    for decoding in found:
        if is_framed(decoding.transcript) and (widened := grown(decoding, _WIDE)):
            data, expected = widened
            for how, reads in (("in one read", [data]), ("byte by byte", singles(data))):
                said = "".join(part.text for part in decoding.answer(*reads).parts)
                if said != expected:
                    raise Violation(f"{decoding}, {how}: {said!r} came out instead of {expected!r}")
            return


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
                    ended_once([*fed(decoder, data), *fed(decoder, None)], "its end")
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
                same(answer, decoding.whole, f"with an unknown event at byte {at}")
    findings.settle()
    if not tried:
        raise NotApplicable(
            "the kit cannot write this framing: set `unknown_event` of the conformance class to an "
            "event of a kind that does not exist"
        )


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
        if tried == 3 or (huge := grown(decoding, _HUGE)) is None:
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
    12,
    rule="Ids of tool calls are unique within an answer, and the arguments of a complete function "
    "call are a JSON object or empty.",
    why="Clients match results by id and parse arguments; one that cannot drops the whole turn.",
    cure="Make an id where the upstream sends none; pass its arguments on as they came, to their "
    "own call; let what is null, or nothing, be empty.",
)
def tool_calls_can_be_run(subject: Subject) -> None:
    findings = Findings()
    for decoding in decodings(subject):
        with findings.about(str(decoding)):
            as_made = answer_of(decoding.whole_events)  # with the ids that the decoder made up
            for wrong in (repeated_ids(as_made), bad_arguments(as_made)):
                if wrong:
                    raise Violation(wrong)
    findings.settle()


@AREA.case(
    15,
    rule="What framings leave open changes nothing: comments and CRLF line ends in server-sent "
    "events, CRLF between JSON lines.",
    why="Vendors and the proxies before them send comments to keep the line open, and change line "
    "ends from one day to the next.",
    cure="Read with `gateway_core.sse.SSEReader`; take lines apart at LF and leave CR to JSON.",
)
def framing_is_read_as_it_is_defined(subject: Subject) -> None:
    findings = Findings()
    for decoding in _framed(subject):
        with findings.about(str(decoding)):
            for how, data in respelled(decoding.transcript):
                same(decoding.answer(data), decoding.whole, how)
    findings.settle()


@AREA.case(
    16,
    rule="A transcript shows an error inside a successful answer.",
    why="Upstreams start with status 200 and fail later; such an error is told in another shape "
    "than those of HTTP, and nobody sees it before it happens.",
    cure='Add one that fails midway, with `error = "..."` in its .toml. Where the upstream has no '
    "such errors, waive this case.",
)
def an_answer_that_fails_is_shown(subject: Subject) -> None:
    errors = [error for decoding in decodings(subject) if (error := decoding.whole.error)]
    if all(error.kind == "upstream_protocol" for error in errors):
        raise Violation("no transcript shows an error inside a successful answer")


def _framed(subject: Subject) -> list[Decoding]:
    found = [decoding for decoding in decodings(subject) if is_framed(decoding.transcript)]
    if not found:
        raise NotApplicable("the kit writes events of `.sse` and `.jsonl` transcripts only")
    return found


def same(answer: Answer, whole: Answer, how: str) -> None:
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


def ended_once(events: list[Event], after: str) -> None:
    ends = [at for at, event in enumerate(events) if isinstance(event, End | Fail)]
    if not ends:
        raise Violation("there is no End and no Fail")
    if extra := events[ends[0] + 1 :]:
        raise Violation(f"after the end and {after}, there is {type(extra[0]).__name__}")


def singles(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]
