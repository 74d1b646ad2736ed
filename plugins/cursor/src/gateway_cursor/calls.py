"""Calls of the client's tools, as Cursor asks for them and as the client is shown them. Pure."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["PendingCall", "announced_ids", "client_id", "fits", "shown_call"]

_FIT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True)
class PendingCall:
    """A call that Cursor waits for. id and exec_id are Cursor's, call_id and name the client's.

    arguments: JSON text. withdrawn: Cursor no longer wants its result.
    """

    id: int
    exec_id: str
    call_id: str
    name: str
    arguments: str = field(default="", repr=False)
    withdrawn: bool = False


def fits(id: str) -> bool:
    """Whether clients take such an id for a call; Cursor's own are longer at times, or have a
    second id behind a line break.
    """
    return _FIT.fullmatch(id) is not None


def client_id(message: pb.ExecServerMessage, salt: bytes) -> str:
    """An id made of Cursor's, the same whenever it is; salt: what tells one run from others."""
    names = f"{message.mcp_args.tool_call_id}\0{message.id}\0{message.exec_id}"
    return f"call_{hashlib.sha256(salt + names.encode()).hexdigest()[:32]}"


def shown_call(call: PendingCall) -> pb.AgentServerMessage:
    """The call as the decoder gets it: in the client's words, its arguments as one JSON text under
    a name that no argument has.
    """
    args = pb.McpArgs(
        name=call.name,
        tool_name=call.name,
        tool_call_id=call.call_id,
        args={"": call.arguments.encode()},
    )
    shown = pb.ExecServerMessage(id=call.id, exec_id=call.exec_id, mcp_args=args)
    return pb.AgentServerMessage(exec_server_message=shown)


def announced_ids(call_id: str, call: pb.ToolCall) -> list[str]:
    """All ids that a call goes by where the display tells of it."""
    ids = (call_id, call.tool_call_id, call.mcp_tool_call.args.tool_call_id)
    return [id for id in ids if id]
