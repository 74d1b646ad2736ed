"""Stand-ins around the credential manager: a refresh function to steer and a store to watch."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Protocol

from pydantic import SecretStr

from gateway_core.credentials.store import Credential, CredentialKey, MemoryStore, StoreUnavailable
from support.clock import Clock

__all__ = ["CountingStore", "MakeCredential", "Refresher", "started", "token"]


class MakeCredential(Protocol):
    """Makes a credential of codex's account `ann`; fields override."""

    def __call__(self, minutes_left: float | None = 60, **fields: object) -> Credential: ...


class Refresher:
    """A refresh function that counts, rotates both tokens, and fails when told to.

    gate: closed, it holds refreshes back. started: set when one has begun. lifetime: of new tokens.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.lifetime = timedelta(hours=1)
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()

    async def __call__(self, credential: Credential) -> Credential:
        assert credential.refresh_token is not None
        self.calls.append(credential.refresh_token.get_secret_value())
        self.started.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        number = len(self.calls)
        return credential.model_copy(
            update={
                "access_token": SecretStr(f"access-{number}"),
                "refresh_token": SecretStr(f"refresh-{number}"),
                "expires_at": self.clock() + self.lifetime,
            }
        )


class CountingStore(MemoryStore):
    """Counts reads; refuses writes while `full`."""

    def __init__(self, *credentials: Credential) -> None:
        super().__init__(*credentials)
        self.reads = 0
        self.full = False

    def get(self, key: CredentialKey) -> Credential | None:
        self.reads += 1
        return super().get(key)

    def put(self, credential: Credential) -> None:
        if self.full:
            raise StoreUnavailable("cannot write: No space left on device")
        super().put(credential)


def token(credential: Credential | None) -> str | None:
    """The access token in clear."""
    return None if credential is None else credential.access_token.get_secret_value()


async def started(work: Coroutine[object, object, Credential]) -> "asyncio.Task[Credential]":
    """A task that has run up to its first wait."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    return task
