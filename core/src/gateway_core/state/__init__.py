"""State that survives a restart: what is kept, and where.

`store` says what can be asked of a store, `sqlite` is the one that is built in, `presence` tells
which processes are at work on it.
"""

from gateway_core.state.presence import Presence
from gateway_core.state.sqlite import SqliteStore
from gateway_core.state.store import (
    ResponseRun,
    ResponseStore,
    RunStore,
    StateError,
    StateStore,
    StoredResponse,
)

__all__ = [
    "Presence",
    "ResponseRun",
    "ResponseStore",
    "RunStore",
    "SqliteStore",
    "StateError",
    "StateStore",
    "StoredResponse",
]
