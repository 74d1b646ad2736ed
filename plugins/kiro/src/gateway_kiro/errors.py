"""What the failures of the service mean, as HTTP answers and inside of streams.

The reason code decides first, then the exception's name and the status, then the text where no code
exists: the texts change. Names of profiles and web pages are never quoted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
from gateway_core.defaults import retry_after_in
from gateway_core.errors import NotFound
from gateway_core.json import loads
from gateway_kiro.state import CallState

__all__ = [
    "OPAQUE",
    "THROTTLED_SECONDS",
    "Failure",
    "concerns_account",
    "error_of",
    "failure_in_stream",
    "is_auth",
    "is_opaque",
    "is_profile",
    "is_suspension",
    "is_throttling",
    "is_wrong_endpoint",
    "overflow",
    "read_failure",
]

THROTTLED_SECONDS: Final = 300.0
"""How long an account is left alone that was told to slow down: trying again makes it worse."""

OPAQUE: Final = "Improperly formed request."
"""What the service says of a request that breaks any of its rules, a region that is not the
profile's, or a size."""

_UNREADABLE_SEAL: Final = "invalid_encrypted_content"
_USAGE_PAGE: Final = "https://app.kiro.dev/account/usage"
_LONGEST: Final = 1000
_NEARLY: Final = 0.8
_STATUSES: Final = {
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "ContentLengthExceededException": 413,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 402,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    "ValidationException": 400,
}
_OVERFLOWS: Final = frozenset({"CONTENT_LENGTH_EXCEEDS_THRESHOLD", "PROMPT_TOO_LONG"})
_QUOTAS: Final = frozenset(
    {
        "CONVERSATION_LIMIT_EXCEEDED",
        "DAILY_REQUEST_COUNT",
        "MONTHLY_REQUEST_COUNT",
        "OVERAGE_REQUEST_LIMIT_EXCEEDED",
    }
)
_NO_CAPACITY: Final = frozenset({"INSUFFICIENT_MODEL_CAPACITY", "MODEL_TEMPORARILY_UNAVAILABLE"})
_TOO_LONG: Final = re.compile(r"input is too long|prompt is too long", re.I)
_LOCKED: Final = re.compile(
    r"suspended.*(?:locked your account|locked it as a security)", re.I | re.S
)
_SUSPICIOUS: Final = re.compile(r"suspicious activity.*temporary limits", re.I | re.S)
_BUSY: Final = re.compile(r"high traffic|unexpectedly high load", re.I)
_BAD_TOKEN: Final = re.compile(r"bearer token.*(?:invalid|expired)", re.I | re.S)
_PROFILE: Final = re.compile(r"profileArn is required|not authorized to make this call", re.I)
_ARN: Final = re.compile(r"arn:aws[\w-]*:[^\s\"',;)]+")
_ACCOUNT: Final = re.compile(r"\((?:\d{12}|d-\d{10}[\w.-]*)\)")


class _WrongEndpointError(UpstreamFailed):
    """No host knows the question; asking again finds none that does."""

    retryable: ClassVar[bool] = False


@dataclass(slots=True, frozen=True)
class Failure:
    """A failure as the service tells it. `status` is that of the HTTP answer, or the one that the
    exception inside a stream stands for.
    """

    status: int
    name: str = ""
    reason: str = ""
    message: str = ""
    request_id: str | None = None
    retry_after: float | None = None
    page: bool = False


