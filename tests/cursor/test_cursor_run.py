"""A run without a network: how it begins, what it answers and shows, and how it ends."""

import weakref
from typing import Any

import pytest

from gateway_core import ToolCall
from gateway_core.events import Fail
from gateway_core.parts import collect
from gateway_cursor.connect import TURN_OVER, EnvelopeReader, frame
from gateway_cursor.plan import RunLimits, RunStart
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.run import Run
from gateway_cursor.values import to_value
from gateway_cursor.work import LONGEST_WORK
from support.about import about
from support.cursor_runs import (
    call,
    decoded,
    displayed,
    ended,
    execs,
    fixture,
    kinds_sent,
    message,
    new_run,
    plan_for,
    sent,
    state_of,
    text_result,
    texts_shown,
    update,
)

PART_1 = fixture("stream-tool-turn-part1")
PART_2 = fixture("stream-tool-turn-part2")
CLEAN = fixture("s90")
SEARCH = pb.ToolCall(web_search_tool_call=pb.OpaqueToolCall())


# How it begins


def test_the_first_envelope_asks_for_the_run() -> None:
    assert new_run().first() == fixture("c01")


def test_the_context_is_given_when_it_is_asked_for() -> None:
    run = new_run()
    run.feed(fixture("s20"), 0.0)
    assert run.data_to_send() == fixture("c10") + fixture("c11")
    assert run.data_to_send() == b""


def test_blobs_of_the_request_are_handed_out() -> None:
    plan = plan_for()
    id = pb.AgentServerMessage.FromString(fixture("s30")[5:]).kv_server_message.get_blob_args
    system = b'{"role":"system","content":"You are terse."}'
    run = Run(plan, RunStart(plan.start.request, {id.blob_id: system}))
    run.feed(fixture("s30"), 0.0)
    assert run.data_to_send() == fixture("c30")


def test_what_the_server_stores_it_gets_back() -> None:
    run = new_run()
    run.feed(fixture("s31"), 0.0)
    assert run.data_to_send() == fixture("c32")
    stored = pb.AgentServerMessage.FromString(fixture("s31")[5:]).kv_server_message.set_blob_args
    asked = pb.KvServerMessage(get_blob_args=pb.GetBlobArgs(blob_id=stored.blob_id))
    run.feed(message(kv_server_message=asked), 0.0)
    [answer] = sent(run)
    assert answer.kv_client_message.get_blob_result.blob_data == stored.blob_data


def test_what_asks_for_nothing_is_not_answered() -> None:
    for name in ["s06", "s07", "s08", "s14", "s15", "s40", "s60", "s27", "s01", "s03"]:
        with about(name):
            run = new_run()
            run.feed(fixture(name), 0.0)
            assert run.data_to_send() == b""
            assert state_of(run) == "streaming"


def test_every_question_is_answered_at_once() -> None:
    for asked, kind in [
        ("s23", "exec_client_message"),
        ("s24", "exec_client_message"),
        ("s25", "exec_client_message"),
        ("s26", "exec_client_control_message"),
        ("s28", "exec_client_message"),
        ("s29", "exec_client_message"),
        ("s32", "kv_client_message"),
        ("s50", "interaction_response"),
        ("s51", "interaction_response"),
    ]:
        with about(asked):
            run = new_run()
            run.feed(fixture(asked), 0.0)
            assert kinds_sent(run)[0] == kind
            assert state_of(run) == "streaming"


def test_a_search_is_approved_where_it_is_allowed() -> None:
    run = new_run(allow_search=True)
    run.feed(fixture("s50"), 0.0)
    assert run.data_to_send() == fixture("c40")


def test_the_heartbeat() -> None:
    assert new_run().heartbeat() == fixture("c05")


# What it shows


def test_a_whole_text_turn() -> None:
    run = new_run()
    run.feed(fixture("stream-text-turn"), 0.0)
    assert state_of(run) == "over"
    assert run.turn_ended
    assert run.visible
    assert run.failure is None
    assert texts_shown(run) == ["Short answer.", "Hello"]


