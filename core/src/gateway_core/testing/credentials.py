"""Credentials for tests: recognisable, never valid, so that a leak shows by a search."""

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from gateway_core.credentials.store import Credential

__all__ = ["fake_credential", "secrets_of"]


def fake_credential(
    provider: str,
    account: str = "account-1",
    *,
    extra: dict[str, str] | None = None,
    secrets: dict[str, str] | None = None,
) -> Credential:
    """A credential that lasts an hour. Its secrets are `canary-...` words found nowhere else."""
    return Credential(
        provider=provider,
        account=account,
        label="someone@example.com",
        access_token=SecretStr(f"canary-access-{account}"),
        refresh_token=SecretStr(f"canary-refresh-{account}"),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        extra=extra or {},
        secrets={name: SecretStr(value) for name, value in (secrets or {}).items()},
    )


def secrets_of(credential: Credential | None) -> list[str]:
    """The secrets of a credential in clear, to search for; none of no credential."""
    if credential is None:
        return []
    secrets = [credential.access_token, credential.refresh_token, *credential.secrets.values()]
    return [value for secret in secrets if secret and (value := secret.get_secret_value())]
