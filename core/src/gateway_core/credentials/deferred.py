"""A store that is opened on first use: asking the system's keyring can take seconds, and a gateway
whose providers need no login should not wait for it.
"""

import threading
from collections.abc import Callable

from gateway_core.credentials.store import Credential, CredentialKey, CredentialStore

__all__ = ["DeferredStore"]


class DeferredStore:
    """A `CredentialStore` behind the function that opens it, which is called once, when needed."""

    def __init__(self, open_store: Callable[[], CredentialStore]) -> None:
        self._open_store = open_store
        self._store: CredentialStore | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name of the store behind; opens it."""
        return self._opened().name

    def list(self) -> "list[CredentialKey]":
        """All keys, sorted."""
        return self._opened().list()

    def get(self, key: CredentialKey) -> Credential | None:
        """The credential, or None."""
        return self._opened().get(key)

    def put(self, credential: Credential) -> None:
        """Store durably."""
        self._opened().put(credential)

    def delete(self, key: CredentialKey) -> None:
        """Forget."""
        self._opened().delete(key)

    def _opened(self) -> CredentialStore:
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store
