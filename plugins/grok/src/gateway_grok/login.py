"""The life of an xAI login: obtained in a browser or by device code, and refreshed.

Speaks with the login service only, and with the profile when the tokens do not say whose they are.
Sources: RFC 6749, 7636 and 8628, and the official client's contract for refreshes.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gateway_core import Credential, GatewayError, LoginPrompt, LoginRequired, UpstreamProtocol
from gateway_core.credentials.browser import browser_login
from gateway_core.credentials.callback import LoopbackCallback
from gateway_core.credentials.device import device_login
from gateway_core.credentials.oauth import (
    OAuthAnswer,
    TokenResponse,
    authorize_url,
    exchange_code,
    jwt_claims,
    pkce_pair,
    post,
    random_state,
    renewed,
    token_response,
)
from gateway_core.credentials.prompt import is_headless
from gateway_core.errors import Overloaded, UpstreamFailed, UpstreamTimeout
from gateway_grok.account import whose
from gateway_grok.discovery import ZONE, Discovery, Endpoints
from gateway_grok.identity import make_credential, read_identity, token_end
from gateway_grok.settings import GrokSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["CLIENT_ID", "SCOPE", "login", "refresh"]

CLIENT_ID: Final = "b1a00492-073a-47ea-816f-4c329264a828"
"""xAI's public client for command line programs; it has no secret."""
OLD_SCOPE: Final = "openid profile email offline_access grok-cli:access api:access"
SCOPE: Final = (
    f"{OLD_SCOPE} conversations:read conversations:write workspaces:read workspaces:write"
)
PAUSES: tuple[float, ...] = (0.2, 1.0)
"""Seconds before each further try of a refresh."""
GRACE_SECONDS: Final = 45.0
"""How long after the first try a refresh token may be sent again. A lost answer has spent it; after
about a minute xAI takes that for theft and ends the login."""

_CONSENT_ORIGIN: Final = "https://accounts.x.ai"
_REFRESH_SECONDS: Final = 15.0
_DEAD: Final = ("invalid_grant", "invalid_client")
_PASSING: Final = (UpstreamTimeout, UpstreamFailed, Overloaded)


async def login(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    settings: GrokSettings,
    discovery: Discovery,
    method: str,
) -> Credential:
    """Lead a person through a login.

    method: `browser`, `device`, `paste` (a browser elsewhere, whose last address or code is
    pasted), or `auto`: by device code where no browser would be seen, else in the browser.
    Raises `LoginRequired` that says what to do when the person or xAI declines.
    """
    endpoints = await discovery.endpoints(http, settings)
    try:
        tokens = await _obtain(prompt, http, endpoints, settings, method, SCOPE)
    except GatewayError as error:
        if error.code != "invalid_scope":
            raise
        prompt.show("xAI does not grant all permissions to this client; asking for fewer.")
        tokens = await _obtain(prompt, http, endpoints, settings, method, OLD_SCOPE)
    account = None
    access = tokens.access_token
    if access is not None and read_identity(access, tokens.id_token).account is None:
        account = await whose(access, http, settings)
    return make_credential(tokens, account)


async def refresh(
    credential: Credential,
    http: "httpx.AsyncClient",
    settings: GrokSettings,
    discovery: Discovery,
) -> Credential:
    """Fresh tokens for a credential; the refresh token is used up by it and comes new too.

    Raises `LoginRequired` when the refresh token is dead, another `GatewayError` when trying again
    later may help.
    """
    if credential.refresh_token is None:
        raise LoginRequired("this login cannot be renewed; run `gateway login grok`")
    fields = {
        "grant_type": "refresh_token",
        "client_id": CLIENT_ID,
        "refresh_token": credential.refresh_token.get_secret_value(),
    }
    claims = jwt_claims(credential.access_token)
    if claims.get("principal_type") == "Team" and isinstance(claims.get("principal_id"), str):
        fields |= {"principal_type": "Team", "principal_id": claims["principal_id"]}
    endpoints = await discovery.endpoints(http, settings)
    tokens = await _granted(http, endpoints.token, fields)
    fresh = renewed(credential, tokens)
    assert tokens.access_token is not None  # _granted sees to it
    end = token_end(tokens.access_token, tokens.received_at, tokens.expires_in)
    return fresh.model_copy(update={"expires_at": end})


