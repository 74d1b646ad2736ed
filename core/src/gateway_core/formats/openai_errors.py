"""Errors in OpenAI's shape, in both directions: what clients of the chat and Responses formats are
told, and what an OpenAI-shaped error of an upstream means.

Knows codes, not transports: statuses come as numbers, times as seconds, and nothing reads a clock.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from gateway_core.errors import (
    ContextOverflow,
    ErrorKind,
    Forbidden,
    GatewayError,
    InvalidRequest,
    LoginRequired,
    ModelNotFound,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    Unauthorized,
    UpstreamFailed,
    UpstreamTimeout,
    error_for_status,
)
from gateway_core.json import JsonObject, loads

__all__ = ["bare_error", "error_body", "error_from_object", "error_object", "error_status"]


class _Words(NamedTuple):
    type: str
    code: str
    fixed: bool = False
    """Whether clients act on the code, so that an upstream's own code must not replace it."""


# Codex CLI gives up with a friendly text on type `usage_limit_reached` and retries any other 429.
_WORDS: dict[ErrorKind, _Words] = {
    "invalid_request": _Words("invalid_request_error", "invalid_request_error"),
    "unsupported": _Words("invalid_request_error", "invalid_request_error"),
    "context_overflow": _Words("invalid_request_error", "context_length_exceeded", fixed=True),
    "unauthorized": _Words("authentication_error", "invalid_api_key"),
    "login_required": _Words("authentication_error", "login_required", fixed=True),
    "forbidden": _Words("permission_error", "permission_denied"),
    "model_not_found": _Words("invalid_request_error", "model_not_found", fixed=True),
    "not_found": _Words("invalid_request_error", "not_found"),
    "too_large": _Words("invalid_request_error", "request_too_large", fixed=True),
    "rate_limited": _Words("rate_limit_error", "rate_limit_exceeded", fixed=True),
    "quota_exhausted": _Words("usage_limit_reached", "insufficient_quota", fixed=True),
    "internal": _Words("server_error", "server_error"),
    "upstream_failed": _Words("server_error", "server_error"),
    "upstream_protocol": _Words("server_error", "server_error"),
    "overloaded": _Words("server_error", "server_overloaded", fixed=True),
    "timeout": _Words("server_error", "timeout", fixed=True),
}


def error_object(error: GatewayError) -> JsonObject:
    """The inner object: `message`, `type`, `param`, `code`; plan and reset time of a used-up quota
    beside them when the upstream told.
    """
    words = _WORDS[error.kind]
    code = words.code if words.fixed else error.code or words.code
    shown: JsonObject = {
        "message": error.message,
        "type": words.type,
        "param": error.param,
        "code": code,
    }
    if error.kind == "quota_exhausted" and error.upstream:
        shown |= {key: error.upstream[key] for key in _QUOTA_FACTS if key in error.upstream}
    return shown


def error_body(error: GatewayError, request_id: str) -> JsonObject:
    """The body of an HTTP error answer. The request id has no place in it: it is a header."""
    return {"error": error_object(error)}


def error_status(error: GatewayError) -> int:
    """The HTTP status; OpenAI's clients know 503 for an overloaded service, not 529."""
    return 503 if error.kind == "overloaded" else error.status


def bare_error(data: bytes) -> JsonObject | None:
    """The object with an `error` that an upstream sent in place of a stream, or None.

    Some answer 200 with such a body when they fail before their first event.
    """
    try:
        value = loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value.get("error") else None


def error_from_object(
    value: object,
    status: int | None = None,
    *,
    retry_after: float | None = None,
    now: float | None = None,
) -> GatewayError:
    """What an error of an OpenAI-shaped upstream means.

    value: the error object, an envelope with `error` in it (an object or, at some vendors, a string
    with `error_type` and `message` beside it), a `detail` body, or bare text.
    status: the HTTP status when there is one; an error inside a 200 stream has none.
    retry_after: seconds from the header, which win over what the object says.
    now: Unix time, to turn an absolute `resets_at` into seconds; without it that stays a fact in
    `upstream`.

    Codes decide first, then the status, then the words of a context overflow (some servers have no
    code for it), then generic types such as `server_error`; what is left is `UpstreamFailed`.
    """
    outer = dict(value) if isinstance(value, Mapping) else {}
    inner = _inner(value, outer)
    slugs = _slugs(inner, outer)
    status = _status(status, inner, outer)
    message = _message(value, inner, outer)
    cls = _class(slugs, status, message)
    code = slugs[0] if slugs else None
    facts: JsonObject = {"status": status}
    facts |= {key: inner.get(key) for key in _QUOTA_FACTS if _is_fact(inner.get(key))}
    if retry_after is None:
        retry_after = _retry_after(inner, message, now)
    return cls(
        message or f"the upstream reported {code or status or 'an error'}",
        retry_after=retry_after,
        param=inner["param"] if isinstance(inner.get("param"), str) else None,
        code=code,
        upstream={key: fact for key, fact in facts.items() if fact is not None} or None,
    )


_QUOTA_FACTS = ("plan_type", "resets_at", "resets_in_seconds")

