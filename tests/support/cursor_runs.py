"""Runs of the Cursor plugin without a network: the fixtures, plans, and messages of the server."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gateway_core import Event, FunctionTool, JsonObject, Reasoning, Text, ToolCall
from gateway_core.grammar import check_stream
from gateway_core.json import loads
from gateway_core.parts import collect
from gateway_cursor.connect import EnvelopeReader, frame
from gateway_cursor.plan import CallResult, RunPlan, RunStart
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.run import Run
from gateway_cursor.stream import CursorDecoder
from gateway_cursor.tools import ToolTable

__all__ = [
    "TOOLS",
    "announced",
    "call",
    "calls_shown",
    "decoded",
    "displayed",
    "ended",
    "execs",
    "fixture",
    "kinds_sent",
    "message",
    "new_run",
    "parked_run",
    "plan_for",
    "says",
    "sent",
    "state_of",
    "text_result",
    "texts_shown",
    "update",
]

FIXTURES = Path(__file__).parents[1] / "cursor" / "fixtures"

TOOLS = (
    FunctionTool(
        "Read",
        "Read a file from the local disk.",
        {
            "type": "object",
            "properties": {
                "file_path": {"type": "string", "description": "Absolute path"},
                "limit": {"type": "integer"},
            },
            "required": ["file_path"],
        },
    ),
    FunctionTool(
        "Bash",
        "Run a shell command.",
        {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    ),
)
"""The tools of the fixtures."""

_TABLE = ToolTable(TOOLS)


@cache
def fixture(name: str) -> bytes:
    """The bytes of a fixture, by the beginning of its name (`s21`)."""
    [path] = FIXTURES.glob(f"{name}*.bin")
    return path.read_bytes()


def plan_for(tools: Iterable[FunctionTool] = TOOLS, **facts: Any) -> RunPlan:
    """A plan around the request of `c01` and the request context of `c10`."""
    first = pb.AgentClientMessage.FromString(fixture("c01")[5:]).run_request
    context = pb.AgentClientMessage.FromString(fixture("c10")[5:]).exec_client_message
    given: dict[str, Any] = {
        "account": "account-1",
        "model": "default",
        "conversation": first.conversation_id,
        "start": RunStart(first, {}),
        "context": context.request_context_result.success.request_context,
        "tools": _TABLE if tools is TOOLS else ToolTable(tools),
    }
    return RunPlan(**(given | facts))


def new_run(tools: Iterable[FunctionTool] = TOOLS, **facts: Any) -> Run:
    """A run that has just begun."""
    plan = plan_for(tools, **facts)
    return Run(plan, plan.start)


def parked_run(**facts: Any) -> Run:
    """A run that waits for the results of the two calls of the fixtures."""
    run = new_run(**facts)
    run.feed(fixture("stream-tool-turn-part1"), 0.0)
    run.take_display()
    run.data_to_send()
    return run


def state_of(run: Run) -> str:
    """Its state, which a type checker would believe not to change."""
    return run.state


def message(**member: Any) -> bytes:
    """An envelope of the server."""
    return frame(pb.AgentServerMessage(**member).SerializeToString())


def update(**member: Any) -> bytes:
    """An envelope of the server that tells of the answer."""
    return message(interaction_update=pb.InteractionUpdate(**member))


def says(words: str) -> bytes:
    """A piece of text."""
    return update(text_delta=pb.TextDeltaUpdate(text=words))


def ended(**totals: int) -> bytes:
    """The end of a turn."""
    return update(turn_ended=pb.TurnEndedUpdate(**totals))


def call(number: int = 2, tool: str = "Bash", id: str | None = None, **args: bytes) -> bytes:
    """A call of a client's tool. number: of the exec."""
    asked = pb.McpArgs(
        name=tool,
        tool_name=tool,
        tool_call_id=f"toolu_{number}" if id is None else id,
        provider_identifier="gateway",
        args=args,
    )
    return execs(number, mcp_args=asked)


def announced(id: str) -> bytes:
    """A call of Bash is on its way."""
    args = pb.McpArgs(tool_name="Bash", name="Bash", tool_call_id=id)
    tool_call = pb.ToolCall(mcp_tool_call=pb.McpToolCall(args=args))
    started = pb.ToolCallStartedUpdate(call_id=id, tool_call=tool_call)
    return update(tool_call_started=started)


def execs(number: int = 1, **member: Any) -> bytes:
    """A request to do something."""
    exec_id = f"exec-{number}"
    asked = pb.ExecServerMessage(id=number, exec_id=exec_id, **member)
    return message(exec_server_message=asked)


def sent(run: Run) -> list[pb.AgentClientMessage]:
    """What the run has for the server."""
    envelopes = EnvelopeReader().feed(run.data_to_send())
    return [pb.AgentClientMessage.FromString(payload) for _, payload in envelopes]


def kinds_sent(run: Run) -> list[str | None]:
    """The kinds of what it has for the server."""
    return [one.WhichOneof("message") for one in sent(run)]


def text_result(call_id: str, text: str) -> CallResult:
    """A client's result of a call."""
    item = pb.McpToolResultContentItem(text=pb.McpTextContent(text=text))
    return CallResult(call_id, pb.McpResult(success=pb.McpSuccess(content=[item])))


def decoded(
    reads: Sequence[bytes], plan: RunPlan | None = None, headers: dict[str, str] | None = None
) -> list[Event]:
    """The events of a whole answer, which obey the grammar."""
    decoder = CursorDecoder(plan or plan_for(), headers or {})
    events = [event for data in reads for event in decoder.feed(data)]
    events += decoder.end()
    assert decoder.data_to_send() == b""
    check_stream(events)
    return events


def displayed(run: Run) -> list[Event]:
    """The events of what the run shows for its turn."""
    return decoded([run.take_display()], headers=run.reported)


def calls_shown(run: Run) -> list[tuple[str, str, JsonObject]]:
    """What the client is asked to run: id, tool and arguments of each call."""
    return [
        (part.id, part.name, loads(part.arguments))
        for part in collect(displayed(run)).parts
        if isinstance(part, ToolCall)
    ]


def texts_shown(run: Run) -> list[str]:
    """The texts and thoughts of a whole answer."""
    parts = collect(displayed(run)).parts
    return [part.text for part in parts if isinstance(part, Text | Reasoning)]
