"""What a test sees of one run: what came, what was thought of it, how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gateway_core.json import JsonObject
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.state import Account
from simulators.cursor.validate_history import History

__all__ = ["Phase", "Run", "text_of"]

Phase: TypeAlias = Literal["opening", "streaming", "waiting", "ended"]
"""`waiting`: calls were made, and nothing is done until their results came."""


@dataclass(slots=True)
class Run:
    """One request for a run. Header names are lower case.

    request: its first message. said: the words of the user in it, None when it only goes on.
    context: what the client told about itself. prompt, turn, attempt: where in the script it is.
    results: of calls, by Cursor's id, as told by the history or by the client. given: those that
    came on this run. answered: members of the answers to everything else, in order. heartbeats:
    when they came, in seconds. turn_ended, half_closed, reset_code, left: how it ended; left is
    whether the client is gone, or has nothing more to say. violations: all that no careful client
    would have sent.
    """

    number: int
    headers: Mapping[str, str]
    account: Account | None = None
    request: pb.AgentRunRequest = field(default_factory=pb.AgentRunRequest)
    history: History = field(default_factory=History)
    context: pb.RequestContext = field(default_factory=pb.RequestContext)
    prompt: str = ""
    turn: int = 0
    attempt: int = 0
    phase: Phase = "opening"
    results: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    given: dict[str, pb.McpResult] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    heartbeats: list[float] = field(default_factory=list)
    turn_ended: bool = False
    half_closed: bool = False
    reset_code: int | None = None
    left: bool = False
    violations: list[str] = field(default_factory=list)

    @property
    def said(self) -> str | None:
        """The words of the user that the run begins with."""
        if self.request.action.WhichOneof("action") != "user_message_action":
            return None
        return self.request.action.user_message_action.user_message.text

    @property
    def resumes(self) -> bool:
        """Whether it goes on after the history, without new words."""
        return bool(self.request.action.WhichOneof("action") == "resume_action")

    @property
    def model(self) -> str:
        """The model as it is named in the request."""
        return self.request.requested_model.model_id

    @property
    def conversation(self) -> str:
        """The id of the conversation."""
        return self.request.conversation_id

    @property
    def mode(self) -> pb.AgentMode:
        """Agent, ask or plan; unspecified when the user says nothing."""
        return self.request.action.user_message_action.user_message.mode

    @property
    def tools(self) -> list[pb.McpToolDefinition]:
        """The tools that are offered."""
        return list(self.request.mcp_tools.mcp_tools)

    @property
    def images(self) -> list[pb.SelectedImage]:
        """The images of the user's message."""
        message = self.request.action.user_message_action.user_message
        return list(message.selected_context.selected_images)

    @property
    def entries(self) -> list[JsonObject]:
        """The history."""
        return self.history.entries


def text_of(result: pb.McpResult) -> str:
    """What a tool says, images by their type."""
    if result.WhichOneof("result") == "success":
        return "\n".join(
            item.text.text if item.WhichOneof("content") == "text" else f"[{item.image.mime_type}]"
            for item in result.success.content
        )
    return result.error.error or str(result.WhichOneof("result"))
