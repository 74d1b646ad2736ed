"""Area S, continued: what a decoder is like, whatever it reads."""

from collections.abc import Iterator

from gateway_core.events import Delta, Event, Open, Whole
from gateway_core.testing.answers import Answer, answer_of
from gateway_core.testing.case import Findings, NotApplicable, Violation
from gateway_core.testing.cases.streams import AREA, ended_once, same
from gateway_core.testing.decoding import Decoding, decodings, fed
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]


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
            ended_once(events, "the same answer once more")
            late = [*fed(decoder, None), *fed(decoder, decoding.data), *fed(decoder, None)]
            ended_once([*events, *late], "an end() before")
    findings.settle()


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
                same(answer_of(seen, decoding.data), decoding.whole, f"for {decoding}")
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
