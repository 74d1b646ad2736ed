"""Writing chat answers: the chunks of a stream and the whole completion."""

from typing import Any

import pytest
from dirty_equals import IsPartialDict, IsStr
from inline_snapshot import snapshot

from gateway_core.content import Citation, HostedCall, Media, Reasoning, Text, ToolCall
from gateway_core.errors import RateLimited, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Open,
    StopReason,
    Tick,
    Usage,
    UsageSeen,
    Whole,
)
from gateway_core.formats.chat import StreamWriter, read_request
from gateway_core.json import JsonObject
from gateway_core.parts import Response
from gateway_core.seals import unpack
from gateway_core.sse import SSEReader
from support.about import each
from support.chat_wire import DONE, parse
from support.corpus_answers import ANSWERS, SEAL


def writer(**fields: Any) -> StreamWriter:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return StreamWriter(read_request(body, {}), "my-model", "chatcmpl-1", 1_700_000_000)


def deltas(events: list[Event], **fields: Any) -> list[JsonObject]:
    """What the chunks add, one after the other."""
    return [
        choice["delta"]
        for chunk in parse(writer(**fields).feed(events))
        for choice in chunk["choices"]
        if choice["delta"]
    ]


def text(index: int, words: str, **close: Any) -> list[Event]:
    return [Open(index, Text("")), Delta(index, words), Close(index, **close)]


def thought(index: int, words: str, **close: Any) -> list[Event]:
    return [Open(index, Reasoning("")), Delta(index, words), Close(index, **close)]


def call(index: int, *pieces: str, custom: bool = False) -> list[Event]:
    part = ToolCall(f"call_{index}", "f", "", custom=custom)
    return [Open(index, part), *(Delta(index, piece) for piece in pieces), Close(index)]


def end(*parts: list[Event], reason: StopReason = "stop") -> list[Event]:
    return [*(event for part in parts for event in part), End(reason)]


def test_a_streamed_answer() -> None:
    chunks = parse(
        writer(stream_options={"include_usage": True}).feed(
            [
                Begin("upstream", "other"),
                *thought(0, "hm"),
                *text(1, 'so "much"\n'),
                *call(2, '{"x"', ":1}"),
                End("tool_use", usage=Usage(9, 5, None, 4, 3)),
            ]
        )
    )
    choices = [chunk["choices"][0] for chunk in chunks[:-1]]
    assert [choice["delta"] for choice in choices] == snapshot(
        [
            {"role": "assistant"},
            {"reasoning_content": "hm"},
            {"content": 'so "much"\n'},
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "f", "arguments": ""},
                    }
                ]
            },
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
            {},
        ]
    )
    assert [choice["finish_reason"] for choice in choices] == [None] * 6 + ["tool_calls"]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == snapshot(
        (
            [],
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        )
    )


def test_a_chunk_as_bytes() -> None:
    stream = writer()
    stream.feed([Begin(), Open(0, Text(""))])
    assert stream.feed([Delta(0, 'so "much"\n')]) == (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,'
        b'"model":"my-model","choices":[{"index":0,"delta":{"content":"so \\"much\\"\\n"},'
        b'"finish_reason":null}]}\n\n'
    )


def test_the_last_bytes_are_the_end_mark() -> None:
    assert writer().feed(end(text(0, "so"))).endswith(b"}\n\n" + DONE)


def test_a_whole_answer() -> None:
    parts = [Reasoning("hm"), Text("so"), ToolCall("call_1", "f", "{}")]
    response = Response(parts, "tool_use", usage=Usage(9, 5, None, 4, 3))  # type: ignore[arg-type]
    assert writer().body(response) == snapshot(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1700000000,
            "model": "my-model",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "so",
                        "refusal": None,
                        "reasoning_content": "hm",
                        "tool_calls": [
                            {
                                "id": "call_1",
                                "type": "function",
                                "function": {"name": "f", "arguments": "{}"},
                            }
                        ],
                    },
                    "logprobs": None,
                    "finish_reason": "tool_calls",
                }
            ],
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        }
    )


@each("name", ANSWERS)
def test_one_event_at_a_time_gives_the_same_bytes(name: str) -> None:
    slow, fast = writer(), writer()
    assert b"".join(slow.feed([event]) for event in ANSWERS[name]) == fast.feed(ANSWERS[name])


@each("name", ANSWERS)
def test_every_chunk_says_whose_it_is(name: str) -> None:
    for chunk in parse(writer().feed(ANSWERS[name])):
        assert chunk == IsPartialDict(
            id="chatcmpl-1",
            object="chat.completion.chunk",
            created=1_700_000_000,
            model="my-model",
        )


