"""Credentials: how they are stored, kept fresh and obtained.

`store` says what a credential is; `file_store` and `keyring_store` keep them; `manager` keeps them
fresh. `oauth`, `browser`, `callback`, `device` and `prompt` help plugins to obtain them.
"""

from pathlib import Path
from typing import Literal, TypeAlias

from gateway_core.credentials.file_store import FileStore
from gateway_core.credentials.keyring_store import KeyringStore, keyring_answers
from gateway_core.credentials.store import CredentialStore

__all__ = ["StoreKind", "open_store"]

StoreKind: TypeAlias = Literal["auto", "keyring", "file"]


def open_store(kind: StoreKind, folder: Path) -> CredentialStore:
    """The store that the settings ask for; its `name` says which it is.

    kind: `auto` takes the keyring when a real one answers within three seconds, else files.
    folder: where files go. Blocks for as long as the keyring takes to answer.
    """
    if kind == "keyring" or (kind == "auto" and keyring_answers()):
        return KeyringStore()
    return FileStore(folder)
