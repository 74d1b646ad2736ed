"""Ids within the limits of the backend, the same for the same input at any time.

A shortened form depends on nothing but what it stands for, so the translated history of a
conversation does not change when it grows.
"""

import hashlib
import re
from typing import Final
from uuid import UUID, uuid5

__all__ = ["account_scope", "session_uuid", "short_call_id"]

_FITS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")
_NAMESPACE: Final = UUID("6d1e5bd5-0f2c-5cd9-9b52-6a1f0b6c7a51")


def short_call_id(call_id: str) -> str:
    """The id if it fits, else its beginning and a hash: at most 64 of `A-Za-z0-9_-`."""
    if _FITS.fullmatch(call_id):
        return call_id
    return f"{_UNFIT.sub('_', call_id)[:47]}_{_digest(call_id, 16)}"


def session_uuid(session: str, agent: str | None = None) -> str:
    """A session as a uuid: itself when it is one. A helper agent gets one of its own, because its
    prompt shares nothing with that of the main conversation.
    """
    if agent is None:
        try:
            return str(UUID(session))
        except ValueError:
            return str(uuid5(_NAMESPACE, session))
    return str(uuid5(_NAMESPACE, f"{session}\n{agent}"))


def account_scope(workspace: str) -> str:
    """The short hash that seals are bound to: only the workspace that got a seal can replay it,
    whoever asks in its name.
    """
    return _digest(workspace, 12)


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
