"""The way back of bridged custom tools: free text out of streamed JSON arguments."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.content import Reasoning, Seal, Text, ToolCall
from gateway_core.custom_tools import RestoreCustomTools, bridged_custom_tools
from gateway_core.errors import UpstreamProtocol
from gateway_core.events import Begin, Close, Delta, End, Event, Fail, Open
from gateway_core.grammar import check_stream
from gateway_core.parts import collect
from gateway_core.provider import Capabilities
from gateway_core.request import CustomTool, FunctionTool, Request
from support.about import each

NAMES = frozenset({"apply_patch"})
PATCH_TEXT = '*** Begin Patch\n+say "h\\i" \té 😀\n*** End Patch'


def call_events(*deltas: str, name: str = "apply_patch") -> list[Event]:
    """A stream with one call whose arguments come in these deltas."""
    return [
        Begin(),
        Open(0, ToolCall("c1", name, "")),
        *(Delta(0, text) for text in deltas if text),
        Close(0),
        End("tool_use"),
    ]


def restored_call(*deltas: str) -> ToolCall:
    """The call that a client is given for these deltas, each fed on its own."""
    restore = RestoreCustomTools(NAMES)
    events = [event for given_ in call_events(*deltas) for event in restore.feed([given_])]
    check_stream(events)
    (call,) = collect(events).parts
    assert isinstance(call, ToolCall)
    return call


@pytest.fixture
def request_with_both() -> Request:
    return Request(
        model="m",
        messages=[],
        tools=[CustomTool("apply_patch", None), FunctionTool("weather", None, {})],
    )


def test_the_custom_tools_are_bridged_where_the_provider_lacks_them(
    request_with_both: Request,
) -> None:
    assert bridged_custom_tools(request_with_both, Capabilities()) == NAMES


def test_nothing_is_bridged_where_the_provider_takes_custom_tools(
    request_with_both: Request,
) -> None:
    assert bridged_custom_tools(request_with_both, Capabilities(custom_tools=True)) == frozenset()


def test_a_call_opens_as_custom_and_carries_the_text() -> None:
    assert restored_call('{"input":"hello"}') == ToolCall("c1", "apply_patch", "hello", custom=True)


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "raw"])
def test_every_split_of_the_arguments_gives_the_same_text(ascii_only: bool) -> None:
    arguments = json.dumps({"input": PATCH_TEXT}, ensure_ascii=ascii_only)
    for offset in range(len(arguments) + 1):
        assert restored_call(arguments[:offset], arguments[offset:]).arguments == PATCH_TEXT
    assert restored_call(*arguments).arguments == PATCH_TEXT


@given(text=st.text(), ascii_only=st.booleans(), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_any_text_survives_any_cut(text: str, ascii_only: bool, cuts: list[int]) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    edges = sorted({0, *(min(cut, len(arguments)) for cut in cuts), len(arguments)})
    pieces = [arguments[a:b] for a, b in itertools.pairwise(edges)]
    assert restored_call(*pieces).arguments == text


def test_the_text_streams_on_before_the_call_is_complete() -> None:
    restore = RestoreCustomTools(NAMES)
    restore.feed([Open(0, ToolCall("c1", "apply_patch", ""))])
    assert restore.feed([Delta(0, '{ "input" : "one\\n')]) == [Delta(0, "one\n")]
    assert restore.feed([Delta(0, "two\\")]) == [Delta(0, "two")]
    assert restore.feed([Delta(0, 'n"}')]) == [Delta(0, "\n")]
    assert restore.feed([Close(0)]) == [Close(0)]


@each(
    "arguments, text",
    [
        ('{"why":"tidy","input":"a\\nb"}', "a\nb"),
        ('{"patch":"a\\nb"}', "a\nb"),
        ('"a\\nb"', "a\nb"),
        ("*** Begin Patch\n", "*** Begin Patch\n"),
        ('{"input":{"deep":1}}', '{"input":{"deep":1}}'),
        ("", ""),
        ('{"inp', '{"inp'),
    ],
)
def test_other_shapes_are_taken_by_the_best_reading(arguments: str, text: str) -> None:
    for offset in range(len(arguments) + 1):
        assert restored_call(arguments[:offset], arguments[offset:]).arguments == text


def test_long_arguments_of_another_shape_are_read_when_they_are_complete() -> None:
    arguments = json.dumps({"why": "because " * 20, "input": PATCH_TEXT})
    assert restored_call(arguments[:100], *arguments[100:]).arguments == PATCH_TEXT


@each(
    "inside, text",
    [
        ("a\nb", "a\nb"),
        (r"\d+ \u12", r"\d+ \u12"),
        (r"\ud83d!", "�!"),
        (r"\\ud83d\\ude00", r"\ud83d\ude00"),
    ],
)
def test_sloppy_strings_are_read_leniently(inside: str, text: str) -> None:
    arguments = '{"input":"' + inside + '"}'
    for offset in range(len(arguments) + 1):
        assert restored_call(arguments[:offset], arguments[offset:]).arguments == text


def test_a_string_cut_by_the_upstream_gives_what_came() -> None:
    assert restored_call('{"input":"half of').arguments == "half of"


def test_calls_to_other_tools_and_other_parts_pass_untouched() -> None:
    events: list[Event] = [
        Begin(),
        Open(0, Reasoning("")),
        Delta(0, "hm"),
        Close(0, Seal("x", "s")),
        Open(1, Text("")),
        Delta(1, '{"input":"'),
        Close(1),
        Open(2, ToolCall("c1", "weather", "")),
        Delta(2, '{"input":"Bern"}'),
        Close(2),
        End("tool_use"),
    ]
    assert RestoreCustomTools(NAMES).feed(events) == events


def test_several_calls_are_told_apart() -> None:
    stream = [
        *call_events('{"input":"one"}')[:-1],
        Open(1, ToolCall("c2", "apply_patch", "")),
        Delta(1, '{"input":"two"}'),
        Close(1),
        End("tool_use"),
    ]
    parts = collect(RestoreCustomTools(NAMES).feed(stream)).parts
    assert [part.arguments for part in parts if isinstance(part, ToolCall)] == ["one", "two"]


def test_a_failure_inside_a_call_ends_the_stream_as_it_is() -> None:
    failure = Fail(UpstreamProtocol("gone"))
    restored = RestoreCustomTools(NAMES).feed([*call_events('{"input":"ha')[:-2], failure])
    assert restored[-2:] == [Delta(0, "ha"), failure]
