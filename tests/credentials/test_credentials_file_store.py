"""Credentials in files: private, durable, and forgiving of damage."""

import logging
import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway_core.credentials import open_store
from gateway_core.credentials.file_store import FileStore
from gateway_core.credentials.store import Credential, CredentialKey, StoreUnavailable
from gateway_core.errors import LoginRequired

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")


@pytest.fixture
def credential() -> Credential:
    return Credential(
        provider="codex",
        account="ann@example.org",
        label="Ann",
        access_token=SecretStr("access-secret"),
        refresh_token=SecretStr("refresh-secret"),
        expires_at=datetime(2030, 1, 1, 12, 30, 0, 250000, tzinfo=UTC),
        extra={"region": "eu-west-1"},
        secrets={"client": SecretStr("client-secret")},
    )


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "credentials")


def only_file(store: FileStore) -> Path:
    (path,) = store.folder.iterdir()
    return path


def test_a_credential_comes_back_whole(store: FileStore, credential: Credential) -> None:
    store.put(credential)

    assert store.get(credential.key) == credential


def test_an_empty_store_holds_nothing(store: FileStore, credential: Credential) -> None:
    assert (store.list(), store.get(credential.key)) == ([], None)


def test_list_is_sorted_by_provider_and_account(store: FileStore, credential: Credential) -> None:
    for provider, account in [("kimi", "b"), ("codex", "z"), ("kimi", "a")]:
        store.put(credential.model_copy(update={"provider": provider, "account": account}))

    assert store.list() == [("codex", "z"), ("kimi", "a"), ("kimi", "b")]


def test_put_replaces(store: FileStore, credential: Credential) -> None:
    store.put(credential)
    store.put(credential.model_copy(update={"access_token": SecretStr("newer")}))

    stored = store.get(credential.key)
    assert stored is not None
    assert stored.access_token.get_secret_value() == "newer"
    assert len(list(store.folder.iterdir())) == 1


def test_delete_forgets_and_does_not_mind_nothing(store: FileStore, credential: Credential) -> None:
    store.put(credential)
    store.delete(credential.key)
    store.delete(credential.key)

    assert store.list() == []


@pytest.mark.parametrize(
    "account",
    ["../../etc/passwd", "CON", "a/b\\c:d*?", "", ".", "é" * 300, "x" * 5000, "new\nline", "\0"],
)
def test_any_account_name_stays_in_the_folder(
    store: FileStore, credential: Credential, account: str
) -> None:
    odd = credential.model_copy(update={"account": account})
    store.put(odd)

    assert store.list() == [odd.key]
    assert store.get(odd.key) == odd
    assert only_file(store).parent == store.folder


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CredentialKey("a", "B"), CredentialKey("a", "b")),
        (CredentialKey("a-b", "c"), CredentialKey("a", "b-c")),
        (CredentialKey("a", "b/c"), CredentialKey("a", "b:c")),
    ],
)
def test_accounts_that_look_alike_have_files_of_their_own(
    one: CredentialKey, other: CredentialKey
) -> None:
    assert one.file_stem.lower() != other.file_stem.lower()


@posix
def test_file_and_folder_are_closed_to_others(store: FileStore, credential: Credential) -> None:
    before = os.umask(0)
    try:
        store.put(credential)
    finally:
        os.umask(before)

    assert stat.S_IMODE(only_file(store).stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


@posix
def test_an_open_file_is_closed_when_it_is_read(store: FileStore, credential: Credential) -> None:
    store.put(credential)
    only_file(store).chmod(0o644)

    store.get(credential.key)

    assert stat.S_IMODE(only_file(store).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"provider": "codex"}', b"\xff\xfe", b'{"access_token": 5}']
)
def test_a_damaged_file_is_named_by_get_and_skipped_by_list(
    store: FileStore,
    credential: Credential,
    damage: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put(credential)
    path = only_file(store)
    path.write_bytes(damage)
    sound = credential.model_copy(update={"account": "sound"})
    store.put(sound)

    with caplog.at_level(logging.WARNING):
        assert store.list() == [sound.key]
    assert str(path) in caplog.text
    with pytest.raises(LoginRequired) as caught:
        store.get(credential.key)
    assert str(path) in caught.value.message
    assert "gateway login codex" in caught.value.message


def test_put_repairs_a_damaged_file(store: FileStore, credential: Credential) -> None:
    store.put(credential)
    only_file(store).write_bytes(b"{")

    store.put(credential)

    assert store.get(credential.key) == credential


def test_a_file_of_another_account_is_not_taken_for_this_one(
    store: FileStore, credential: Credential
) -> None:
    store.put(credential)
    other = credential.model_copy(update={"account": "bob"})
    only_file(store).rename(store.folder / f"{other.key.file_stem}.json")

    with pytest.raises(LoginRequired, match="another account"):
        store.get(other.key)


def test_what_a_stopped_writer_left_is_removed_once_it_is_old(
    store: FileStore, credential: Credential
) -> None:
    store.put(credential)
    old, new = store.folder / ".old.tmp", store.folder / ".new.tmp"
    for path in (old, new):
        path.write_bytes(b"half a secret")
    os.utime(old, (0, 0))

    store.put(credential)

    assert (old.exists(), new.exists()) == (False, True)


def test_a_failed_write_leaves_the_old_value_and_no_litter(
    store: FileStore, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(credential)

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        store.put(credential.model_copy(update={"access_token": SecretStr("newer")}))

    assert store.get(credential.key) == credential
    assert len(list(store.folder.iterdir())) == 1


@posix
def test_the_file_is_on_disk_before_it_gets_its_name(
    store: FileStore, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(f"sync {kind}")
        real_fsync(descriptor)

    def replace(source: Path, target: Path) -> None:
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    store.put(credential)

    assert steps == ["sync file", "rename", "sync folder"]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path, credential: Credential) -> None:
    (tmp_path / "in-the-way").write_text("")
    store = FileStore(tmp_path / "in-the-way" / "credentials")

    with pytest.raises(StoreUnavailable, match="in-the-way"):
        store.put(credential)


def test_a_file_that_cannot_be_read_is_reported(store: FileStore, credential: Credential) -> None:
    (store.folder / f"{credential.key.file_stem}.json").mkdir(parents=True)

    with pytest.raises(StoreUnavailable, match="cannot read"):
        store.get(credential.key)


def test_open_store_gives_files_when_asked(tmp_path: Path, credential: Credential) -> None:
    store = open_store("file", tmp_path)
    store.put(credential)

    assert store.name == "file"
    assert FileStore(tmp_path).list() == [credential.key]
