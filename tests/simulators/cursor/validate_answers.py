"""Answers to what the server asks of a client: the tables of sections 4.1, 4.2, 4.4 and 6.3."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from google.protobuf.message import Message

from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["THROWN", "context_problems", "exec_problems", "mcp_problems", "query_problems"]

THROWN: Final = ("git_diff_request", "canvas_diagnostics_args", "unknown")
"""What is asked of nobody but the official clients, and refused with `throw`."""

_MAY_THROW: Final = (*THROWN, "execute_hook_args")
_COMPLETE: Final = (
    "env",
    "mcp",
    "rules",
    "repository",
    "git_status",
    "agent_skills",
    "custom_subagents",
    "mcp_file_system",
)
_Check = Callable[[Any, Any], Iterator[str]]


def exec_problems(kind: str, args: Any, answer: pb.ExecClientMessage | None) -> Iterator[str]:
    """All that is wrong with the answer to one question, other than for tools and context.

    kind: the member of `ExecServerMessage`, `unknown` for one that nobody knows. answer: None when
    the client threw.
    """
    if answer is None:
        if kind not in _MAY_THROW:
            yield f"{kind} was answered by a throw"
        return
    if kind in THROWN:
        yield f"{kind} was answered by {answer.WhichOneof('message')}"
        return
    expected, inside, check = _EXEC[kind]
    given = answer.WhichOneof("message")
    if given != expected:
        yield f"{kind} was answered by {given} and not by {expected}"
        return
    result = getattr(answer, expected)
    if inside:
        chosen = result.WhichOneof("event" if expected == "shell_stream" else "result")
        if chosen not in inside.split():
            yield f"{expected} is {chosen} and not {inside}"
            return
        result = getattr(result, chosen)
    yield from (f"{expected}: {problem}" for problem in check(args, result))


def _reason(args: Any, result: Any) -> Iterator[str]:
    said = getattr(result, "reason", None) or getattr(result, "error", None)
    if not said:
        yield "it gives no reason"
    for name in ("path", "command", "url", "uri"):
        if hasattr(result, name) and getattr(result, name) != getattr(args, name, ""):
            yield f"{name} is {getattr(result, name)!r}"


def _same(*names: str) -> _Check:
    def check(args: Any, result: Any) -> Iterator[str]:
        for name in names:
            if getattr(result, name) != getattr(args, name):
                yield f"{name} is {getattr(result, name)!r}"

    return check


def _nothing(args: Any, result: Message) -> Iterator[str]:
    yield from ()


def _allowed(value: bool) -> _Check:
    def check(args: Any, result: Any) -> Iterator[str]:
        if result.allowlisted is not value:
            yield f"allowlisted is {result.allowlisted}"

    return check


def _not_found(args: Any, result: Any) -> Iterator[str]:
    if result.status != pb.FORCE_BACKGROUND_STATUS_NOT_FOUND:
        yield f"the status is {result.status}"


def _servers(args: Any, result: Any) -> Iterator[str]:
    if not result.servers:
        yield "it names no server"
    for server in result.servers:
        if not server.server_name or not server.server_identifier:
            yield "a server has no name"
        if server.status != "connected":
            yield f"a server is {server.status!r}"


_EXEC: Final[dict[str, tuple[str, str, _Check]]] = {
    "read_args": ("read_result", "rejected", _reason),
    "redacted_read_args": ("redacted_read_result", "error", _reason),
    "write_args": ("write_result", "rejected", _reason),
    "delete_args": ("delete_result", "rejected", _reason),
    "ls_args": ("ls_result", "rejected", _reason),
    "grep_args": ("grep_result", "error", _reason),
    "diagnostics_args": ("diagnostics_result", "success error", _same("path")),
    "shell_args": ("shell_result", "rejected", _reason),
    "shell_stream_args": ("shell_stream", "rejected", _reason),
    "background_shell_spawn_args": ("background_shell_spawn_result", "rejected", _reason),
    "write_shell_stdin_args": ("write_shell_stdin_result", "error", _reason),
    "fetch_args": ("fetch_result", "error", _reason),
    "list_mcp_resources_exec_args": ("list_mcp_resources_exec_result", "success", _nothing),
    "read_mcp_resource_exec_args": ("read_mcp_resource_exec_result", "not_found", _same("uri")),
    "record_screen_args": ("record_screen_result", "failure", _reason),
    "computer_use_args": ("computer_use_result", "error", _reason),
    "execute_hook_args": ("execute_hook_result", "", _nothing),
    "subagent_args": ("subagent_result", "error", _reason),
    "subagent_await_args": ("subagent_await_result", "not_found", _same("agent_id")),
    "force_background_shell_args": ("force_background_shell_result", "", _not_found),
    "force_background_subagent_args": ("force_background_subagent_result", "", _not_found),
    "mcp_state_exec_args": ("mcp_state_exec_result", "success", _servers),
    "smart_mode_classifier_args": ("smart_mode_classifier_result", "error", _reason),
    "shell_allowlist_precheck_args": ("shell_allowlist_precheck_result", "", _allowed(False)),
    "mcp_allowlist_precheck_args": ("mcp_allowlist_precheck_result", "", _allowed(True)),
    "web_fetch_allowlist_precheck_args": (
        "web_fetch_allowlist_precheck_result",
        "",
        _allowed(False),
    ),
}


def context_problems(
    answer: pb.ExecClientMessage | None, offered: Iterable[pb.McpToolDefinition]
) -> Iterator[str]:
    """All that is wrong with the answer to the question for the context of a request."""
    if answer is None:
        yield "the question for the context was answered by a throw"
        return
    if answer.WhichOneof("message") != "request_context_result":
        yield f"the question for the context was answered by {answer.WhichOneof('message')}"
        return
    if answer.request_context_result.WhichOneof("result") != "success":
        yield "the context was refused"
        return
    context = answer.request_context_result.success.request_context
    offered = list(offered)
    if not context.env.time_zone or not context.env.shell or not context.env.os_version:
        yield "the context tells no environment"
    if context.tools and list(context.tools) != offered:
        yield "the tools of the context are others than those of the request"
    if context.HasField("mcp_meta_tool_options"):
        yield "the context has a lazy catalogue"
    for name in _COMPLETE:
        if not getattr(context, f"{name}_info_complete"):
            yield f"{name}_info_complete is missing"
    if offered:
        providers = {tool.provider_identifier for tool in offered}
        told = {one.server_identifier for one in context.mcp_instructions}
        if told != providers:
            yield f"there are instructions for {sorted(told)} and tools of {sorted(providers)}"
    if "x-anthropic-billing-header" in context.cloud_rule:
        yield "the rule has a line that differs each time"
    if os.getcwd() in str(context.env):
        yield "the context tells where the gateway lives"


def mcp_problems(
    args: pb.McpArgs, answer: pb.ExecClientMessage | None, offered: Iterable[pb.McpToolDefinition]
) -> Iterator[str]:
    """All that is wrong with the result of a client's tool, of those that are offered."""
    if answer is None:
        yield f"the call {args.tool_call_id} was answered by a throw"
        return
    if answer.WhichOneof("message") != "mcp_result":
        yield f"the call {args.tool_call_id} was answered by {answer.WhichOneof('message')}"
        return
    result = answer.mcp_result
    kind = result.WhichOneof("result")
    if args.smart_mode_approval_only:
        if kind not in ("approved", "rejected"):
            yield f"whether {args.name} may run was answered by {kind}"
    elif kind == "success":
        if not result.success.content:
            yield f"the result of {args.tool_call_id} is an empty success"
        for item in result.success.content:
            inside = item.WhichOneof("content")
            if inside is None or (inside == "image" and not item.image.data):
                yield f"the result of {args.tool_call_id} has an empty item"
            elif inside == "image" and not item.image.mime_type.startswith("image/"):
                yield f"an image is of the type {item.image.mime_type!r}"
    elif kind == "error":
        if not result.error.error:
            yield f"the error of {args.tool_call_id} tells nothing"
    elif kind == "tool_not_found":
        offered = list(offered)
        names = sorted(result.tool_not_found.available_tools)
        if names not in (sorted(t.name for t in offered), sorted(t.tool_name for t in offered)):
            yield f"other tools are there than {list(result.tool_not_found.available_tools)}"
        if not result.tool_not_found.name:
            yield "the tool that is not there has no name"
    else:
        yield f"the result of {args.tool_call_id} is {kind}"


