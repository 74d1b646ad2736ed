"""What PartWriter makes of upstream calls: one part at a time, indexes without gaps."""

import pytest

from gateway_core.content import Citation, HostedCall, Media, Reasoning, Seal, Text, ToolCall
from gateway_core.errors import Overloaded, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Fail,
    Notice,
    NoticeSeen,
    Open,
    Tick,
    Usage,
    UsageSeen,
    Whole,
)
from gateway_core.parts import Collector, PartWriter, collect


@pytest.fixture
def writer() -> PartWriter:
    return PartWriter()


@pytest.fixture
def writer_in_tool(writer: PartWriter) -> PartWriter:
    """A writer whose first tool call is still being written."""
    writer.tool("a", id="call_a", name="one")
    writer.arguments("a", '{"a"')
    writer.take()
    return writer


def test_text_opens_on_its_first_piece(writer: PartWriter) -> None:
    writer.text("t", "Hel")
    writer.text("t", "lo")
    assert writer.take() == [Open(0, Text("")), Delta(0, "Hel"), Delta(0, "lo")]


def test_empty_text_opens_nothing(writer: PartWriter) -> None:
    writer.text("t", "")
    writer.reasoning("r", "")
    assert writer.take() == []


def test_take_hands_out_each_event_once(writer: PartWriter) -> None:
    writer.text("t", "x")
    writer.take()
    assert writer.take() == []


def test_another_part_closes_the_open_one(writer: PartWriter) -> None:
    writer.reasoning("r", "hm")
    writer.text("t", "ok")
    assert writer.take() == [
        Open(0, Reasoning("")),
        Delta(0, "hm"),
        Close(0),
        Open(1, Text("")),
        Delta(1, "ok"),
    ]


def test_a_closed_key_opens_a_new_part(writer: PartWriter) -> None:
    writer.text("t", "one")
    writer.close("t")
    writer.text("t", "two")
    assert writer.take()[3:] == [Open(1, Text("")), Delta(1, "two")]


def test_closing_an_unknown_key_does_nothing(writer: PartWriter) -> None:
    writer.close("nothing")
    assert writer.take() == []


def test_close_carries_what_is_known_late(writer: PartWriter) -> None:
    citation = Citation("https://example.org")
    writer.text("t", "x")
    writer.close("t", citations=[citation], extras={"chat": {"k": 1}})
    assert writer.take()[-1] == Close(0, None, [citation], {"chat": {"k": 1}})


def test_a_part_with_extras_opens_before_its_text(writer: PartWriter) -> None:
    part = Reasoning("", extras={"responses": {"id": "rs_1"}})
    writer.open_text("r", part)
    writer.open_text("r", Reasoning(""))
    writer.reasoning("r", "hm")
    assert writer.take() == [Open(0, part), Delta(0, "hm")]


def test_a_second_start_of_an_open_call_does_nothing(writer_in_tool: PartWriter) -> None:
    writer_in_tool.tool("a", id="call_a", name="one")
    assert writer_in_tool.take() == []


def test_arguments_without_a_call_are_ignored(writer: PartWriter) -> None:
    writer.arguments("a", "{}")
    assert writer.take() == []


def test_a_second_call_waits_for_the_first(writer_in_tool: PartWriter) -> None:
    writer = writer_in_tool
    writer.tool("b", id="call_b", name="two")
    writer.arguments("b", "{}")
    writer.arguments("a", ":1}")
    assert writer.take() == [Delta(0, ":1}")]
    writer.close("a")
    assert writer.take() == [
        Close(0),
        Open(1, ToolCall("call_b", "two", "")),
        Delta(1, "{}"),
    ]
    writer.arguments("b", " ")
    assert writer.take() == [Delta(1, " ")]


def test_a_call_complete_while_waiting_comes_whole(writer_in_tool: PartWriter) -> None:
    writer = writer_in_tool
    writer.tool("b", id="call_b", name="two")
    writer.arguments("b", "{}")
    writer.close("b")
    writer.arguments("b", "ignored, it is closed")
    writer.close("a")
    assert writer.take() == [
        Close(0),
        Open(1, ToolCall("call_b", "two", "")),
        Delta(1, "{}"),
        Close(1),
    ]


