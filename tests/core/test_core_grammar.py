"""The checker that every stream in the tests is held against."""

import pytest

from gateway_core.content import Media, Text, ToolCall
from gateway_core.errors import Overloaded
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
    Tick,
    Usage,
    UsageSeen,
    Whole,
)
from gateway_core.grammar import GrammarChecker, GrammarError, check_stream
from support.about import each
from support.corpus import ANSWERS

FAIL = Fail(Overloaded("full"))


def _open(index: int = 0) -> Open:
    return Open(index, Text(""))


def _call(index: int, id: str = "call_1", name: str = "tool") -> Open:
    return Open(index, ToolCall(id, name, ""))


GOOD: dict[str, list[Event]] = {
    "nothing but an end": [End("stop")],
    "a failure alone": [FAIL],
    "one part": [Begin(), _open(), Delta(0, "x"), Close(0), End("stop")],
    "an empty part": [_open(), Close(0), End("stop")],
    "two parts": [_open(), Close(0), _open(1), Close(1), End("stop")],
    "a whole part": [Whole(0, Media("image")), _open(1), Close(1), End("stop")],
    "side events anywhere": [
        Begin(),
        Tick(),
        _open(),
        UsageSeen(Usage()),
        Delta(0, "x"),
        NoticeSeen(Notice("code", "words")),
        Close(0),
        Tick(),
        End("stop"),
    ],
    "a part cut by a failure": [_open(), Delta(0, "x"), FAIL],
}

BAD: dict[str, tuple[str, list[Event]]] = {
    "begin twice": ("Begin comes first and once", [Begin(), Begin()]),
    "begin late": ("Begin comes first and once", [Tick(), Begin()]),
    "first index not 0": ("the next index is 0", [_open(1)]),
    "a gap in the indexes": ("the next index is 1", [_open(), Close(0), _open(2)]),
    "an index twice": ("the next index is 1", [_open(), Close(0), _open(0)]),
    "two parts open": ("one part is open", [_open(), _open(1)]),
    "a whole part inside an open one": ("one part is open", [_open(), Whole(1, Media("image"))]),
    "a delta of no part": ("Delta belongs to the open part", [Delta(0, "x")]),
    "a delta of a closed part": ("Delta belongs", [_open(), Close(0), Delta(0, "x")]),
    "an empty delta": ("Delta is not empty", [_open(), Delta(0, "")]),
    "a close of no part": ("Close belongs to the open part", [Close(0)]),
    "a close of another part": ("Close belongs", [_open(), Close(1)]),
    "text in an open": ("Open carries no text", [Open(0, Text("x"))]),
    "arguments in an open": ("Open carries no text", [Open(0, ToolCall("c", "t", "{}"))]),
    "a call id twice": ("call ids are unique", [_call(0), Close(0), _call(1)]),
    "a call without id": ("a call has id and name", [_call(0, id="")]),
    "a call without name": ("a call has id and name", [_call(0, name="")]),
    "an end inside a part": ("everything is closed", [_open(), End("stop")]),
    "an event after the end": ("nothing may follow", [End("stop"), Tick()]),
    "an event after a failure": ("nothing may follow", [FAIL, End("stop")]),
}


@each("case", GOOD)
def test_accepts(case: str) -> None:
    check_stream(GOOD[case])


@each("case", BAD)
def test_refuses(case: str) -> None:
    rule, events = BAD[case]
    with pytest.raises(GrammarError, match=rule):
        GrammarChecker().check(events)


@pytest.mark.parametrize("events", [[], [Begin()], [_open(), Close(0)]])
def test_a_stream_must_end(events: list[Event]) -> None:
    with pytest.raises(GrammarError, match="must end in End or Fail"):
        check_stream(events)


def test_a_refusal_shows_the_event() -> None:
    with pytest.raises(GrammarError, match=r"got Delta\(index=0, text='x'\)"):
        check_stream([Delta(0, "x")])


@each("name", ANSWERS)
def test_the_corpus_is_grammatical(name: str) -> None:
    check_stream(ANSWERS[name])