_QUERIES: Final = {
    "web_search_request_query": ("web_search_request_response", "approved rejected"),
    "ask_question_interaction_query": ("ask_question_interaction_response", "rejected"),
    "switch_mode_request_query": ("switch_mode_request_response", "rejected"),
    "exa_search_request_query": ("exa_search_request_response", "approved rejected"),
    "exa_fetch_request_query": ("exa_fetch_request_response", "approved rejected"),
    "create_plan_request_query": ("create_plan_request_response", "success"),
    "web_fetch_request_query": ("web_fetch_request_response", "approved rejected"),
    "mcp_auth_request_query": ("mcp_auth_request_response", "rejected"),
    "generate_image_request_query": ("generate_image_request_response", "rejected"),
}


def query_problems(kind: str, answer: pb.InteractionResponse) -> Iterator[str]:
    """All that is wrong with the answer to a query, of which nobody has to know every kind."""
    given = answer.WhichOneof("result")
    expected, inside = _QUERIES.get(kind, (None, ""))
    if given != expected:
        yield f"{kind} was answered by {given} and not by {expected}"
        return
    if expected is None:
        return
    result = getattr(answer, expected)
    if expected in ("ask_question_interaction_response", "create_plan_request_response"):
        result = result.result
    chosen = result.WhichOneof("result")
    if chosen not in inside.split():
        yield f"{expected} is {chosen} and not {inside}"
    elif chosen == "rejected" and not result.rejected.reason:
        yield f"{expected} gives no reason"
