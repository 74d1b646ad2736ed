"""What Cursor's access tokens tell of themselves, and the credentials made of them.

They are JWTs that only Cursor can check. Their claims serve for the account's name and for the time
they end, and where those cannot be read, nothing is lost but that.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import SecretStr

from gateway_core import Credential, LoginRequired, UpstreamProtocol
from gateway_core.credentials.oauth import TokenResponse, jwt_claims
from gateway_core.lookups import number_at, text_at
from gateway_cursor.identity import Kind, login_mark

__all__ = ["new_credential", "renewed_with"]

_LIFE: Final = timedelta(hours=1)


def new_credential(
    tokens: TokenResponse, kind: Kind = "session", *, key: SecretStr | None = None
) -> Credential:
    """The credential for what a login granted. key: the API key, which renews it instead of a
    refresh token.

    Raises `UpstreamProtocol` when no access token was granted.
    """
    if tokens.access_token is None:
        raise UpstreamProtocol("the login was granted without an access token; start again")
    mark = (key or tokens.refresh_token or tokens.access_token).get_secret_value()
    digest = hashlib.sha256(f"gateway-cursor {mark}".encode()).hexdigest()[:12]
    return Credential(
        provider="cursor",
        account=_account_of(tokens.access_token) or f"{kind}-{digest}",
        label=_email_of(tokens.access_token),
        access_token=tokens.access_token,
        refresh_token=key or tokens.refresh_token,
        expires_at=_token_end(tokens.access_token, tokens.received_at),
        extra={"kind": kind},
    )


def renewed_with(credential: Credential, tokens: TokenResponse, *, keep: bool) -> Credential:
    """The credential with what a refresh brought. keep: whether the refresh token stays in any
    case, because it is an API key.

    Raises `LoginRequired` when it brought an access token of another account.
    """
    assert tokens.access_token is not None
    theirs, ours = _account_of(tokens.access_token), _account_of(credential.access_token)
    if theirs and ours and theirs != ours:
        raise LoginRequired(
            "Cursor renewed the login with that of another account; run `gateway login cursor`"
        )
    before = credential.refresh_token
    refresh = (None if keep else tokens.refresh_token) or before
    extra = credential.extra
    if refresh != before:
        extra = {**extra, "login": login_mark(credential)}
    return credential.model_copy(
        update={
            "access_token": tokens.access_token,
            "refresh_token": refresh,
            "expires_at": _token_end(tokens.access_token, tokens.received_at),
            "refresh_at": None,
            "extra": extra,
        }
    )


def _token_end(token: SecretStr, received: datetime | None = None) -> datetime:
    """When an access token ends: as it says itself, else an hour after it was received."""
    told = number_at(jwt_claims(token), "exp")
    try:
        if told is not None and told > 0:
            return datetime.fromtimestamp(told, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return (received or datetime.now(UTC)) + _LIFE


def _account_of(token: SecretStr) -> str | None:
    """Whose token it is, `auth0|user_...`, the same for all tokens of a person."""
    return text_at(jwt_claims(token), "sub")


def _email_of(token: SecretStr) -> str | None:
    """The e-mail in a token, which few have."""
    return text_at(jwt_claims(token), "email")
