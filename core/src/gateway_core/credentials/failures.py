"""What is remembered of refreshes that failed, and how they are told.

A rejected refresh token stays rejected, so it is never sent again; a passing failure is left alone
for a while. Both are remembered for the token value: a new login starts with a clean slate.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway_core.credentials.store import Credential, CredentialKey
from gateway_core.errors import ERROR_CLASSES, ErrorKind, GatewayError, LoginRequired

__all__ = ["RefreshFailure", "RefreshFailures"]

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 60.0


@dataclass(slots=True, frozen=True)
class RefreshFailure:
    """One remembered failure. `retry_at` is None when trying again is futile."""

    token: str
    kind: ErrorKind
    message: str
    retry_after: float | None
    code: str | None
    retry_at: datetime | None
    count: int

    def __repr__(self) -> str:
        return f"RefreshFailure({self.kind!r}, {self.message!r}, retry_at={self.retry_at})"

    def error(self) -> GatewayError:
        """A new exception each time, because one collects the traceback of whoever raises it."""
        return ERROR_CLASSES[self.kind](self.message, retry_after=self.retry_after, code=self.code)


class RefreshFailures:
    """The last failure of each account. Pauses grow from 2 to 60 seconds."""

    def __init__(self) -> None:
        self._by_key: dict[CredentialKey, RefreshFailure] = {}

    def standing(self, credential: Credential, now: datetime) -> RefreshFailure | None:
        """The failure that makes a refresh of this credential futile for now, or None."""
        failure = self._by_key.get(credential.key)
        if failure is None or failure.token != _token(credential):
            return None
        if failure.retry_at is not None and failure.retry_at <= now:
            return None
        return failure

    def forget(self, key: CredentialKey) -> None:
        """After a success or a new login."""
        self._by_key.pop(key, None)

    def remember(self, credential: Credential, error: Exception, now: datetime) -> RefreshFailure:
        """Note why a refresh of the credential failed. No secret of it stays in the message."""
        token = _token(credential)
        last = self._by_key.get(credential.key)
        count = last.count + 1 if last is not None and last.token == token else 1
        pause = min(2.0**count, _LONGEST_PAUSE)
        rejected = isinstance(error, LoginRequired)
        known = error if isinstance(error, GatewayError) else None
        failure = RefreshFailure(
            token=token,
            kind=known.kind if known else "internal",
            message=_told(credential, error),
            retry_after=None if rejected else (known.retry_after if known else None) or pause,
            code=known.code if known else None,
            retry_at=None if rejected else now + timedelta(seconds=pause),
            count=count,
        )
        self._by_key[credential.key] = failure
        _log.warning("%s", failure.message)
        return failure


def _told(credential: Credential, error: Exception) -> str:
    provider = credential.provider
    if not isinstance(error, GatewayError):
        # Not quoted: it is a bug of the plugin or a library, and its text may hold a token.
        return f"cannot refresh the {provider} login: {type(error).__name__} in its plugin"
    reason = _without_secrets(error.message, credential)
    if isinstance(error, LoginRequired):
        who = credential.label or credential.account
        command = f"; run `gateway login {provider}`"
        reason = reason.removesuffix(command)  # plugins say it too
        return f"{provider} no longer accepts the login of {who!r} ({reason}){command}"
    return f"cannot refresh the {provider} login: {reason}"


def _without_secrets(text: str, credential: Credential) -> str:
    secrets = [credential.access_token, credential.refresh_token, *credential.secrets.values()]
    for secret in secrets:
        if secret is not None and secret.get_secret_value():
            text = text.replace(secret.get_secret_value(), "***")
    return text


def _token(credential: Credential) -> str:
    return credential.refresh_token.get_secret_value() if credential.refresh_token else ""
