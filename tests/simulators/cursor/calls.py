"""Calls of the client's tools, as the simulated model makes them."""

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

from gateway_core.json import JsonObject, dumps_text
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.session import Question, Session
from simulators.cursor.validate_answers import mcp_problems

__all__ = ["Call", "make_call"]

_NUMBERS: Final = itertools.count(1)


@dataclass(slots=True)
class Call:
    """One call. text: its arguments as JSON. question: what was asked, once it was."""

    args: pb.McpArgs
    text: str
    tools: list[pb.McpToolDefinition]
    question: Question | None = None

    @property
    def notice(self) -> pb.ToolCall:
        """The call as it is shown."""
        return pb.ToolCall(mcp_tool_call=pb.McpToolCall(args=self.args))

    async def announce(self, session: Session, *, growing: bool) -> None:
        """Show that it comes. growing: its arguments too, as they grow."""
        id = self.args.tool_call_id
        if growing:
            for size in range(0, len(self.text) + 4, 4):
                partial = pb.PartialToolCallUpdate(
                    call_id=id,
                    tool_call=self.notice,
                    args_text_delta=self.text[:size],
                    model_call_id="model-call-1",
                )
                await session.show(partial_tool_call=partial)
        started = pb.ToolCallStartedUpdate(
            call_id=id, tool_call=self.notice, model_call_id="model-call-1"
        )
        await session.show(tool_call_started=started)

    async def ask(self, session: Session) -> Question:
        """Have it done."""
        self.question = await session.ask(
            "mcp_args", self.args, lambda answer: mcp_problems(self.args, answer, self.tools)
        )
        return self.question

    async def complete(self, session: Session) -> pb.McpResult | None:
        """Wait until it is done, and show it; None when it was withdrawn."""
        assert self.question is not None
        answer = await self.question.settled
        result = None if answer is None else answer.mcp_result
        shown = pb.McpToolResult()
        if result is not None and result.WhichOneof("result") == "success":
            shown.success.CopyFrom(result.success)
        elif result is not None:
            shown.error.error = result.error.error or "the tool failed"
        tool = pb.ToolCall(mcp_tool_call=pb.McpToolCall(args=self.args, result=shown))
        completed = pb.ToolCallCompletedUpdate(
            call_id=self.args.tool_call_id, tool_call=tool, model_call_id="model-call-1"
        )
        await session.show(tool_call_completed=completed)
        return result


def make_call(
    name: str, members: JsonObject, tools: list[pb.McpToolDefinition], shapes: frozenset[str]
) -> Call:
    """A call of the tool that the client knows by this name; perhaps there is none."""
    tool = next((tool for tool in tools if name in (tool.tool_name, tool.name)), None)
    if tool is None:
        tool = pb.McpToolDefinition(name=name, tool_name=name, provider_identifier="gateway")
    number = next(_NUMBERS)
    id = f"toolu_sim{number:04d}{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    args = pb.McpArgs(
        name=tool.name,
        tool_name=tool.tool_name,
        provider_identifier=tool.provider_identifier,
        tool_call_id=f"{id}\nfc_{number}" if "ids-odd" in shapes else id,
        args={key: _value(value) for key, value in members.items()},
    )
    if "names-prefixed" in shapes:
        args.name, args.tool_name = f"mcp_{tool.provider_identifier}_{tool.tool_name}", ""
    elif "names-dashed" in shapes:
        args.name, args.tool_name = f"{tool.provider_identifier}-{tool.tool_name}", ""
    elif "names-lower" in shapes:
        args.name, args.tool_name = tool.name.lower(), ""
    return Call(args, dumps_text(members), tools)


def _value(value: Any) -> bytes:
    made = json_format.ParseDict(value, struct_pb2.Value())
    return bytes(made.SerializeToString(deterministic=True))
