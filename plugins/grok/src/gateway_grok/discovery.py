"""Where xAI's login service has its endpoints, by OIDC discovery.

The document decides where codes and refresh tokens are sent, so nothing in it is believed that is
not an https address of xAI, or of the place that the settings name.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway_core import GatewayError, JsonObject, UpstreamFailed, UpstreamProtocol
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads_object
from gateway_grok.settings import GrokSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["Discovery", "Endpoints", "is_trusted"]

ZONE: Final = "x.ai"
PAUSES: tuple[float, ...] = (0.5, 2.0)
"""Seconds before each further try."""
# Nothing else: a backslash or a percent sign ends the host for some programs and not for others.
_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)*x\.ai")
_SECONDS: Final = 10.0
_LIFE_SECONDS: Final = 3600.0


@dataclass(slots=True, frozen=True)
class Endpoints:
    """Addresses of the login service. device: None when it offers no device logins."""

    authorize: str
    token: str
    device: str | None


class Discovery:
    """The endpoints of each login service, asked for once an hour at most. clock: in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Endpoints]] = {}

    async def endpoints(self, http: "httpx.AsyncClient", settings: GrokSettings) -> Endpoints:
        """The endpoints. Raises `UpstreamFailed` when they cannot be had, and `UpstreamProtocol`
        when the document is not to be trusted.
        """
        known = self._known.get(settings.auth_url)
        if known is not None and self._clock() - known[0] < _LIFE_SECONDS:
            return known[1]
        endpoints = _read(await _fetch(http, settings), settings)
        self._known[settings.auth_url] = (self._clock(), endpoints)
        return endpoints


def is_trusted(address: str, settings: GrokSettings) -> bool:
    """Whether secrets may go to an address: https of x.ai, or where the settings say."""
    try:
        url, ours = urlsplit(address), urlsplit(settings.auth_url)
        host = url.hostname or ""
    except ValueError:
        return False
    if url.username is not None or not address.isprintable():
        return False
    if (url.scheme, url.netloc) == (ours.scheme, ours.netloc):
        return True
    return url.scheme == "https" and _HOST.fullmatch(host) is not None


def _read(document: JsonObject, settings: GrokSettings) -> Endpoints:
    def address(name: str) -> str | None:
        value = document.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not is_trusted(value, settings):
            raise UpstreamProtocol(
                f"the discovery document of {settings.auth_url} names a strange `{name}`; nothing "
                "was sent there. Is there a proxy in between?"
            )
        return value

    authorize, token = address("authorization_endpoint"), address("token_endpoint")
    if authorize is None or token is None:
        raise UpstreamProtocol(f"the discovery document of {settings.auth_url} is incomplete")
    methods = document.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise UpstreamProtocol("xAI's login service no longer takes PKCE with S256")
    return Endpoints(authorize, token, address("device_authorization_endpoint"))


async def _fetch(http: "httpx.AsyncClient", settings: GrokSettings) -> JsonObject:
    """The document; asked for again after a failure that may pass."""
    url = f"{settings.auth_url}/.well-known/openid-configuration"
    problem: GatewayError = UpstreamFailed("xAI's login service was not asked")
    for pause in (0.0, *PAUSES):
        await asyncio.sleep(pause)
        try:
            with translate_http_errors("xAI's login service"):
                response = await http.get(url, timeout=_SECONDS, follow_redirects=False)
        except GatewayError as error:
            problem = error
            continue
        if response.status_code != 200:
            problem = UpstreamFailed(f"xAI's login service answered {response.status_code}")
            if response.status_code < 500:
                break
            continue
        try:
            return loads_object(response.content)
        except ValueError:
            problem = UpstreamProtocol("xAI's login service answered with something else than JSON")
    raise problem
