"""Pictures on their way: who numbers them, and what the grammar says of them."""

import pytest

from gateway_core.content import HostedCall, Media, Text
from gateway_core.events import Close, Delta, End, Event, Open, Partial, Whole
from gateway_core.grammar import GrammarError, check_stream
from gateway_core.parts import PartWriter, collect
from support.pictures import GIF_BASE64, PNG_BASE64

PICTURE = Media("image", "image/png", data=PNG_BASE64)
CALL = HostedCall("ig_1", "image_generation", "{}")


def test_partial_pictures_are_numbered_for_each_call() -> None:
    writer = PartWriter()
    for id in ("ig_1", "ig_2", "ig_1"):
        writer.partial(id, PICTURE)
    assert writer.take() == [
        Partial("ig_1", 0, PICTURE),
        Partial("ig_2", 0, PICTURE),
        Partial("ig_1", 1, PICTURE),
    ]


def test_no_partial_picture_comes_after_the_end() -> None:
    writer = PartWriter()
    writer.end("stop")
    writer.take()
    writer.partial("ig_1", PICTURE)
    assert writer.take() == []


def test_a_partial_picture_may_come_while_a_part_is_open() -> None:
    check_stream(
        [
            Open(0, Text("")),
            Partial("ig_1", 0, PICTURE),
            Delta(0, "Look"),
            Close(0),
            Whole(1, CALL),
            End("stop"),
        ]
    )


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        ([Partial("ig_1", 1, PICTURE)], "the next number is 0"),
        ([Partial("ig_1", 0, PICTURE), Partial("ig_1", 0, PICTURE)], "the next number is 1"),
        ([Whole(0, CALL), Partial("ig_1", 0, PICTURE)], "Partial comes before its call"),
    ],
)
def test_partial_pictures_out_of_order_break_the_grammar(events: list[Event], rule: str) -> None:
    with pytest.raises(GrammarError, match=rule):
        check_stream([*events, End("stop")])


def test_a_collected_answer_has_only_the_picture_itself() -> None:
    early = Media("image", "image/gif", data=GIF_BASE64)
    assert collect([Partial("ig_1", 0, early), Whole(0, CALL), End("stop")]).parts == [CALL]
