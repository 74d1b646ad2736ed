"""The client's tools in a run: when its turn is over, the wait, and what becomes of the results."""

from collections.abc import Callable

import pytest

from gateway_core.events import End
from gateway_core.parts import collect
from gateway_cursor.connect import TURN_OVER, EnvelopeReader
from gateway_cursor.display import LARGEST_QUEUE
from gateway_cursor.plan import RunLimits
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.run import Run
from gateway_cursor.values import to_value
from support.about import about
from support.cursor_runs import (
    announced,
    call,
    calls_shown,
    decoded,
    displayed,
    ended,
    fixture,
    kinds_sent,
    new_run,
    parked_run,
    says,
    sent,
    state_of,
    text_result,
    texts_shown,
    update,
)

PART_1 = fixture("stream-tool-turn-part1")
PART_2 = fixture("stream-tool-turn-part2")
CLEAN = fixture("s90")


def test_the_clients_turn_is_over_when_its_calls_are_all_there() -> None:
    run = new_run()
    run.feed(PART_1, 0.0)
    assert state_of(run) == "parked"
    assert run.visible
    assert run.deadline is None
    assert list(run.pending) == ["toolu_fixture_01", "toolu_fixture_02"]
    assert calls_shown(run) == [
        ("toolu_fixture_01", "Read", {"file_path": "/home/dev/a.txt", "limit": 5}),
        ("toolu_fixture_02", "Bash", {"command": "ls -la"}),
    ]


def test_a_turn_with_calls_ends_with_our_mark() -> None:
    run = new_run()
    run.feed(PART_1, 0.0)
    shown = run.take_display()
    assert shown.endswith(TURN_OVER)
    [*_, end] = decoded([shown])
    assert isinstance(end, End)
    assert end.reason == "tool_use"


def test_nested_arguments_come_as_they_were_written() -> None:
    run = new_run()
    run.feed(fixture("s22") + fixture("s08"), 0.0)
    env = {"A": "1", "list": [1, 2.5, True], "n": None}
    assert calls_shown(run) == [("toolu_fixture_02", "Bash", {"command": "ls -la", "env": env})]


def test_results_are_written_where_the_calls_came_from() -> None:
    run = parked_run()
    run.answer(
        [
            text_result("toolu_fixture_02", "total 0"),
            text_result("toolu_fixture_01", "hello from a.txt"),
        ]
    )
    data = run.data_to_send()
    assert data.startswith(fixture("c12"))
    first, close, second, last = EnvelopeReader().feed(data)
    assert close[1] == bytes.fromhex("2a040a020802")
    result = pb.AgentClientMessage.FromString(second[1]).exec_client_message
    assert (result.id, result.exec_id) == (3, "exec-mcp-2")
    assert last[1] == bytes.fromhex("2a040a020803")
    assert first[0] == 0
    assert state_of(run) == "streaming"
    assert run.pending == {}


def test_every_kind_of_result_goes_out_as_in_the_fixtures() -> None:
    for name in ["c12", "c13", "c14"]:
        with about(name):
            told = pb.AgentClientMessage.FromString(fixture(name)[5:]).exec_client_message
            run = parked_run()
            [call_id] = [call.call_id for call in run.pending.values() if call.id == told.id]
            result = text_result(call_id, "")
            result.result.CopyFrom(told.mcp_result)
            run.answer([result])
            assert fixture(name) in run.data_to_send()


def test_a_call_without_a_result_is_answered_with_an_error() -> None:
    run = parked_run()
    run.answer([text_result("toolu_fixture_01", "hello from a.txt")])
    data = run.data_to_send()
    assert data.startswith(fixture("c12"))
    assert fixture("c22") in data


def test_an_empty_result_is_never_sent() -> None:
    run = parked_run()
    result = text_result("toolu_fixture_02", "")
    result.result.Clear()
    run.answer([result])
    assert fixture("c22") in run.data_to_send()


def test_the_run_goes_on_after_the_results() -> None:
    run = parked_run()
    run.answer([text_result("toolu_fixture_01", "a"), text_result("toolu_fixture_02", "b")])
    assert not run.visible
    run.feed(PART_2, 60.0)
    assert state_of(run) == "over"
    assert run.failure is None
    assert texts_shown(run) == ["Done."]


def test_results_for_a_run_that_is_over_are_ignored() -> None:
    run = parked_run()
    run.closed()
    run.answer([text_result("toolu_fixture_01", "a")])
    assert run.data_to_send() == b""
    assert state_of(run) == "over"


def test_without_a_sign_from_the_server_time_ends_the_turn() -> None:
    run = new_run()
    run.feed(call(2), 100.0)
    run.feed(call(3), 100.1)
    assert run.deadline == 101.1
    run.tick(101.0)
    assert state_of(run) == "streaming"
    run.tick(101.1)
    assert state_of(run) == "parked"
    assert list(run.pending) == ["toolu_2", "toolu_3"]


