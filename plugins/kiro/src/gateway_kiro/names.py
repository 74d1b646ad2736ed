"""Names and ids within the limits of the service, the same for the same input at any time.

A changed form depends on nothing but what it stands for, so that the translated history of a
conversation does not change when it grows.
"""

import hashlib
import re
from typing import Final
from uuid import UUID, uuid5

__all__ = ["ToolNames", "call_id", "document_name", "own_uuid", "session_uuid", "tool_name"]

_TOOL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
_CALL: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
_UNFIT_IN_DOCUMENTS: Final = re.compile(r"[^A-Za-z0-9 _()\[\]-]+")
_NAMESPACE: Final = UUID("0d6c1f0e-5b0c-5a53-8a0b-3f2d6b9a7c11")


def tool_name(name: str) -> str:
    """The name if it fits, else its beginning and a hash: at most 64 letters, digits, `_`, `-`."""
    if _TOOL.fullmatch(name):
        return name
    safe = _UNFIT.sub("_", name)
    if not safe[:1].isalpha():
        safe = f"t{safe}"
    return f"{safe[:55]}_{_digest(name, 8)}"


def call_id(id: str) -> str:
    """The id of a call if it fits, else its beginning and a hash."""
    if _CALL.fullmatch(id):
        return id
    return f"{_UNFIT.sub('_', id)[:47]}_{_digest(id, 16)}"


class ToolNames:
    """The tool names of one request that the service refuses, and how to get them back.

    restore: wire name to the client's name, for those that differ.
    """

    __slots__ = ("restore",)

    def __init__(self) -> None:
        self.restore: dict[str, str] = {}

    def wire(self, name: str) -> str:
        """The name as it is sent."""
        wire = tool_name(name)
        if wire != name:
            self.restore[wire] = name
        return wire


def document_name(name: str | None, used: set[str]) -> str:
    """A document's name without its ending, in the letters that are allowed, once in a message."""
    stem, dot, ending = (name or "").rpartition(".")
    plain = stem if dot and ending.isalnum() and len(ending) <= 5 else name or ""
    safe = " ".join(_UNFIT_IN_DOCUMENTS.sub(" ", plain).split())[:180] or "document"
    unique, number = safe, 1
    while unique in used:
        number += 1
        unique = f"{safe} {number}"
    used.add(unique)
    return unique


def session_uuid(session: str, agent: str | None = None) -> str:
    """A session as a uuid: itself when it is one. A helper agent gets one of its own, because its
    prompt shares nothing with that of the main conversation.
    """
    if agent is None:
        try:
            return str(UUID(session))
        except ValueError:
            return own_uuid("session", session)
    return own_uuid("session", session, agent)


def own_uuid(*facts: str) -> str:
    """A uuid that follows from these facts."""
    return str(uuid5(_NAMESPACE, "\n".join(facts).encode("utf-8", "replace").decode()))


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
