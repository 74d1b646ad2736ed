"""The error tree and the one table that says what each kind means on the wire.

GatewayError
├── InvalidRequest, Unsupported, ContextOverflow          the client's request
├── Unauthorized, LoginRequired, Forbidden                who may ask
├── ModelNotFound, NotFound, TooLarge
├── RateLimited, QuotaExhausted                           wait, or wait long
├── Overloaded, UpstreamTimeout, UpstreamFailed, UpstreamProtocol
└── Internal                                              a bug of ours or of a plugin

Formats map `kind` to their own words with a total table each; plugins raise these or return them
from `gateway_error`. Messages name the cause and the next command, and never hold a secret.
"""

from typing import ClassVar, Literal, TypeAlias, get_args

from gateway_core.json import JsonObject

__all__ = [
    "ERROR_CLASSES",
    "ERROR_KINDS",
    "ContextOverflow",
    "ErrorKind",
    "Forbidden",
    "GatewayError",
    "Internal",
    "InvalidRequest",
    "LoginRequired",
    "ModelNotFound",
    "NotFound",
    "Overloaded",
    "QuotaExhausted",
    "RateLimited",
    "TooLarge",
    "Unauthorized",
    "Unsupported",
    "UpstreamFailed",
    "UpstreamProtocol",
    "UpstreamTimeout",
    "error_for_status",
]

ErrorKind: TypeAlias = Literal[
    "invalid_request",
    "unsupported",
    "context_overflow",
    "unauthorized",
    "login_required",
    "forbidden",
    "model_not_found",
    "not_found",
    "too_large",
    "rate_limited",
    "quota_exhausted",
    "internal",
    "upstream_failed",
    "upstream_protocol",
    "overloaded",
    "timeout",
]
ERROR_KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)


_LONGEST_DELAY = 864_000  # seconds
_FOREVER = float("inf")


class GatewayError(Exception):
    """What went wrong, in terms a client format can render.

    message: for people; names the cause and what to do next.
    retry_after: seconds until a retry makes sense, when known; at most ten days, and None when the
    number given is no time to wait (negative or not finite).
    param: the request field at fault, when there is one (`messages[2].role`).
    code: the upstream's own error code, when it is worth showing.
    upstream: facts about the upstream's answer for the log (status, request id); no secrets.
    """

    kind: ClassVar[ErrorKind] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    """Whether the exchange may try again by itself before anything reached the client."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        param: str | None = None,
        code: str | None = None,
        upstream: JsonObject | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = _usable_delay(retry_after)
        self.param = param
        self.code = code
        self.upstream = upstream

    def retold(self, kind: "type[GatewayError]", hint: str | None = None) -> "GatewayError":
        """The same as another kind, with a hint for people behind its message."""
        message = f"{self.message} ({hint})" if hint else self.message
        facts = {name: value for name, value in vars(self).items() if name != "message"}
        return kind(message, **facts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GatewayError):
            return NotImplemented
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = Exception.__hash__

    def __repr__(self) -> str:
        shown = {name: value for name, value in vars(self).items() if value is not None}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def _usable_delay(seconds: float | None) -> float | None:
    # comparisons instead of math.isfinite, which cannot take every integer; NaN is never in between
    if seconds is None or not 0 <= seconds < _FOREVER:
        return None
    return min(seconds, _LONGEST_DELAY)


class InvalidRequest(GatewayError):
    """The request is malformed; `param` names the field."""

    kind, status = "invalid_request", 400


class Unsupported(GatewayError):
    """Well formed, but the provider cannot do it."""

    kind, status = "unsupported", 400


class ContextOverflow(GatewayError):
    """The prompt is larger than the model's context window."""

    kind, status = "context_overflow", 400


class Unauthorized(GatewayError):
    """The local key is missing or wrong, or the upstream refused our credential for good."""

    kind, status = "unauthorized", 401


class LoginRequired(GatewayError):
    """No usable credential for the provider; the message says which `gateway login` to run."""

    kind, status = "login_required", 401


class Forbidden(GatewayError):
    """The account may not do this (plan, region, policy)."""

    kind, status = "forbidden", 403


class ModelNotFound(GatewayError):
    """No provider serves the model."""

    kind, status = "model_not_found", 404


class NotFound(GatewayError):
    """No such resource or route."""

    kind, status = "not_found", 404


class TooLarge(GatewayError):
    """The body is over the size limit."""

    kind, status = "too_large", 413


class RateLimited(GatewayError):
    """A short-term limit; `retry_after` says when to come back."""

    kind, status = "rate_limited", 429


class QuotaExhausted(GatewayError):
    """A plan's window or balance is used up; never retried by the gateway."""

    kind, status = "quota_exhausted", 429


class Internal(GatewayError):
    """A bug of the gateway or of a plugin."""

    kind, status = "internal", 500


class UpstreamFailed(GatewayError):
    """The upstream answered with a failure or could not be reached."""

    kind, status, retryable = "upstream_failed", 502, True


class UpstreamProtocol(GatewayError):
    """The upstream broke its own protocol or ended early."""

    kind, status, retryable = "upstream_protocol", 502, True


class Overloaded(GatewayError):
    """The upstream has no capacity now."""

    kind, status, retryable = "overloaded", 529, True


class UpstreamTimeout(GatewayError):
    """The upstream was silent for too long."""

    kind, status = "timeout", 504


ERROR_CLASSES: dict[ErrorKind, type[GatewayError]] = {
    cls.kind: cls
    for cls in (
        InvalidRequest,
        Unsupported,
        ContextOverflow,
        Unauthorized,
        LoginRequired,
        Forbidden,
        ModelNotFound,
        NotFound,
        TooLarge,
        RateLimited,
        QuotaExhausted,
        Internal,
        UpstreamFailed,
        UpstreamProtocol,
        Overloaded,
        UpstreamTimeout,
    )
}


def error_for_status(
    status: int, message: str, *, retry_after: float | None = None, code: str | None = None
) -> GatewayError:
    """The error that an upstream's HTTP status means when nothing more is known."""
    cls = _BY_STATUS.get(status)
    if cls is None:
        cls = UpstreamFailed if status >= 500 or status < 400 else InvalidRequest
    return cls(message, retry_after=retry_after, code=code, upstream={"status": status})


_BY_STATUS: dict[int, type[GatewayError]] = {
    401: Unauthorized,
    402: QuotaExhausted,
    403: Forbidden,
    404: NotFound,
    408: UpstreamTimeout,
    413: TooLarge,
    429: RateLimited,
    503: Overloaded,
    504: UpstreamTimeout,
    529: Overloaded,
}
