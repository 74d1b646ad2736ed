"""What the failures of the backend mean, as HTTP answers and inside of streams.

Codes decide first, then the status, then the text where no code exists. Pages of HTML are named and
never quoted.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

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
    RateWindow,
    UpstreamFailed,
)
from gateway_core.defaults import retry_after_in
from gateway_core.errors import NotFound, TooLarge, Unauthorized, UpstreamTimeout
from gateway_core.formats.openai_errors import error_from_object
from gateway_core.json import loads

__all__ = ["quota_error", "read_error", "refine"]

_LONGEST: Final = 2000
_LONGEST_WAIT: Final = 864_000.0
"""Seconds, as for every error: no plan is used up for longer, and not every number is a date."""
_OVERFLOW: Final = re.compile(
    r"context window|context length|too many tokens|maximum context|prompt is too long", re.I
)
_LIMITS: Final = re.compile(r"usage_limit_reached|usage_not_included|rate_limit_exceeded")
_AT_CAPACITY: Final = re.compile(r"model is at capacity", re.I)
_UNKNOWN_MODEL: Final = re.compile(r"model not found|model .*is not supported", re.I)
_TITLE: Final = re.compile(rb"<title[^>]*>\s*([^<]{1,120}?)\s*</title>", re.I)


def read_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    windows: list[RateWindow] | None = None,
) -> GatewayError:
    """The error behind a non-2xx answer. `headers` have lower-case names.

    now: Unix time, for waiting times. windows: what the same answer's headers say of the limits.
    """
    if "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<":
        return _with_facts(_page_error(status, headers, body), status, headers)
    value = _decode(body) or _decode_header(headers.get("x-error-json", ""))
    text = body[:_LONGEST].decode("utf-8", "replace").strip()
    told: Any = value if isinstance(value, dict) and value else text
    if status == 404 and (code := _LIMITS.search(text)):
        # Seen in the wild: a used-up plan as 404.
        status, told = 429, _coded(told, code[0])
    error = error_from_object(told, status, retry_after=retry_after_in(headers), now=now)
    if not text and not value:
        error.message = f"the Codex backend answered with status {status} and no more"
    if type(error) is RateLimited and error.code is None and (used := _used_up(windows)):
        error = QuotaExhausted(error.message, retry_after=_until(used, now), code=error.code)
    return _with_facts(refine(error, now, status), status, headers)


def refine(error: GatewayError, now: float, status: int | None = None) -> GatewayError:
    """The same error in the terms of this backend: what its texts say where codes are missing, and
    when a used-up plan comes back.

    status: of the HTTP answer; None for an error inside a stream. now: Unix time.
    """
    if isinstance(error, QuotaExhausted):
        return _told_quota(error, now)
    cls = _class(error, status)
    if cls is type(error):
        return error
    return cls(
        error.message,
        retry_after=error.retry_after,
        param="model" if _UNKNOWN_MODEL.search(error.message) else error.param,
        code=error.code,
        upstream=error.upstream,
    )


def quota_error(windows: list[RateWindow], now: float) -> QuotaExhausted:
    """A plan that is used up, told by its windows alone."""
    used = _used_up(windows)
    seconds = _until(used, now) if used else None
    error = QuotaExhausted("The usage limit has been reached", retry_after=seconds)
    return _told_quota(error, now)


def _class(error: GatewayError, status: int | None) -> type[GatewayError]:
    message = error.message
    if isinstance(error, TooLarge) or (
        isinstance(error, InvalidRequest | UpstreamFailed)
        and status in (None, 400, 413, 422)
        and _OVERFLOW.search(message)
    ):
        return ContextOverflow
    if _AT_CAPACITY.search(message):
        return Overloaded
    if isinstance(error, NotFound) and message.startswith("Item with id"):
        return InvalidRequest
    if isinstance(error, NotFound) and (_UNKNOWN_MODEL.search(message) or error.param == "model"):
        return ModelNotFound
    if status == 401:
        return Unauthorized
    if status in (408, 409) and isinstance(error, InvalidRequest | UpstreamTimeout):
        return UpstreamFailed
    return type(error)


def _told_quota(error: QuotaExhausted, now: float) -> QuotaExhausted:
    """With plan and reset time in words, once: an absolute time wins over a relative one."""
    facts = error.upstream or {}
    seconds = error.retry_after
    resets_at = facts.get("resets_at")
    if isinstance(resets_at, int | float) and not isinstance(resets_at, bool) and resets_at > now:
        seconds = min(resets_at, now + _LONGEST_WAIT) - now
    message = error.message.rstrip(". ")
    plan = facts.get("plan_type")
    if isinstance(plan, str) and plan:
        message += f" (plan {plan})"
    if seconds:
        message += f"; it resets in {_duration(seconds)}, at {_clock(now + seconds)}"
    return QuotaExhausted(message, retry_after=seconds, code=error.code, upstream=error.upstream)


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _clock(moment: float) -> str:
    """Local time, to the minute."""
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M}"


def _used_up(windows: list[RateWindow] | None) -> list[RateWindow]:
    return [window for window in windows or () if window.remaining_percent == 0]


def _until(used: list[RateWindow], now: float) -> float | None:
    """Seconds until the last of the used-up windows is reset."""
    resets = [window.reset_at.timestamp() - now for window in used if window.reset_at]
    return max(0.0, *resets) if resets else None


def _page_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """A page of the edge in place of an API answer."""
    title = _TITLE.search(body[:20_000])
    named = f" ({title[1].decode('utf-8', 'replace')!r})" if title else ""
    ray = headers.get("cf-ray")
    page = f"a web page{named}" + (f", cf-ray {ray}" if ray else "")
    if status == 403:
        challenge = "a challenge, " if headers.get("cf-mitigated") == "challenge" else ""
        return Forbidden(
            f"the edge of chatgpt.com turned the request away with {challenge}{page}; try again "
            "later or from another network (data centres are often refused)"
        )
    if status == 429:
        return RateLimited(f"too many requests: {page}", retry_after=retry_after_in(headers))
    if status == 401:
        return Unauthorized(f"the Codex backend refused the login with {page}")
    return UpstreamFailed(f"the Codex backend answered with status {status} and {page}")


def _coded(told: Any, code: str) -> JsonObject:
    """An error object with its code where codes belong."""
    inner = told.get("error", told) if isinstance(told, dict) else {"message": told}
    return {**inner, "code": code} if isinstance(inner, dict) else {"message": inner, "code": code}


def _with_facts(error: GatewayError, status: int, headers: Mapping[str, str]) -> GatewayError:
    """With what helps to find the request again at the backend."""
    facts: JsonObject = {"status": status}
    for name in ("x-request-id", "x-oai-request-id", "cf-ray"):
        if name in headers:
            facts[name] = headers[name]
    error.upstream = facts | (error.upstream or {})
    return error


def _decode(data: bytes) -> Any:
    try:
        return loads(data)
    except ValueError:
        return None


def _decode_header(text: str) -> Any:
    """The JSON in base64 that some refusals carry in a header."""
    try:
        return _decode(b64decode(text, validate=True)) if text else None
    except (binascii.Error, ValueError):
        return None
