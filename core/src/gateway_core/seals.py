"""The envelope that carries reasoning seals through clients.

Clients store one opaque string beside reasoning (Anthropic's `signature`, Responses'
`encrypted_content`) and send it back. `pack` puts a `Seal` into such a string, `unpack` takes it
out again. A string without our prefix is native to the client's own service and not ours to replay.
`without_seals` gives up on replaying them.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

from gateway_core.content import Message, Part, Reasoning, Seal, ToolCall
from gateway_core.json import dumps, loads
from gateway_core.request import Request

__all__ = ["PREFIX", "pack", "replayable", "unpack", "without_seals"]

PREFIX = "gw1."


def pack(seal: Seal) -> str:
    """`gw1.<issuer>.<base64url JSON>`, stable for equal seals."""
    payload = {"d": seal.data, "i": seal.id, "s": seal.scope}
    body = dumps({key: value for key, value in payload.items() if value is not None})
    return f"{PREFIX}{seal.issuer}.{urlsafe_b64encode(body).decode().rstrip('=')}"


def unpack(text: str) -> Seal | None:
    """The seal inside, or None when the string is not one of ours or was damaged."""
    if not text.startswith(PREFIX):
        return None
    issuer, _, encoded = text[len(PREFIX) :].partition(".")
    try:
        payload = loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        return Seal(issuer, payload["d"], payload.get("i"), payload.get("s"))
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        return None


def replayable(seal: Seal | None, issuer: str, scope: str | None = None) -> bool:
    """Whether this issuer and account may be shown the seal again."""
    return (
        seal is not None and seal.issuer == issuer and (seal.scope is None or seal.scope == scope)
    )


def without_seals(request: Request) -> Request:
    """The request with no sealed state in it: thoughts stay as far as they are in clear.

    The given request is not changed, and is returned itself when it holds no seal.
    """
    messages = [_without_seals(message) for message in request.messages]
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return replace(request, messages=[message for message in messages if message.parts])


def _without_seals(message: Message) -> Message:
    if not any(isinstance(part, Reasoning | ToolCall) and part.seal for part in message.parts):
        return message
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, Reasoning | ToolCall) and part.seal:
            if isinstance(part, Reasoning) and not part.text:
                continue
            part = replace(part, seal=None)
        parts.append(part)
    return replace(message, parts=parts)
