"""Connect's envelopes, and the JSON that a stream ends with."""

import gzip
import json
import zlib
from pathlib import Path

import pytest

from gateway_core import UpstreamProtocol
from gateway_cursor.causes import CAUSES
from gateway_cursor.connect import (
    TURN_OVER,
    EndOfStream,
    EnvelopeReader,
    frame,
    read_end,
    write_end,
)
from gateway_cursor.proto import agent_pb2 as pb
from support.about import about
from support.cursor_runs import FIXTURES, fixture

HELLO = bytes.fromhex("000000000b0a090a070a0548656c6c6f")
ENDS = sorted(path.stem for path in FIXTURES.glob("s9*-end-stream-*.bin"))


def sidecar(name: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads((FIXTURES / f"{name}.json").read_text())
    return facts


def ended(name: str) -> EndOfStream | None:
    [(flags, payload)] = EnvelopeReader().feed(fixture(name))
    assert flags == 2
    return read_end(payload)


ENVELOPES = sorted(
    path.stem
    for path in FIXTURES.glob("*.json")
    if path.stem[0] in "cs" and path.with_suffix(".bin").exists()
)


def test_every_fixture_splits_into_its_envelopes() -> None:
    for name in ENVELOPES:
        with about(name):
            data = (FIXTURES / f"{name}.bin").read_bytes()
            envelopes = EnvelopeReader().feed(data)
            listed = sidecar(name)["envelopes"]
            assert isinstance(listed, list)
            assert len(envelopes) == len(listed)
            for (flags, payload), facts in zip(envelopes, listed, strict=True):
                assert flags == (2 if facts["end_stream"] else 0)
                assert facts["compressed"] or len(payload) == facts["length"]


def test_our_envelopes_are_framed_as_in_the_fixtures() -> None:
    for name in [name for name in ENVELOPES if name[0] == "c"]:
        with about(name):
            data = (FIXTURES / f"{name}.bin").read_bytes()
            message = pb.AgentClientMessage.FromString(data[5:])
            assert frame(message.SerializeToString()) == data


def test_envelopes_may_be_split_anywhere() -> None:
    for name in ["stream-text-turn", "s98", "s99", "s91"]:
        with about(name):
            data = fixture(name)
            whole = EnvelopeReader().feed(data)
            for cut in range(1, len(data)):
                reader = EnvelopeReader()
                assert reader.feed(data[:cut]) + reader.feed(data[cut:]) == whole
                assert not reader.pending


def test_a_begun_envelope_is_pending() -> None:
    reader = EnvelopeReader()
    assert reader.feed(fixture("x01")) == []
    assert reader.pending
    assert reader.rest == fixture("x01")


def test_a_begun_header_is_pending() -> None:
    reader = EnvelopeReader()
    assert reader.feed(fixture("x02")) == []
    assert reader.pending


def test_a_huge_length_is_refused_before_its_bytes_come() -> None:
    with pytest.raises(UpstreamProtocol, match="too long to be true"):
        EnvelopeReader().feed(fixture("x04"))


def test_unknown_flags_are_refused() -> None:
    with pytest.raises(UpstreamProtocol, match=r"unknown flags \(0x04\)"):
        EnvelopeReader().feed(frame(b"", 4))


def test_a_web_page_is_no_envelope() -> None:
    with pytest.raises(UpstreamProtocol):
        EnvelopeReader().feed(b"<html><body>Blocked</body></html>")


def test_what_comes_before_a_fault_counts() -> None:
    reader = EnvelopeReader()
    assert reader.feed(HELLO + fixture("x04")) == [(0, HELLO[5:])]
    assert reader.fault is not None
    assert reader.pending
    with pytest.raises(UpstreamProtocol):
        reader.feed(HELLO)


def test_marked_payloads_are_inflated_whatever_was_announced() -> None:
    packed = frame(gzip.compress(b"words"), 1)
    assert EnvelopeReader(compressed=False).feed(packed) == [(0, b"words")]
    assert EnvelopeReader(compressed=True).feed(packed) == [(0, b"words")]


def test_where_gzip_is_announced_the_mark_may_be_missing() -> None:
    packed = frame(gzip.compress(b"words"))
    assert EnvelopeReader(compressed=True).feed(packed) == [(0, b"words")]
    assert EnvelopeReader(compressed=False).feed(packed) == [(0, packed[5:])]


def test_an_empty_payload_needs_no_inflating() -> None:
    assert EnvelopeReader().feed(frame(b"", 1)) == [(0, b"")]


def test_damaged_payloads_are_refused() -> None:
    for packed, words in [
        (b"not gzip at all", "damaged"),
        (gzip.compress(b"words" * 100)[:-9], "cut off"),
    ]:
        with about(packed), pytest.raises(UpstreamProtocol, match=words):
            EnvelopeReader().feed(frame(packed, 1))


def test_a_payload_that_inflates_without_end_is_refused() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(65)) + packer.flush()
    with pytest.raises(UpstreamProtocol, match="too long when inflated"):
        EnvelopeReader().feed(frame(packed, 1))


def test_so_are_payloads_that_do_so_together() -> None:
    packed = frame(gzip.compress(bytes(16 << 20)), 1)
    reader = EnvelopeReader()
    with pytest.raises(UpstreamProtocol, match="too long when inflated"):
        for _ in range(6):
            reader.feed(packed)


