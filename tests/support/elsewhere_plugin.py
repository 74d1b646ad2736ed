"""A plugin that is no provider: it keeps state in SQLite, in a folder of one's choice."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway_core import CONTRACT, StateStore, StateStoreInfo, hookimpl
from gateway_core.state import SqliteStore

__all__ = ["ElsewhereSettings", "ElsewhereState"]


class ElsewhereSettings(BaseModel):
    """`[state.options]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path = Field(description="where the file is")
    phrase: SecretStr | None = None
    patience: float = 2.0


class ElsewhereState:
    """The store `elsewhere`."""

    @hookimpl
    def gateway_state_store(self) -> StateStoreInfo:
        return StateStoreInfo("elsewhere", CONTRACT, self.make, ElsewhereSettings)

    def make(self, options: ElsewhereSettings, folder: Path) -> StateStore:
        return SqliteStore(options.folder / "state.db")
