"""What a plugin says of the store that it brings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway_core.provider import NoSettings
from gateway_core.state.store import StateStore

__all__ = ["StateStoreInfo"]


@dataclass(slots=True, frozen=True)
class StateStoreInfo:
    """A kind of store, as `gateway_state_store` tells of it.

    name: `[a-z][a-z0-9-]*`, what `state.store` is set to. contract: the `CONTRACT` of the core it
    was written against. make: a store from the validated `[state.options]` and the gateway's state
    folder, which need not exist; it connects to nothing and makes nothing, as commands that need no
    state call it too. settings: a pydantic model with `extra="forbid"` that validates
    `[state.options]`; what is a `SecretStr` in it is shown nowhere.
    """

    name: str
    contract: int
    make: Callable[[Any, Path], StateStore]
    settings: type[BaseModel] = NoSettings
