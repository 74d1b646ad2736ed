"""What the server asks for is answered, whatever it is."""

from gateway_core import FunctionTool
from gateway_cursor import answers
from gateway_cursor.blobs import Blobs
from gateway_cursor.connect import frame
from gateway_cursor.proto import agent_pb2 as pb
from support.about import about
from support.cursor_runs import TOOLS, fixture, plan_for

LOOKUP = FunctionTool("Lookup", "Look something up.", {"type": "object"})
KINDS = [
    field.name
    for field in pb.ExecServerMessage.DESCRIPTOR.oneofs_by_name["message"].fields
    if field.name != "mcp_args"
]
QUERIES = [field.name for field in pb.InteractionQuery.DESCRIPTOR.oneofs_by_name["query"].fields]
# Those that are answered by a throw: no result of theirs is known.
WITHOUT_RESULT = {"canvas_diagnostics_args", "git_diff_request"}


def server(name: str) -> pb.AgentServerMessage:
    return pb.AgentServerMessage.FromString(fixture(name)[5:])


def framed(messages: tuple[pb.AgentClientMessage, ...]) -> bytes:
    return b"".join(frame(message.SerializeToString()) for message in messages)


def closing(id: int) -> bytes:
    """The fixture of a close, for another exec."""
    message = pb.AgentClientMessage.FromString(fixture("c11")[5:])
    message.exec_client_control_message.stream_close.id = id
    return frame(message.SerializeToString())


def test_execs_are_answered_as_in_the_fixtures() -> None:
    for asked, answer, tools in [
        ("s20", "c10", TOOLS),
        ("s24", "c18", [LOOKUP]),
        ("s25", "c19", [LOOKUP]),
        ("s26", "c17", TOOLS),
        ("s28", "c20", TOOLS),
        ("s29", "c21", TOOLS),
    ]:
        with about(asked):
            message = server(asked).exec_server_message
            got = framed(answers.answer_exec(message, plan_for(tools)))
            assert got == fixture(answer) + closing(message.id)


def test_every_exec_gets_the_result_of_its_own_kind_and_a_close() -> None:
    for kind in KINDS:
        with about(kind):
            message = pb.ExecServerMessage(id=7, exec_id="exec-7")
            getattr(message, kind).SetInParent()
            reply, close = answers.answer_exec(message, plan_for())
            assert close.exec_client_control_message.stream_close.id == 7
            if kind in WITHOUT_RESULT:
                assert reply.exec_client_control_message.throw.id == 7
                continue
            result = reply.exec_client_message
            assert (result.id, result.exec_id) == (7, "exec-7")
            fields = pb.ExecClientMessage.DESCRIPTOR.fields_by_name
            name = result.WhichOneof("message")
            assert name is not None
            asked = pb.ExecServerMessage.DESCRIPTOR.fields_by_name[kind].number
            assert fields[name].number == asked
            inner = getattr(result, name)
            for oneof in inner.DESCRIPTOR.oneofs:
                assert inner.WhichOneof(oneof.name), f"{kind} is answered with nothing"


def test_an_exec_is_addressed_even_with_the_id_zero() -> None:
    message = pb.ExecServerMessage(exec_id="e", read_args=pb.ReadArgs(path="/a"))
    reply, close = answers.answer_exec(message, plan_for())
    assert reply.exec_client_message.exec_id == "e"
    assert close.exec_client_control_message.WhichOneof("message") == "stream_close"


def test_a_refusal_names_the_clients_tool_for_the_same() -> None:
    for asked, shown in [
        (pb.ExecServerMessage(read_args=pb.ReadArgs(path="/a")), "mcp_Read"),
        (pb.ExecServerMessage(shell_args=pb.ShellArgs(command="ls")), "Bash"),
        (pb.ExecServerMessage(grep_args=pb.GrepArgs(pattern="x")), "Bash"),
    ]:
        with about(asked):
            reply, _ = answers.answer_exec(asked, plan_for())
            assert f"use the provided tool `{shown}`" in str(reply)


def test_without_tools_a_refusal_asks_for_an_answer() -> None:
    asked = pb.ExecServerMessage(read_args=pb.ReadArgs(path="/a"))
    reply, _ = answers.answer_exec(asked, plan_for(()))
    reason = reply.exec_client_message.read_result.rejected.reason
    assert reason == "Not available here; answer without tools."


