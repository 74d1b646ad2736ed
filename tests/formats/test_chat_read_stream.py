"""Reading chat streams of upstreams: the plain case, and what vendors make of the format."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.content import Citation, Media, Reasoning, Seal, Text, ToolCall
from gateway_core.events import Begin, Close, Delta, End, Open, Tick, Usage
from gateway_core.formats.chat import StreamReader
from gateway_core.json import JsonObject, dumps
from gateway_core.parts import collect
from support.about import each
from support.chat_wire import call, chunk, decode, sse

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


KIMI = sse(
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "The user wants"}),
    chunk({"reasoning_content": " a list."}),
    chunk({"content": "I will list it."}),
    chunk(call(index=0, id="ls:0", type="function", name="ls", arguments="")),
    chunk(call(index=0, arguments='{"path":')),
    chunk(call(index=0, arguments='"."}')),
    {
        "choices": [
            {"index": 0, "delta": {}, "finish_reason": "tool_calls", "usage": {"prompt_tokens": 1}}
        ]
    },
    {"choices": [], "usage": {**USAGE, "cached_tokens": 8}},
)
KILO = b": KILO PROCESSING\n\n" + sse(
    chunk(
        {
            "role": "assistant",
            "content": "",
            "reasoning": "Easy.",
            "reasoning_details": [{"type": "reasoning.text", "text": "Easy.", "index": 0}],
        }
    ),
    chunk({"content": "2 and 3"}),
    chunk({"content": ""}, "stop", usage=USAGE),
)
INTERLEAVED = sse(
    chunk(call(index=0, id="a", name="one", arguments='{"x"')),
    chunk(call(index=1, id="b", name="two", arguments='{"y"')),
    chunk(call(index=0, arguments=":1}")),
    chunk(call(index=1, arguments=":2}")),
    chunk({}, "tool_calls"),
)
TRANSCRIPTS = {
    "kimi": KIMI,
    "kilo": KILO,
    "interleaved": INTERLEAVED,
    "crlf": KILO.replace(b"\n", b"\r\n"),
    "unicode": sse(chunk({"content": "Grüße, 世界 👩‍👩‍👧"}), chunk({}, "stop")),
    "error": sse(chunk({"content": "so"}), {"error": {"message": "no", "code": 502}}, done=False),
    "cut": sse(chunk({"content": "so"}), done=False),
    "garbage": sse(chunk({"content": "so"})) + b"data: {\n\n",
}


def calls(data: bytes) -> list[tuple[str, str, str]]:
    parts = collect(decode([data])).parts
    return [(p.id, p.name, p.arguments) for p in parts if isinstance(p, ToolCall)]


def test_a_stream_becomes_events() -> None:
    assert decode([KIMI]) == snapshot(
        [
            Begin(id="chatcmpl-1", model="upstream-model"),
            Open(index=0, part=Reasoning(text="")),
            Delta(index=0, text="The user wants"),
            Delta(index=0, text=" a list."),
            Close(index=0),
            Open(index=1, part=Text(text="")),
            Delta(index=1, text="I will list it."),
            Close(index=1),
            Open(index=2, part=ToolCall(id="ls_0", name="ls", arguments="")),
            Delta(index=2, text='{"path":'),
            Delta(index=2, text='"."}'),
            Close(index=2),
            End(
                reason="tool_use",
                raw_reason="tool_calls",
                usage=Usage(
                    input=9,
                    cache_read=8,
                    output=4,
                    raw={
                        "prompt_tokens": 9,
                        "completion_tokens": 4,
                        "total_tokens": 13,
                        "cached_tokens": 8,
                    },
                ),
            ),
        ]
    )


def test_comments_and_usage_on_the_finish_chunk() -> None:
    assert decode([KILO]) == snapshot(
        [
            Begin(id="chatcmpl-1", model="upstream-model"),
            Open(index=0, part=Reasoning(text="")),
            Delta(index=0, text="Easy."),
            Close(index=0),
            Open(index=1, part=Text(text="")),
            Delta(index=1, text="2 and 3"),
            Close(index=1),
            End(
                reason="stop",
                raw_reason="stop",
                usage=Usage(
                    input=9,
                    output=4,
                    raw={"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
                ),
            ),
        ]
    )


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_every_split_in_two_gives_the_same_events(name: str) -> None:
    data = TRANSCRIPTS[name]
    whole = decode([data])
    for at in range(1, len(data)):
        assert decode([data[:at], data[at:]]) == whole, at


@each("name", TRANSCRIPTS)
def test_byte_by_byte_gives_the_same_events(name: str) -> None:
    data = TRANSCRIPTS[name]
    assert decode(data[at : at + 1] for at in range(len(data))) == decode([data])


def test_a_read_with_nothing_but_a_comment_is_a_life_sign() -> None:
    reader = StreamReader("vendor")
    before = reader.feed(b": KILO PROCESSING\n\n")
    reader.feed(sse(chunk({"content": "so"}), done=False))
    assert (before, reader.feed(b": KILO PROCESSING\n\n")) == ([], [Tick()])


def test_the_reader_never_answers_back() -> None:
    assert StreamReader("vendor").data_to_send() == b""


class TestCalls:
    def test_interleaved_calls_are_put_apart(self) -> None:
        assert calls(INTERLEAVED) == [("a", "one", '{"x":1}'), ("b", "two", '{"y":2}')]

    def test_a_finished_call_is_complete_when_the_next_begins(self) -> None:
        reader = StreamReader("vendor")
        reader.feed(sse(chunk(call(index=0, id="a", name="f", arguments="{}")), done=False))
        events = reader.feed(sse(chunk(call(index=1, id="b", name="g")), done=False))
        assert events == [Close(0), Open(1, ToolCall("b", "g", ""))]

    def test_without_an_index_the_id_tells(self) -> None:
        data = sse(
            chunk(call(id="a", name="f", arguments="{}")),
            chunk(call(id="b", name="f", arguments='{"x"')),
            chunk(call(id="b", arguments=":1}")),
            chunk({}, "tool_calls"),
        )
        assert calls(data) == [("a", "f", "{}"), ("b", "f", '{"x":1}')]

    def test_ids_that_anthropic_does_not_take_are_fitted_and_stay_apart(self) -> None:
        data = sse(
            chunk(call(index=0, id="f.a:0", name="f", arguments="{}")),
            chunk(call(index=1, id="f:a.0", name="f", arguments="{}")),
            chunk({}, "tool_calls"),
        )
        assert calls(data) == [("f_a_0", "f", "{}"), ("f_a_0_", "f", "{}")]

    def test_index_0_for_every_call(self) -> None:
        data = sse(
            chunk(call(index=0, id="a", name="f", arguments="{}")),
            chunk(call(index=0, id="b", name="f", arguments="{}")),
            chunk({}, "tool_calls"),
        )
        assert calls(data) == [("a", "f", "{}"), ("b", "f", "{}")]

    def test_a_missing_id_is_made_from_the_answers_own(self) -> None:
        data = sse(
            chunk(call(name="f", arguments='{"x":1}')),
            chunk(call(name="f", arguments='{"x":2}')),
            chunk({}, "tool_calls"),
        )
        assert calls(data) == [
            ("call_chatcmpl1_0", "f", '{"x":1}'),
            ("call_chatcmpl1_1", "f", '{"x":2}'),
        ]

    def test_name_and_id_repeated_in_each_fragment(self) -> None:
        data = sse(
            chunk(call(index=0, id="a", name="f", arguments="{")),
            chunk(call(index=0, id="a", name="f", arguments="}")),
            chunk({}, "tool_calls"),
        )
        assert calls(data) == [("a", "f", "{}")]

    def test_a_new_id_in_each_fragment_is_still_one_call(self) -> None:
        data = sse(
            chunk(call(index=0, id="a", name="f", arguments="{")),
            chunk(call(index=0, id="x", arguments="}")),
            chunk({}, "tool_calls"),
        )
        assert calls(data) == [("a", "f", "{}")]

    def test_a_name_that_comes_after_the_arguments(self) -> None:
        data = sse(
            chunk(call(index=0, id="a", arguments="{")),
            chunk(call(index=0, name="f", arguments="}")),
            chunk({}, "tool_calls"),
        )
        assert calls(data) == [("a", "f", "{}")]

    def test_arguments_as_an_object(self) -> None:
        data = sse(
            chunk(call(index=0, id="a", name="f", arguments={"x": 1})), chunk({}, "tool_calls")
        )
        assert calls(data) == [("a", "f", '{"x":1}')]

    def test_one_id_for_two_calls_is_made_two(self) -> None:
        data = sse(
            chunk(call(index=0, id="a", name="f", arguments="{}")),
            chunk(call(index=1, id="a", name="g", arguments="{}")),
            chunk({}, "tool_calls"),
        )
        assert [id for id, _, _ in calls(data)] == ["a", "a_"]

    def test_the_older_function_call(self) -> None:
        data = sse(
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": "{}"}}),
            chunk({}, "function_call"),
        )
        assert calls(data) == [("call_chatcmpl1_0", "f", "{}")]

    def test_a_custom_call_has_text_for_input(self) -> None:
        start = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "l"}}
        more = {"index": 0, "custom": {"input": "s"}}
        data = sse(
            chunk({"tool_calls": [start]}), chunk({"tool_calls": [more]}), chunk({}, "tool_calls")
        )
        assert collect(decode([data])).parts == [ToolCall("a", "sh", "ls", custom=True)]

    def test_stop_with_calls_means_tool_use(self) -> None:
        data = sse(chunk(call(index=0, id="a", name="f", arguments="{}")), chunk({}, "stop"))
        assert collect(decode([data])).stop == "tool_use"

    def test_tool_calls_without_calls_means_stop(self) -> None:
        data = sse(chunk({"content": "no"}), chunk({}, "tool_calls"))
        assert collect(decode([data])).stop == "stop"


class TestReasoning:
    @pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
    def test_either_field_is_reasoning(self, field: str) -> None:
        data = sse(chunk({field: "hm"}), chunk({"content": "so"}), chunk({}, "stop"))
        assert collect(decode([data])).parts == [Reasoning("hm"), Text("so")]

    def test_details_with_a_signature_are_sealed_for_the_vendor(self) -> None:
        def detail(**fields: Any) -> JsonObject:
            return {"reasoning_details": [{"type": "reasoning.text", "index": 0, **fields}]}

        data = sse(
            chunk(detail(text="hm", format="a")),
            chunk(detail(text="m")),
            chunk(detail(signature="sig")),
            chunk({"content": "so"}),
            chunk({}, "stop"),
        )
        whole = [
            {
                "type": "reasoning.text",
                "index": 0,
                "text": "hmm",
                "format": "a",
                "signature": "sig",
            }
        ]
        seal = Seal("vendor", dumps(whole).decode())
        assert collect(decode([data])).parts == [Reasoning("hmm", seal), Text("so")]

    def test_encrypted_details_alone_are_reasoning_without_text(self) -> None:
        detail = {"type": "reasoning.encrypted", "data": "xyz", "index": 0}
        data = sse(
            chunk({"reasoning_details": [detail]}), chunk({"content": "so"}), chunk({}, "stop")
        )
        seal = Seal("vendor", dumps([detail]).decode())
        assert collect(decode([data])).parts == [Reasoning("", seal), Text("so")]

    def test_encrypted_details_after_the_text(self) -> None:
        detail = {"type": "reasoning.encrypted", "data": "xyz", "index": 0}
        data = sse(
            chunk({"content": "so"}), chunk({"reasoning_details": [detail]}), chunk({}, "stop")
        )
        seal = Seal("vendor", dumps([detail]).decode())
        assert collect(decode([data])).parts == [Text("so"), Reasoning("", seal)]


class TestOtherContent:
    def test_a_refusal(self) -> None:
        response = collect(decode([sse(chunk({"refusal": "I will not."}), chunk({}, "stop"))]))
        assert (response.parts, response.stop) == ([Text("I will not.", refusal=True)], "refusal")

    def test_pictures(self) -> None:
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        data = sse(chunk({"content": "Here:"}), chunk({"images": [image, {}]}), chunk({}, "stop"))
        assert collect(decode([data])).parts == [
            Text("Here:"),
            Media("image", "image/png", data="AAAA"),
        ]

    def test_citations_count_from_the_start_of_their_text(self) -> None:
        def cite(start: int, end: int) -> JsonObject:
            source = {"url": "https://a.example", "title": "A"}
            citation = {**source, "start_index": start, "end_index": end}
            return {"annotations": [{"type": "url_citation", "url_citation": citation}]}

        data = sse(
            chunk({"content": "Hello"}),
            chunk({"reasoning": "hm"}),
            chunk({"content": " world"}),
            chunk(cite(6, 11)),
            chunk({}, "stop"),
        )
        text = collect(decode([data])).parts[-1]
        assert text == Text(" world", citations=[Citation("https://a.example", "A", 1, 6)])

    def test_content_as_parts(self) -> None:
        content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        data = sse(chunk({"content": content}), chunk({}, "stop"))
        assert collect(decode([data])).parts == [Text("ab")]
