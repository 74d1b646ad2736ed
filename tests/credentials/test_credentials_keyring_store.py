"""Credentials in a keyring that is as narrow as the narrowest real one."""

import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import PasswordDeleteError
from pydantic import SecretStr

from gateway_core.credentials import open_store
from gateway_core.credentials.keyring_store import KeyringStore, keyring_answers
from gateway_core.credentials.store import Credential, StoreUnavailable
from gateway_core.errors import LoginRequired

WINDOWS_LIMIT = 1280


class NarrowKeyring(KeyringBackend):
    """In memory, with the limit of Windows; can be stopped after some writes."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.writes_left: int | None = None

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > 2 * WINDOWS_LIMIT:
            raise OSError(1783, "The stub received bad data")
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise OSError(5, f"stopped while writing {password}")
            self.writes_left -= 1
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.entries:
            raise PasswordDeleteError("not found")
        del self.entries[service, username]


class SilentKeyring(NarrowKeyring):
    """A keyring that is asked and never answers, until the test lets go."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.released.wait(10)
        return None


class BrokenKeyring(NarrowKeyring):
    """A keyring whose daemon is gone."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError("no reply on the bus")


@pytest.fixture
def backend() -> NarrowKeyring:
    return NarrowKeyring()


@pytest.fixture
def store(backend: NarrowKeyring) -> KeyringStore:
    return KeyringStore(backend=backend)


@pytest.fixture
def system_keyring() -> Iterator[None]:
    """Restores keyring's own choice of backend after a test that replaces it."""
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def credential(size: int = 20, account: str = "ann@example.org") -> Credential:
    return Credential(
        provider="codex",
        account=account,
        label="Änn 😀",
        access_token=SecretStr("a" * size),
        refresh_token=SecretStr("r" * 20),
    )


@pytest.mark.parametrize("size", [1, 700, 1000, 1280, 5000, 60_000])
def test_a_credential_of_any_size_comes_back_whole(store: KeyringStore, size: int) -> None:
    store.put(credential(size))

    assert store.get(credential().key) == credential(size)


def test_no_entry_is_longer_than_a_thousand_characters(
    store: KeyringStore, backend: NarrowKeyring
) -> None:
    store.put(credential(60_000))

    assert max(map(len, backend.entries.values())) <= 1000


def test_all_entries_are_under_one_service(backend: NarrowKeyring) -> None:
    KeyringStore("my-gateway", backend).put(credential(5000))

    assert {service for service, _ in backend.entries} == {"my-gateway"}


def test_an_empty_store_holds_nothing(store: KeyringStore) -> None:
    assert (store.list(), store.get(credential().key)) == ([], None)


def test_list_is_sorted_and_holds_more_accounts_than_fit_one_entry(store: KeyringStore) -> None:
    accounts = [f"account-{number:03}@example.org" for number in range(60)]
    for account in reversed(accounts):
        store.put(credential(account=account))

    assert store.list() == [("codex", account) for account in accounts]


def test_a_shorter_value_leaves_no_piece_of_the_longer_one(
    store: KeyringStore, backend: NarrowKeyring
) -> None:
    store.put(credential(20))
    small = len(backend.entries)
    store.put(credential(30_000))
    store.put(credential(20))

    assert len(backend.entries) == small


def test_delete_leaves_nothing_but_the_index(store: KeyringStore, backend: NarrowKeyring) -> None:
    store.put(credential(account="kept"))
    kept = len(backend.entries)
    store.put(credential(30_000))
    store.delete(credential().key)
    store.delete(credential().key)

    assert len(backend.entries) == kept
    assert store.list() == [("codex", "kept")]


@pytest.mark.parametrize("writes", range(9))
def test_a_writer_that_is_stopped_leaves_the_old_value_or_the_new(
    store: KeyringStore, backend: NarrowKeyring, writes: int
) -> None:
    old, new = credential(6000), credential(3000)
    store.put(old)
    backend.writes_left = writes

    try:
        store.put(new)
        finished = True
    except StoreUnavailable:
        finished = False

    backend.writes_left = None
    assert store.get(old.key) == (new if finished else old)
    assert store.list() == [old.key]


def test_the_next_writer_clears_up_after_one_that_was_stopped(
    store: KeyringStore, backend: NarrowKeyring
) -> None:
    store.put(credential(20))
    clean = len(backend.entries)
    backend.writes_left = 5
    with pytest.raises(StoreUnavailable):
        store.put(credential(30_000))
    backend.writes_left = None

    store.put(credential(20))

    assert len(backend.entries) == clean


def test_a_missing_piece_is_a_damaged_login(store: KeyringStore, backend: NarrowKeyring) -> None:
    store.put(credential(6000))
    piece = next(entry for entry in backend.entries if entry[1].endswith("3"))
    del backend.entries[piece]

    with pytest.raises(LoginRequired, match="gateway login codex"):
        store.get(credential().key)


def test_a_damaged_manifest_is_a_damaged_login_that_put_repairs(
    store: KeyringStore, backend: NarrowKeyring
) -> None:
    store.put(credential())
    manifest = ("gateway", credential().key.file_stem)
    backend.entries[manifest] = "{}"
    with pytest.raises(LoginRequired, match="malformed"):
        store.get(credential().key)

    store.put(credential())

    assert store.get(credential().key) == credential()


def test_a_damaged_index_lists_nothing_until_the_next_login(
    store: KeyringStore, backend: NarrowKeyring
) -> None:
    store.put(credential())
    backend.entries["gateway", "index"] = "?"
    assert store.list() == []

    store.put(credential())

    assert store.list() == [credential().key]


def test_a_keyring_that_refuses_is_reported_with_the_way_out() -> None:
    store = KeyringStore(backend=BrokenKeyring())

    with pytest.raises(StoreUnavailable, match=r"RuntimeError.*credentials.store file"):
        store.get(credential().key)


@pytest.mark.parametrize("backend_class", [fail.Keyring, null.Keyring, BrokenKeyring])
def test_auto_falls_back_to_files_without_a_real_keyring(
    system_keyring: None, tmp_path: Path, backend_class: type[KeyringBackend]
) -> None:
    keyring.set_keyring(backend_class())

    assert open_store("auto", tmp_path).name == "file"


def test_auto_takes_a_real_keyring(system_keyring: None, tmp_path: Path) -> None:
    keyring.set_keyring(NarrowKeyring())
    store = open_store("auto", tmp_path)
    store.put(credential())

    assert store.name == "keyring"
    assert store.list() == [credential().key]
    assert list(tmp_path.iterdir()) == []


def test_a_makeshift_keyring_is_taken_only_by_name(system_keyring: None, tmp_path: Path) -> None:
    makeshift = NarrowKeyring()
    makeshift.__class__ = type("Makeshift", (NarrowKeyring,), {"priority": 0.5})
    keyring.set_keyring(makeshift)

    assert open_store("auto", tmp_path).name == "file"
    assert open_store("keyring", tmp_path).name == "keyring"


def test_a_keyring_that_hangs_does_not_hang_us(system_keyring: None) -> None:
    silent = SilentKeyring()
    keyring.set_keyring(silent)

    assert keyring_answers(timeout=0.05) is False
    silent.released.set()
