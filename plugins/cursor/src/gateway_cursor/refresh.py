"""Renewing logins: a session with its refresh token, an API key by exchanging it once more.

A session that is over is told with status 200, an empty token and a flag, as well as with 401 and
403. All of them end it for good: only a new login helps, and nothing is tried again.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired, UpstreamProtocol
from gateway_core.credentials.oauth import (
    REJECTED_CODES,
    OAuthAnswer,
    TokenResponse,
    post,
    token_response,
)
from gateway_core.errors import UpstreamFailed
from gateway_cursor.identity import credential_kind
from gateway_cursor.importer import is_imported, read_again
from gateway_cursor.settings import CursorSettings
from gateway_cursor.tokens import renewed_with

if TYPE_CHECKING:
    import httpx

__all__ = ["CLIENT_ID", "exchange_key", "refresh"]

CLIENT_ID: Final = "KbZUR41cY7W6zRSdpSUJ7I7mLYBKOCmB"
"""Cursor's desktop client, a public constant."""

_DEAD: Final = (401, 403)
_GONE: Final = (404, 405)
_AGAIN: Final = "run `gateway login cursor`"


async def refresh(
    credential: Credential, http: "httpx.AsyncClient", settings: CursorSettings
) -> Credential:
    """A fresh access token. For an imported login it is first looked whether the program that it
    was copied from has one by now, as two programs that renew one session endanger it.

    Raises `LoginRequired` when the session or the key is dead, another `GatewayError` when trying
    again later may help.
    """
    if is_imported(credential):
        newer = await asyncio.to_thread(read_again, credential)
        if newer is not None:
            return newer
    token = credential.refresh_token
    if token is None:
        raise LoginRequired(f"this login cannot be renewed; {_AGAIN}")
    if credential_kind(credential) == "key":
        return renewed_with(credential, await exchange_key(token, http, settings), keep=True)
    tokens = await _renew_session(token, http, settings)
    return renewed_with(credential, tokens, keep=False)


async def exchange_key(
    key: SecretStr, http: "httpx.AsyncClient", settings: CursorSettings
) -> TokenResponse:
    """The tokens for an API key, good for about an hour; they can be had again and again.

    Raises `LoginRequired` when the key is refused, another `GatewayError` when it could not be
    told.
    """
    answer = await _exchange(key, http, settings)
    if _is_refused(answer):
        raise LoginRequired(
            "Cursor refused the API key: it may be mistyped or deleted; make one at "
            f"{settings.website}/dashboard and run `gateway login cursor --device`"
        )
    return _granted(answer)


async def _renew_session(
    token: SecretStr, http: "httpx.AsyncClient", settings: CursorSettings
) -> TokenResponse:
    fields = {
        "grant_type": "refresh_token",
        "client_id": CLIENT_ID,
        "refresh_token": token.get_secret_value(),
    }
    answer = await post(
        http,
        f"{settings.base_url}/oauth/token",
        fields,
        encoding="json",
        headers={"user-agent": settings.agent},
    )
    if answer.status in _GONE:
        # The way that other public clients go; it is known to refuse most sessions.
        answer = await _exchange(token, http, settings)
    over = answer.body.get("shouldLogout") is True or answer.body.get("should_logout") is True
    empty = answer.ok and "" in (answer.body.get("access_token"), answer.body.get("accessToken"))
    if over or empty or _is_refused(answer):
        raise LoginRequired(f"the Cursor session is over; {_AGAIN}", code=answer.error)
    return _granted(answer)


async def _exchange(
    token: SecretStr, http: "httpx.AsyncClient", settings: CursorSettings
) -> OAuthAnswer:
    headers = {
        "authorization": f"Bearer {token.get_secret_value()}",
        "user-agent": settings.agent,
    }
    url = f"{settings.base_url}/auth/exchange_user_api_key"
    return await post(http, url, {}, encoding="json", headers=headers)


def _is_refused(answer: OAuthAnswer) -> bool:
    """Whether the token is dead for good; a web page of something in between says nothing of it."""
    if answer.error in REJECTED_CODES:
        return True
    return answer.status in _DEAD and answer.text in (None, "empty body")


def _granted(answer: OAuthAnswer) -> TokenResponse:
    if not answer.ok:
        raise _failure(answer)
    tokens = token_response(answer)
    if tokens.access_token is None:
        raise UpstreamProtocol("Cursor renewed the login without an access token")
    return tokens


def _failure(answer: OAuthAnswer) -> GatewayError:
    """Without the server's own words, which may quote the token that they are about."""
    plain = OAuthAnswer(answer.status, {}, retry_after=answer.retry_after)
    failure = plain.failure("Cursor did not renew the login")
    if answer.status in _GONE:
        failure = UpstreamFailed(
            f"Cursor does not know the way this login is renewed (status {answer.status}): install "
            f"a newer gateway-cursor, else {_AGAIN}",
            upstream={"status": answer.status},
        )
    return failure
