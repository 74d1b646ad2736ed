"""The local door: who may talk to the gateway at all. Pure ASGI, before any route.

Checks, in this order: the Host header (a DNS name that is not ours means DNS rebinding), the Origin
header (a web page of another site has no business here), and the local key, sent as `x-api-key` or
as bearer, compared in constant time. CORS headers are for the pages of origins that the settings
list and nobody else, and never with a wildcard.
"""

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_core.errors import Forbidden, GatewayError, Unauthorized

__all__ = ["LocalGuard", "headers_of", "host_name"]

OPEN_PATHS = frozenset({"/", "/healthz", "/api/hello"})
"""Paths that answer without a key and tell nothing."""

_ALLOWED_METHODS = b"GET, HEAD, POST, DELETE"
_PREFLIGHT_SECONDS = b"7200"  # longer than that no browser keeps it, or hardly any
# A token, but for `*`, which in an answer would mean any header.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")

_HOST = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")

Refuse: TypeAlias = Callable[[Scope, Receive, Send, GatewayError], Awaitable[None]]


class LocalGuard:
    """Wraps the application; `refuse` renders an error in the dialect of the path.

    key: None switches the key check off. allowed_hosts: names besides loopback and IP addresses.
    allowed_origins: whole origins (`https://app.example`), as browsers write them, whose pages may
    call, with the key.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        key: str | None,
        allowed_hosts: Collection[str],
        allowed_origins: Collection[str],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._key = None if key is None else key.encode()
        self._hosts = {"localhost", *(host.lower() for host in allowed_hosts)}
        self._origins = frozenset(allowed_origins)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        error = self._objection_to_caller(headers)
        if error is None:
            origin = headers.get("origin")
            if origin is not None and scope["type"] == "http" and self._is_listed(origin):
                send = _told_to_page(send, origin)
                # https://fetch.spec.whatwg.org/#cors-preflight-fetch: it never holds the key.
                if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                    await _answer_preflight(send, headers)
                    return
            error = self._objection_to_key(scope["path"], headers)
        if error is None:
            scope["gateway.headers"] = headers
            await self._app(scope, receive, send)
        else:
            await self._refuse(scope, receive, send, error)

    def _objection_to_caller(self, headers: Mapping[str, str]) -> GatewayError | None:
        host = headers.get("host", "")
        if not self._host_is_ours(host):
            return Forbidden(
                f"the Host header {host!r} is not one of this gateway's names; "
                f"use 127.0.0.1, or add the name to [server] allowed_hosts"
            )
        origin = headers.get("origin")
        if origin is not None and not self._origin_may_call(origin, host):
            return Forbidden(
                f"pages of {origin!r} may not call this gateway; "
                f"if you trust them, add the origin to [server] allowed_origins"
            )
        if origin is None and headers.get("sec-fetch-site") == "cross-site":
            return Forbidden("a page of another site may not call this gateway")
        return None

    def _objection_to_key(self, path: str, headers: Mapping[str, str]) -> GatewayError | None:
        if self._key is None or path in OPEN_PATHS or self._key_is_right(headers):
            return None
        return Unauthorized(
            "the local API key is missing or wrong: send the key that `gateway serve` printed "
            "(`gateway config key` shows it) as x-api-key or as a bearer token"
        )

    def _host_is_ours(self, host: str) -> bool:
        name = host_name(host)
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _origin_may_call(self, origin: str, host: str) -> bool:
        own = (f"http://{host}", f"https://{host}")
        return self._is_listed(origin) or origin.lower().rstrip("/") in own

    def _is_listed(self, origin: str) -> bool:
        return origin.lower().rstrip("/") in self._origins

    def _key_is_right(self, headers: Mapping[str, str]) -> bool:
        assert self._key is not None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        offered = (headers.get("x-api-key", ""), bearer)
        # Both are compared, always: two clients' habits, one answer time.
        matches = [hmac.compare_digest(key.encode(), self._key) for key in offered]
        return any(matches)


def _told_to_page(send: Send, origin: str) -> Send:
    """Sends answers with what lets a page of this origin read them, and their headers."""

    async def send_to_page(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                *message.get("headers", ()),
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"vary", b"Origin"),
            ]
            if shown := [name for name, _ in headers if _is_ours(name)]:
                headers.append((b"access-control-expose-headers", b", ".join(shown)))
            message = {**message, "headers": headers}
        await send(message)

    return send_to_page


def _is_ours(name: bytes) -> bool:
    """Whether a browser would hide this header: request ids, `x-gateway-...`, when to retry."""
    return name.startswith(b"x-") or name in (b"request-id", b"retry-after")


async def _answer_preflight(send: Send, headers: Mapping[str, str]) -> None:
    """The answer to a browser that asks what a page may send before it lets the page."""
    names = [name.strip() for name in headers.get("access-control-request-headers", "").split(",")]
    allowed = ", ".join(name for name in names if _HEADER_NAME.fullmatch(name))
    answer = [
        (b"access-control-allow-methods", _ALLOWED_METHODS),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
    ]
    if allowed:
        answer.append((b"access-control-allow-headers", allowed.encode("latin-1")))
    if headers.get("access-control-request-private-network") == "true":
        answer.append((b"access-control-allow-private-network", b"true"))
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name; of a repeated one the last counts."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def host_name(host: str) -> str:
    """The name in a Host header or an authority, without port and brackets, in lower case.

    What is no `name`, `name:port` or `[address]:port` comes back as it is.
    """
    match = _HOST.fullmatch(host.lower())
    return match["address"] or match["name"] if match else host.lower()
