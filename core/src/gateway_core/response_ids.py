"""Ids of responses, which say who keeps them.

A response that an upstream keeps is given to the client under an id that names its provider,
`resp_<provider>_<id of the upstream>`, so that a later request finds the way back without the
gateway remembering anything. The ids that the gateway makes up have a form of their own, `resp_gw`
and hexadecimal digits. Any other is an upstream's bare id, which a client has got elsewhere.
"""

import re
import secrets
from typing import Final, NamedTuple

__all__ = ["StoredId", "is_bare", "new_id", "pack_id", "unpack_id"]

_OWN: Final = re.compile(r"resp_gw[0-9a-f]{46}")
_PACKED: Final = re.compile(r"resp_([a-z][a-z0-9-]*)_(.*)", re.S)


class StoredId(NamedTuple):
    """Which provider keeps a response, and under which id."""

    provider: str
    upstream: str


def new_id() -> str:
    """An id for a response that nobody has."""
    return f"resp_gw{secrets.token_hex(23)}"


def pack_id(provider: str, upstream: str) -> str:
    """The id that a client is given. A provider id has no underscore in it."""
    return f"resp_{provider}_{upstream}"


def unpack_id(id: str) -> StoredId | None:
    """The way back; None for an id that names no provider, or whose rest is nothing but dots, which
    would be a step in an upstream's path.
    """
    named = _PACKED.fullmatch(id)
    return StoredId(named[1], named[2]) if named and named[2].strip(".") else None


def is_bare(id: str) -> bool:
    """Whether an id may be one of an upstream: no gateway made it up, and it names no provider."""
    return bool(id.strip(".")) and not _OWN.fullmatch(id) and not _PACKED.fullmatch(id)
