"""What Kilo's errors mean, as HTTP answers and inside of streams.

`error` is sometimes an object and sometimes a text, with `error_type` and `message` beside it,
which the core can read. Here are the words that only Kilo has.
"""

from collections.abc import Mapping
from typing import Final

from gateway_core import (
    Forbidden,
    GatewayError,
    LoginRequired,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
)
from gateway_core.errors import Unauthorized
from gateway_core.formats import chat
from gateway_core.formats.openai_errors import error_from_object
from gateway_core.json import loads
from gateway_core.lookups import text_at, value_at

__all__ = ["read_chunk_error", "read_error"]

_FREE: Final = "the model `kilo-auto/free` picks a free one"
_BY_SLUG: Final[dict[str, tuple[type[GatewayError], str | None]]] = {
    "paid_model_auth_required": (LoginRequired, "run `gateway login kilo`, or choose a free model"),
    "promotion_limit_reached": (QuotaExhausted, "run `gateway login kilo`"),
    "promotion_model_limit_reached": (QuotaExhausted, "run `gateway login kilo`"),
    "feature_exclusive_model": (Forbidden, None),
    "model_not_allowed": (ModelNotFound, "the organization does not allow it"),
    "discontinued_free_model": (ModelNotFound, _FREE),
    "temporarily_unavailable": (Overloaded, None),
    "no_free_models_available": (Overloaded, None),
}
_FLOOD_SECONDS: Final = 30.0
"""How long to keep away after too many requests, about which Kilo says nothing."""


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError | None:
    """The error in an answer outside 2xx; None for what is none of Kilo's words (pages of HTML)."""
    error = chat.read_error(status, headers, body)
    if error is None:
        return None
    told = value_at(loads(body), "error")
    at = text_at(told, "buyCreditsUrl") or text_at(told, "metadata", "buyCreditsUrl")
    return _refined(error, at)


def read_chunk_error(chunk: object) -> GatewayError:
    """The error in a chunk of a stream."""
    return _refined(error_from_object(chunk))


def _refined(error: GatewayError, buy_at: str | None = None) -> GatewayError:
    kind, hint = _BY_SLUG.get(error.code or "", (type(error), None))
    if kind is Unauthorized:
        hint = "run `gateway login kilo`"
    elif kind is QuotaExhausted and buy_at is not None:
        hint = f"add credits at {buy_at}"
    elif kind is RateLimited and error.retry_after is None:
        error.retry_after = _FLOOD_SECONDS
    return error.retold(kind, hint)