@pytest.mark.parametrize("name", ["stream-text-turn", "stream-tool-turn-part1"])
def test_the_stream_may_be_split_anywhere(name: str) -> None:
    data = fixture(name)
    whole = new_run()
    whole.feed(data, 0.0)
    answers, events = whole.data_to_send(), displayed(whole)
    for cut in range(1, len(data)):
        run = new_run()
        run.feed(data[:cut], 0.0)
        shown = run.take_display()
        run.feed(data[cut:], 0.0)
        assert run.data_to_send() == answers
        assert decoded([shown + run.take_display()]) == events
        assert state_of(run) == whole.state


def test_compressed_messages_are_shown_plainly() -> None:
    run = new_run()
    run.started({"connect-content-encoding": "gzip"})
    run.feed(fixture("s98") + fixture("s10") + fixture("s99"), 0.0)
    [text] = texts_shown(run)
    assert text.startswith("lorem lorem ")
    assert run.failure is None


def test_unknown_members_are_passed_over() -> None:
    known = pb.AgentServerMessage.FromString(fixture("s01")[5:])
    unknown = bytes.fromhex("fa06020801")  # a member of the number 111
    run = new_run()
    run.feed(frame(unknown) + frame(known.SerializeToString() + unknown), 0.0)
    run.feed(update() + frame(bytes.fromhex("0a05") + unknown) + fixture("s09") + CLEAN, 0.0)
    assert texts_shown(run) == ["Hello"]


def test_heartbeats_show_nothing() -> None:
    run = new_run()
    run.feed(fixture("s06"), 0.0)
    assert run.take_display() == b""


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (
            {"summary_started": pb.SummaryStartedUpdate()},
            {"summary_completed": pb.SummaryCompletedUpdate()},
        ),
        (
            {"tool_call_started": pb.ToolCallStartedUpdate(call_id="a", tool_call=SEARCH)},
            {"tool_call_completed": pb.ToolCallCompletedUpdate(call_id="a", tool_call=SEARCH)},
        ),
    ],
    ids=["summary", "search"],
)
def test_unless_the_server_is_at_work_on_something(
    begins: dict[str, Any], ends: dict[str, Any]
) -> None:
    run = new_run()
    heartbeat = update(heartbeat=pb.HeartbeatUpdate())
    shown = []
    for now, envelope in (
        (0.0, update(**begins)),
        (100.0, heartbeat),
        (LONGEST_WORK, heartbeat),  # that is too long
        (LONGEST_WORK, update(**begins)),
        (LONGEST_WORK, update(**ends)),
        (LONGEST_WORK, heartbeat),
    ):
        run.feed(envelope, now)
        shown.append(bool(run.take_display()))
    assert shown == [True, True, False, True, True, False]


def test_everything_else_shows_that_there_is_progress() -> None:
    for name in ["s20", "s30", "s11", "s15", "s07"]:
        with about(name):
            run = new_run()
            run.feed(fixture(name), 0.0)
            shown = run.take_display()
            assert EnvelopeReader().feed(shown) == [(0, b"\n\0")]
            assert not run.visible


def test_a_plan_is_shown_as_text() -> None:
    plan = pb.CreatePlanRequestQuery(args=pb.CreatePlanArgs(plan="1. Look."))
    run = new_run()
    run.feed(fixture("s01"), 0.0)
    query = pb.InteractionQuery(id=1, create_plan_request_query=plan)
    run.feed(message(interaction_query=query), 0.0)
    run.feed(fixture("s09") + CLEAN, 0.0)
    assert kinds_sent(run) == ["interaction_response"]
    assert texts_shown(run) == ["Hello\n\n1. Look."]


# How it ends


def test_a_clean_end_with_calls_that_were_not_shown_shows_them() -> None:
    run = new_run()
    run.feed(call(2) + CLEAN, 0.0)
    assert state_of(run) == "over"
    events = displayed(run)
    assert [one.name for one in collect(events).parts if isinstance(one, ToolCall)] == ["Bash"]
    assert collect(events).stop == "tool_use"


def test_so_does_the_end_of_the_turn() -> None:
    run = new_run()
    run.feed(call(2) + ended() + CLEAN, 0.0)
    assert collect(displayed(run)).stop == "tool_use"


def test_a_failed_end_shows_none() -> None:
    run = new_run()
    run.feed(call(2) + fixture("s91"), 0.0)
    assert not run.visible
    assert run.failure is not None
    assert run.failure.name == "NOT_LOGGED_IN"
    last = displayed(run)[-1]
    assert isinstance(last, Fail)
    assert last.error.kind == "unauthorized"


