"""The demo provider's decoder: any split of the bytes, truncation, nonsense."""

import random
from itertools import pairwise

import pytest

from gateway_core import Event, Message, Request, Route, Text
from gateway_core.events import Begin, Close, Delta, End, Fail, Open
from gateway_core.grammar import check_stream
from gateway_core.parts import collect
from gateway_demo.plugin import DemoProvider, DemoSettings
from gateway_demo.stream import DemoDecoder
from support.about import each

SCRIPT = """\
think: Überlegen 😀
text: Grüße, 世界!
tool: Write {"text": "ä"}
tool: Bash {}
image: 2x2
search: pelicans
usage: input=12 cached=5 output=7 reasoning=3"""


async def recorded(script: str) -> bytes:
    """The bytes of an answer."""
    provider = DemoProvider()
    request = Request("demo", [Message("user", [Text(script)])])
    call = provider.gateway_translate(request, Route("demo", "demo", "demo"), DemoSettings())
    async with provider.gateway_open(call) as stream:
        return b"".join([data async for data in stream])


@pytest.fixture
async def transcript() -> bytes:
    """An answer that has everything in it."""
    return await recorded(SCRIPT)


def decode(*reads: bytes) -> list[Event]:
    """All events of these reads, checked against the grammar."""
    decoder = DemoDecoder()
    events = [event for data in reads for event in decoder.feed(data)]
    events += decoder.end()
    check_stream(events)
    return events


def test_every_split_gives_the_same_events(transcript: bytes) -> None:
    whole = decode(transcript)
    assert isinstance(whole[-1], End)
    for offset in range(len(transcript) + 1):
        assert decode(transcript[:offset], transcript[offset:]) == whole


def test_reads_of_one_byte_and_of_any_size_give_the_same_events(transcript: bytes) -> None:
    whole = decode(transcript)
    assert decode(*(transcript[i : i + 1] for i in range(len(transcript)))) == whole
    cuts = sorted(random.Random(7).sample(range(len(transcript)), 20))
    edges = [0, *cuts, len(transcript)]
    assert decode(*(transcript[a:b] for a, b in pairwise(edges))) == whole


def test_a_truncated_answer_fails_wherever_it_is_cut(transcript: bytes) -> None:
    for offset in range(len(transcript)):
        assert isinstance(decode(transcript[:offset])[-1], Fail)


@each("line", [b"\x00\xff", b"{", b"[1]", b'{"no":"type"}', b'{"type":"text","part":0}'])
def test_nonsense_fails_the_answer_instead_of_ending_it(line: bytes) -> None:
    (begin, fail) = decode(b'{"type":"begin","model":"demo"}\n' + line + b'\n{"type":"end"}\n')
    assert begin == Begin(model="demo")
    assert isinstance(fail, Fail)
    assert "nonsense" in fail.error.message


def test_lines_of_unknown_types_are_skipped(transcript: bytes) -> None:
    first, rest = transcript.split(b"\n", 1)
    assert decode(first + b'\n{"type":"novelty"}\n' + rest) == decode(transcript)


def test_what_follows_the_end_is_ignored(transcript: bytes) -> None:
    assert decode(transcript + b"garbage\n" + transcript) == decode(transcript)


def test_a_line_in_many_small_reads_is_put_together_once() -> None:
    line = b'{"type":"text","part":0,"text":"' + b"x" * 200_000 + b'"}\n'
    reads = [line[i : i + 2] for i in range(0, len(line), 2)]
    events = decode(*reads, b'{"type":"end","reason":"stop"}\n')
    assert collect(events).parts == [Text("x" * 200_000)]


def test_text_arrives_word_by_word() -> None:
    decoder = DemoDecoder()
    assert decoder.feed(b'{"type":"text","part":0,"text":"Hello "}\n') == [
        Open(0, Text("")),
        Delta(0, "Hello "),
    ]
    assert decoder.feed(b'{"type":"close","part":0,"seal":null}\n') == [Close(0)]
