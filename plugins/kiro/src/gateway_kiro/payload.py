"""The size guard: what a request weighs, and which of its oldest turns must go to fit. Pure.

The service answers a request that is too large with the same words as one that is malformed, so
the size is judged before it is sent.
"""

from collections.abc import Sequence

from gateway_core import JsonObject
from gateway_kiro.endpoints import encode

__all__ = ["first_that_fits", "weight"]

_STEPS = 5  # of what is allowed, a step goes at once


def weight(data: bytes, messages: Sequence[JsonObject]) -> int:
    """Bytes of a request without its images, which the service does not count."""
    return len(data) - sum(_images(message) for message in messages)


def first_that_fits(messages: Sequence[JsonObject], size: int, limit: int) -> int | None:
    """How many of the oldest messages must go for the rest to fit; None when that cannot be.

    Only whole turns go: what is left begins with something the user said, not with results of
    tools. As much goes at once as makes room for several turns, which then begin the same: the
    service remembers beginnings. messages: the history and the current message. size: of the whole
    request.
    """
    step = limit // _STEPS or 1
    wanted = -(-(size - limit) // step) * step
    gone, least = 0, None
    for index, message in enumerate(messages):
        if index and _begins_turn(message) and size - gone <= limit:
            least = least or index
            if gone >= wanted:
                return index
        gone += len(encode(message)) - _images(message) + 1
    return least


def _begins_turn(message: JsonObject) -> bool:
    said = message.get("userInputMessage")
    return said is not None and not said.get("userInputMessageContext", {}).get("toolResults")


def _images(message: JsonObject) -> int:
    said = message.get("userInputMessage")
    images = said.get("images", ()) if said else ()
    return sum(len(image["source"]["bytes"]) for image in images)