def test_a_streamed_shell_is_refused_in_its_own_stream() -> None:
    asked = pb.ExecServerMessage(shell_stream_args=pb.ShellArgs(command="ls"))
    reply, _ = answers.answer_exec(asked, plan_for())
    assert reply.exec_client_message.shell_stream.WhichOneof("event") == "rejected"


def test_a_probe_is_approved() -> None:
    message = server("s23").exec_server_message
    reply, close = answers.answer_exec(message, plan_for())
    assert reply.exec_client_message.mcp_result.WhichOneof("result") == "approved"
    assert close.exec_client_control_message.stream_close.id == message.id


def test_a_probe_for_a_tool_that_nobody_has_is_not() -> None:
    message = server("s23").exec_server_message
    reply, _ = answers.answer_exec(message, plan_for([LOOKUP]))
    assert reply.exec_client_message.mcp_result.WhichOneof("result") == "tool_not_found"


def test_only_calls_of_the_clients_tools_are_allowed_beforehand() -> None:
    for asked, allowed in [
        (pb.ExecServerMessage(mcp_allowlist_precheck_args=pb.OpaqueExecArgs()), True),
        (pb.ExecServerMessage(shell_allowlist_precheck_args=pb.OpaqueExecArgs()), False),
        (pb.ExecServerMessage(web_fetch_allowlist_precheck_args=pb.OpaqueExecArgs()), False),
    ]:
        with about(asked):
            reply, _ = answers.answer_exec(asked, plan_for())
            assert ("allowlisted: true" in str(reply)) is allowed


def test_a_missing_result_is_an_error_never_an_empty_success() -> None:
    result = pb.ExecClientMessage(mcp_result=answers.missing_result())
    reply, _ = answers.reply(3, "exec-mcp-2", result)
    assert frame(reply.SerializeToString()) == fixture("c22")


def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    args = pb.McpArgs(name="Foo", tool_name="Foo")
    result = answers.tool_not_found(args, plan_for().tools)
    reply, _ = answers.reply(4, "exec-mcp-3", pb.ExecClientMessage(mcp_result=result))
    assert frame(reply.SerializeToString()) == fixture("c15")


def test_a_heartbeat_of_an_exec() -> None:
    _, beat = answers.heartbeats([2])
    assert frame(beat.SerializeToString()) == fixture("c16")


def test_only_the_models_own_doings_count_as_native() -> None:
    own = {kind for kind in KINDS if answers.is_native(kind)}
    assert {"read_args", "shell_stream_args", "fetch_args", "subagent_args"} <= own
    assert own.isdisjoint({"request_context_args", "mcp_state_exec_args", "diagnostics_args"})
    assert answers.is_native(None)


# Blobs


def test_a_blob_is_handed_out() -> None:
    message = server("s30").kv_server_message
    found = pb.AgentClientMessage.FromString(fixture("c30")[5:]).kv_client_message
    blobs = Blobs({message.get_blob_args.blob_id: found.get_blob_result.blob_data})
    assert frame(answers.answer_kv(message, blobs).SerializeToString()) == fixture("c30")


def test_a_blob_that_is_not_there_is_told_so() -> None:
    message = server("s30").kv_server_message
    message.id = 2
    assert frame(answers.answer_kv(message, Blobs({})).SerializeToString()) == fixture("c31")


def test_a_blob_is_kept_under_the_id_it_comes_with() -> None:
    message = server("s31").kv_server_message
    blobs = Blobs({})
    assert frame(answers.answer_kv(message, blobs).SerializeToString()) == fixture("c32")
    assert blobs.get(message.set_blob_args.blob_id) == message.set_blob_args.blob_data


def test_the_id_zero_of_a_question_for_a_blob_is_one_like_others() -> None:
    message = server("s32").kv_server_message
    assert message.id == 0
    answer = answers.answer_kv(message, Blobs({message.get_blob_args.blob_id: b"x"}))
    assert answer.WhichOneof("message") == "kv_client_message"
    assert answer.kv_client_message.get_blob_result.blob_data == b"x"


