"""A plugin whose state store is told secrets in every way that a settings model can name them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr

from gateway_core import CONTRACT, StateStore, StateStoreInfo, hookimpl
from support.memory_state import MemoryDatabase, MemoryStore

__all__ = ["SecretiveServer", "SecretiveSettings", "SecretiveState"]


class SecretiveServer(BaseModel):
    """One of `[[state.options.servers]]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int
    phrase: SecretStr | None = None
    mirrors: list["SecretiveServer"] = []


class SecretiveSettings(BaseModel):
    """`[state.options]`. No name tells that its value is a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str = "here"
    retries: list[int] = []
    labels: dict[str, str] = {}
    phrase: SecretStr | None = None
    phrases: list[SecretStr] = []
    by_host: dict[str, SecretStr] = {}
    seed: SecretBytes | None = None
    main: SecretiveServer | None = None
    login: SecretStr | SecretiveServer | None = None
    servers: list[SecretiveServer] = []


class SecretiveState:
    """The store `secretive`."""

    @hookimpl
    def gateway_state_store(self) -> StateStoreInfo:
        return StateStoreInfo("secretive", CONTRACT, self.make, SecretiveSettings)

    def make(self, options: SecretiveSettings, folder: Path) -> StateStore:
        return MemoryStore(MemoryDatabase())
