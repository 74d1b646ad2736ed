"""Area D: what counts as a well-formed stream in each dialect. The faults of plugins are in
`support.mutants.streams`; here streams are broken by hand.
"""

from dataclasses import replace
from importlib import import_module

import pytest

from gateway_core import Message, Request, Text, ToolCall
from gateway_core.content import HostedCall, Media, Reasoning
from gateway_core.errors import Overloaded
from gateway_core.events import Close, Delta, End, Event, Fail, Open, Whole
from gateway_core.parts import collect
from gateway_core.testing.case import Violation
from gateway_core.testing.heard import HEARERS, Heard, said_by
from support.about import each

DIALECTS = ["anthropic", "chat", "responses"]
ANSWER: list[Event] = [
    Open(0, Reasoning("")),
    Delta(0, "Hm."),
    Close(0),
    Open(1, Text("")),
    Delta(1, "I lo"),
    Delta(1, "ok."),
    Close(1),
    Open(2, ToolCall("call_1", "look", "")),
    Delta(2, '{"at":1}'),
    Close(2),
    Open(3, ToolCall("call_2", "run", "", custom=True)),
    Delta(3, "ls"),
    Close(3),
    End("tool_use"),
]


def fresh() -> list[Event]:
    """The answer with parts of its own: collecting completes them."""
    return [Open(e.index, replace(e.part)) if isinstance(e, Open) else e for e in ANSWER]


def written(dialect: str, events: list[Event]) -> bytes:
    writer = import_module(f"gateway_core.formats.{dialect}").FORMAT.writer
    request = Request("m", [Message("user", [Text("Hello")])])
    data: bytes = writer(request, "m").feed(events)
    return data


def body(dialect: str, events: list[Event]) -> Heard:
    writer = import_module(f"gateway_core.formats.{dialect}").FORMAT.writer
    return said_by(dialect, writer(Request("m", []), "m").body(collect(events)))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_is_heard_and_its_body_says_the_same(dialect: str) -> None:
    heard = HEARERS[dialect](written(dialect, fresh()))
    assert (heard.text, heard.failed) == ("I look.", False)
    assert [name for name, _ in heard.calls] == ["look", "run"]
    assert heard == body(dialect, fresh())


@each("dialect", DIALECTS)
@each("arguments", ['{"at":', "[1]", "5"])
def test_arguments_that_are_no_object_are_the_same_in_stream_and_body(
    dialect: str, arguments: str
) -> None:
    def events() -> list[Event]:
        call = Open(0, ToolCall("call_1", "look", ""))
        return [call, Delta(0, arguments), Close(0), End("length")]

    heard = HEARERS[dialect](written(dialect, events()))
    assert heard == body(dialect, events())
    assert heard.calls == [("look", arguments)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_failure_is_heard_as_one(dialect: str) -> None:
    heard = HEARERS[dialect](written(dialect, [*ANSWER[:5], Fail(Overloaded("busy"))]))
    assert heard.failed
    assert "I lo" in heard.text or dialect == "anthropic"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_pictures_and_searches_are_well_formed(dialect: str) -> None:
    search = HostedCall("s1", "web_search", '{"query":"x"}', {"sources": [{"url": "https://x/"}]})
    picture = Media("image", "image/png", data="aGk=")
    events: list[Event] = [Whole(0, search), Whole(1, picture), End("stop")]
    assert not HEARERS[dialect](written(dialect, events)).failed


@each("dialect", DIALECTS)
@each(
    "name, told",
    [
        ("half", "every event ends in a blank line"),
        ("nothing at the end", "end"),
        ("one more", "after the end|in \\[DONE\\] or an error|comes after"),
        ("no UTF-8", "not UTF-8"),
        ("no JSON", "no JSON"),
        ("unframed", "one line of data"),
    ],
)
def test_a_broken_stream_is_refused(dialect: str, name: str, told: str) -> None:
    data = written(dialect, fresh())
    events = data.split(b"\n\n")[:-1]
    broken = {
        "half": data[:-10],
        "nothing at the end": b"\n\n".join(events[:-2]) + b"\n\n",
        "one more": data + events[1] + b"\n\n",
        "no UTF-8": data.replace(b"I lo", b"I \xff\xfe"),
        "no JSON": data.replace(b'{"', b"{'", 3),
        "unframed": data.replace(b"data: ", b"dat: ", 1),
    }[name]
    with pytest.raises(Violation, match=told):
        HEARERS[dialect](broken)


@each(
    "dialect, before, after, told",
    [
        ("anthropic", b'_block_stop","index":1', b'_block_stop","index":2', "a stop has its block"),
        ("anthropic", b'_delta","index":1', b'_delta","index":0', "a delta has its block"),
        ("anthropic", b'content_block_start","index":1', b'x","index":1', "the same"),
        ("chat", b'"finish_reason":"tool_calls"', b'"finish_reason":null', "after a finish_reason"),
        (
            "chat",
            b'"delta":{"tool_calls":[{"index":1',
            b'"delta":{"tool_calls":[{"index":2',
            "call",
        ),
        ("responses", b'"sequence_number":5', b'"sequence_number":6', "the sequence number is 5"),
        ("responses", b'"output_index":1,"item"', b'"output_index":2,"item"', "indexes count up"),
        ("responses", b'"delta":"ok."', b'"delta":"OK."', "deltas say the whole item"),
    ],
)
def test_an_event_out_of_place_is_refused(
    dialect: str, before: bytes, after: bytes, told: str
) -> None:
    data = written(dialect, fresh())
    assert before in data
    with pytest.raises(Violation, match=told):
        HEARERS[dialect](data.replace(before, after, 1))
