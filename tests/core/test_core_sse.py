"""Server-sent events: what the reader makes of bytes, however they are cut."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.errors import UpstreamProtocol
from gateway_core.sse import COMMENT_PING, MAX_EVENT_BYTES, SSEEvent, SSEReader, frame
from support.about import each


def read(*pieces: bytes) -> list[SSEEvent]:
    """All events of a stream that comes in these pieces and then ends."""
    reader = SSEReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.end()


@each(
    "stream, expected",
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"event: e\ndata: a\n\n", [(b"e", b"a")]),
        (b"data: a\nevent: e\n\n", [(b"e", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a \n\n", [(b"", b" a ")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"event: e\ndata: a\ndata: b\n\n", [(b"e", b"a\nb")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data: \n\n", [(b"", b"")]),
        (b"data: a: b\n\n", [(b"", b"a: b")]),
        (b"id: 7\nretry: 100\nevent: e\ndata: a\nother: x\n\n", [(b"e", b"a")]),
        (b"event: e\nid: 7\n\n", []),
        (b"event: e\n\ndata: a\n\n", [(b"", b"a")]),
        (b"event: e\ndata: a\n\nid: 7\nevent: f\ndata: b\n\n", [(b"e", b"a"), (b"f", b"b")]),
        (b"event: e\ndata: a\n\ndata: c\nevent: f\ndata: b\n\n", [(b"e", b"a"), (b"f", b"c\nb")]),
        (
            b"event: e\ndata: event: f\n\ndata: event: g\n\n",
            [(b"e", b"event: f"), (b"", b"event: g")],
        ),
        (b": comment\n\ndata: a\n\n", [(b"", b"a")]),
        (b": comment\nevent: e\n: comment\ndata: a\n\n", [(b"e", b"a")]),
        (b"\n\n\ndata: a\n\n\n\n\nevent: e\ndata: b\n\n\n", [(b"", b"a"), (b"e", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data: \xef\xbb\xbf\n\n", [(b"", b"\xef\xbb\xbf")]),
        (b"data: a", [(b"", b"a")]),
        (b"data: a\n", [(b"", b"a")]),
        (b"event: e\ndata: a\n\nevent: f\ndata: b", [(b"e", b"a"), (b"f", b"b")]),
        (b"", []),
        (b"\xef\xbb", []),
    ],
)
def test_a_stream_is_read_as_the_standard_says(
    stream: bytes, expected: list[tuple[bytes, bytes]]
) -> None:
    assert read(stream) == expected


LINE_ENDS = (b"\n", b"\r\n", b"\r")


@pytest.mark.parametrize("end", LINE_ENDS)
def test_every_line_end_is_one(end: bytes) -> None:
    lines = [b"event: e", b"data: a", b"data: b", b"", b"data: c", b"", b": ping", b"", b"data: d"]
    assert read(end.join(lines) + end + end) == [(b"e", b"a\nb"), (b"", b"c"), (b"", b"d")]


def test_a_carriage_return_ends_an_event_before_more_comes() -> None:
    reader = SSEReader()
    assert reader.feed(b"data: a\r\n\r") == [(b"", b"a")]
    assert reader.feed(b"\n") == []
    assert reader.feed(b"data: b\n\n") == [(b"", b"b")]


def test_a_line_feed_after_a_split_line_end_is_a_line_of_its_own() -> None:
    assert read(b"data: a\r", b"\n", b"\n", b"data: b\n\n") == [(b"", b"a"), (b"", b"b")]


def test_empty_reads_change_nothing() -> None:
    assert read(b"", b"data: a\r", b"", b"\n", b"", b"\r", b"", b"\n") == [(b"", b"a")]


lines = st.sampled_from(
    [
        b"data: a",
        b"data: \xc3\xa9\xe2\x82\xac",
        b"data:",
        b"data:  b",
        b"event: e",
        b"event: other",
        b": comment",
        b"id: 1",
        b"",
        b"",
        b"",
    ]
)
terminated = st.tuples(lines, st.sampled_from(LINE_ENDS)).map(b"".join)
streams = st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(terminated, max_size=12)).map(
    lambda drawn: drawn[0] + b"".join(drawn[1])
)


@given(streams, st.data())
def test_no_split_changes_the_events(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    bounds = [0, *cuts, len(stream)]
    pieces = [stream[low:high] for low, high in pairwise(bounds)]
    assert read(*pieces) == read(stream)


@given(streams)
def test_single_bytes_give_the_same_events(stream: bytes) -> None:
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == read(stream)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "message_start", "response.created"]),
            st.binary(max_size=30).filter(lambda data: b"\n" not in data and b"\r" not in data),
        )
    )
)
def test_what_is_framed_is_read_back(events: list[tuple[str, bytes]]) -> None:
    stream = b"".join(frame(name, data) for name, data in events)
    assert read(stream) == [(name.encode(), data) for name, data in events]


@each(
    "read_now, seen",
    [
        (COMMENT_PING, True),
        (b"data: a\n\n" + COMMENT_PING, True),
        (b": c\nevent: e\ndata: a\n\n", True),
        (b"data: a\n\n", False),
        (b"event: e\ndata: :\n\n", False),
        (b"", False),
    ],
)
def test_comments_of_the_last_read_are_told(read_now: bytes, seen: bool) -> None:
    reader = SSEReader()
    reader.feed(b": before\n\n")
    reader.feed(read_now)
    assert reader.saw_comment is seen


@pytest.mark.parametrize("piece_size", [16 * 1024, 1 << 20])
def test_an_endless_event_is_refused(piece_size: int) -> None:
    reader = SSEReader()
    piece = b"x" * piece_size
    reader.feed(b"data: ")
    with pytest.raises(UpstreamProtocol, match="larger than"):
        for _ in range(MAX_EVENT_BYTES // piece_size + 1):
            reader.feed(piece)


def seconds_to_read(pieces: list[bytes]) -> float:
    best = 1e9
    for _ in range(3):
        began = time.thread_time()
        assert len(read(*pieces)) == 2
        best = min(best, time.thread_time() - began)
    return best


@pytest.mark.parametrize("beginning", [b"data: ", b"event: e\ndata: "])
@pytest.mark.parametrize("text", [b"x" * 4096, b"event: data: " * 315], ids=["plain", "lookalikes"])
def test_time_grows_linearly_with_a_huge_event_in_small_reads(
    beginning: bytes, text: bytes
) -> None:
    def seconds(reads: int) -> float:
        # The second event keeps the first from being a plain one among plain ones.
        return seconds_to_read([beginning, *[text] * reads, b"\n\nid: 1\ndata: b\n\n"])

    # Eight times the bytes; copying the buffer at each read would cost sixty-four times as much.
    assert seconds(4000) < 30 * seconds(500)
