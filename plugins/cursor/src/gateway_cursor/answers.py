"""What the server of a run asks for, and the answers: pure functions from message to messages.

A question without an answer halts a run for good, so every question has one, those we never heard
of included. Cursor's own tools (files, shell, web) are refused with words that lead the model to
the client's tools: nothing is run here, and nothing of this machine is told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from gateway_cursor.blobs import Blobs
from gateway_cursor.plan import RunPlan
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.tools import PROVIDER, ToolTable

__all__ = [
    "answer_exec",
    "answer_kv",
    "answer_query",
    "heartbeats",
    "is_native",
    "missing_result",
    "one_at_a_time",
    "reply",
    "shown_plan",
    "tool_not_found",
]

Answer: TypeAlias = tuple[pb.AgentClientMessage, ...]

_SEARCHES: Final = frozenset({"web_search", "web_fetch", "exa_search", "exa_fetch"})
_REFUSED: Final = frozenset({"switch_mode", "mcp_auth", "generate_image"})

# Tools of well-known clients that do what one of Cursor's own does, the best first.
_READ: Final = ("read", "read_file", "view", "view_file")
_SHELL: Final = ("bash", "shell", "shell_command", "exec_command", "run_command", "execute_command")
_WRITE: Final = ("write", "write_file", "create_file", "edit", "apply_patch")
_LIST: Final = ("ls", "list_dir", "list_directory", "glob", *_SHELL)
_SEARCH: Final = ("grep", "search", "search_files", "grep_search", *_SHELL)
_FETCH: Final = ("webfetch", "web_fetch", "fetch")


def reply(id: int, exec_id: str, result: pb.ExecClientMessage) -> Answer:
    """The result of an exec, addressed, and the end of its stream: every kind needs that too."""
    result.id = id
    result.exec_id = exec_id
    return pb.AgentClientMessage(exec_client_message=result), _close(id)


def answer_exec(message: pb.ExecServerMessage, plan: RunPlan) -> Answer:
    """The answer to an exec, other than to a call of a client's tool."""
    kind = message.WhichOneof("message")
    make = _RESULTS.get(kind or "")
    if make is None:
        throw = pb.ExecClientThrow(
            id=message.id,
            error="Not supported by this client",
            error_code="exec_variant_unsupported",
        )
        control = pb.ExecClientControlMessage(throw=throw)
        return pb.AgentClientMessage(exec_client_control_message=control), _close(message.id)
    return reply(message.id, message.exec_id, make(message, plan))


def is_native(kind: str | None) -> bool:
    """Whether an exec of this kind is the model's use of a tool of Cursor's own, or unknown."""
    return kind not in _HARMLESS


def tool_not_found(args: pb.McpArgs, tools: ToolTable) -> pb.McpResult:
    """The result of a call of a tool that the client does not have."""
    names = [definition.tool_name for definition in tools.definitions]
    return pb.McpResult(
        tool_not_found=pb.McpToolNotFound(name=args.tool_name or args.name, available_tools=names)
    )


def missing_result() -> pb.McpResult:
    """For a call that the client gave no result for. An empty success would do harm: models go on
    as if they had seen one.
    """
    return pb.McpResult(error=pb.McpError(error="No result was provided for this tool call."))


def one_at_a_time() -> pb.McpResult:
    """For a call beside another, where the client wants no two at once."""
    return pb.McpResult(error=pb.McpError(error="Call one tool at a time, then wait for it."))


def heartbeats(execs: Iterable[int]) -> Iterator[pb.AgentClientMessage]:
    """The client is still there, and at work on these."""
    yield pb.AgentClientMessage(client_heartbeat=pb.ClientHeartbeat())
    for id in execs:
        control = pb.ExecClientControlMessage(heartbeat=pb.ExecClientHeartbeat(id=id))
        yield pb.AgentClientMessage(exec_client_control_message=control)


