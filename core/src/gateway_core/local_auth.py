"""The local door: who may talk to the gateway at all. Pure ASGI, before any route.

Checks, in this order: the Host header (a DNS name that is not ours means DNS rebinding), the Origin
header (a web page of another site has no business here), and the local key, sent as `x-api-key` or
as bearer, compared in constant time. No CORS header is ever sent.
"""

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_core.errors import Forbidden, GatewayError, Unauthorized

__all__ = ["LocalGuard", "headers_of", "host_name"]

OPEN_PATHS = frozenset({"/", "/healthz", "/api/hello"})
"""Paths that answer without a key and tell nothing."""

_HOST = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")

Refuse: TypeAlias = Callable[[Scope, Receive, Send, GatewayError], Awaitable[None]]


class LocalGuard:
    """Wraps the application; `refuse` renders an error in the dialect of the path.

    key: None switches the key check off. allowed_hosts: names besides loopback and IP addresses.
    allowed_origins: whole origins (`https://app.example`) whose pages may call.
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
        self._origins = {origin.lower().rstrip("/") for origin in allowed_origins}
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        error = self._objection(scope["path"], headers)
        if error is None:
            scope["gateway.headers"] = headers
            await self._app(scope, receive, send)
        else:
            await self._refuse(scope, receive, send, error)

    def _objection(self, path: str, headers: Mapping[str, str]) -> GatewayError | None:
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
        origin = origin.lower().rstrip("/")
        return origin in self._origins or origin in (f"http://{host}", f"https://{host}")

    def _key_is_right(self, headers: Mapping[str, str]) -> bool:
        assert self._key is not None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        offered = (headers.get("x-api-key", ""), bearer)
        # Both are compared, always: two clients' habits, one answer time.
        matches = [hmac.compare_digest(key.encode(), self._key) for key in offered]
        return any(matches)


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name; of a repeated one the last counts."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def host_name(host: str) -> str:
    """The name in a Host header or an authority, without port and brackets, in lower case.

    What is no `name`, `name:port` or `[address]:port` comes back as it is.
    """
    match = _HOST.fullmatch(host.lower())
    return match["address"] or match["name"] if match else host.lower()
