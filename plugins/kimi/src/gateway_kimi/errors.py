"""What Kimi's errors mean, as HTTP answers and inside of streams.

They are of OpenAI's shape, but one type and status stands for several things: a used-up quota comes
as 403 `access_terminated_error`, as does a program that Kimi does not know, or as 429 beside rate
limits. Only the words tell them apart.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway_core import Forbidden, GatewayError, ModelNotFound, QuotaExhausted, RateLimited
from gateway_core.errors import NotFound, Unauthorized
from gateway_core.formats import chat
from gateway_core.formats.openai_errors import error_from_object

__all__ = ["read_chunk_error", "read_error"]

_USED_UP: Final = re.compile(
    r"(?:usage|cycle) limit|exceeded your current|check your account balance|insufficient balance"
    r"|quota|recharge|in arrears",
    re.IGNORECASE,
)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError | None:
    """The error in an answer outside 2xx; None for what is none of Kimi's words (pages of HTML)."""
    error = chat.read_error(status, headers, body)
    if error is not None and status == 402:
        return error.retold(Forbidden, "is the Kimi Code subscription active?")
    return error and _refined(error)


def read_chunk_error(chunk: object) -> GatewayError:
    """The error in a chunk of a stream."""
    return _refined(error_from_object(chunk))


def _refined(error: GatewayError) -> GatewayError:
    """With the kind that its words give it, and what to do about it."""
    if isinstance(error, Unauthorized):
        return error.retold(Unauthorized, "run `gateway login kimi` if this goes on")
    if isinstance(error, NotFound):
        return error.retold(ModelNotFound, "see `gateway models`")
    if error.code == "rate_limit_reached_error":
        return error  # whatever its words: they may speak of a quota per minute
    if isinstance(error, Forbidden | RateLimited | QuotaExhausted):
        if "coding agent" in error.message.lower():
            return error.retold(Forbidden, "`providers.kimi.user_agent` says who is asking")
        if _USED_UP.search(error.message) or isinstance(error, QuotaExhausted):
            return error.retold(QuotaExhausted, "`gateway status kimi` tells when it is renewed")
    return error
