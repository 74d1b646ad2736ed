"""What the credential tests share: an identity provider, a clock to turn, a manager to watch."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import Credential
from support.clock import Clock
from support.credential_doubles import CountingStore, MakeCredential, Refresher
from support.identity_provider import IdentityProvider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def identity_server() -> Iterator[IdentityProvider]:
    with IdentityProvider() as provider:
        yield provider


@pytest.fixture
def identity_provider(identity_server: IdentityProvider) -> IdentityProvider:
    identity_server.reset()
    return identity_server


@pytest.fixture
def make(clock: Clock) -> MakeCredential:
    def make(minutes_left: float | None = 60, **fields: object) -> Credential:
        expires_at = None if minutes_left is None else clock() + timedelta(minutes=minutes_left)
        values = {
            "provider": "codex",
            "account": "ann",
            "access_token": "access-0",
            "refresh_token": "refresh-0",
            "expires_at": expires_at,
        }
        return Credential.model_validate(values | fields)

    return make


@pytest.fixture
async def refresher(clock: Clock) -> Refresher:
    return Refresher(clock)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def manager(
    store: CountingStore, refresher: Refresher, clock: Clock, tmp_path: Path
) -> CredentialManager:
    return CredentialManager(store, refresher, tmp_path / "locks", clock=clock)


@pytest.fixture
def other_process(
    store: CountingStore, refresher: Refresher, clock: Clock, tmp_path: Path
) -> CredentialManager:
    """A manager over the same store and folder, as another process would have it."""
    return CredentialManager(store, refresher, tmp_path / "locks", clock=clock)
