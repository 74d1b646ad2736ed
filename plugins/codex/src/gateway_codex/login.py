"""The life of a ChatGPT login: obtained in a browser or by device code, refreshed, revoked.

Speaks with OpenAI's login service only. Which tokens Codex CLI shares with us is
`gateway_codex.importer`'s business, whose tokens they are `gateway_codex.identity`'s.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from gateway_codex.identity import make_credential, token_end
from gateway_codex.importer import is_newer, owner_file, read_owner, write_back
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, LoginPrompt, LoginRequired, UpstreamProtocol
from gateway_core.credentials.browser import browser_login
from gateway_core.credentials.callback import LoopbackCallback
from gateway_core.credentials.device import DeviceCode, Pending, poll, show_device_code
from gateway_core.credentials.oauth import (
    OAuthAnswer,
    TokenResponse,
    authorize_url,
    exchange_code,
    pkce_pair,
    post,
    random_state,
    read_model,
    refresh_token,
    renewed,
)
from gateway_core.credentials.prompt import is_headless

if TYPE_CHECKING:
    import httpx

__all__ = ["CLIENT_ID", "SCOPE", "login", "logout", "refresh"]

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""OpenAI's public client for coding tools; it has no secret."""
SCOPE = "openid profile email offline_access"

_CODE_LIFE = 900.0
_REVOKE_SECONDS = 10.0
_DUE = timedelta(minutes=5)
_NO_ENTITLEMENT = "missing_codex_entitlement"
_ALWAYS_THE_SAME = (
    "(if the browser keeps choosing the same one, delete its cookies of auth.openai.com)"
)


async def login(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: CodexSettings, method: str
) -> Credential:
    """Lead a person through a login.

    method: `browser`, `device`, `paste` (a browser elsewhere, whose last address is pasted), or
    `auto`: by device code where no browser would be seen, else in the browser.
    Raises `LoginRequired` that says what to do when the person or OpenAI declines.
    """
    if method == "device" or (method == "auto" and is_headless()):
        try:
            tokens = await _device_login(prompt, http, settings)
        except _DeviceLoginOffError as error:
            if method == "device":
                raise LoginRequired(
                    "OpenAI offers this account or network no device login (it can be switched on "
                    "in ChatGPT's security settings); run `gateway login codex --no-browser`"
                ) from error
            prompt.show("OpenAI offers no device login here; a browser elsewhere does it too.")
            tokens = await _browser_login(prompt, http, settings, listen=False)
    else:
        tokens = await _browser_login(prompt, http, settings, listen=method != "paste")
    return make_credential(tokens)


async def refresh(
    credential: Credential, http: "httpx.AsyncClient", settings: CodexSettings
) -> Credential:
    """Fresh tokens for a credential; for one that Codex CLI shares, those it already has if they
    are newer, and it is given what we obtain.

    Raises `LoginRequired` when the refresh token is dead, another `GatewayError` when trying again
    later may help.
    """
    owner = owner_file(credential)
    if owner is None:
        return await _renew(credential, http, settings)
    return await _refresh_shared(credential, owner, http, settings)


async def logout(
    credential: Credential, http: "httpx.AsyncClient", settings: CodexSettings
) -> None:
    """Revoke a login. One that Codex CLI shares is left to it unless the settings say otherwise.

    Raises `GatewayError` when it could not be revoked; it can be forgotten all the same.
    """
    if owner_file(credential) is not None and not settings.revoke_imported:
        return
    if credential.refresh_token is not None:
        fields = {
            "token": credential.refresh_token.get_secret_value(),
            "token_type_hint": "refresh_token",
            "client_id": CLIENT_ID,
        }
    else:
        fields = {
            "token": credential.access_token.get_secret_value(),
            "token_type_hint": "access_token",
        }
    answer = await post(
        http,
        f"{settings.auth_url}/oauth/revoke",
        fields,
        encoding="json",
        headers=_headers(settings),
        timeout=_REVOKE_SECONDS,
    )
    if not 200 <= answer.status < 300:  # a success has an empty body
        raise answer.failure("OpenAI did not revoke the login")


# In the browser


async def _browser_login(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: CodexSettings, *, listen: bool
) -> TokenResponse:
    pkce = pkce_pair(64)
    listener = LoopbackCallback(
        ports=settings.callback_ports,
        state=random_state(),
        paths=("/auth/callback",),
        host="localhost",  # the only spelling on OpenAI's list of redirect addresses
    )

    def authorize(redirect_uri: str) -> str:
        return authorize_url(
            f"{settings.auth_url}/oauth/authorize",
            client_id=CLIENT_ID,
            redirect_uri=redirect_uri,
            state=listener.state,
            challenge=pkce.challenge,
            scope=SCOPE,
            extra={
                "id_token_add_organizations": "true",
                "codex_cli_simplified_flow": "true",
                "originator": settings.originator,
                "prompt": "login",  # else the account last used is taken without asking
            },
        )

    try:
        callback = await browser_login(prompt, listener, authorize, listen=listen)
    except LoginRequired as error:
        raise _explained(error) from error.__cause__
    return await _exchange(
        http, settings, callback.code or "", listener.redirect_uri, pkce.verifier
    )


