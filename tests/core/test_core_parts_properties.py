"""Whatever an upstream does, what PartWriter emits obeys the grammar and loses no text."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.content import HostedCall, Reasoning, Seal, Text, ToolCall
from gateway_core.errors import Overloaded
from gateway_core.events import Delta, Event, Usage
from gateway_core.grammar import GrammarChecker, check_stream
from gateway_core.parts import PartWriter, collect

Call = tuple[object, ...]
"""The name of a method and its arguments, without those that only matter to decoders."""

KEYS = st.sampled_from(["a", "b", "c", ("d", 1)])
PIECES = st.sampled_from(["", "x", "{}", "é"])
SEALS = st.none() | st.just(Seal("issuer", "data"))

CALLS: st.SearchStrategy[Call] = st.one_of(
    st.tuples(st.sampled_from(["text", "reasoning", "arguments"]), KEYS, PIECES),
    st.tuples(st.just("tool"), KEYS),
    st.tuples(st.just("close"), KEYS, SEALS),
    st.tuples(st.just("open_text"), KEYS, st.builds(Reasoning, st.just(""))),
    st.tuples(st.just("whole"), KEYS, st.just(HostedCall("h", "web_search", "{}"))),
    st.sampled_from([("begin",), ("usage", Usage(input=1)), ("notice", "c", "words"), ("tick",)]),
)
LAST: st.SearchStrategy[Call] = st.sampled_from(
    [("end", "stop"), ("end", "length"), ("fail", Overloaded("full"))]
)


def _apply(writer: PartWriter, number: int, call: Call) -> None:
    name, *arguments = call
    assert isinstance(name, str)
    if name == "tool":
        # Call ids must be unique within an answer: the decoder's part of the bargain.
        writer.tool(arguments[0], id=f"call_{number}", name="tool")
    else:
        getattr(writer, name)(*arguments)


@given(calls=st.lists(CALLS, max_size=30), last=LAST, after=st.lists(CALLS, max_size=5))
def test_any_calls_make_a_grammatical_stream(
    calls: list[Call], last: Call, after: list[Call]
) -> None:
    writer = PartWriter()
    checker = GrammarChecker()
    for number, call in enumerate([*calls, last, *after]):
        _apply(writer, number, call)
        checker.check(writer.take())
    checker.finish()


@given(calls=st.lists(CALLS, max_size=30), last=LAST)
def test_events_do_not_depend_on_when_they_are_taken(calls: list[Call], last: Call) -> None:
    eager, lazy = PartWriter(), PartWriter()
    taken: list[Event] = []
    for number, call in enumerate([*calls, last]):
        _apply(eager, number, call)
        taken += eager.take()
        _apply(lazy, number, call)
    assert taken == lazy.take()


@given(
    order=st.permutations([0] * 4 + [1] * 4 + [2] * 4),
    kinds=st.tuples(*[st.sampled_from(["text", "reasoning", "tool"])] * 3),
)
def test_interleaved_parts_keep_their_own_text(order: list[int], kinds: tuple[str, ...]) -> None:
    """Three parts, each of a start, two pieces and a close, in any interleaving."""
    writer = PartWriter()
    steps = [0, 0, 0]
    for key in order:
        step, kind = steps[key], kinds[key]
        steps[key] += 1
        if kind == "tool" and step == 0:
            writer.tool(key, id=f"call_{key}", name="tool")
        elif step == 3:
            writer.close(key)
        elif step > 0 and kind == "tool":
            writer.arguments(key, f"<{key}{step}>")
        elif step > 0:
            getattr(writer, kind)(key, f"<{key}{step}>")
    writer.end("stop")
    events = writer.take()

    check_stream(events)
    parts = collect(events).parts
    for key, kind in enumerate(kinds):
        if kind == "tool":
            (call,) = [p for p in parts if isinstance(p, ToolCall) and p.id == f"call_{key}"]
            assert call.arguments == f"<{key}1><{key}2>"
        else:
            texts = "".join(p.text for p in parts if isinstance(p, Text | Reasoning))
            assert texts.index(f"<{key}1>") < texts.index(f"<{key}2>")


@given(
    order=st.permutations([0] * 6 + [1] * 6 + [2] * 6),
    kinds=st.tuples(*[st.sampled_from(["text", "reasoning", "tool", "whole"])] * 3),
)
def test_keys_used_again_lose_nothing(order: list[int], kinds: tuple[str, ...]) -> None:
    """Three keys, each of two parts one after the other, in any interleaving."""
    writer = PartWriter()
    steps = [0, 0, 0]
    for key in order:
        life, step = divmod(steps[key], 3)
        kind, name = kinds[key], f"<{key}{life}>"
        steps[key] += 1
        if step == 2:
            writer.close(key)
        elif kind == "whole":
            writer.whole(key, HostedCall(f"{name}{step}", "web_search", "{}"))
        elif kind != "tool":
            getattr(writer, kind)(key, f"{name}{step}")
        elif step == 0:
            writer.tool(key, id=name, name="tool")
        else:
            writer.arguments(key, name)
    writer.end("stop")
    events = writer.take()

    check_stream(events)
    parts = collect(events).parts
    said = "".join(part.text for part in parts if isinstance(part, Text | Reasoning))
    calls = {part.id: part.arguments for part in parts if isinstance(part, ToolCall)}
    hosted = [part.id for part in parts if isinstance(part, HostedCall)]
    for key, kind in enumerate(kinds):
        names = [f"<{key}{life}>" for life in (0, 1)]
        pieces = [f"{name}{step}" for name in names for step in (0, 1)]
        if kind == "tool":
            assert [calls[name] for name in names] == names
        elif kind == "whole":
            assert [id for id in hosted if id in pieces] == pieces
        else:
            places = [said.index(piece) for piece in pieces]
            assert places == sorted(places)


@given(pieces=st.lists(st.text(min_size=1), min_size=1))
def test_text_arrives_unchanged(pieces: list[str]) -> None:
    writer = PartWriter()
    for piece in pieces:
        writer.text("t", piece)
    events = writer.take()
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "".join(pieces)
