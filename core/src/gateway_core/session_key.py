"""One name for a conversation, for upstreams that route and cache by it."""

from typing import Final
from uuid import UUID, uuid5

from gateway_core.content import Text
from gateway_core.request import Request

__all__ = ["conversation_uuid"]

_NAMESPACE: Final = UUID("0d9b4f1e-6a57-5c0e-8a53-7b1f6a8c2d90")


def conversation_uuid(request: Request) -> str:
    """The uuid of a request's conversation: the client's own name of it when that is one, else one
    that follows from that name.

    A client that names none gets one from how the conversation begins, which later turns repeat. A
    helper agent gets one of its own, because its prompt shares nothing with the main conversation.
    """
    session = request.session
    name = session.cache_key or session.session_id
    if name and not session.agent_id:
        try:
            return str(UUID(name))
        except ValueError:
            return _made_of(name)
    if name:
        return _made_of(name, session.agent_id or "")
    first = request.messages[0].parts if request.messages else []
    texts = [*request.instructions, *(part for part in first if isinstance(part, Text))]
    return _made_of("begins", *(text.text for text in texts))


def _made_of(*facts: str) -> str:
    return str(uuid5(_NAMESPACE, "\n".join(facts).encode("utf-8", "replace").decode()))