def test_a_long_stream_of_payloads_that_shrink_well_is_read() -> None:
    packed = frame(gzip.compress(b'{"a":"b","c":"d"},' * 300), 1) * 100
    reader = EnvelopeReader()
    assert sum(len(reader.feed(packed)) for _ in range(200)) == 20_000


def test_the_mark_of_a_turn_is_an_envelope() -> None:
    assert EnvelopeReader().feed(TURN_OVER) == [(0x80, b"")]


def test_a_clean_end() -> None:
    for name in ["s90", "s99"]:
        with about(name):
            assert ended(name) is None


def test_other_clean_ends() -> None:
    for payload in [b"", b" ", b'{"metadata":{"a":["b"]}}', b'{"error":null}']:
        with about(payload):
            assert read_end(payload) is None


def test_an_end_that_cannot_be_read_is_an_error() -> None:
    for payload in [b"{", b"[]", b"oops", b"\xff"]:
        with about(payload):
            end = read_end(payload)
            assert end is not None
            assert end.code == "unknown"


def test_an_end_with_details() -> None:
    assert ended("s91") == EndOfStream(
        "unauthenticated",
        "Error",
        2,
        "NOT_LOGGED_IN",
        "Not logged in",
        "Please log in again.",
        retryable=False,
    )


def test_every_failed_end_has_its_code_and_cause() -> None:
    for name in [name for name in ENDS if "ok" not in name]:
        with about(name):
            end = ended(name)
            told = sidecar(name)["end_stream"]
            assert isinstance(told, dict)
            error = told["error"]
            assert end is not None
            assert end.code == error["code"]
            assert end.message == error.get("message", "")
            for detail in error.get("details", []):
                if debug := detail.get("debug"):
                    assert f"ERROR_{end.name}" == debug["error"]
                    assert end.number is not None
                    assert CAUSES[end.number] == end.name
                    assert end.title == debug["details"]["title"]
                    assert end.detail == debug["details"]["detail"]
                    assert end.retryable == debug["details"].get("isRetryable")
                    assert end.info == debug["details"].get("additionalInfo", {})
            assert end.metadata == told.get("metadata", {})


def test_the_cause_comes_from_the_value_where_there_is_nothing_else() -> None:
    end = ended("s9c")
    assert end is not None
    assert end.number is not None
    assert end.name == CAUSES[end.number]
    assert end.detail


def test_the_cause_comes_from_the_debug_part_where_there_is_nothing_else() -> None:
    end = ended("s9d")
    assert end is not None
    assert end.name
    assert end.retryable is True


def test_a_damaged_value_gives_way_to_the_debug_part() -> None:
    detail = {"type": "aiserver.v1.ErrorDetails", "value": "%%", "debug": {"error": "ERROR_X"}}
    end = read_end(json.dumps({"error": {"code": "internal", "details": [detail]}}).encode())
    assert end is not None
    assert (end.name, end.number) == ("X", None)


def test_what_the_value_leaves_out_is_in_the_debug_part() -> None:
    words = {"title": "Log in", "detail": "Please.", "isRetryable": False}
    detail = {
        "type": "aiserver.v1.ErrorDetails",
        "value": "CAI",
        "debug": {"error": "ERROR_NOT_LOGGED_IN", "details": words},
    }
    end = read_end(json.dumps({"error": {"code": "x", "details": [detail]}}).encode())
    assert end == EndOfStream("x", "", 2, "NOT_LOGGED_IN", "Log in", "Please.", retryable=False)


def test_facts_of_the_debug_part_may_be_numbers() -> None:
    facts = {"providerStatusCode": 429, "isFinal": True, "providerErrorCode": "busy", "more": {}}
    details = {"additionalInfo": {**facts, "none": None}}
    detail = {"type": "aiserver.v1.ErrorDetails", "debug": {"details": details}}
    end = read_end(json.dumps({"error": {"code": "x", "details": [detail]}}).encode())
    assert end is not None
    assert end.info == {
        "providerStatusCode": "429",
        "isFinal": "true",
        "providerErrorCode": "busy",
    }


def test_an_end_of_our_own_reads_like_one_of_the_server() -> None:
    end = read_end(write_end("aborted", "Gave up", "Ask again."))
    assert end == EndOfStream("aborted", title="Gave up", detail="Ask again.", retryable=False)


def test_a_cause_that_is_not_known_keeps_its_number() -> None:
    detail = {"type": "aiserver.v1.ErrorDetails", "value": "CMgB"}
    end = read_end(json.dumps({"error": {"code": "x", "details": [detail]}}).encode())
    assert end == EndOfStream("x", number=200)


def test_details_of_other_types_are_passed_over() -> None:
    end = read_end(b'{"error":{"code":"internal","details":[1,{"type":"x.Y","value":"CAU"}]}}')
    assert end == EndOfStream("internal")


def test_the_repr_shows_no_words_of_the_server() -> None:
    end = ended("s9a")
    assert end is not None
    assert end.title not in repr(end)
    assert end.detail not in repr(end)


def test_the_fixtures_are_all_there() -> None:
    assert Path(FIXTURES / "index.json").exists()
    assert len(ENVELOPES) > 60
    assert len(ENDS) > 10