def test_ids_are_made_up_and_differ() -> None:
    request = read_request({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, {})
    ids = [StreamWriter(request, "m").body(Response([Text("so")]))["id"] for _ in range(2)]
    assert ids == [IsStr(regex="chatcmpl-.{32}")] * 2
    assert ids[0] != ids[1]


@each(
    "reason, finish",
    [
        ("stop", "stop"),
        ("stop_sequence", "stop"),
        ("length", "length"),
        ("context_window", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause", "stop"),
        ("other", "stop"),
    ],
)
def test_finish_reasons(reason: StopReason, finish: str) -> None:
    streamed = parse(writer().feed(end(text(0, "so"), reason=reason)))[-1]
    whole = writer().body(Response([Text("so")], reason))
    assert streamed["choices"][0]["finish_reason"] == finish
    assert whole["choices"][0]["finish_reason"] == finish


class TestParts:
    def test_the_role_comes_first_and_once(self) -> None:
        assert deltas(end(text(0, "a"), text(1, "b"))) == [
            {"role": "assistant"},
            {"content": "a"},
            {"content": "b"},
        ]

    def test_texts_that_something_stood_between_are_kept_apart(self) -> None:
        search = Whole(1, HostedCall("ws", "web_search", "{}"))
        assert deltas(end(text(0, "a"), [search], text(2, "b")))[1:] == [
            {"content": "a"},
            {"content": "\n\n"},
            {"content": "b"},
        ]

    def test_thoughts_are_kept_apart(self) -> None:
        joined = "".join(
            delta.get("reasoning_content", "")
            for delta in deltas(end(thought(0, "a"), thought(1, "b"), text(2, "so")))
        )
        assert joined == "a\n\nb"

    def test_a_seal_goes_out_packed(self) -> None:
        (details,) = (
            delta["reasoning_details"]
            for delta in deltas(end(thought(0, "hm", seal=SEAL), text(1, "so")))
            if "reasoning_details" in delta
        )
        assert details == [{"type": "reasoning.encrypted", "data": IsStr(), "index": 0}]
        assert unpack(details[0]["data"]) == SEAL

    def test_a_refusal_has_its_own_field(self) -> None:
        events: list[Event] = [
            Open(0, Text("", refusal=True)),
            Delta(0, "No."),
            Close(0),
            End("refusal"),
        ]
        assert deltas(events)[1:] == [{"refusal": "No."}]

    def test_parallel_calls_are_numbered(self) -> None:
        found = [delta["tool_calls"][0] for delta in deltas(end(call(0, "{}"), call(1, "{}")))[1:]]
        assert [(item["index"], item.get("id")) for item in found] == [
            (0, "call_0"),
            (0, None),
            (1, "call_1"),
            (1, None),
        ]

    def test_a_call_without_arguments_says_an_empty_object(self) -> None:
        last = deltas(end(call(0)))[-1]
        assert last == {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}

    def test_a_custom_call_has_input(self) -> None:
        assert deltas(end(call(0, "ls", custom=True)))[1:] == [
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "call_0",
                        "type": "custom",
                        "custom": {"name": "f", "input": ""},
                    }
                ]
            },
            {"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]},
        ]

    def test_pictures_are_an_extension(self) -> None:
        made = HostedCall("ig", "image_generation", "{}", {"data": "BBBB"})
        events: list[Event] = [
            Whole(0, Media("image", "image/gif", data="AAAA")),
            Whole(1, made),
            End("stop"),
        ]
        urls = [delta["images"][0]["image_url"]["url"] for delta in deltas(events)[1:]]
        assert urls == ["data:image/gif;base64,AAAA", "data:image/png;base64,BBBB"]

    def test_citations_count_from_the_start_of_the_content(self) -> None:
        source = Citation("https://a.example", "A", 0, 1)
        events = end(text(0, "abc"), text(1, "de", citations=[source]))
        assert deltas(events)[-1]["annotations"] == [
            {
                "index": 0,
                "type": "url_citation",
                "url_citation": {
                    "url": "https://a.example",
                    "title": "A",
                    "start_index": 3,
                    "end_index": 4,
                },
            }
        ]


class TestTheOlderFunctions:
    FUNCTIONS = ({"name": "f"},)

    def test_the_first_call_is_a_function_call(self) -> None:
        found = deltas(end(call(0, "{}"), call(1, "{}")), functions=list(self.FUNCTIONS))
        assert found[1:] == [
            {"function_call": {"name": "f", "arguments": ""}},
            {"function_call": {"arguments": "{}"}},
        ]

    def test_in_a_whole_answer_too(self) -> None:
        response = Response([ToolCall("a", "f", "{}")], "tool_use")
        choice = writer(functions=list(self.FUNCTIONS)).body(response)["choices"][0]
        assert choice["finish_reason"] == "function_call"
        assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}


class TestTheEnd:
    def test_the_last_usage_seen_counts_when_the_end_has_none(self) -> None:
        events = [UsageSeen(Usage(1)), *text(0, "so"), UsageSeen(Usage(9, output=4)), End("stop")]
        last = parse(writer(stream_options={"include_usage": True}).feed(events))[-1]
        assert (last["choices"], last["usage"]["total_tokens"]) == ([], 13)

    def test_a_failure_is_told_and_nothing_marks_success(self) -> None:
        data = writer().feed([*text(0, "so"), Fail(RateLimited("slow down"))])
        assert parse(data)[-1] == {
            "error": {
                "message": "slow down",
                "type": "rate_limit_error",
                "param": None,
                "code": "rate_limit_exceeded",
            }
        }
        assert DONE not in data
        assert b'"finish_reason":"' not in data

    @pytest.mark.parametrize("last", [End("stop"), Fail(RateLimited("slow down"))])
    def test_nothing_follows_the_last_event(self, last: Event) -> None:
        stream = writer()
        stream.feed([*text(0, "so"), last])
        assert stream.feed([*text(1, "more"), End("stop")]) == b""

    @pytest.mark.parametrize("parts", [[], thought(0, "hm")])
    def test_an_empty_answer_is_a_failure(self, parts: list[Event]) -> None:
        data = writer().feed([Begin(), *parts, End("stop")])
        assert parse(data)[-1]["error"]["message"] == "the model returned an empty answer"
        assert DONE not in data

    def test_a_whole_empty_answer_is_a_failure_too(self) -> None:
        with pytest.raises(UpstreamProtocol, match="empty answer"):
            writer().body(Response([Reasoning("hm")], "stop"))

    def test_an_answer_cut_while_thinking_is_not_empty(self) -> None:
        data = writer().feed(end(thought(0, "hm"), reason="length"))
        assert data.endswith(DONE)


def test_pings_are_comments() -> None:
    reader = SSEReader()
    assert reader.feed(writer().ping()) == []
    assert reader.saw_comment


def test_life_signs_write_nothing() -> None:
    assert writer().feed([Tick()]) == b""
