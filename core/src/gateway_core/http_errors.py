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

if TYPE_CHECKING:
    import httpx

__all__ = ["failure_of", "map_httpx_error", "translate_http_errors"]


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


def failure_of(error: Exception, place: str, connect_timeout: float) -> GatewayError:
    """What an error of aiohttp before the answer means, in the words of an operating system."""
    import aiohttp

    match error:
        case aiohttp.ConnectionTimeoutError():
            return UpstreamTimeout(f"no connection to {place} within {connect_timeout:g} s")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return Internal(f"the upstream address ({place}) is no http or https URL")
        case aiohttp.ClientHttpProxyError():
            return UpstreamFailed(f"the proxy refused {place}: HTTP status {error.status}")
        case aiohttp.ClientProxyConnectionError():
            return UpstreamFailed(f"cannot connect to the proxy in front of {place}")
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "not valid")
            return UpstreamFailed(f"the certificate of {place} is not trusted: {reason}")
        case aiohttp.ClientConnectorDNSError():
            return UpstreamFailed(f"cannot find {place}: {error.strerror}")
        case aiohttp.ClientSSLError():
            return UpstreamFailed(f"no TLS connection with {place}: {error.strerror}")
        case aiohttp.ClientConnectorError():
            return UpstreamFailed(f"cannot connect to {place}: {error.strerror}")
        case aiohttp.ServerDisconnectedError():
            return UpstreamFailed(f"{place} closed the connection without an answer")
        case aiohttp.ClientResponseError():
            return UpstreamProtocol(f"{place} sent an answer that is no valid HTTP")
        case aiohttp.ClientError() | OSError():
            return UpstreamFailed(f"the connection to {place} broke off")
    return Internal(f"the call to {place} could not be made: {type(error).__name__}")
