"""What Cursor's failures mean: of an HTTP answer, and of the end of a stream that began with 200.

The cause that the details of an error name counts first, then the code of Connect, then the status.
Of words for people only title and detail are shown, and never an address in them: details carry
links and buttons that are not ours to offer.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from gateway_core import (
    ContextOverflow,
    Forbidden,
    GatewayError,
    InvalidRequest,
    JsonObject,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UpstreamFailed,
)
from gateway_core.defaults import message_in, retry_after_in
from gateway_core.errors import error_for_status
from gateway_core.json import loads
from gateway_cursor.connect import EndOfStream, read_error

__all__ = ["HTTP2_NEEDED", "error_of", "http_error", "is_bare_exhaustion", "is_lost_blob"]

HTTP2_NEEDED: Final = (
    "but Cursor takes runs over HTTP/2 only: most likely a proxy in between looks into TLS and "
    "speaks HTTP/1.1. Have it pass the host through untouched, go around it (NO_PROXY names hosts "
    "that need no proxy), or use another network"
)
"""What is to be done when HTTP/2 does not reach Cursor; stands behind how that shows."""

# The server asked for a blob and did not get it, which has no code of its own.
_BLOB_NOT_FOUND: Final = "Blob not found"
_LONGEST: Final = 600
_WINDOW: Final = 200_000
_NO_HTTP2: Final = 464

_LOGIN: Final = frozenset({1, 2, 3, 6, 11, 12, 38, 42})
_RATES: Final = frozenset({7, 8, 14, 22, 28, 34, 35, 41, 50, 63})
_QUOTAS: Final = frozenset({9, 10, 44, 45, 51})
_CHANGEABLE: Final = 51
_PROVIDER: Final = 57
_MAX_MODE: Final = 60
_OVERFLOWS: Final = frozenset({20, 43})
_REFUSED: Final = frozenset({31, 33, 36})
_NO_MODEL: Final = frozenset({5, 39, 58, 61})
_FORBIDDEN: Final = frozenset({4, 18, 23, 53, 54, 64})
_OUTDATED: Final = frozenset({30, 40})
_PASSING: Final = frozenset({25, 55, 56, 59})
_ABORTED: Final = 21
_BUSY: Final = frozenset({"429", "503", "529"})
# These come as free text, with no cause of their own.
_BARRED: Final = re.compile(r"unpaid invoice|too many computers", re.I)
_ADDRESS: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)|(?:https?://|www\.)\S+")
_CODES: Final[Mapping[int, str]] = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    429: "resource_exhausted",
    501: "unimplemented",
    502: "unavailable",
    503: "unavailable",
    504: "deadline_exceeded",
}


class _FinalFailure(UpstreamFailed):
    """Asking again would not help, or would do harm."""

    retryable: ClassVar[bool] = False


class _FinalOverload(Overloaded):
    """Cursor says itself that asking again would not help."""

    retryable: ClassVar[bool] = False


def error_of(
    end: EndOfStream,
    *,
    estimate: int | None = None,
    window: int | None = None,
    model: str | None = None,
) -> GatewayError:
    """The error that the end of a stream means.

    estimate: about how many tokens were sent. window: of the model, in tokens. model: as the user
    knows it, for messages.
    """
    error = _classify(end, estimate, window, model)
    error.code = error.code or end.name
    facts: JsonObject = {"code": end.code}
    if end.number is not None or end.name:
        facts["cause"] = end.name or str(end.number)
    for key in ("providerStatusCode", "providerErrorCode"):
        if key in end.info:
            facts[key] = end.info[key][:_LONGEST]
    error.upstream = facts
    return error


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """The error that a non-2xx answer means. `headers` have lower-case names."""
    if status == _NO_HTTP2:
        return _FinalFailure(
            f"the run reached Cursor over HTTP/1.1 (status {status}), {HTTP2_NEEDED}",
            upstream={"status": status},
        )
    end = _in_body(body)
    if end is None:
        # What stands before the services has an error form of its own, or sends a page.
        told = _plain(message_in(body, headers) or "")
        message = f"Cursor answered with status {status}" + (f": {told}" if told else "")
        code = _CODES.get(status)
        error = error_of(EndOfStream(code, message)) if code else error_for_status(status, message)
    else:
        error = error_of(end)
    error.upstream = {**(error.upstream or {}), "status": status}
    error.retry_after = retry_after_in(headers)
    return error


def is_bare_exhaustion(end: EndOfStream) -> bool:
    """Whether the server only says that something is exhausted, which may be the conversation."""
    return end.code == "resource_exhausted" and not end.number and not end.name


def is_lost_blob(end: EndOfStream) -> bool:
    """Whether a blob of the conversation did not reach the server."""
    return end.code == "internal" and _BLOB_NOT_FOUND in end.message


def _in_body(body: bytes) -> EndOfStream | None:
    """The failure in Connect's form, which is that of the end of a stream; None in another."""
    try:
        value: Any = loads(body) if body.strip() else None
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    inner = value.get("error")
    told = inner if isinstance(inner, dict) else value
    return read_error(told) if isinstance(told.get("code"), str) else None


