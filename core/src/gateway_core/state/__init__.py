"""State that survives a restart: what is kept, and where.

`store` says what can be asked of a store, `sqlite` is the one that is built in; `presence` tells it
which processes are at work on it. `guarded` keeps the mistakes of plugins' stores to themselves.
"""

from gateway_core.state.info import StateStoreInfo
from gateway_core.state.presence import FilePresence
from gateway_core.state.sqlite import SqliteStore
from gateway_core.state.store import (
    Presence,
    ResponseRun,
    ResponseStore,
    RunStore,
    StateError,
    StateStore,
    StoredResponse,
)

__all__ = [
    "FilePresence",
    "Presence",
    "ResponseRun",
    "ResponseStore",
    "RunStore",
    "SqliteStore",
    "StateError",
    "StateStore",
    "StateStoreInfo",
    "StoredResponse",
]