async def _exchange(
    http: "httpx.AsyncClient",
    settings: CodexSettings,
    code: str,
    redirect_uri: str,
    verifier: SecretStr,
) -> TokenResponse:
    try:
        return await exchange_code(
            http,
            f"{settings.auth_url}/oauth/token",
            client_id=CLIENT_ID,
            code=code,
            redirect_uri=redirect_uri,
            verifier=verifier,
            headers=_headers(settings),
        )
    except LoginRequired as error:
        raise _explained(error) from error.__cause__


def _explained(error: LoginRequired) -> LoginRequired:
    """The error with advice, where OpenAI's own words help nobody."""
    if _NO_ENTITLEMENT in error.message:
        return LoginRequired(
            "this ChatGPT workspace does not include Codex: ask its administrator to switch it on, "
            f"or log in again and choose another workspace {_ALWAYS_THE_SAME}",
            code=_NO_ENTITLEMENT,
        )
    if error.code == "access_denied":
        return LoginRequired(
            f"{error.message}: the login was refused in the browser, or the workspace does not "
            "allow it; run `gateway login codex` again and choose another account or workspace "
            f"{_ALWAYS_THE_SAME}",
            code=error.code,
        )
    return error


# By device code: OpenAI's own protocol, which resembles RFC 8628 in spirit only


class _DeviceLoginOffError(Exception):
    """The service does not offer device logins to whoever asks."""


async def _device_login(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: CodexSettings
) -> TokenResponse:
    start = f"{settings.auth_url}/api/accounts/deviceauth"
    headers = _headers(settings)
    answer = await post(
        http, f"{start}/usercode", {"client_id": CLIENT_ID}, encoding="json", headers=headers
    )
    if answer.status == 404:
        raise _DeviceLoginOffError
    if not answer.ok:
        raise answer.failure("the device login could not be started")
    code = _device_code(answer, settings)
    show_device_code(prompt, code)
    fields = {"device_auth_id": code.device_code.get_secret_value(), "user_code": code.user_code}

    async def attempt() -> OAuthAnswer | Pending:
        return _judge(await post(http, f"{start}/token", fields, encoding="json", headers=headers))

    granted = (await poll(attempt, interval=code.interval or 5.0, timeout=_CODE_LIFE)).body
    authorization, verifier = granted.get("authorization_code"), granted.get("code_verifier")
    if not isinstance(authorization, str) or not isinstance(verifier, str):
        raise UpstreamProtocol("the device login was granted without a code")
    redirect_uri = f"{settings.auth_url}/deviceauth/callback"
    return await _exchange(http, settings, authorization, redirect_uri, SecretStr(verifier))


def _device_code(answer: OAuthAnswer, settings: CodexSettings) -> DeviceCode:
    body = answer.body
    fields = {
        "device_code": body.get("device_auth_id"),
        "user_code": body.get("user_code") or body.get("usercode"),
        "interval": body.get("interval"),
        "verification_uri": f"{settings.auth_url}/codex/device",
    }
    return read_model(DeviceCode, fields, "the device login's answer")


def _judge(answer: OAuthAnswer) -> OAuthAnswer | Pending:
    if answer.ok:
        return answer
    if answer.status in (403, 404):  # how this service says that nobody has agreed yet
        return Pending()
    failure = answer.failure("the device login failed")
    if 400 <= answer.status < 500 and answer.status not in (408, 429):
        raise _explained(LoginRequired(f"{failure.message}; start again", code=failure.code))
    raise failure


# Refreshing


async def _renew(
    credential: Credential, http: "httpx.AsyncClient", settings: CodexSettings
) -> Credential:
    if credential.refresh_token is None:
        raise LoginRequired("this login cannot be renewed; run `gateway login codex`")
    tokens = await refresh_token(
        http,
        f"{settings.auth_url}/oauth/token",
        refresh_token=credential.refresh_token,
        client_id=CLIENT_ID,
        encoding="json",
        headers=_headers(settings),
    )
    fresh = renewed(credential, tokens)
    if tokens.access_token is None:
        return fresh
    end = token_end(tokens.access_token, tokens.received_at, tokens.expires_in)
    return fresh.model_copy(update={"expires_at": end})


async def _refresh_shared(
    credential: Credential, owner: Path, http: "httpx.AsyncClient", settings: CodexSettings
) -> Credential:
    stale = credential.access_token
    theirs = await asyncio.to_thread(read_owner, owner, credential)
    if theirs is not None and is_newer(theirs, credential):
        credential = _adopted(credential, theirs)
        if _serves(credential, stale):
            return credential
    try:
        fresh = await _renew(credential, http, settings)
    except LoginRequired:
        # Codex CLI may have spent the token just now, or been logged in to anew.
        theirs = await asyncio.to_thread(read_owner, owner, credential)
        if theirs is None or theirs.refresh_token == credential.refresh_token:
            raise
        credential = _adopted(credential, theirs)
        if _serves(credential, stale):
            return credential
        fresh = await _renew(credential, http, settings)
    await asyncio.to_thread(write_back, owner, credential, fresh)
    return fresh


def _adopted(ours: Credential, theirs: Credential) -> Credential:
    return theirs.model_copy(update={"label": ours.label, "extra": ours.extra})


def _serves(credential: Credential, stale: SecretStr) -> bool:
    """Whether it spares us a refresh: another access token than the stale one, and not due."""
    end = credential.expires_at
    has_time = end is not None and end - datetime.now(UTC) > _DUE
    return has_time and credential.access_token != stale


def _headers(settings: CodexSettings) -> dict[str, str]:
    return {"originator": settings.originator, "User-Agent": settings.agent}
