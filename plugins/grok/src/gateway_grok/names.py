"""Names that stay the same for the same input at any time: sessions and accounts."""

import hashlib
from typing import Final
from uuid import UUID, uuid5

__all__ = ["account_scope", "session_uuid"]

_NAMESPACE: Final = UUID("2b0f4c9d-6f5e-5c39-9a3b-9f0b7d2c1e44")


def session_uuid(session: str, part: str | None = None) -> str:
    """A session as a uuid: itself when it is one. A part of it (a helper agent, a model that wants
    a conversation of its own) gets another.
    """
    if part is None:
        try:
            return str(UUID(session))
        except ValueError:
            return str(uuid5(_NAMESPACE, session))
    return str(uuid5(_NAMESPACE, f"{session}\n{part}"))


def account_scope(account: str) -> str:
    """The short hash that seals are bound to: only the account that got a seal can replay it."""
    return hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:12]