def test_announced_calls_are_waited_for() -> None:
    run = new_run()
    run.feed(announced("toolu_2") + announced("toolu_3") + call(2), 100.0)
    assert run.deadline == 130.0
    run.feed(call(3), 105.0)
    assert run.deadline == 105.2
    run.tick(105.2)
    assert list(run.pending) == ["toolu_2", "toolu_3"]


def test_the_announcements_of_the_fixtures_are_understood() -> None:
    run = new_run()
    run.feed(fixture("s11") + fixture("s12") + fixture("s22"), 1.0)
    assert run.deadline == 31.0
    run.feed(fixture("s21"), 2.0)
    assert run.deadline == 2.2


def test_native_calls_are_no_announcements() -> None:
    run = new_run()
    run.feed(fixture("s14") + call(2), 1.0)
    assert run.deadline == 2.0


def test_a_call_that_the_server_refuses_itself_is_not_waited_for_nor_shown() -> None:
    run = new_run()
    run.feed(announced("toolu_2") + announced("toolu_3") + call(2), 1.0)
    args = pb.McpArgs(tool_name="Bash", tool_call_id="toolu_3")
    refused = pb.McpToolResult(rejected=pb.McpRejected(reason="no"))
    tool_call = pb.ToolCall(mcp_tool_call=pb.McpToolCall(args=args, result=refused))
    completed = pb.ToolCallCompletedUpdate(call_id="toolu_3", tool_call=tool_call)
    run.feed(update(tool_call_completed=completed), 2.0)
    assert run.deadline == 1.2
    run.tick(2.0)
    assert list(run.pending) == ["toolu_2"]


def test_a_completed_step_closes_the_batch() -> None:
    run = new_run()
    run.feed(call(2) + fixture("s08"), 1.0)
    assert state_of(run) == "parked"


def test_a_checkpoint_closes_the_batch_and_is_counted_in_its_turn() -> None:
    run = new_run()
    run.feed(call(2) + fixture("s41"), 1.0)
    assert state_of(run) == "parked"
    usage = collect(displayed(run)).usage
    assert usage is not None
    assert usage.raw == {"used_tokens": 11090, "estimated": True}


def test_a_checkpoint_without_calls_closes_nothing() -> None:
    run = new_run()
    run.feed(fixture("s40") + fixture("s08"), 1.0)
    assert state_of(run) == "streaming"


def test_a_call_that_comes_late_makes_a_turn_of_its_own() -> None:
    run = parked_run()
    run.feed(call(7), 50.0)
    assert list(run.pending) == ["toolu_fixture_01", "toolu_fixture_02"]
    run.answer([text_result("toolu_fixture_01", "a"), text_result("toolu_fixture_02", "b")])
    assert run.deadline == 51.0
    run.tick(60.0)
    assert state_of(run) == "parked"
    assert list(run.pending) == ["toolu_7"]


def test_a_late_call_whose_step_is_over_is_shown_at_once() -> None:
    run = parked_run()
    run.feed(call(7) + fixture("s41"), 50.0)
    assert list(run.pending) == ["toolu_fixture_01", "toolu_fixture_02"]
    run.answer([text_result("toolu_fixture_01", "a"), text_result("toolu_fixture_02", "b")])
    assert state_of(run) == "parked"
    assert list(run.pending) == ["toolu_7"]
    assert calls_shown(run) == [("toolu_7", "Bash", {})]
    assert [one.exec_client_message.id for one in sent(run)[::2]] == [2, 3]


def test_calls_one_after_the_other_make_turns_one_after_the_other() -> None:
    run = new_run()
    for number in (2, 3, 4):
        run.feed(call(number, command=to_value("ls")) + fixture("s08"), 1.0)
        assert calls_shown(run) == [(f"toolu_{number}", "Bash", {"command": "ls"})]
        run.answer([text_result(f"toolu_{number}", "done")])
        assert kinds_sent(run) == ["exec_client_message", "exec_client_control_message"]
    run.feed(says("Bye") + ended() + CLEAN, 2.0)
    assert collect(displayed(run)).stop == "stop"


def test_where_one_at_a_time_is_wanted_others_are_turned_down() -> None:
    run = new_run(parallel=False)
    run.feed(PART_1, 0.0)
    assert list(run.pending) == ["toolu_fixture_01"]
    answers = sent(run)
    [told] = [
        one.exec_client_message.mcp_result
        for one in answers
        if one.exec_client_message.WhichOneof("message") == "mcp_result"
    ]
    assert "one tool at a time" in told.error.error


def test_a_call_of_an_unknown_tool_is_answered_and_not_shown() -> None:
    run = new_run()
    run.feed(announced("toolu_4") + call(4, "Foo", id="toolu_4"), 0.0)
    reply, close = sent(run)
    assert reply.exec_client_message.mcp_result.tool_not_found.available_tools == ["Read", "Bash"]
    assert close.exec_client_control_message.stream_close.id == 4
    assert run.deadline is None


def test_a_model_that_keeps_calling_unknown_tools_is_given_up() -> None:
    run = new_run(limits=RunLimits(native_calls=2))
    for number in (2, 3, 4):
        run.feed(call(number, "Foo"), 0.0)
    assert state_of(run) == "over"
    assert run.failure is not None