def test_an_empty_blob_is_one_all_the_same() -> None:
    message = pb.KvServerMessage(get_blob_args=pb.GetBlobArgs(blob_id=b"i"))
    answer = answers.answer_kv(message, Blobs({b"i": b""}))
    assert answer.kv_client_message.get_blob_result.HasField("blob_data")


def test_a_question_for_something_unknown_is_answered_with_its_id() -> None:
    answer = answers.answer_kv(pb.KvServerMessage(id=5), Blobs({}))
    assert answer.kv_client_message == pb.KvClientMessage(id=5)


def test_the_oldest_blobs_of_the_server_go_first_and_our_own_never() -> None:
    blobs = Blobs({b"own": b"x" * 5000}, limit=1500)
    assert blobs.set(b"a", b"x" * 600)
    assert blobs.set(b"b", b"x" * 400)
    assert blobs.set(b"b", b"y" * 300)
    assert blobs.get(b"a") is not None
    assert blobs.set(b"c", b"x" * 500)
    assert blobs.get(b"a") is None
    assert blobs.get(b"b") == b"y" * 300
    assert blobs.get(b"own") is not None


def test_ids_of_blobs_without_contents_take_room_too() -> None:
    blobs = Blobs({}, limit=10_000)
    ids = [number.to_bytes(32) for number in range(1000)]
    assert all(blobs.set(id, b"") for id in ids)
    kept = [id for id in ids if blobs.get(id) is not None]
    assert 10 < len(kept) < 100
    assert not blobs.set(b"x" * 10_000, b"")


def test_a_blob_larger_than_the_store_is_refused() -> None:
    args = pb.SetBlobArgs(blob_id=b"a", blob_data=b"x" * 11)
    blobs = Blobs({}, limit=10)
    answer = answers.answer_kv(pb.KvServerMessage(id=1, set_blob_args=args), blobs)
    assert answer.kv_client_message.set_blob_result.HasField("error")
    assert blobs.get(b"a") is None


# Questions for a person


def test_a_search_is_approved_where_the_settings_allow_it() -> None:
    query = server("s50").interaction_query
    answer = answers.answer_query(query, allow_search=True)
    assert frame(answer.SerializeToString()) == fixture("c40")


def test_and_rejected_otherwise() -> None:
    query = server("s50").interaction_query
    response = answers.answer_query(query, allow_search=False).interaction_response
    assert response.id == query.id
    assert response.web_search_request_response.rejected.reason


def test_a_question_for_a_person_is_rejected() -> None:
    query = server("s51").interaction_query
    answer = answers.answer_query(query, allow_search=True)
    assert frame(answer.SerializeToString()) == fixture("c41")


def test_an_unknown_query_gets_an_answer_without_a_result() -> None:
    query = pb.InteractionQuery(id=3)
    query.MergeFromString(bytes.fromhex("fa06020801"))  # a member of the number 111
    answer = answers.answer_query(query, allow_search=True)
    assert frame(answer.SerializeToString()) == fixture("c42")


def test_every_query_is_answered_by_its_own_kind_or_by_nothing() -> None:
    for kind in QUERIES:
        with about(kind):
            query = pb.InteractionQuery(id=9)
            getattr(query, kind).SetInParent()
            response = answers.answer_query(query, allow_search=False).interaction_response
            assert response.id == 9
            told = response.WhichOneof("result")
            if told is None:
                assert kind in {
                    "setup_vm_environment_args",
                    "pr_management_request_query",
                    "replace_env_args",
                }
                continue
            number = pb.InteractionResponse.DESCRIPTOR.fields_by_name[told].number
            assert number == pb.InteractionQuery.DESCRIPTOR.fields_by_name[kind].number


def test_a_plan_is_accepted_and_shown() -> None:
    args = pb.CreatePlanArgs(plan="1. Look.", overview="Look")
    query = pb.InteractionQuery(
        id=4, create_plan_request_query=pb.CreatePlanRequestQuery(args=args)
    )
    response = answers.answer_query(query, allow_search=False).interaction_response
    result = response.create_plan_request_response.result
    assert result.WhichOneof("result") == "success"
    assert answers.shown_plan(query) == "1. Look."
    assert answers.shown_plan(server("s50").interaction_query) == ""