def read_failure(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure in a non-2xx answer. `headers` have lower-case names."""
    page = "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<"
    try:
        value: Any = {} if page else loads(body)
    except ValueError:
        value = {"message": body[:_LONGEST].decode("utf-8", "replace").strip()}
    told = _facts(value)
    name = headers.get("x-amzn-errortype", "").partition(":")[0] or told.name
    return Failure(
        status,
        name.rpartition("#")[2],
        told.reason,
        told.message,
        headers.get("x-amzn-requestid"),
        retry_after_in(headers),
        page,
    )


def failure_in_stream(name: str, payload: object) -> Failure:
    """The failure that an exception inside a stream tells. name: of the exception."""
    told = _facts(payload)
    return Failure(_STATUSES.get(name, 500), name, told.reason, told.message)


def error_of(failure: Failure, state: CallState | None = None) -> GatewayError:
    """The error that a failure means. state: of the call that failed, where there is one."""
    error = _classify(failure, state)
    facts: JsonObject = {"status": failure.status}
    for key, value in (
        ("exception", failure.name),
        ("reason", failure.reason),
        ("request_id", failure.request_id),
    ):
        if value:
            facts[key] = value
    error.upstream = facts
    return error


def overflow(format: str, tokens: int, window: int | None) -> ContextOverflow:
    """A request too large, in the words on which clients of a format shorten their conversation.

    tokens: about what was sent; the message never names fewer than the window has.
    """
    window = window or 200_000
    tokens = max(tokens, window + 1)
    if format == "anthropic":
        return ContextOverflow(f"prompt is too long: {tokens} tokens > {window} maximum")
    return ContextOverflow(
        f"This model's maximum context length is {window} tokens. However, your messages "
        f"resulted in {tokens} tokens.",
        param="messages",
    )


def is_auth(failure: Failure) -> bool:
    """Whether the access token was refused."""
    if failure.status == 401:
        return True
    return failure.status == 403 and _BAD_TOKEN.search(failure.message) is not None


def is_profile(failure: Failure) -> bool:
    """Whether the profile or its region is at fault, and not the request."""
    return failure.status in (400, 403) and (
        failure.reason == "FEATURE_NOT_SUPPORTED" or _PROFILE.search(failure.message) is not None
    )


def is_suspension(failure: Failure) -> bool:
    """Whether the account was locked."""
    return failure.reason == "TEMPORARILY_SUSPENDED" or _LOCKED.search(failure.message) is not None


def is_throttling(failure: Failure) -> bool:
    """Whether the account was told to slow down, beyond an ordinary limit."""
    return failure.status == 429 and _SUSPICIOUS.search(failure.message) is not None


def concerns_account(failure: Failure) -> bool:
    """Whether nothing else is to be asked in the account's name now."""
    return is_auth(failure) or is_suspension(failure) or is_throttling(failure)


def is_wrong_endpoint(failure: Failure) -> bool:
    """Whether another form of the endpoint may work."""
    if failure.name == "UnknownOperationException" or failure.status == 405:
        return True
    return failure.status == 404 and not failure.reason


def is_opaque(failure: Failure) -> bool:
    """Whether the request was refused without a word of why."""
    return failure.status == 400 and not failure.reason and OPAQUE in failure.message


def _classify(failure: Failure, state: CallState | None) -> GatewayError:
    message, reason, status = _clean(failure), failure.reason, failure.status
    tokens, window = (state.tokens, state.window) if state else (0, None)
    format = state.format if state else "canonical"
    wait = failure.retry_after
    if reason in _OVERFLOWS or status == 413 or _TOO_LONG.search(message):
        return overflow(format, tokens, window)
    if reason in _QUOTAS or status == 402:
        return QuotaExhausted(
            f"{message} Usage and resets are at {_USAGE_PAGE}",
            retry_after=wait,
            code=reason or None,
        )
    if is_suspension(failure):
        return Forbidden(
            f"{message} The account must be unlocked at {_USAGE_PAGE}?support_form before it can "
            "be used again",
            code=reason or None,
        )
    if is_throttling(failure):
        return RateLimited(message, retry_after=max(wait or 0.0, THROTTLED_SECONDS))
    if reason in _NO_CAPACITY or status == 503 or _BUSY.search(message):
        return Overloaded(message, retry_after=wait, code=reason or None)
    if status == 429 or failure.name == "ThrottlingException":
        return RateLimited(message, retry_after=wait, code=reason or None)
    if is_auth(failure):
        return Unauthorized(f"Kiro refused the login: {message}")
    if is_profile(failure):
        cls = Forbidden if status == 403 else InvalidRequest
        return cls(
            f"{message} The profile or its region is at fault: run `gateway refresh kiro`, else "
            "`gateway login kiro`, or set providers.kiro.profile_arn",
            code=reason or None,
        )
    if reason == "INVALID_MODEL_ID":
        told = f" ({state.model!r} is not served to this account or plan)" if state else ""
        return ModelNotFound(f"{message}{told}", param="model", code="model_not_found")
    if reason == "THINKING_SIGNATURE_INVALID":
        # On this code the exchange tries once more without the sealed reasoning.
        return InvalidRequest(message, code=_UNREADABLE_SEAL)
    if is_wrong_endpoint(failure):
        told = f"Kiro does not know this endpoint ({message}); see providers.kiro.endpoint"
        return NotFound(told) if status == 404 and not failure.name else _WrongEndpointError(told)
    if status == 403:
        return Forbidden(message, code=reason or None)
    if 400 <= status < 500 and not failure.page:
        return _refused(failure, message, state)
    return UpstreamFailed(message, retry_after=wait, code=reason or None)


def _refused(failure: Failure, message: str, state: CallState | None) -> GatewayError:
    """A request that breaks a rule, or is too large and was not told so."""
    large = state is not None and state.limit and state.size >= _NEARLY * state.limit
    if state is not None and large and is_opaque(failure):
        return overflow(state.format, state.tokens, state.window)
    return InvalidRequest(message, code=failure.reason or None)


def _clean(failure: Failure) -> str:
    """The message without names of accounts and profiles; never empty."""
    if failure.page:
        return f"Kiro answered with status {failure.status} and a web page"
    text = _ACCOUNT.sub("", _ARN.sub("[profile]", failure.message[:_LONGEST])).replace("  ", " ")
    if not text:
        named = f" ({failure.name})" if failure.name else ""
        return f"Kiro answered with status {failure.status}{named} and no more"
    return text


def _facts(value: Any) -> Failure:
    """Name, reason and message, wherever they stand."""
    if not isinstance(value, dict):
        return Failure(0)
    inner = value.get("error")
    places = [value, inner] if isinstance(inner, dict) else [value]
    return Failure(
        0,
        _first(places, "__type", "code").rpartition("#")[2],
        _first(places, "reason"),
        _first(places, "message", "Message", "error_description"),
    )


def _first(places: list[JsonObject], *keys: str) -> str:
    for place in places:
        for key in keys:
            if isinstance(text := place.get(key), str) and text:
                return text
    return ""
