"""What a credential is, how it is written down, and the contract of the places that keep one.

Stores are synchronous and simple; `gateway_core.credentials.manager` calls them in a worker thread
and does all locking and scheduling.
"""

import hashlib
import re
from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from gateway_core.errors import Internal
from gateway_core.json import dumps, loads_object

__all__ = [
    "Credential",
    "CredentialKey",
    "CredentialStore",
    "MemoryStore",
    "StoreUnavailable",
    "dump_credential",
    "load_credential",
]


class StoreUnavailable(Internal):
    """The place that keeps credentials cannot be read, written or locked."""


class CredentialKey(NamedTuple):
    """One account of one provider."""

    provider: str
    account: str

    @property
    def file_stem(self) -> str:
        """A file name for the key: unique, readable, and safe on every file system."""
        readable = re.sub(r"[^a-z0-9@.]+", "-", f"{self.provider}-{self.account}".lower())[:60]
        digest = hashlib.sha256(dumps([self.provider, self.account])).hexdigest()[:16]
        return f"{readable.strip('.-') or 'account'}-{digest}"


class Credential(BaseModel):
    """Tokens of one account. Secrets never show in `repr`.

    account: the provider's stable id of the account; `label`: what people call it (an e-mail);
    `email`: the e-mail of one that a person has called something else, which is the core's to set.
    expires_at: when the access token ends, timezone-aware; None when unknown.
    refresh_at: when to refresh it, timezone-aware, for a provider that wants it at a time of its
    own (half the token's life, ten minutes before the end); None means five minutes before the end.
    extra: facts that are no secrets (region, profile, device id); `secrets`: further secrets
    (client secret, id token).
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    provider: str
    account: str
    label: str | None = None
    email: str | None = None
    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: datetime | None = None
    refresh_at: datetime | None = None
    extra: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, SecretStr] = Field(default_factory=dict)

    @property
    def key(self) -> CredentialKey:
        """Where it is stored."""
        return CredentialKey(self.provider, self.account)

    def named(self, label: str) -> "Credential":
        """The same under a label that a person gave; an e-mail that was the label stays known."""
        email = self.email or (self.label if self.label and "@" in self.label else None)
        return self.model_copy(update={"label": label, "email": email})


def dump_credential(credential: Credential) -> bytes:
    """The credential as JSON *with* its secrets: for a store's eyes only."""
    return dumps(
        {
            "version": 1,
            "provider": credential.provider,
            "account": credential.account,
            "label": credential.label,
            "email": credential.email,
            "access_token": credential.access_token.get_secret_value(),
            "refresh_token": credential.refresh_token
            and credential.refresh_token.get_secret_value(),
            "expires_at": credential.expires_at,
            "refresh_at": credential.refresh_at,
            "extra": credential.extra,
            "secrets": {
                name: secret.get_secret_value() for name, secret in credential.secrets.items()
            },
        }
    )


def load_credential(data: bytes | str) -> Credential:
    """Read what `dump_credential` wrote; unknown members are ignored.

    Raises `ValueError` that says what is wrong without quoting anything of it.
    """
    try:
        return Credential.model_validate(loads_object(data))
    except ValidationError as error:
        fields = sorted({".".join(map(str, item["loc"])) for item in error.errors()})
        problem = f"missing or malformed: {', '.join(fields)}"
    except ValueError:
        problem = "not a JSON object"
    # Raised out here, so that no exception with the input in it hangs on as context.
    raise ValueError(problem)


class CredentialStore(Protocol):
    """A place that keeps credentials. All methods are synchronous and atomic per key."""

    @property
    def name(self) -> str:
        """Which kind of place it is, for people."""
        ...

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
    """A store for tests and for embedding."""

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