def answer_kv(message: pb.KvServerMessage, blobs: Blobs) -> pb.AgentClientMessage:
    """The answer to a get or set of a blob; storing happens here. The id 0 is one like others."""
    answer = pb.KvClientMessage(id=message.id)
    kind = message.WhichOneof("message")
    if kind == "get_blob_args":
        data = blobs.get(message.get_blob_args.blob_id)
        answer.get_blob_result.SetInParent()
        if data is not None:
            answer.get_blob_result.blob_data = data
    elif kind == "set_blob_args":
        args = message.set_blob_args
        answer.set_blob_result.SetInParent()
        if not blobs.set(args.blob_id, args.blob_data):
            answer.set_blob_result.error.message = "The blob is too large."
    return pb.AgentClientMessage(kv_client_message=answer)


def answer_query(query: pb.InteractionQuery, *, allow_search: bool) -> pb.AgentClientMessage:
    """The answer to a question that Cursor would put to a person; one that is not known gets an
    answer that says nothing.
    """
    answer = pb.InteractionResponse(id=query.id)
    topic = (query.WhichOneof("query") or "").removesuffix("_request_query")
    if topic in _SEARCHES or topic in _REFUSED:
        approval = getattr(answer, f"{topic}_request_response")
        if topic in _SEARCHES and allow_search:
            approval.approved.SetInParent()
        else:
            approval.rejected.reason = "Not available here."
    elif topic == "ask_question_interaction_query":
        rejected = answer.ask_question_interaction_response.result.rejected
        rejected.reason = "Non-interactive client"
    elif topic == "create_plan":
        answer.create_plan_request_response.result.success.SetInParent()
    return pb.AgentClientMessage(interaction_response=answer)


def shown_plan(query: pb.InteractionQuery) -> str:
    """The plan that a model hands in instead of writing it, for the client to read; else empty."""
    if query.WhichOneof("query") != "create_plan_request_query":
        return ""
    args = query.create_plan_request_query.args
    return args.plan or args.overview


def _close(id: int) -> pb.AgentClientMessage:
    control = pb.ExecClientControlMessage(stream_close=pb.ExecClientStreamClose(id=id))
    return pb.AgentClientMessage(exec_client_control_message=control)


def _refusal(plan: RunPlan, alike: Sequence[str] = ()) -> str:
    """Why a tool of Cursor's own is not run, and what to use instead."""
    shown = {one.tool_name.casefold(): one.name for one in plan.tools.definitions}
    if not shown:
        return "Not available here; answer without tools."
    for name in alike:
        if name in shown:
            return f"Not available here; use the provided tool `{shown[name]}`."
    return "Not available here; use the provided tools."


# Each takes the question and the plan of the run.

_Make: TypeAlias = Callable[[pb.ExecServerMessage, RunPlan], pb.ExecClientMessage]


