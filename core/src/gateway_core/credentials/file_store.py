"""Credentials in files: one per account, readable by its owner only.

Knows about durability and permissions; knows nothing of locking or freshness, which are
`gateway_core.credentials.manager`'s business.
"""

import contextlib
import logging
import os
import stat
import sys
import time
from pathlib import Path

from gateway_core.credentials.store import (
    Credential,
    CredentialKey,
    StoreUnavailable,
    dump_credential,
    load_credential,
)
from gateway_core.errors import LoginRequired
from gateway_core.private_files import TEMPORARY_SUFFIX, remove_private, write_private

__all__ = ["FileStore"]

_log = logging.getLogger(__name__)
_ABANDONED_AFTER = 3600.0


class FileStore:
    """A folder (0700) with one 0600 file per account.

    A file is replaced atomically and is on disk, folder entry included, when `put` returns. A
    damaged file is left out of `list` with a warning in the log, and `get` raises `LoginRequired`
    naming it; `put` repairs it. Every method raises `StoreUnavailable` when the folder cannot be
    used.
    """

    name = "file"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> "list[CredentialKey]":
        """All keys, sorted. Damaged files are skipped."""
        try:
            paths = [path for path in self.folder.iterdir() if path.suffix == ".json"]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable("read", self.folder, error) from error
        keys = []
        for path in paths:
            try:
                credential = _read(path)
            except ValueError as error:
                _log.warning("skipping the damaged credential file %s: %s", path, error)
                continue
            if credential is not None:
                keys.append(credential.key)
        return sorted(keys)

    def get(self, key: CredentialKey) -> Credential | None:
        """The credential, or None. Raises `LoginRequired` when its file is damaged."""
        path = self._path(key)
        try:
            credential = _read(path)
            if credential is not None and credential.key != key:
                raise ValueError("it belongs to another account")
        except ValueError as error:
            raise LoginRequired(
                f"the credential file {path} is damaged ({error}); "
                f"run `gateway login {key.provider}`"
            ) from error
        return credential

    def put(self, credential: Credential) -> None:
        """Store durably, replacing what the key held."""
        path = self._path(credential.key)
        try:
            self._prepare_folder()
            write_private(path, dump_credential(credential))
        except OSError as error:
            raise _unavailable("write", path, error) from error

    def delete(self, key: CredentialKey) -> None:
        """Remove the file; no error when there is none."""
        path = self._path(key)
        try:
            remove_private(path)
        except OSError as error:
            raise _unavailable("remove", path, error) from error

    def _path(self, key: CredentialKey) -> Path:
        return self.folder / f"{key.file_stem}.json"

    def _prepare_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(self.folder.stat().st_mode) & 0o077:
            self.folder.chmod(0o700)
        for left_over in self.folder.glob(f".*{TEMPORARY_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left_over.stat().st_mtime > _ABANDONED_AFTER:
                    left_over.unlink()


def _read(path: Path) -> Credential | None:
    """The credential in the file, None when it is gone. Raises `ValueError` when damaged."""
    try:
        with path.open("rb") as file:
            if sys.platform != "win32" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                _log.warning("%s was open to other users; closing it to them", path)
                os.fchmod(file.fileno(), 0o600)
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unavailable("read", path, error) from error
    return load_credential(data)


def _unavailable(verb: str, path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"cannot {verb} {path}: {error.strerror or type(error).__name__}")
