"""State that survives a restart: what is kept, and where.

`store` says what can be asked of a store, `sqlite` is the one that is built in.
"""

from gateway_core.state.sqlite import SqliteStore
from gateway_core.state.store import StateError, StateStore, StoredResponse

__all__ = ["SqliteStore", "StateError", "StateStore", "StoredResponse"]
