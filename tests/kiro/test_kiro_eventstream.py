"""The binary framing: bytes to messages and back."""

import struct
import time
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.json import dumps
from gateway_kiro.eventstream import Message, MessageReader, encode_message
from support.about import each
from support.kiro_asking import Recorded, recorded_streams

STREAMS = recorded_streams()
BROKEN = [stream for stream in STREAMS if (stream.expected["error"] or {}).get("kind") == "framing"]
SOUND = [stream for stream in STREAMS if stream not in BROKEN and stream.facts["frames"]]
PLAIN = [stream for stream in SOUND if stream.name != "frame-all-header-types"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def read(reads: list[bytes]) -> tuple[list[Message], str | None]:
    """All messages, and what was wrong in the end."""
    reader = MessageReader()
    messages: list[Message] = []
    for data in reads:
        more, fault = reader.feed(data)
        messages += more
        if fault is not None:
            assert reader.feed(b"more") == ([], None)
            return messages, str(fault)
    fault = reader.end()
    return messages, None if fault is None else str(fault)


@each("stream", SOUND)
def test_every_frame_is_read_as_it_was_written(stream: Recorded) -> None:
    for reads in stream.splits():
        messages, fault = read(reads)
        assert fault is None
        for message, frame in zip(messages, stream.facts["frames"], strict=True):
            strings = {h["name"]: h["value"] for h in frame["headers"] if h["type"] == "string"}
            assert message.headers == strings
            if "payload_hex" in frame:
                assert message.payload == bytes.fromhex(frame["payload_hex"])
            elif frame.get("payload") is not None:
                assert message.payload == dumps(frame["payload"])


@each("stream", PLAIN)
def test_messages_are_written_byte_for_byte(stream: Recorded) -> None:
    frames = stream.facts["frames"]
    written = b"".join(
        encode_message(
            {header["name"]: header["value"] for header in frame["headers"]},
            b"" if frame.get("payload") is None else dumps(frame["payload"]),
        )
        for frame in frames
    )
    assert written == stream.data


@each("stream", BROKEN)
def test_damage_is_noticed_and_what_came_before_it_counts(stream: Recorded) -> None:
    outcomes = [read(reads) for reads in stream.splits()]
    assert outcomes[0] == outcomes[1]
    messages, fault = outcomes[0]
    detail = stream.expected["error"]["detail"]
    words = {
        "message crc": "the checksum of a message is wrong",
        "prelude crc": "prelude is wrong",
        "length": "impossible length",
        "eof inside frame": "ended inside a message",
    }
    assert fault is not None and words[detail] in fault
    assert len(messages) == (1 if stream.expected["text"] else 0)


def test_a_length_is_refused_before_anything_of_that_size_is_awaited() -> None:
    stream = next(stream for stream in STREAMS if stream.name == "frame-length-too-large")
    assert len(stream.data) == 12
    assert read([stream.data])[1] == "a message has an impossible length"


def with_headers(headers: bytes) -> bytes:
    """A message with these bytes for headers, its checksums in order."""
    lengths = struct.pack(">II", 16 + len(headers), len(headers))
    message = lengths + struct.pack(">I", crc32(lengths)) + headers
    return message + struct.pack(">I", crc32(message))


@pytest.mark.parametrize("cut", [13, 20, 30])
def test_headers_that_say_more_than_there_is_are_damage(cut: int) -> None:
    sound = encode_message({":event-type": "x", "other": "value"}, b"{}")
    headers = sound[12:cut]
    fault = read([with_headers(headers)])[1]
    assert fault is not None and "header" in fault


def test_a_header_of_an_unknown_type_is_damage() -> None:
    headers = b"\x01x\x63"
    assert read([with_headers(headers)])[1] == "a header of a message has an unknown type"


@given(st.lists(st.tuples(st.dictionaries(TEXTS, TEXTS, max_size=3), st.binary(max_size=60))))
def test_what_was_written_is_read_again(messages: list[tuple[dict[str, str], bytes]]) -> None:
    data = b"".join(encode_message(headers, payload) for headers, payload in messages)
    again, fault = read([data])
    assert fault is None
    assert [(dict(message.headers), message.payload) for message in again] == messages


@given(st.data())
def test_any_split_gives_the_same_messages(data: st.DataObject) -> None:
    stream = data.draw(st.sampled_from(STREAMS))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream.data)), max_size=8)))
    edges = [0, *cuts, len(stream.data)]
    assert read([stream.data[a:b] for a, b in pairwise(edges)]) == read([stream.data])


@given(st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    message = encode_message({":event-type": "assistantResponseEvent"}, b'{"content":"Hello"}')
    place = data.draw(st.integers(0, len(message) * 8 - 1))
    damaged = bytearray(message)
    damaged[place // 8] ^= 1 << place % 8
    messages, fault = read([bytes(damaged)])
    assert messages == [] and fault is not None


def test_many_small_reads_of_a_large_message_take_time_in_proportion() -> None:
    message = encode_message({}, b"x" * 400_000)
    reads = [message[i : i + 64] for i in range(0, len(message), 64)]
    started = time.process_time()
    messages, fault = read(reads)
    assert (len(messages), fault) == (1, None)
    assert time.process_time() - started < 2.0
