"""Renewing logins, each kind at its own service, and agreeing with the program they are shared
with.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired
from gateway_core.credentials.oauth import TokenResponse, post, refresh_token, token_response
from gateway_core.http_errors import translate_http_errors
from gateway_kiro import oidc
from gateway_kiro.control import resolve_profile
from gateway_kiro.identity import at_region, credential_kind, is_region
from gateway_kiro.importer import is_shared, read_owner, write_back
from gateway_kiro.logins import refresh_time, renewed_with
from gateway_kiro.settings import KiroSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["refresh"]

_DUE: Final = timedelta(minutes=5)
_HOME: Final = "us-east-1"
_DEAD: Final = (400, 401, 403)


async def refresh(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> Credential:
    """Fresh tokens for a credential; for one that another program shares, those it has by now if
    they are newer, and it is given what we obtain.

    Raises `LoginRequired` when the refresh token is dead, another `GatewayError` when trying again
    later may help.
    """
    if is_shared(credential):
        fresh = await _refresh_shared(credential, http, settings)
    else:
        fresh = await _renew(credential, http, settings)
    try:
        with translate_http_errors("Kiro"):
            return await resolve_profile(fresh, http, settings)
    except GatewayError:
        return fresh  # it is asked again when it is needed


async def _renew(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> Credential:
    match credential_kind(credential):
        case "idc":
            tokens = await oidc.renew(credential, http, settings)
        case "external_idp":
            tokens = await _renew_at_provider(credential, http)
        case "social":
            tokens = await _renew_social(credential, http, settings)
        case "api_key":
            raise LoginRequired("an API key cannot be renewed; run `gateway login kiro`")
    return renewed_with(credential, tokens)


async def _renew_social(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> TokenResponse:
    token = _refresh_token(credential)
    region = credential.extra.get("auth_region", "")
    url = at_region(settings.auth_url, region if is_region(region) else _HOME)
    headers = {
        "Accept": "application/json, text/plain, */*",
        "User-Agent": settings.agent,
    }
    fields = {"refreshToken": token.get_secret_value()}
    answer = await post(http, f"{url}/refreshToken", fields, encoding="json", headers=headers)
    if answer.ok:
        return token_response(answer)
    failure = answer.failure("Kiro did not renew the login")
    if answer.status in _DEAD and answer.text in (None, "empty body"):
        raise LoginRequired(failure.message, code=answer.error)
    raise failure


async def _renew_at_provider(credential: Credential, http: "httpx.AsyncClient") -> TokenResponse:
    """At the organisation's own identity provider. Its address comes from a file that other
    programs write, so it must be where the login was issued.
    """
    extra = credential.extra
    endpoint, issuer = (urlsplit(extra.get(key, "")) for key in ("token_endpoint", "issuer_url"))
    if endpoint.scheme != "https" or not endpoint.hostname or endpoint.hostname != issuer.hostname:
        raise LoginRequired(
            "this login names no trustworthy address to renew it at; log in with Kiro again and "
            "run `gateway import kiro`"
        )
    scopes = extra.get("scopes")
    return await refresh_token(
        http,
        extra["token_endpoint"],
        refresh_token=_refresh_token(credential),
        client_id=extra.get("client_id"),
        extra={"scope": scopes} if scopes else None,
    )


def _refresh_token(credential: Credential) -> SecretStr:
    if credential.refresh_token is None:
        raise LoginRequired("this login cannot be renewed; run `gateway login kiro`")
    return credential.refresh_token


# Shared with the Kiro CLI or IDE


async def _refresh_shared(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> Credential:
    stale = credential.access_token
    theirs = await asyncio.to_thread(read_owner, credential)
    if theirs is not None and _is_newer(theirs, credential):
        credential = _adopted(credential, theirs)
        if _serves(credential, stale):
            return credential
    try:
        fresh = await _renew(credential, http, settings)
    except LoginRequired:
        # The other program may have spent the token just now, or been logged in to anew.
        theirs = await asyncio.to_thread(read_owner, credential)
        if theirs is None or theirs.refresh_token == credential.refresh_token:
            raise
        credential = _adopted(credential, theirs)
        if _serves(credential, stale):
            return credential
        fresh = await _renew(credential, http, settings)
    if settings.write_back:
        await asyncio.to_thread(write_back, credential, fresh)
    return fresh


def _is_newer(theirs: Credential, ours: Credential) -> bool:
    """Whether the owner has other tokens that are younger than ours; a store that could not be
    written holds older ones, which we have used up.
    """
    if theirs.access_token == ours.access_token and theirs.refresh_token == ours.refresh_token:
        return False
    ends = theirs.expires_at, ours.expires_at
    return ends[0] is None or ends[1] is None or ends[0] >= ends[1]


def _adopted(ours: Credential, theirs: Credential) -> Credential:
    return theirs.model_copy(
        update={
            "account": ours.account,
            "label": ours.label,
            "extra": {**ours.extra, **theirs.extra},
            "refresh_at": refresh_time(theirs.expires_at),
        }
    )


def _serves(credential: Credential, stale: SecretStr) -> bool:
    """Whether it spares us a refresh: another access token than the stale one, and not due."""
    end = credential.expires_at
    has_time = end is not None and end - datetime.now(UTC) > _DUE
    return has_time and credential.access_token != stale