# Obtaining


async def _obtain(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    endpoints: Endpoints,
    settings: GrokSettings,
    method: str,
    scope: str,
) -> TokenResponse:
    if method == "device" or (method == "auto" and is_headless()):
        try:
            return await _device_login(prompt, http, endpoints, settings, scope)
        except _DeviceLoginOffError as error:
            if method == "device":
                raise LoginRequired(
                    "xAI offers no device login here; run `gateway login grok --no-browser`"
                ) from error
            prompt.show("xAI offers no device login here; a browser elsewhere does it too.")
            method = "paste"
    listen = method != "paste"
    return await _browser_login(prompt, http, endpoints, settings, scope, listen=listen)


async def _browser_login(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    endpoints: Endpoints,
    settings: GrokSettings,
    scope: str,
    *,
    listen: bool,
) -> TokenResponse:
    pkce, nonce = pkce_pair(), random_state()
    listener = LoopbackCallback(
        ports=settings.callback_ports,
        state=random_state(),
        paths=("/callback",),
        host="127.0.0.1",  # xAI takes any port of it, but not `localhost`
        allow_origin=_CONSENT_ORIGIN,  # its page calls us by script
    )

    def authorize(redirect_uri: str) -> str:
        return authorize_url(
            endpoints.authorize,
            client_id=CLIENT_ID,
            redirect_uri=redirect_uri,
            state=listener.state,
            challenge=pkce.challenge,
            scope=scope,
            extra={"nonce": nonce, "referrer": settings.referrer},
        )

    callback = await browser_login(prompt, listener, authorize, listen=listen)
    tokens = await exchange_code(
        http,
        endpoints.token,
        client_id=CLIENT_ID,
        code=callback.code or "",
        redirect_uri=listener.redirect_uri,
        verifier=pkce.verifier,
    )
    if tokens.id_token is not None and jwt_claims(tokens.id_token).get("nonce", nonce) != nonce:
        raise LoginRequired("xAI's answer belongs to another login; run `gateway login grok` again")
    return tokens


class _DeviceLoginOffError(Exception):
    """The service does not offer device logins to whoever asks."""


async def _device_login(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    endpoints: Endpoints,
    settings: GrokSettings,
    scope: str,
) -> TokenResponse:
    if endpoints.device is None:
        raise _DeviceLoginOffError
    try:
        return await device_login(
            prompt,
            http,
            device_url=endpoints.device,
            token_url=endpoints.token,
            client_id=CLIENT_ID,
            scope=scope,
            extra={"referrer": settings.referrer},
            hosts=() if settings.auth_url.startswith("http://") else (ZONE,),
        )
    except UpstreamFailed as error:
        if (error.upstream or {}).get("status") == 404:
            raise _DeviceLoginOffError from error
        raise


# Refreshing


async def _granted(
    http: "httpx.AsyncClient", token_url: str, fields: dict[str, str]
) -> TokenResponse:
    """The tokens; failures of the way are tried again while the spent token is still forgiven."""
    started = time.monotonic()
    for pause in (*PAUSES, None):
        try:
            answer = await post(http, token_url, fields, timeout=_REFRESH_SECONDS)
            return _judge(answer)
        except _PASSING as error:
            status = (error.upstream or {}).get("status")
            late = time.monotonic() - started > GRACE_SECONDS - _REFRESH_SECONDS
            if pause is None or late or (status is not None and status < 500):
                raise
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _judge(answer: OAuthAnswer) -> TokenResponse:
    """The tokens in an answer. Only two words end a login; a body that the edge has mangled, or an
    `error` that is no text, must not.
    """
    if answer.ok:
        tokens = token_response(answer)
        if tokens.access_token is None:
            raise UpstreamProtocol("xAI renewed the login without an access token")
        return tokens
    failure = answer.failure("xAI did not renew the login")
    if answer.body.get("error") in _DEAD:
        raise LoginRequired(
            f"{failure.message}; run `gateway login grok`",
            code=answer.error,
            upstream=failure.upstream,
        )
    raise failure
