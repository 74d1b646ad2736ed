"""Pieces of text that come in one read are decoded together, and mean what they mean alone."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_core.events import Event, Fail
from gateway_core.formats.responses import StreamReader

DELTA = b"event: response.output_text.delta\ndata: %b\n\n"
WHOLE = [b'{"delta":"%d","output_index":0,"content_index":0}' % number for number in range(3)]
ODD = [
    b'{"delta":"","output_index":0,"content_index":0}',
    b'{"delta":"other part","output_index":0,"content_index":1}',
    b'{"delta":"other item","output_index":1,"content_index":0}',
    b'{"delta":"no place"}',
    b'{"delta":"no place","item_id":"m9"}',
    b'{"delta":7,"output_index":0,"content_index":0}',
    b'{"delta":"a","output_index":"0","content_index":0}',
    b'{"output_index":0,"content_index":0}',
    b'{"delta":"half \\ud83d","output_index":0,"content_index":0}',
    b'{"delta":"\\ude00 half","output_index":0,"content_index":0}',
    b'{"delta":"},{","output_index":0,"content_index":0}',
    b'{"delta":"a","output_index":0,"content_index":0},{"delta":"b"}',
    b'{"delta":"a","output_index":0,"content_index":0',
    b'"output_index":0}',
    b'{"a":[{}',
    b"{}]}",
    b"[]",
    b"7",
    b" {} ",
    b'{"delta":"a",\ndata: "output_index":0,"content_index":0}',
]


def shown(events: list[Event]) -> list[Any]:
    """The events; of an error, what it says."""
    return [event.error.message if type(event) is Fail else event for event in events]


@given(st.lists(st.sampled_from([*WHOLE, *ODD]), min_size=1, max_size=6))
@example([WHOLE[0], b'{"a":[{}', b"{}]}"])
@example([ODD[8], ODD[9], WHOLE[0]])
def test_together_is_the_same_as_alone(payloads: list[bytes]) -> None:
    together, alone = StreamReader(issuer="x"), StreamReader(issuer="x")
    events = together.feed(b"".join(DELTA % payload for payload in payloads))
    one_by_one = [event for payload in payloads for event in alone.feed(DELTA % payload)]
    assert shown([*events, *together.end()]) == shown([*one_by_one, *alone.end()])


@pytest.mark.parametrize("payload", ODD[11:18])
def test_what_is_no_object_alone_is_none_among_others(payload: bytes) -> None:
    reader = StreamReader(issuer="x")
    events = reader.feed(b"".join(DELTA % each for each in (WHOLE[0], payload, WHOLE[1])))
    assert type(events[-1]) is Fail
