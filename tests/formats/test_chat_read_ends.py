"""How chat streams of upstreams end: finish reasons, usage, and every way to fail."""

from typing import Any

import pytest

from gateway_core.errors import (
    ContextOverflow,
    GatewayError,
    ModelNotFound,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    Unauthorized,
    UpstreamFailed,
    UpstreamProtocol,
)
from gateway_core.events import Begin, Delta, End, Event, Fail, Open, Usage, UsageSeen
from gateway_core.formats.chat import StreamReader
from gateway_core.json import JsonObject
from gateway_core.parts import collect
from support.chat_wire import DONE, call, chunk, decode, sse

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def error(data: bytes) -> GatewayError:
    last = decode([data])[-1]
    assert isinstance(last, Fail)
    return last.error


class TestTheEnd:
    @pytest.mark.parametrize(
        ("finish", "reason"),
        [
            ("stop", "stop"),
            ("length", "length"),
            ("content_filter", "refusal"),
            ("eos", "stop"),
            ("galactic_alignment", "other"),
        ],
    )
    def test_finish_reasons(self, finish: str, reason: str) -> None:
        response = collect(decode([sse(chunk({"content": "so"}), chunk({}, finish))]))
        assert (response.stop, response.raw_stop) == (reason, finish)

    def test_the_end_mark_may_be_missing(self) -> None:
        data = sse(chunk({"content": "so"}, "stop"), done=False)
        assert decode([data])[-1] == End("stop", "stop")

    def test_the_finish_reason_may_be_missing_before_the_end_mark(self) -> None:
        assert decode([sse(chunk({"content": "so"}))])[-1] == End("stop")

    def test_usage_after_the_finish_reason_is_kept(self) -> None:
        data = sse(chunk({"content": "so"}, "stop"), {"choices": [], "usage": USAGE})
        assert decode([data])[-1] == End("stop", "stop", Usage(input=9, output=4, raw=USAGE))

    def test_usage_in_every_chunk_counts_once(self) -> None:
        early = {**USAGE, "completion_tokens": 1}
        data = sse(chunk({"content": "so"}, usage=early), chunk({}, "stop", usage=USAGE))
        assert collect(decode([data])).usage == Usage(input=9, output=4, raw=USAGE)

    @pytest.mark.parametrize(
        ("usage", "expected"),
        [
            (
                {
                    "prompt_tokens": 9,
                    "completion_tokens": 4,
                    "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
                    "completion_tokens_details": {"reasoning_tokens": 3},
                },
                Usage(9, 5, 2, 4, 3),
            ),
            ({"prompt_tokens": 9, "cached_tokens": 5}, Usage(input=9, cache_read=5)),
            ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}, Usage(input=9, cache_read=5)),
            ({"prompt_tokens": "9", "completion_tokens": -1}, Usage()),
            (  # reasoning beside the completion rather than in it: the total tells
                {
                    "prompt_tokens": 9,
                    "completion_tokens": 4,
                    "total_tokens": 16,
                    "completion_tokens_details": {"reasoning_tokens": 3},
                },
                Usage(input=9, output=7, reasoning=3),
            ),
        ],
    )
    def test_usage_in_the_shapes_of_vendors(self, usage: JsonObject, expected: Usage) -> None:
        data = sse(chunk({"content": "so"}, "stop"), {"choices": [], "usage": usage})
        expected.raw = usage
        assert collect(decode([data])).usage == expected

    def test_what_follows_the_end_is_ignored(self) -> None:
        data = sse(chunk({"content": "so"}, "stop"))
        reader = StreamReader("vendor")
        reader.feed(data)
        assert (list(reader.feed(data)), list(reader.end())) == ([], [])


class TestFailures:
    def test_a_stream_that_breaks_off(self) -> None:
        assert isinstance(error(sse(chunk({"content": "so"}), done=False)), UpstreamProtocol)

    def test_nothing_at_all(self) -> None:
        assert isinstance(error(b""), UpstreamProtocol)

    def test_an_end_mark_alone(self) -> None:
        assert isinstance(error(DONE), UpstreamProtocol)

    @pytest.mark.parametrize("garbage", [b"{", b"[1]", b"null", b"\xff"])
    def test_garbage(self, garbage: bytes) -> None:
        assert isinstance(error(b"data: %b\n\n" % garbage), UpstreamProtocol)

    @pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
    def test_an_error_instead_of_a_stream(self, ending: bytes) -> None:
        body = b'{\n  "error": {"message": "slow down", "type": "rate_limit_error", "code": 429}\n}'
        failure = error(body + ending)
        assert isinstance(failure, RateLimited)
        assert failure.message == "slow down"

    def test_other_json_instead_of_a_stream(self) -> None:
        assert isinstance(error(b'{"choices": []}'), UpstreamProtocol)

    def test_an_endless_event(self) -> None:
        reader = StreamReader("vendor")
        last: list[Event] = []
        for _ in range(65):
            last = list(reader.feed(b"x" * 1024 * 1024)) or last
        assert isinstance(last[-1], Fail)

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ({"code": 401, "message": "who"}, Unauthorized),
            ({"code": 402, "message": "pay"}, QuotaExhausted),
            ({"code": "404", "message": "gone", "type": "model_not_found"}, ModelNotFound),
            ({"code": 413, "message": "big"}, TooLarge),
            ({"code": "context_length_exceeded", "message": "long"}, ContextOverflow),
            ({"code": 429, "message": "slow"}, RateLimited),
            ({"code": 502, "message": "Provider disconnected"}, UpstreamFailed),
            ({"type": "server_error", "message": "oops"}, UpstreamFailed),
            ("just words", UpstreamFailed),
        ],
    )
    def test_an_error_in_the_stream(self, body: Any, kind: type[GatewayError]) -> None:
        found = error(sse(chunk({"content": "so"}), {"error": body}, done=False))
        assert type(found) is kind

    def test_an_error_in_the_choice(self) -> None:
        choice = {"index": 0, "delta": {}, "error": {"code": 429, "message": "slow"}}
        assert isinstance(error(sse({"choices": [choice]})), RateLimited)

    def test_the_finish_reason_error(self) -> None:
        assert isinstance(error(sse(chunk({"content": ""}, "error"))), UpstreamFailed)

    def test_usage_known_before_a_failure_is_told(self) -> None:
        data = sse(chunk({"content": "so"}, usage=USAGE), {"error": "no"}, done=False)
        assert decode([data])[-2] == UsageSeen(Usage(input=9, output=4, raw=USAGE))

    def test_an_open_call_stays_open(self) -> None:
        data = sse(chunk(call(index=0, id="a", name="f", arguments="{")), {"error": "no"})
        assert [type(event) for event in decode([data])] == [Begin, Open, Delta, Fail]