def test_text_waits_for_an_open_call(writer_in_tool: PartWriter) -> None:
    writer = writer_in_tool
    writer.text("t", "mean")
    writer.text("t", "while")
    assert writer.take() == []
    assert writer.is_open("t")
    writer.close("a")
    assert writer.take() == [Close(0), Open(1, Text("")), Delta(1, "mean"), Delta(1, "while")]


def test_held_parts_keep_their_order(writer_in_tool: PartWriter) -> None:
    writer = writer_in_tool
    picture = Media("image", "image/png", data="AA==")
    writer.text("t", "x")
    writer.whole("m", picture)
    writer.tool("b", id="call_b", name="two")
    writer.close("a")
    assert writer.take() == [
        Close(0),
        Open(1, Text("")),
        Delta(1, "x"),
        Close(1),
        Whole(2, picture),
        Open(3, ToolCall("call_b", "two", "")),
    ]


def test_a_whole_part_closes_open_text(writer: PartWriter) -> None:
    search = HostedCall("ws_1", "web_search", "{}")
    writer.text("t", "x")
    writer.whole("w", search)
    assert writer.take()[2:] == [Close(0), Whole(1, search)]


def test_a_seal_in_time_goes_with_its_part(writer: PartWriter) -> None:
    seal = Seal("issuer", "data")
    writer.reasoning("r", "hm")
    writer.close("r", seal)
    assert writer.take()[-1] == Close(0, seal)


def test_a_late_seal_becomes_a_part_of_its_own(writer: PartWriter) -> None:
    seal = Seal("issuer", "data")
    writer.reasoning("r", "hm")
    writer.text("t", "ok")
    writer.take()
    writer.close("r", seal)
    assert writer.take() == [Close(1), Whole(2, Reasoning("", seal=seal))]


def test_a_late_seal_counts_once(writer: PartWriter) -> None:
    seal = Seal("issuer", "data")
    writer.reasoning("r", "hm")
    writer.text("t", "ok")
    writer.close("r", seal)
    writer.take()
    writer.close("r", seal)
    assert writer.take() == []


def test_begin_counts_once(writer: PartWriter) -> None:
    writer.begin("id_1", "model")
    writer.take()
    writer.begin("id_2", "model")
    assert writer.take() == []


def test_begin_after_a_part_is_ignored(writer: PartWriter) -> None:
    writer.text("t", "x")
    writer.take()
    writer.begin("id_1")
    assert writer.take() == []


def test_begin_after_any_event_is_ignored(writer: PartWriter) -> None:
    writer.tick()
    writer.begin("id_1")
    assert writer.take() == [Tick()]


def test_side_events_pass_through(writer: PartWriter) -> None:
    writer.usage(Usage(input=1))
    writer.notice("code", "words")
    writer.tick()
    assert writer.take() == [UsageSeen(Usage(input=1)), NoticeSeen(Notice("code", "words")), Tick()]


def test_end_closes_everything(writer_in_tool: PartWriter) -> None:
    writer = writer_in_tool
    writer.tool("b", id="call_b", name="two")
    writer.end("tool_use", Usage(output=3), raw_reason="tool_calls")
    assert writer.take() == [
        Close(0),
        Open(1, ToolCall("call_b", "two", "")),
        Close(1),
        End("tool_use", "tool_calls", Usage(output=3)),
    ]


def test_stop_after_a_call_is_tool_use(writer_in_tool: PartWriter) -> None:
    writer_in_tool.end("stop")
    assert writer_in_tool.take()[-1] == End("tool_use")


def test_other_reasons_stay_after_a_call(writer_in_tool: PartWriter) -> None:
    writer_in_tool.end("length")
    assert writer_in_tool.take()[-1] == End("length")


def test_fail_leaves_the_open_part_incomplete(writer_in_tool: PartWriter) -> None:
    error = Overloaded("full")
    writer_in_tool.fail(error)
    assert writer_in_tool.take() == [Fail(error)]