def _classify(
    end: EndOfStream, estimate: int | None, window: int | None, model: str | None
) -> GatewayError:
    number, message = end.number or 0, _words(end)
    named = f" ({model})" if model else ""
    if number in _LOGIN:
        return _refused_login(message)
    if _BARRED.search(message):
        return Forbidden(message)
    if number == _CHANGEABLE and _is_plan_gate(end):
        return Forbidden(f"your Cursor plan does not include this model{named}: {message}")
    if number in _QUOTAS:
        return QuotaExhausted(message)
    if number in _RATES:
        return RateLimited(message)
    if number in _OVERFLOWS:
        return _overflow(estimate, window)
    if number in _REFUSED:
        return InvalidRequest(message)
    if number in _NO_MODEL:
        return _no_model(message, named)
    if number == _MAX_MODE:
        return InvalidRequest(
            f"this model{named} needs Cursor's max mode: {message}", param="model"
        )
    if number in _FORBIDDEN:
        return Forbidden(message)
    if number in _OUTDATED or (end.code == "unimplemented" and not number):
        return _FinalFailure(
            f"Cursor no longer takes the version that it was told: {message} Install a newer "
            "gateway-cursor, or set providers.cursor.client_version"
        )
    if number == _PROVIDER:
        return _provider_error(end, message)
    if number == _ABORTED or end.code == "canceled":
        return _FinalFailure(f"Cursor cancelled the run: {message}")
    if number in _PASSING:
        return _passing(end, message)
    return _by_code(end, message, named, estimate, window)


def _by_code(
    end: EndOfStream, message: str, named: str, estimate: int | None, window: int | None
) -> GatewayError:
    """Where no cause is told, or one that means nothing to us."""
    match end.code:
        case "unauthenticated":
            return _refused_login(message)
        case "permission_denied":
            return Forbidden(message)
        case "not_found":
            return _no_model(message, named)
        case "resource_exhausted":
            # Said of prompts that are too long as well as of limits.
            size = estimate or 0
            bare = is_bare_exhaustion(end)
            if bare and size and size >= (window or _WINDOW) / 2:
                return _overflow(size, window)
            return RateLimited(message)
        case "invalid_argument" | "failed_precondition" | "out_of_range" | "already_exists":
            return InvalidRequest(message)
        case "unavailable" | "deadline_exceeded":
            return _passing(end, message)
        case "internal" if is_lost_blob(end):
            return _FinalFailure("Cursor lost a part of the conversation; try again")
        case _:
            return (_FinalFailure if end.retryable is False else UpstreamFailed)(message)


def _refused_login(message: str) -> GatewayError:
    return Unauthorized(
        f"Cursor refused the login: {message.rstrip('.')}; run `gateway login cursor`"
    )


def _is_plan_gate(end: EndOfStream) -> bool:
    """Whether the limit is about this model alone, which the plan does not have."""
    return "autoSwitchToModel" in end.info or "named models unavailable" in end.title.lower()


def _no_model(message: str, named: str) -> GatewayError:
    return ModelNotFound(
        f"Cursor does not serve this model{named}: {message} "
        "See `gateway models --provider cursor`",
        param="model",
    )


def _overflow(estimate: int | None, window: int | None) -> ContextOverflow:
    """In the words on which clients shorten their conversation; never fewer tokens than fit."""
    window = window or _WINDOW
    tokens = max(estimate or 0, window + 1)
    return ContextOverflow(
        f"prompt is too long: {tokens} tokens > {window} maximum", param="messages"
    )


def _provider_error(end: EndOfStream, message: str) -> GatewayError:
    """The provider behind Cursor failed; its own status says how."""
    status = end.info.get("providerStatusCode", "")
    if status == "400":
        return InvalidRequest(message)
    if status in _BUSY:
        return (Overloaded if end.retryable else _FinalOverload)(message)
    return (UpstreamFailed if end.retryable else _FinalFailure)(message)


def _passing(end: EndOfStream, message: str) -> GatewayError:
    return (_FinalOverload if end.retryable is False else Overloaded)(message)


def _words(end: EndOfStream) -> str:
    """Title and detail, else the message; one printable line without addresses, never empty."""
    parts = [_plain(part) for part in (end.title, end.detail)]
    told = ": ".join(part.rstrip(":") for part in parts if part)
    if not told and end.message.strip().lower() not in ("", "error"):
        told = _plain(end.message)
    if not told:
        cause = f", {end.name}" if end.name else ""
        return f"Cursor answered with an error ({end.code[:60]}{cause}) and no more."
    return told if told.endswith((".", "!", "?")) else f"{told}."


def _plain(text: str) -> str:
    text = _ADDRESS.sub(lambda link: link[1] or "", text[:_LONGEST])
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
