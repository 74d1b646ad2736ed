"""What the core does for a provider that does not say: the optional hooks, as a plugin of its
own.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from gateway_core.errors import GatewayError, error_for_status
from gateway_core.hookspecs import hookimpl
from gateway_core.json import loads
from gateway_core.provider import UpstreamCall, UpstreamStream
from gateway_core.request import Request

if TYPE_CHECKING:
    from gateway_core.http import Transport

__all__ = ["CoreDefaults", "message_in", "retry_after_in"]

_LONGEST_MESSAGE = 2000


class CoreDefaults:
    """One HTTP request to open, errors judged by status, tokens counted with o200k."""

    @hookimpl(trylast=True)
    def gateway_open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """One HTTP request."""
        return transport.stream(call)

    @hookimpl(trylast=True)
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """By status, with the message that the body holds in one of the usual places."""
        return error_for_status(
            status,
            message_in(body, headers) or f"the upstream answered with status {status}",
            retry_after=retry_after_in(headers),
        )

    @hookimpl(trylast=True)
    def gateway_count_tokens(self, request: Request, call: UpstreamCall | None) -> int:
        """The o200k count of all that would be sent: of the call's body where its shape is one of
        the public formats, else of the request.
        """
        from gateway_core.sent_tokens import count_sent
        from gateway_core.tokens import count_request

        sent = None if call is None else count_sent(call.body)
        return count_request(request) if sent is None else sent


def message_in(body: bytes, headers: Mapping[str, str]) -> str | None:
    """The error message in an upstream's body, or None. A page of HTML is named, never quoted."""
    if "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<":
        return "the upstream answered with a web page instead of an API error"
    try:
        value = loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip()[:_LONGEST_MESSAGE] or None
    if isinstance(value, dict):
        error = value.get("error", value)
        places = (error, value) if isinstance(error, dict) else ({"message": error}, value)
        for place in places:
            for key in ("message", "detail", "error_description"):
                if isinstance(text := place.get(key), str) and text:
                    return text[:_LONGEST_MESSAGE]
    return None


def retry_after_in(headers: Mapping[str, str]) -> float | None:
    """The `retry-after` header in seconds; its date form is not used by any known upstream."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if seconds >= 0 else None
