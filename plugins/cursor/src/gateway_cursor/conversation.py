"""Which conversation a request belongs to, and in which mode Cursor is to answer it. Pure.

The conversation's id is what Cursor routes and caches by. Account and model are part of it: a
conversation that goes on under another model is one that the service cannot put together.
"""

from typing import Final
from uuid import UUID, uuid5

from gateway_core import Notice, Request, Route
from gateway_core.session_key import conversation_uuid
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.settings import CursorSettings

__all__ = ["conversation_id", "mode_of", "own_uuid"]

_NAMESPACE: Final = UUID("5f0c7a6e-1d1b-5e0e-9c63-7a4a2c6b1f35")
_RESUME: Final = ("cursor_chat_id", "cursorChatId", "cursor_resume", "cursorResume")
_MODES: Final = {
    "agent": pb.AGENT_MODE_AGENT,
    "ask": pb.AGENT_MODE_ASK,
    "plan": pb.AGENT_MODE_PLAN,
}


def conversation_id(request: Request, account: str, model: str) -> str:
    """The uuid of the conversation.

    It is the one that the client's metadata asks to go on with (`cursor_chat_id` or `cursor_resume`
    in either spelling), else it follows from account, model and the client's name of the session,
    or from how the conversation begins. What a client asks without its tools beside an agent that
    has them (a title, a summary of a page) is a conversation of its own, or it would end a run that
    the agent has waiting.
    """
    metadata = request.session.metadata or {}
    asked = (metadata.get(name) for name in _RESUME)
    for wanted in asked:
        if isinstance(wanted, str) and wanted.strip():
            try:
                return str(UUID(wanted.strip()))
            except ValueError:
                return own_uuid("chat", account, wanted.strip())
    kind = "agent" if request.tools else "words"
    return own_uuid("conversation", account, model, kind, conversation_uuid(request))


def mode_of(
    request: Request, route: Route, settings: CursorSettings, *, tools: bool
) -> tuple["pb.AgentMode", Notice | None]:
    """The mode, and a notice when the client asked for one that there is not.

    The model's name says it (`cursor-plan:...`), else `metadata.cursor_mode`, else the settings;
    else it is agent for a request with tools and ask, which keeps Cursor's own tools away, for one
    without.
    """
    notice = None
    if (named := _MODES.get(route.options.get("mode", ""))) is not None:
        return named, None
    wanted = (request.session.metadata or {}).get("cursor_mode")
    if isinstance(wanted, str) and wanted:
        if (asked := _MODES.get(wanted.strip().lower())) is not None:
            return asked, None
        notice = Notice(
            "unknown_cursor_mode",
            f"metadata.cursor_mode {wanted!r} is none of {', '.join(_MODES)}: it was left out",
        )
    if settings.default_mode != "auto":
        return _MODES[settings.default_mode], notice
    return (pb.AGENT_MODE_AGENT if tools else pb.AGENT_MODE_ASK), notice


def own_uuid(*facts: str) -> str:
    """A uuid that follows from these facts."""
    return str(uuid5(_NAMESPACE, "\n".join(facts).encode("utf-8", "replace").decode()))
