"""Upstreams that cut their texts at UTF-16 units, and so between the halves of an emoji."""

from collections.abc import Sequence

import pytest

from gateway_core.content import Reasoning, Text, ToolCall
from gateway_core.errors import UpstreamProtocol
from gateway_core.events import Event, Fail
from gateway_core.json import JsonObject
from gateway_core.parts import collect
from support import chat_wire
from support.responses_wire import (
    added,
    completed,
    created,
    decode,
    decode_everywhere,
    delta,
    done,
    sse,
    text_delta,
)


def torn(stream: bytes) -> bytes:
    """The stream with `<1>` and `<2>` as the halves of an emoji."""
    return stream.replace(b"<1>", rb"\ud83d").replace(b"<2>", rb"\ude00")


def chat(*deltas: JsonObject) -> Sequence[Event]:
    """The events of a chat stream with these deltas."""
    chunks = [chat_wire.chunk(delta) for delta in deltas]
    return chat_wire.decode([torn(chat_wire.sse(*chunks, chat_wire.chunk({}, "stop")))])


def responses(*pieces: str) -> Sequence[Event]:
    """The events of a Responses stream that says these pieces and no complete text."""
    texts = [text_delta(0, piece) for piece in pieces]
    return decode_everywhere(torn(sse(created(), added(0, "message"), *texts, completed())))


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["Hi <1>", "<2>!"], "Hi 😀!"),
        (["<1>", "<2>"], "😀"),
        (["<1>", "<2><1>", "<2>"], "😀😀"),
        (["a <1>", "b"], "a b"),
        (["a <1>"], "a "),
        (["a", "<2>b"], "a\ufffdb"),
        (["a <1> b", "c"], "a \ufffd bc"),
        (["a <1>", "", "<2>"], "a 😀"),
    ],
)
def test_the_halves_of_a_pair_find_each_other(pieces: list[str], text: str) -> None:
    """A first half that nothing completes is left out; one that stands elsewhere is replaced."""
    for events in (responses(*pieces), chat(*({"content": piece} for piece in pieces))):
        assert collect(events).parts == [Text(text)]


def test_a_half_waits_for_its_own_field() -> None:
    events = chat(
        {"reasoning_content": "hm <1>"}, {"content": "<2>x <1>"}, {"content": "<2>", "role": "a"}
    )
    assert collect(events).parts == [Reasoning("hm "), Text("\ufffdx 😀")]


def test_arguments_of_a_call() -> None:
    call = {"call_id": "call_1", "name": "say"}
    stream = sse(
        created(),
        added(0, "function_call", **call, arguments=""),
        delta(0, "function_call_arguments", '{"text":"<1>'),
        delta(0, "function_call_arguments", '<2>"}'),
        done(0, "function_call", **call, arguments='{"text":"😀"}'),
        completed(),
    )
    assert collect(decode([torn(stream)])).parts == [ToolCall("call_1", "say", '{"text":"😀"}')]


def test_what_else_is_wrong_with_such_an_event_is_still_told() -> None:
    cut = torn(sse(created(), text_delta(0, "<1>"))).removesuffix(b"}\n\n") + b"\n\n"
    failure = decode([cut])[-1]
    assert isinstance(failure, Fail)
    assert isinstance(failure.error, UpstreamProtocol)
