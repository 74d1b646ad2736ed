"""Whose login a credential is, and the headers that a request in its name needs.

What the protocol demands is sent as Cursor's command line sends it, and nothing of what the IDE
alone sends (checksums, machine ids).
"""

import hashlib
from typing import Final, Literal, TypeAlias

from gateway_core import Credential
from gateway_cursor.settings import CursorSettings

__all__ = [
    "Kind",
    "account_scope",
    "credential_kind",
    "login_mark",
    "run_headers",
    "unary_headers",
]

Kind: TypeAlias = Literal["session", "key"]

_KEY: Final = "crsr_"


def credential_kind(credential: Credential) -> Kind:
    """Whether a login in the browser is behind it, or an API key: as noted, else by what it
    holds.
    """
    kind = credential.extra.get("kind")
    if kind in ("session", "key"):
        return "key" if kind == "key" else "session"
    token = credential.refresh_token
    return "key" if token and token.get_secret_value().startswith(_KEY) else "session"


def account_scope(credential: Credential) -> str:
    """A short name of the account, from which the account cannot be told."""
    return hashlib.sha256(f"gateway-cursor {credential.account}".encode()).hexdigest()[:12]


def login_mark(credential: Credential) -> str:
    """Tells one login of an account from another, without a word of its secrets.

    What a renewal brings leaves it as it is: a new refresh token comes with the mark of the old.
    """
    if isinstance(noted := credential.extra.get("login"), str):
        return noted
    token = (credential.refresh_token or credential.access_token).get_secret_value()
    return hashlib.sha256(f"gateway-cursor login {token}".encode()).hexdigest()[:12]


def run_headers(credential: Credential, settings: CursorSettings) -> dict[str, str]:
    """Headers of a run. The `x-request-id` is new for each run, so it is added when it is
    opened.
    """
    return {
        **_common(credential, settings),
        "content-type": "application/connect+proto",
        "connect-accept-encoding": "gzip",
        "te": "trailers",
    }


def unary_headers(credential: Credential, settings: CursorSettings) -> dict[str, str]:
    """Headers of a question that has one answer, both in JSON."""
    return {
        **_common(credential, settings),
        "accept": "application/json",
        "content-type": "application/json",
    }


def _common(credential: Credential, settings: CursorSettings) -> dict[str, str]:
    return {
        "authorization": f"Bearer {credential.access_token.get_secret_value()}",
        "connect-protocol-version": "1",
        "user-agent": settings.agent,
        "x-cursor-client-type": "cli",
        "x-cursor-client-version": settings.client_version,
        "x-ghost-mode": "true" if settings.privacy else "false",
    }