@pytest.mark.parametrize("last", ["end", "fail"])
def test_nothing_follows_the_last_event(writer: PartWriter, last: str) -> None:
    writer.text("t", "x")
    if last == "end":
        writer.end("stop")
    else:
        writer.fail(Overloaded("full"))
    writer.take()
    writer.begin("id")
    writer.text("t", "more")
    writer.reasoning("t", "more")
    writer.text("u", "new")
    writer.tool("a", id="call_a", name="one")
    writer.arguments("t", "more")
    writer.whole("m", Media("image"))
    writer.close("t", Seal("issuer", "data"))
    writer.usage(Usage())
    writer.notice("code", "words")
    writer.tick()
    writer.end("stop")
    writer.fail(Overloaded("full"))
    assert writer.take() == []


def test_collect_gives_the_whole_answer(writer: PartWriter) -> None:
    seal = Seal("issuer", "data")
    writer.begin("id_1", "model")
    writer.reasoning("r", "h")
    writer.reasoning("r", "m")
    writer.close("r", seal, extras={"responses": {"id": "rs_1"}})
    writer.text("t", "ok")
    writer.close("t", citations=[Citation("https://example.org")])
    writer.tool("a", id="call_a", name="one")
    writer.arguments("a", "{}")
    writer.usage(Usage(input=1))
    writer.notice("code", "words")
    writer.end("stop", stop_sequence="X", raw_reason="raw")

    response = collect(writer.take())

    assert response.parts == [
        Reasoning("hm", seal, extras={"responses": {"id": "rs_1"}}),
        Text("ok", citations=[Citation("https://example.org")]),
        ToolCall("call_a", "one", "{}"),
    ]
    assert (response.id, response.model) == ("id_1", "model")
    assert (response.stop, response.raw_stop, response.stop_sequence) == ("tool_use", "raw", "X")
    assert response.usage == Usage(input=1)
    assert response.notices == [Notice("code", "words")]


def test_usage_at_the_end_replaces_earlier_usage(writer: PartWriter) -> None:
    writer.usage(Usage(input=1))
    writer.end("stop", Usage(input=2))
    assert collect(writer.take()).usage == Usage(input=2)


def test_collect_raises_the_error_of_a_failed_stream(writer: PartWriter) -> None:
    writer.text("t", "x")
    writer.fail(Overloaded("full"))
    with pytest.raises(Overloaded, match="full"):
        collect(writer.take())


def test_collect_refuses_a_stream_without_end() -> None:
    with pytest.raises(UpstreamProtocol, match="without saying that it was complete"):
        collect([Begin(), Open(0, Text("")), Delta(0, "x")])


def test_a_collector_takes_batches(writer: PartWriter) -> None:
    collector = Collector()
    for piece in ("a", "b", "c"):
        writer.text("t", piece)
        collector.feed(writer.take())
    assert not collector.done
    writer.end("stop")
    collector.feed(writer.take())
    assert collector.done
    assert collector.response.parts == [Text("abc")]


def test_a_key_used_again_while_its_closed_text_waits_is_a_new_part(
    writer_in_tool: PartWriter,
) -> None:
    writer_in_tool.text("t", "one")
    writer_in_tool.close("t")
    writer_in_tool.text("t", "two")
    writer_in_tool.close("a")
    assert writer_in_tool.take() == [
        Close(0),
        Open(1, Text("")),
        Delta(1, "one"),
        Close(1),
        Open(2, Text("")),
        Delta(2, "two"),
    ]


def test_a_whole_part_takes_no_waiting_text_away(writer_in_tool: PartWriter) -> None:
    search = HostedCall("h", "web_search", "{}")
    writer_in_tool.text("t", "one")
    writer_in_tool.whole("t", search)
    writer_in_tool.end("stop")
    _, *after_the_call = writer_in_tool.take()
    assert collect(after_the_call).parts == [Text("one"), search]


def test_a_key_used_again_while_its_closed_call_waits_is_a_new_call(
    writer_in_tool: PartWriter,
) -> None:
    for id in ("call_b", "call_c"):
        writer_in_tool.tool("b", id=id, name="two")
        writer_in_tool.arguments("b", f'"{id}"')
        assert writer_in_tool.is_open("b")
        writer_in_tool.close("b")
        assert not writer_in_tool.is_open("b")
    writer_in_tool.close("a")
    opened = [event.part for event in writer_in_tool.take() if isinstance(event, Open)]
    assert [part.id for part in opened if isinstance(part, ToolCall)] == ["call_b", "call_c"]