def test_a_name_with_a_prefix_is_the_same_tool() -> None:
    run = new_run()
    run.feed(call(2, "mcp_gateway_Bash") + fixture("s08"), 0.0)
    assert [name for _, name, _ in calls_shown(run)] == ["Bash"]


def test_an_id_that_clients_refuse_is_replaced_by_the_same_each_time() -> None:
    for id in ["", "call_1\nfc_2", "é", "x" * 65, "a b"]:
        with about(id):
            given = []
            for _ in range(2):
                run = new_run()
                run.feed(call(2, id=id) + fixture("s08"), 0.0)
                [call_id] = run.pending
                assert [one[0] for one in calls_shown(run)] == [call_id]
                given.append(call_id)
            assert given[0] == given[1]
            assert given[0].startswith("call_")
            assert len(given[0]) <= 64


def test_one_id_is_never_given_twice() -> None:
    run = new_run()
    run.feed(call(2, id="same") + call(3, id="same") + fixture("s08"), 0.0)
    assert len(run.pending) == 2
    assert len({one[0] for one in calls_shown(run)}) == 2


def test_a_call_that_is_withdrawn_in_time_is_not_shown() -> None:
    run = new_run()
    run.feed(call(2) + call(3) + fixture("s27"), 0.0)
    run.tick(10.0)
    assert list(run.pending) == ["toolu_3"]


def test_without_its_only_call_the_turn_goes_on() -> None:
    run = new_run()
    run.feed(call(2) + fixture("s27") + fixture("s08"), 0.0)
    assert state_of(run) == "streaming"
    assert run.deadline is None


def test_the_result_of_a_call_that_was_withdrawn_is_not_sent() -> None:
    run = parked_run()
    run.feed(fixture("s27"), 1.0)
    assert "toolu_fixture_01" in run.pending
    run.answer([text_result("toolu_fixture_01", "a"), text_result("toolu_fixture_02", "b")])
    assert [
        one.exec_client_message.id for one in sent(run) if one.HasField("exec_client_message")
    ] == [3]


def test_while_tools_run_their_execs_beat_too() -> None:
    run = parked_run()
    beats = run.heartbeat()
    assert beats.startswith(fixture("c05") + fixture("c16"))
    run.feed(fixture("s27"), 1.0)
    assert fixture("c16") not in run.heartbeat()


# While it is parked


def test_a_parked_run_answers_on() -> None:
    run = parked_run()
    run.feed(fixture("s31") + fixture("s24") + fixture("s51"), 5.0)
    assert kinds_sent(run) == [
        "kv_client_message",
        "exec_client_message",
        "exec_client_control_message",
        "interaction_response",
    ]
    assert state_of(run) == "parked"


def test_what_it_says_meanwhile_belongs_to_the_next_turn() -> None:
    run = parked_run()
    run.feed(says("Hm. "), 5.0)
    assert run.take_display() == b""
    run.answer([])
    assert run.visible
    run.feed(PART_2, 6.0)
    assert texts_shown(run) == ["Hm. Done."]


def test_what_follows_in_the_same_read_does_too() -> None:
    run = new_run()
    run.feed(PART_1 + says("More."), 0.0)
    assert run.take_display().endswith(TURN_OVER)
    run.answer([])
    assert b"More." in run.take_display()


def test_a_run_that_says_too_much_meanwhile_is_lost() -> None:
    run = parked_run()
    words = says("x" * (1 << 20))
    for _ in range(LARGEST_QUEUE // len(words) + 1):
        run.feed(words, 5.0)
    assert state_of(run) == "over"
    assert run.failure is not None


@pytest.mark.parametrize(
    "end",
    [
        lambda run: run.closed(),
        lambda run: run.feed(fixture("s93"), 1.0),
        lambda run: run.feed(CLEAN, 1.0),
        lambda run: run.feed(fixture("s09"), 1.0),
        lambda run: run.feed(fixture("x04"), 1.0),
    ],
    ids=["closed", "error", "end", "turn-ended", "garbage"],
)
def test_a_stream_that_ends_meanwhile_is_lost(end: Callable[[Run], None]) -> None:
    run = parked_run()
    end(run)
    assert state_of(run) == "over"
    assert run.take_display() == b""


def test_tokens_of_earlier_turns_are_told_to_the_next() -> None:
    run = new_run()
    tokens = update(token_delta=pb.TokenDeltaUpdate(tokens=20))
    run.feed(tokens + PART_1, 0.0)
    usage = collect(displayed(run)).usage
    assert usage is not None
    assert (usage.input, usage.output) == (11980, 20)
    assert run.reported == {
        "cursor-reported-input": "11980",
        "cursor-reported-output": "20",
        "cursor-context": "12000",
    }
    run.answer([])
    run.feed(PART_2, 1.0)
    usage = collect(displayed(run)).usage
    assert usage is not None
    assert (usage.input, usage.cache_read, usage.output) == (12500, 12000, 10)
