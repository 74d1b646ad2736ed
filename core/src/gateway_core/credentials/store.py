"""What a credential is, and the contract of the places that keep one.

Stores are synchronous and simple; `gateway_core.credentials.manager` calls them in a worker thread
and does all locking and scheduling.
"""

from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["Credential", "CredentialKey", "CredentialStore", "MemoryStore"]


class CredentialKey(NamedTuple):
    """One account of one provider."""

    provider: str
    account: str


class Credential(BaseModel):
    """Tokens of one account. Secrets never show in `repr`.

    account: the provider's stable id of the account; `label`: what people call it (an e-mail).
    expires_at: when the access token ends, timezone-aware; None when unknown.
    extra: facts that are no secrets (region, profile, device id); `secrets`: further secrets
    (client secret, id token).
    """

    model_config = ConfigDict(frozen=True)

    provider: str
    account: str
    label: str | None = None
    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: datetime | None = None
    extra: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, SecretStr] = Field(default_factory=dict)

    @property
    def key(self) -> CredentialKey:
        """Where it is stored."""
        return CredentialKey(self.provider, self.account)


class CredentialStore(Protocol):
    """A place that keeps credentials. All methods are synchronous and atomic per key."""

    name: str

    def list(self) -> list[CredentialKey]:
        """All keys, sorted."""
        ...

    def get(self, key: CredentialKey) -> Credential | None:
        """The credential, or None when there is none."""
        ...

    def put(self, credential: Credential) -> None:
        """Store durably, replacing what the key held."""
        ...

    def delete(self, key: CredentialKey) -> None:
        """Forget; no error when there is nothing."""
        ...


class MemoryStore:
    """A store for tests and for `ask` without a home."""

    name = "memory"

    def __init__(self, *credentials: Credential) -> None:
        self._credentials = {credential.key: credential for credential in credentials}

    def list(self) -> "list[CredentialKey]":
        """All keys, sorted."""
        return sorted(self._credentials)

    def get(self, key: CredentialKey) -> Credential | None:
        """The credential, or None."""
        return self._credentials.get(key)

    def put(self, credential: Credential) -> None:
        """Store."""
        self._credentials[credential.key] = credential

    def delete(self, key: CredentialKey) -> None:
        """Forget."""
        self._credentials.pop(key, None)