def test_nothing_is_read_behind_the_end() -> None:
    run = new_run()
    run.feed(fixture("s01") + fixture("s10") + CLEAN + fixture("s20"), 0.0)
    run.feed(fixture("s20"), 0.0)
    assert run.data_to_send() == b""


def test_broken_bytes_break_the_run_and_its_decoder() -> None:
    for name in ["x01", "x02", "x03", "x04"]:
        with about(name):
            run = new_run()
            run.feed(fixture("s01") + fixture(name), 0.0)
            run.closed()
            assert state_of(run) == "over"
            assert run.failure is not None
            assert run.failure.code == "data_loss"
            last = displayed(run)[-1]
            assert isinstance(last, Fail)
            assert last.error.kind == "upstream_protocol"


def test_our_own_mark_from_the_server_is_garbage() -> None:
    run = new_run()
    run.feed(fixture("s01") + TURN_OVER, 0.0)
    assert run.failure is not None
    assert state_of(run) == "over"
    assert isinstance(displayed(run)[-1], Fail)


def test_a_server_that_asks_for_more_than_there_is_is_given_up() -> None:
    run = new_run()
    blob = pb.SetBlobArgs(blob_id=b"a", blob_data=bytes(1 << 20))
    run.feed(message(kv_server_message=pb.KvServerMessage(id=1, set_blob_args=blob)), 0.0)
    asks = pb.KvServerMessage(id=2, get_blob_args=pb.GetBlobArgs(blob_id=b"a"))
    run.feed(message(kv_server_message=asks) * 100, 0.0)
    assert (run.state, run.gave_up, run.data_to_send()) == ("over", True, b"")


def test_a_stream_that_closes_before_its_turn_ended_failed() -> None:
    run = new_run()
    run.feed(fixture("s01"), 0.0)
    run.closed()
    assert run.failure is not None
    assert run.failure.code == "unavailable"
    assert isinstance(displayed(run)[-1], Fail)


def test_a_stream_that_closes_behind_the_end_of_its_turn_did_not() -> None:
    run = new_run()
    run.feed(fixture("s01") + fixture("s09"), 0.0)
    run.closed()
    assert state_of(run) == "over"
    assert run.failure is None
    assert collect(displayed(run)).stop == "stop"


def test_a_model_that_keeps_to_cursors_own_tools_is_given_up() -> None:
    run = new_run(limits=RunLimits(native_calls=3))
    asked = execs(5, read_args=pb.ReadArgs(path="/a"))
    run.feed(asked * 3, 0.0)
    assert state_of(run) == "streaming"
    run.feed(asked, 0.0)
    assert state_of(run) == "over"
    last = displayed(run)[-1]
    assert isinstance(last, Fail)
    assert "tools that do not exist here" in last.error.message
    assert not last.error.retryable


def test_results_of_the_client_begin_the_count_anew() -> None:
    run = new_run(limits=RunLimits(native_calls=3))
    asked = execs(5, read_args=pb.ReadArgs(path="/a"))
    run.feed(asked * 3 + call(2) + fixture("s08"), 0.0)
    run.answer([])
    run.feed(asked * 3, 0.0)
    assert state_of(run) == "streaming"


def test_nothing_of_the_user_is_in_a_repr() -> None:
    run = new_run()
    run.feed(call(2, command=to_value("cat secret.txt")), 0.0)
    assert "secret.txt" not in repr(run)
    run.tick(5.0)
    assert "secret.txt" not in repr(run.pending)
    plan = plan_for()
    assert "terse" not in repr(plan)
    assert "words" not in repr(text_result("a", "words"))


def test_a_run_keeps_nothing_of_what_only_a_new_one_would_need() -> None:
    """It may wait for minutes, and a conversation with its images may have megabytes."""

    class History:
        def as_text(self) -> RunStart:
            raise AssertionError("nobody asked for it")

    history = History()
    kept, plan = weakref.ref(history), plan_for(as_text=history.as_text)
    run = Run(plan, plan.start)
    del history, plan
    assert run.first() == fixture("c01")
    assert (kept(), run.first()) == (None, b"")
