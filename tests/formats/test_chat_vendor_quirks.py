"""The upstream side of chat completions where vendors differ from OpenAI."""

import json

import pytest

from gateway_core import Event, QuotaExhausted, UpstreamProtocol
from gateway_core.content import Reasoning, ToolCall
from gateway_core.events import Fail, Open, Tick
from gateway_core.formats.chat import StreamReader, read_error, write_request
from gateway_core.grammar import check_stream
from gateway_core.parts import collect
from gateway_core.request import FunctionTool, Request, ToolChoice
from support.about import each


def sse(*chunks: object) -> bytes:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def chunk(delta: object, finish: str | None = None) -> object:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def read(reader: StreamReader, data: bytes) -> list[Event]:
    events = [*reader.feed(data), *reader.end()]
    check_stream(events)
    return events


def test_hidden_reasoning_is_a_life_sign_and_no_part() -> None:
    details = [{"type": "reasoning.text", "text": "Hm", "signature": "s", "index": 0}]
    data = sse(
        chunk({"reasoning_content": "Hm"}),
        chunk({"reasoning_details": details}),
        chunk({"content": "Yes"}),
        chunk({}, "stop"),
    )
    events = read(StreamReader("v", show_reasoning=False), data)
    assert sum(type(event) is Tick for event in events) == 2
    assert not any(type(event) is Open and type(event.part) is Reasoning for event in events)
    assert [part for part in collect(events).parts if isinstance(part, Reasoning)] == []


@pytest.mark.parametrize(
    "broken",
    [
        {"error": {"message": "used up"}},
        {"choices": [{"index": 0, "delta": {}, "error": {"message": "used up"}}]},
    ],
)
def test_a_vendor_can_read_its_own_errors(broken: object) -> None:
    reader = StreamReader("v", read_error=lambda chunk: QuotaExhausted("read by the vendor"))
    events = read(reader, sse(chunk({"content": "Half"}), broken))
    assert events[-1] == Fail(QuotaExhausted("read by the vendor"))


@pytest.mark.parametrize("delta", [{}, {"role": "assistant", "content": ""}])
def test_an_answer_without_a_word_is_a_failure(delta: object) -> None:
    (*_, last) = read(StreamReader("v"), sse(chunk(delta), chunk({}, "stop")))
    assert last == Fail(UpstreamProtocol("the model returned an empty answer"))


def test_an_error_answer_is_read_with_its_headers() -> None:
    error = read_error(429, {"retry-after": "7"}, b'{"error":{"message":"slow"}}')
    assert error is not None
    assert (error.kind, error.message, error.retry_after) == ("rate_limited", "slow", 7.0)


@each("body", [b"<html>", b"", b"[]", b'"text"'])
def test_what_is_no_object_is_left_to_the_core(body: bytes) -> None:
    assert read_error(502, {}, body) is None


@each(
    "choice, offered, said",
    [
        (ToolChoice("tool", ["a", "b"]), ["a", "b"], "required"),
        (ToolChoice("tool", ["b"], required_among=False), ["b"], None),
        (
            ToolChoice("tool", ["b"]),
            ["a", "b", "c"],
            {"type": "function", "function": {"name": "b"}},
        ),
        (ToolChoice("required"), ["a", "b", "c"], "required"),
    ],
)
def test_a_choice_among_some_tools_is_made_by_offering_no_others(
    choice: ToolChoice, offered: list[str], said: object
) -> None:
    tools = [FunctionTool(name, None, {"type": "object"}) for name in "abc"]
    request = Request("m", [], tools=[*tools], tool_choice=choice)
    body = write_request(request, "m", issuer="v", allowed_tools=False)
    assert [tool["function"]["name"] for tool in body["tools"]] == offered
    assert body.get("tool_choice") == said
    assert len(request.tools) == 3


def test_tools_get_the_names_of_the_client_back() -> None:
    """Also where the name is in each fragment; a tool that nobody renamed keeps its own."""
    fragments = [
        {"index": 0, "id": "a", "function": {"name": "short", "arguments": "{"}},
        {"index": 0, "function": {"name": "short", "arguments": "}"}},
        {"index": 1, "id": "b", "function": {"name": "other", "arguments": "{}"}},
    ]
    data = sse(*(chunk({"tool_calls": [one]}) for one in fragments), chunk({}, "tool_calls"))
    events = read(StreamReader("v", tool_names={"short": "a.long.name"}), data)
    assert collect(events).parts == [
        ToolCall("a", "a.long.name", "{}"),
        ToolCall("b", "other", "{}"),
    ]
