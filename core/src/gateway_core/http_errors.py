"""What the errors of the HTTP libraries mean, in the gateway's own terms.

Messages name the provider and the host, never path, query, headers or body.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway_core.errors import (
    GatewayError,
    Internal,
    UpstreamFailed,
    UpstreamProtocol,
    UpstreamTimeout,
    error_for_status,
)
from gateway_core.http1 import MalformedAnswer
from gateway_core.http_connections import ConnectionLost

if TYPE_CHECKING:
    import httpx

__all__ = [
    "connecting_took_too_long",
    "failure_of",
    "map_httpx_error",
    "tls_failure",
    "translate_http_errors",
]


@contextmanager
def translate_http_errors(provider_title: str) -> Iterator[None]:
    """Around a plugin's httpx calls: their errors leave as `GatewayError`s, see
    `map_httpx_error`.
    """
    try:
        yield
    except Exception as error:
        # Who raises httpx's errors has imported httpx; a stream must not do it for nothing.
        httpx = sys.modules.get("httpx")
        if httpx is None or not isinstance(error, httpx.HTTPError | httpx.InvalidURL):
            raise
        raise map_httpx_error(error, provider_title) from error


def map_httpx_error(
    error: "httpx.HTTPError | httpx.InvalidURL", provider_title: str = "the upstream"
) -> GatewayError:
    """What an error of httpx means: a status by `error_for_status`, silence `UpstreamTimeout`,
    nonsense `UpstreamProtocol`, anything else on the way `UpstreamFailed`.

    Names the provider and the host, never path, query, headers or body.
    """
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return error_for_status(status, f"{provider_title} answered with HTTP status {status}")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Internal(f"{provider_title}: the address to call is no http or https URL")
    try:
        place = f"{provider_title} ({error.request.url.netloc.decode()})"
    except RuntimeError:  # httpx knows no request for this error
        place = provider_title
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout(f"{place} did not answer in time")
    if isinstance(error, httpx.DecodingError | httpx.TooManyRedirects):
        return UpstreamProtocol(f"{place} sent an answer that is no valid HTTP")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return UpstreamFailed(f"cannot connect to {place}: {error}")
    return UpstreamFailed(f"the connection to {place} broke off")


def failure_of(error: Exception, place: str) -> GatewayError:
    """What broke a connection before it answered."""
    match error:
        case ConnectionLost():
            return UpstreamFailed(f"{place} closed the connection without an answer")
        case MalformedAnswer():
            return UpstreamProtocol(f"{place} sent an answer that is no valid HTTP")
    return UpstreamFailed(f"the connection to {place} broke off")


def tls_failure(error: OSError, place: str) -> str:
    """Why there is no TLS connection; says so when it is for the certificate."""
    reason = getattr(error, "verify_message", None)  # of ssl.SSLCertVerificationError
    if reason is not None:
        return f"the certificate of {place} is not trusted: {reason}"
    reason = getattr(error, "reason", None) or error.strerror or error
    return f"no TLS connection with {place}: {reason}"


def connecting_took_too_long(place: str, seconds: float) -> UpstreamTimeout:
    """There was no connection within the limit of [timeouts] connect."""
    return UpstreamTimeout(f"no connection to {place} within {seconds:g} s")