_BY_CODE: dict[str, type[GatewayError]] = {
    "context_length_exceeded": ContextOverflow,
    "context_too_large": ContextOverflow,
    "model_max_prompt_tokens_exceeded": ContextOverflow,
    "request_too_large": TooLarge,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_error": RateLimited,
    "rate_limit_reached_error": RateLimited,
    "too_many_requests": RateLimited,
    "usage_limit_reached": QuotaExhausted,
    "usage_limit_exceeded": QuotaExhausted,
    "insufficient_quota": QuotaExhausted,
    "exceeded_current_quota_error": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "usage_not_included": Forbidden,
    "permission_denied": Forbidden,
    "permission_error": Forbidden,
    "access_terminated_error": Forbidden,
    "invalid_api_key": Unauthorized,
    "invalid_authentication_error": Unauthorized,
    "authentication_error": Unauthorized,
    "login_required": LoginRequired,
    "token_expired": Unauthorized,
    "model_not_found": ModelNotFound,
    "not_found": NotFound,
    "not_found_error": NotFound,
    "resource_not_found_error": NotFound,
    "server_is_overloaded": Overloaded,
    "server_overloaded": Overloaded,
    "slow_down": Overloaded,
    "service_unavailable_error": Overloaded,
    "overloaded_error": Overloaded,
    "engine_overloaded_error": Overloaded,
    "timeout": UpstreamTimeout,
    "invalid_prompt": InvalidRequest,
    "cyber_policy": InvalidRequest,
    "bio_policy": InvalidRequest,
    "misalignment_policy_violation": InvalidRequest,
    "content_policy_violation": InvalidRequest,
    "invalid_encrypted_content": InvalidRequest,
    "previous_response_not_found": InvalidRequest,
    "empty_image_file": InvalidRequest,
}

# Types that say less than a status does.
_BY_GENERIC_TYPE: dict[str, type[GatewayError]] = {
    "invalid_request_error": InvalidRequest,
    "invalid_request": InvalidRequest,
    "server_error": UpstreamFailed,
    "internal_server_error": UpstreamFailed,
    "api_error": UpstreamFailed,
}

_OVERFLOW = re.compile(
    r"maximum context length|context (?:length|window|size) (?:exceeded|limit)"
    r"|exceeded model token limit"
    r"|exceeds? the (?:available |model's )?(?:maximum )?context|prompt is too long",
    re.IGNORECASE,
)
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"  # bounded: a message is the upstream's, and may be hostile
_TRY_AGAIN = re.compile(rf"try again (?:in|after)\s*((?:{_NUMBER}\s*[a-z]+\s*)+)", re.IGNORECASE)
_DURATION = re.compile(
    rf"({_NUMBER})\s*(ms|milli|h|m|s)(?:|seconds?|ours?|in(?:ute)?s?|ec(?:ond)?s?)(?![a-z])",
    re.IGNORECASE,
)
_END_OF_TIME = 1e12  # Unix seconds or a delay; beyond every clock
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _inner(value: object, outer: Mapping[str, Any]) -> Mapping[str, Any]:
    error = outer.get("error", outer.get("detail"))
    if isinstance(error, Mapping):
        return error
    return {"message": error} if isinstance(error, str) else outer


def _slugs(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> list[str]:
    """Every word that names the error, the most telling first."""
    candidates = (
        inner.get("code"),
        inner.get("error_type"),
        outer.get("error_type"),
        inner.get("type"),
        outer.get("code"),
    )
    words = [c.lower() for c in candidates if isinstance(c, str) and c and not c.isdecimal()]
    return [word for word in dict.fromkeys(words) if word != "error"]


def _status(status: int | None, inner: Mapping[str, Any], outer: Mapping[str, Any]) -> int | None:
    """The HTTP status, else the number that some vendors put where a code belongs."""
    candidates = (
        status,
        outer.get("status"),
        outer.get("status_code"),
        inner.get("status"),
        inner.get("status_code"),
        inner.get("code"),
        outer.get("code"),
    )
    for candidate in candidates:
        if isinstance(candidate, str) and len(candidate) == 3 and candidate.isdecimal():
            candidate = int(candidate)
        if type(candidate) is int and 400 <= candidate <= 599:
            return candidate
    return None


def _message(value: object, inner: Mapping[str, Any], outer: Mapping[str, Any]) -> str:
    texts = (inner.get("message"), outer.get("message"), value)
    if not isinstance(outer.get("error"), Mapping):  # a string `error` is often only a title
        texts = (outer.get("message"), inner.get("message"), value)
    return next((text.strip() for text in texts if isinstance(text, str) and text.strip()), "")


def _class(slugs: list[str], status: int | None, message: str) -> type[GatewayError]:
    for slug in slugs:
        if slug in _BY_CODE:
            return _BY_CODE[slug]
        if slug.startswith(("invalid_image", "image_")):
            return InvalidRequest
    if status in (None, 400, 413, 422) and _OVERFLOW.search(message):
        return ContextOverflow
    if status is not None:
        return type(error_for_status(status, ""))
    return next(
        (_BY_GENERIC_TYPE[slug] for slug in slugs if slug in _BY_GENERIC_TYPE), UpstreamFailed
    )


def _is_time(value: object) -> TypeGuard[int | float]:
    """Whether this can be a number of seconds; JSON integers have no upper bound, floats do."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < _END_OF_TIME


def _is_fact(value: object) -> bool:
    return isinstance(value, str) or _is_time(value)


def _retry_after(inner: Mapping[str, Any], message: str, now: float | None) -> float | None:
    for key in ("resets_in_seconds", "retry_after"):
        seconds = inner.get(key)
        if _is_time(seconds):
            return float(seconds)
    resets_at = inner.get("resets_at")
    if now is not None and _is_time(resets_at):
        return max(0.0, float(resets_at) - now)
    found = _TRY_AGAIN.search(message)
    if found is None:
        return None
    return sum(
        float(amount) * _SECONDS[unit.lower()] for amount, unit in _DURATION.findall(found.group(1))
    )
