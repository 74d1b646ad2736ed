"""From what a login service granted to a credential, and who it belongs to.

Kiro's tokens are opaque, so whose they are has to be asked.
"""

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired, Unauthorized, UpstreamProtocol
from gateway_core.credentials.oauth import TokenResponse
from gateway_kiro.account import whose
from gateway_kiro.control import resolve_profile, usage_limits
from gateway_kiro.identity import Kind, credential_kind, profile_region
from gateway_kiro.settings import KiroSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["LIFE", "identified", "new_credential", "refresh_time", "renewed_with"]

LIFE: Final = timedelta(hours=1)
"""How long an access token lasts where the service does not say."""

_EARLY: Final = timedelta(minutes=10)
_log = logging.getLogger(__name__)


def refresh_time(expires_at: datetime | None) -> datetime | None:
    """When to renew a token that ends at a time: ten minutes early, as the service's own programs
    do it, so that those who share the login meet as seldom as can be.
    """
    return None if expires_at is None else expires_at - _EARLY


def new_credential(
    kind: Kind,
    tokens: TokenResponse,
    facts: dict[str, str],
    secrets: dict[str, SecretStr] | None = None,
) -> Credential:
    """The credential for what a login granted, under a preliminary account.

    Raises `UpstreamProtocol` when no access token was granted.
    """
    if tokens.access_token is None:
        raise UpstreamProtocol("the login was granted without an access token; start again")
    extra = {"kind": kind, **_profile(tokens), **facts}
    mark = (tokens.refresh_token or tokens.access_token).get_secret_value()
    digest = hashlib.sha256(f"gateway-kiro {mark}".encode()).hexdigest()[:12]
    return Credential(
        provider="kiro",
        account=f"{kind}-{digest}",
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=_end(tokens),
        refresh_at=refresh_time(_end(tokens)),
        extra={key: value for key, value in extra.items() if value},
        secrets=secrets or {},
    )


def renewed_with(credential: Credential, tokens: TokenResponse) -> Credential:
    """The credential with what a refresh brought; what it did not bring stays.

    Raises `UpstreamProtocol` when it brought no access token.
    """
    if tokens.access_token is None:
        raise UpstreamProtocol("the login was renewed without an access token")
    update: dict[str, object] = {
        "access_token": tokens.access_token,
        "expires_at": _end(tokens),
        "refresh_at": refresh_time(_end(tokens)),
        "extra": {**credential.extra, **_profile(tokens)},
    }
    if tokens.refresh_token is not None:
        update["refresh_token"] = tokens.refresh_token
    return credential.model_copy(update=update)


async def identified(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> Credential:
    """The credential of a new login with its profile and its owner, as far as the service tells.

    A login is not lost because a question about it was not answered. Raises `LoginRequired` for an
    API key that the service refuses: it may have been mistyped.
    """
    try:
        credential = await resolve_profile(credential, http, settings)
        id, email = whose(await usage_limits(credential, http, settings))
    except GatewayError as error:
        if isinstance(error, Unauthorized) and credential_kind(credential) == "api_key":
            raise LoginRequired("Kiro refused the API key; check it, and start again") from error
        _log.info("the owner of the new Kiro login is not known: %s", error.message)
        return credential
    update = {"account": id or email or credential.account, "label": email}
    return credential.model_copy(update=update)


def _end(tokens: TokenResponse) -> datetime:
    life = timedelta(seconds=tokens.expires_in) if tokens.expires_in else LIFE
    return tokens.received_at.astimezone(UTC) + life


def _profile(tokens: TokenResponse) -> dict[str, str]:
    for key in ("profileArn", "profile_arn"):
        arn = tokens.raw.get(key)
        if isinstance(arn, str) and profile_region(arn):
            return {"profile_arn": arn}
    return {}
