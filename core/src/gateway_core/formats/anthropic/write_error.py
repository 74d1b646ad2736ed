"""Errors in the Anthropic dialect, with the statuses that make Claude Code show or act on them.

What Claude Code does decides where a kind has a choice (observed with real clients):

- 400 is final for older versions. Newer ones repeat the request a few times with fewer features,
  which costs nothing upstream, because the gateway refuses malformed and unsupported input before
  it asks one; then they show our words as they are. A 403 would be final at once but is announced
  as a failed authentication, so `unsupported` keeps 400.
- Only a message with the words `prompt is too long` starts the client's own compaction.
- 401 is retried with backoff, although only a person can log in: `login_required` is a 403, whose
  announcement "Failed to authenticate" is the truth there. A wrong local key keeps its 401.
- The words `invalid x-api-key` are replaced by advice to log in at the vendor, so they never leave.
"""

import re
from typing import Final

from gateway_core.errors import ErrorKind, GatewayError
from gateway_core.json import JsonObject

__all__ = ["error_body", "error_object", "error_status"]

_TABLE: Final[dict[ErrorKind, tuple[int, str]]] = {
    "invalid_request": (400, "invalid_request_error"),
    "unsupported": (400, "invalid_request_error"),
    "context_overflow": (400, "invalid_request_error"),
    "unauthorized": (401, "authentication_error"),
    "login_required": (403, "permission_error"),
    "forbidden": (403, "permission_error"),
    "model_not_found": (404, "not_found_error"),
    "not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "rate_limited": (429, "rate_limit_error"),
    "quota_exhausted": (429, "rate_limit_error"),
    "internal": (500, "api_error"),
    "upstream_failed": (502, "api_error"),
    "upstream_protocol": (502, "api_error"),
    "overloaded": (529, "overloaded_error"),
    "timeout": (504, "timeout_error"),
}
_OVERFLOW = "prompt is too long"
_MISLEADING = re.compile(r"invalid x-api-key", re.IGNORECASE)


def error_status(error: GatewayError) -> int:
    """The HTTP status for clients of this format."""
    return _TABLE[error.kind][0]


def error_object(error: GatewayError) -> JsonObject:
    """The error without a request id, as it also stands in a stream's `error` event."""
    message = _MISLEADING.sub("invalid API key", error.message)
    if error.kind == "context_overflow" and _OVERFLOW not in message.lower():
        message = f"{_OVERFLOW}: {message}"
    return {"type": "error", "error": {"type": _TABLE[error.kind][1], "message": message}}


def error_body(error: GatewayError, request_id: str) -> JsonObject:
    """The body of an HTTP error answer."""
    return {**error_object(error), "request_id": request_id}