def _request_context(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    success = pb.RequestContextSuccess(request_context=plan.context)
    return pb.ExecClientMessage(request_context_result=pb.RequestContextResult(success=success))


def _approval(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    """To the question whether a call may be made: the client will ask its own user."""
    if plan.tools.resolve(message.mcp_args) is None:
        return pb.ExecClientMessage(mcp_result=tool_not_found(message.mcp_args, plan.tools))
    return pb.ExecClientMessage(mcp_result=pb.McpResult(approved=pb.McpApproved()))


def _state(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    server = pb.McpStateServer(
        server_name=PROVIDER,
        server_identifier=PROVIDER,
        tools=plan.tools.definitions,
        status="connected",
    )
    success = pb.McpStateSuccess(servers=[server])
    return pb.ExecClientMessage(mcp_state_exec_result=pb.McpStateExecResult(success=success))


def _read(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    rejected = pb.PathRejected(path=message.read_args.path, reason=_refusal(plan, _READ))
    return pb.ExecClientMessage(read_result=pb.ReadResult(rejected=rejected))


def _redacted_read(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    error = pb.PathError(path=message.redacted_read_args.path, error=_refusal(plan, _READ))
    return pb.ExecClientMessage(redacted_read_result=pb.ReadResult(error=error))


def _write(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    rejected = pb.PathRejected(path=message.write_args.path, reason=_refusal(plan, _WRITE))
    return pb.ExecClientMessage(write_result=pb.WriteResult(rejected=rejected))


def _delete(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    rejected = pb.PathRejected(path=message.delete_args.path, reason=_refusal(plan, _SHELL))
    return pb.ExecClientMessage(delete_result=pb.DeleteResult(rejected=rejected))


def _ls(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    rejected = pb.PathRejected(path=message.ls_args.path, reason=_refusal(plan, _LIST))
    return pb.ExecClientMessage(ls_result=pb.LsResult(rejected=rejected))


def _grep(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    error = pb.GrepError(error=_refusal(plan, _SEARCH))
    return pb.ExecClientMessage(grep_result=pb.GrepResult(error=error))


def _fetch(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    error = pb.FetchError(url=message.fetch_args.url, error=_refusal(plan, _FETCH))
    return pb.ExecClientMessage(fetch_result=pb.FetchResult(error=error))


def _shell_rejected(
    args: pb.ShellArgs | pb.BackgroundShellSpawnArgs, plan: RunPlan
) -> pb.ShellRejected:
    return pb.ShellRejected(
        command=args.command,
        working_directory=args.working_directory,
        reason=_refusal(plan, _SHELL),
    )


def _shell(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    rejected = _shell_rejected(message.shell_args, plan)
    return pb.ExecClientMessage(shell_result=pb.ShellResult(rejected=rejected))


def _shell_stream(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    """Its answer is a stream of its own kind: a result as for the plain shell halts the run."""
    rejected = _shell_rejected(message.shell_stream_args, plan)
    return pb.ExecClientMessage(shell_stream=pb.ShellStream(rejected=rejected))


def _background_shell(message: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    rejected = _shell_rejected(message.background_shell_spawn_args, plan)
    result = pb.BackgroundShellSpawnResult(rejected=rejected)
    return pb.ExecClientMessage(background_shell_spawn_result=result)


def _stdin(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    error = pb.WriteShellStdinError(error=_refusal(plan, _SHELL))
    result = pb.WriteShellStdinResult(error=error)
    return pb.ExecClientMessage(write_shell_stdin_result=result)


def _diagnostics(message: pb.ExecServerMessage, _: RunPlan) -> pb.ExecClientMessage:
    success = pb.DiagnosticsSuccess(path=message.diagnostics_args.path)
    return pb.ExecClientMessage(diagnostics_result=pb.DiagnosticsResult(success=success))


def _resources(_: pb.ExecServerMessage, __: RunPlan) -> pb.ExecClientMessage:
    result = pb.ListMcpResourcesExecResult(success=pb.ListMcpResourcesSuccess())
    return pb.ExecClientMessage(list_mcp_resources_exec_result=result)


def _resource(message: pb.ExecServerMessage, _: RunPlan) -> pb.ExecClientMessage:
    missing = pb.ReadMcpResourceNotFound(uri=message.read_mcp_resource_exec_args.uri)
    result = pb.ReadMcpResourceExecResult(not_found=missing)
    return pb.ExecClientMessage(read_mcp_resource_exec_result=result)


def _record_screen(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    failure = pb.ErrorText(error=_refusal(plan))
    return pb.ExecClientMessage(record_screen_result=pb.RecordScreenResult(failure=failure))


def _computer_use(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    error = pb.ErrorText(error=_refusal(plan))
    return pb.ExecClientMessage(computer_use_result=pb.ComputerUseResult(error=error))


def _hook(_: pb.ExecServerMessage, __: RunPlan) -> pb.ExecClientMessage:
    return pb.ExecClientMessage(execute_hook_result=pb.OpaqueExecResult())


def _subagent(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    error = pb.SubagentError(error=_refusal(plan, ("task", "agent")))
    return pb.ExecClientMessage(subagent_result=pb.SubagentResult(error=error))


def _subagent_await(message: pb.ExecServerMessage, _: RunPlan) -> pb.ExecClientMessage:
    missing = pb.SubagentAwaitNotFound(agent_id=message.subagent_await_args.agent_id)
    result = pb.SubagentAwaitResult(not_found=missing)
    return pb.ExecClientMessage(subagent_await_result=result)


def _not_running() -> pb.ForceBackgroundResult:
    return pb.ForceBackgroundResult(status=pb.FORCE_BACKGROUND_STATUS_NOT_FOUND)


def _background(_: pb.ExecServerMessage, __: RunPlan) -> pb.ExecClientMessage:
    return pb.ExecClientMessage(force_background_shell_result=_not_running())


def _background_subagent(_: pb.ExecServerMessage, __: RunPlan) -> pb.ExecClientMessage:
    return pb.ExecClientMessage(force_background_subagent_result=_not_running())


def _classifier(_: pb.ExecServerMessage, plan: RunPlan) -> pb.ExecClientMessage:
    error = pb.ErrorText(error="Not available here.")
    return pb.ExecClientMessage(smart_mode_classifier_result=pb.ErrorOnlyResult(error=error))


def _mcp_allowed(_: pb.ExecServerMessage, __: RunPlan) -> pb.ExecClientMessage:
    """The client asks its own user before it runs a tool; asking twice helps nobody."""
    allowed = pb.AllowlistPrecheckResult(allowlisted=True)
    return pb.ExecClientMessage(mcp_allowlist_precheck_result=allowed)


def _shell_allowed(_: pb.ExecServerMessage, __: RunPlan) -> pb.ExecClientMessage:
    refused = pb.AllowlistPrecheckResult(allowlisted=False)
    return pb.ExecClientMessage(shell_allowlist_precheck_result=refused)


def _fetch_allowed(_: pb.ExecServerMessage, __: RunPlan) -> pb.ExecClientMessage:
    refused = pb.AllowlistPrecheckResult(allowlisted=False)
    return pb.ExecClientMessage(web_fetch_allowlist_precheck_result=refused)


_RESULTS: Final[Mapping[str, _Make]] = {
    "background_shell_spawn_args": _background_shell,
    "computer_use_args": _computer_use,
    "delete_args": _delete,
    "diagnostics_args": _diagnostics,
    "execute_hook_args": _hook,
    "fetch_args": _fetch,
    "force_background_shell_args": _background,
    "force_background_subagent_args": _background_subagent,
    "grep_args": _grep,
    "list_mcp_resources_exec_args": _resources,
    "ls_args": _ls,
    "mcp_allowlist_precheck_args": _mcp_allowed,
    "mcp_args": _approval,
    "mcp_state_exec_args": _state,
    "read_args": _read,
    "read_mcp_resource_exec_args": _resource,
    "record_screen_args": _record_screen,
    "redacted_read_args": _redacted_read,
    "request_context_args": _request_context,
    "shell_allowlist_precheck_args": _shell_allowed,
    "shell_args": _shell,
    "shell_stream_args": _shell_stream,
    "smart_mode_classifier_args": _classifier,
    "subagent_args": _subagent,
    "subagent_await_args": _subagent_await,
    "web_fetch_allowlist_precheck_args": _fetch_allowed,
    "write_args": _write,
    "write_shell_stdin_args": _stdin,
}
_HARMLESS: Final = frozenset(
    {
        "diagnostics_args",
        "execute_hook_args",
        "list_mcp_resources_exec_args",
        "mcp_allowlist_precheck_args",
        "mcp_args",
        "mcp_state_exec_args",
        "request_context_args",
        "shell_allowlist_precheck_args",
        "smart_mode_classifier_args",
        "web_fetch_allowlist_precheck_args",
    }
)
"""What the server asks for by itself, however the model behaves."""
