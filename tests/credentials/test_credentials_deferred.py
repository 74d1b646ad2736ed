"""The store that is opened on first use."""

import threading

from pydantic import SecretStr

from gateway_core.credentials.deferred import DeferredStore
from gateway_core.credentials.store import Credential, CredentialKey, MemoryStore

CREDENTIAL = Credential(provider="acme", account="me", access_token=SecretStr("token"))


def test_nothing_is_opened_before_it_is_used() -> None:
    opened = []
    DeferredStore(lambda: opened.append(1) or MemoryStore())  # type: ignore[func-returns-value]  # None
    assert opened == []


def test_it_does_what_the_store_behind_does() -> None:
    behind = MemoryStore()
    store = DeferredStore(lambda: behind)
    store.put(CREDENTIAL)
    assert store.list() == [CredentialKey("acme", "me")]
    assert store.get(CREDENTIAL.key) == behind.get(CREDENTIAL.key) == CREDENTIAL
    store.delete(CREDENTIAL.key)
    assert behind.list() == []
    assert store.name == "memory"


def test_threads_that_use_it_at_once_open_it_once() -> None:
    opened: list[MemoryStore] = []
    start = threading.Barrier(8)

    def open_store() -> MemoryStore:
        opened.append(MemoryStore(CREDENTIAL))
        return opened[-1]

    store = DeferredStore(open_store)

    def use() -> None:
        start.wait()
        store.list()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
