"""Ids of responses, which say who keeps them.

A response that an upstream keeps is given to the client under an id that names its provider,
`resp_<provider>_<id of the upstream>`, so that a later request finds the way back without the
gateway remembering anything. The ids that the gateway makes up have a form of their own. Any other
is an upstream's bare id, which a client has got elsewhere.
"""

import re
import secrets
from collections.abc import Container
from typing import Final, NamedTuple

__all__ = ["StoredId", "is_own", "new_id", "pack_id", "unpack_id"]

_PREFIX: Final = "resp_"
_OWN: Final = re.compile(r"resp_[0-9a-f]{48}")


class StoredId(NamedTuple):
    """Which provider keeps a response, and under which id."""

    provider: str
    upstream: str


def new_id() -> str:
    """An id for a response that nobody has."""
    return _PREFIX + secrets.token_hex(24)


def is_own(id: str) -> bool:
    """Whether a gateway made the id up, so that no upstream can know it."""
    return _OWN.fullmatch(id) is not None


def pack_id(provider: str, upstream: str) -> str:
    """The id that a client is given. A provider id has no underscore in it."""
    return f"{_PREFIX}{provider}_{upstream}"


def unpack_id(id: str, providers: Container[str]) -> StoredId | None:
    """The way back to one of these providers; None for an id that names none, or whose rest is
    nothing but dots, which would be a step in an upstream's path.
    """
    if not id.startswith(_PREFIX):
        return None
    provider, _, upstream = id.removeprefix(_PREFIX).partition("_")
    return StoredId(provider, upstream) if provider in providers and upstream.strip(".") else None
