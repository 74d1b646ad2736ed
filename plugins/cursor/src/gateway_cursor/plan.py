"""What one turn asks of Cursor, worked out before anything is sent.

`request` makes a plan, `run` carries it out, `opening` decides whether a held run can go on
instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.tools import ToolTable

__all__ = ["CallResult", "RunLimits", "RunPlan", "RunStart"]


@dataclass(slots=True, frozen=True)
class CallResult:
    """The client's result of one tool call, in Cursor's shape. `call_id` is the client's id."""

    call_id: str
    result: pb.McpResult = field(repr=False)


@dataclass(slots=True, frozen=True)
class RunStart:
    """How a run begins: its first message, and the blobs that the server will ask for, by id (the
    SHA-256 of the bytes).
    """

    request: pb.AgentRunRequest = field(repr=False)
    blobs: Mapping[bytes, bytes] = field(repr=False)


@dataclass(slots=True, frozen=True)
class RunLimits:
    """What the settings say: how many seconds a run waits for results (`held_seconds`), how many
    runs may wait (`held_runs`), how often a model may try Cursor's own tools (`native_calls`).
    """

    held_seconds: float = 600.0
    held_runs: int = 64
    native_calls: int = 25


@dataclass(slots=True)
class RunPlan:
    """One turn.

    account: whose. login: which login of the account it is asked with. model: as on the wire.
    conversation: the conversation's id. start: the run with the whole history, for when no held run
    goes on. as_text: makes the same run with tool results as text, for when the structured form is
    refused. context: the answer to the server's question for it. parallel: whether several calls of
    one step may be shown to the client. allow_search: whether Cursor may search the web. results:
    the results that the request ends with, empty when it does not end with results. fingerprint: of
    all that a held run cannot change: account, model, mode, tools, instructions, and whether calls
    come one by one. limits: see there. estimate and window: about how many tokens are sent, and how
    many the model takes, where that is known.
    """

    account: str
    model: str
    conversation: str
    start: RunStart
    context: pb.RequestContext = field(repr=False)
    tools: ToolTable = field(repr=False)
    login: str = ""
    parallel: bool = True
    allow_search: bool = False
    results: tuple[CallResult, ...] = ()
    fingerprint: str = ""
    limits: RunLimits = RunLimits()
    estimate: int | None = None
    window: int | None = None
    as_text: Callable[[], RunStart] | None = field(default=None, compare=False, repr=False)
