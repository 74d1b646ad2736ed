"""The life of a Kimi login: a device code, tokens of a quarter of an hour, and their refresh."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from gateway_core import Credential, GatewayError, LoginPrompt, LoginRequired, UpstreamProtocol
from gateway_core.credentials.device import device_login
from gateway_core.credentials.machine import machine_id
from gateway_core.credentials.oauth import TokenResponse, jwt_claims, refresh_token, renewed
from gateway_core.lookups import text_at
from gateway_kimi.account import fetch, identity_headers
from gateway_kimi.settings import KimiSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["CLIENT_ID", "login", "refresh"]

CLIENT_ID: Final = "17e5f671-d194-4dfb-9706-5516cb48c098"
"""The public client of Kimi's own programs; it has no secret."""
_TOKEN_PATH: Final = "/api/oauth/token"  # noqa: S105  # a path
_LEAST_REST_SECONDS: Final = 300.0


async def login(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KimiSettings
) -> Credential:
    """Lead a person through a login with a device code.

    Raises `LoginRequired` when it is declined or takes too long.
    """
    device = settings.device_id
    if device is None:
        device = await asyncio.to_thread(machine_id, "kimi")
    tokens = await device_login(
        prompt,
        http,
        device_url=f"{settings.auth()}/api/oauth/device_authorization",
        token_url=settings.auth() + _TOKEN_PATH,
        client_id=CLIENT_ID,
        headers=identity_headers(settings, device),
        hosts=() if settings.auth().startswith("http://") else ("kimi.com", "kimi.ai"),
        timeout=900.0,
    )
    assert tokens.access_token is not None  # device_login sees to it
    credential = Credential(
        provider="kimi",
        account=text_at(jwt_claims(tokens.access_token), "user_id") or "default",
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=tokens.expires_at,
        refresh_at=_half_life(tokens),
        extra={"region": settings.region, "device_id": device},
    )
    return await _introduced(credential, prompt, http, settings)


async def refresh(
    credential: Credential, http: "httpx.AsyncClient", settings: KimiSettings
) -> Credential:
    """Fresh tokens, asked for as the device that the old ones were made for; both come new.

    Raises `LoginRequired` when the refresh token is dead.
    """
    if credential.refresh_token is None:
        raise LoginRequired("this login cannot be renewed; run `gateway login kimi`")
    try:
        tokens = await refresh_token(
            http,
            settings.auth(credential) + _TOKEN_PATH,
            refresh_token=credential.refresh_token,
            client_id=CLIENT_ID,
            headers=identity_headers(settings, credential.extra.get("device_id")),
            rejected_statuses=(401, 403),
        )
    except LoginRequired as error:
        raise error.retold(LoginRequired, "run `gateway login kimi`") from error
    if tokens.access_token is None:
        raise UpstreamProtocol("Kimi renewed the login without an access token")
    return renewed(credential, tokens).model_copy(update={"refresh_at": _half_life(tokens)})


async def _introduced(
    credential: Credential, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KimiSettings
) -> Credential:
    """The credential with its owner's name. A plan without Kimi Code shows here first."""
    update = {}
    with suppress(GatewayError):  # no name is worth losing a login over
        person = await fetch(credential, http, settings, "/me")
        update["label"] = text_at(person, "email") or text_at(person, "nickname")
        if credential.account == "default":
            update["account"] = text_at(person, "user_id") or credential.account
    try:
        await fetch(credential, http, settings, "/models")
    except GatewayError as error:
        prompt.show(f"Logged in, but Kimi does not say its models: {error.message}")
    return credential.model_copy(update=update)


def _half_life(tokens: TokenResponse) -> datetime | None:
    """When to refresh: at half of the token's life, and no later than five minutes before its end,
    as Kimi's own programs do.
    """
    life = tokens.expires_in
    if life is None:
        return None
    return tokens.received_at + timedelta(seconds=life - max(_LEAST_REST_SECONDS, life / 2))
