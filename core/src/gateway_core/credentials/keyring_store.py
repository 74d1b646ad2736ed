"""Credentials in the operating system's keyring.

Windows refuses entries of more than about 1,280 characters, so every value is written as numbered
pieces of at most 1,000 and a manifest that names them, last. A reader therefore sees the old value
or the new one, never a mixture, wherever the writer was stopped.
"""

import base64
import hashlib
import logging
import threading
from typing import TYPE_CHECKING, TypeVar

from gateway_core.credentials.store import (
    Credential,
    CredentialKey,
    StoreUnavailable,
    dump_credential,
    load_credential,
)
from gateway_core.errors import LoginRequired
from gateway_core.json import dumps, dumps_text, loads, loads_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyring.backend import KeyringBackend

__all__ = ["KeyringStore", "keyring_answers"]

_log = logging.getLogger(__name__)
_PIECE = 1000
_INDEX = "index"
_RECOMMENDED = 1  # keyring's own limit between real backends and makeshift ones
_Result = TypeVar("_Result")


class KeyringStore:
    """The keyring's entries under one service name.

    service: the service name of all entries. backend: for embedding and tests; by default the one
    that keyring chooses, looked up at first use, because loading keyring is slow.

    Every method raises `StoreUnavailable` when the keyring refuses. The index of accounts is an
    entry of its own; the caller serialises writers of different accounts.
    """

    name = "keyring"

    def __init__(self, service: str = "gateway", backend: "KeyringBackend | None" = None) -> None:
        self.service = service
        self._backend = backend

    def list(self) -> "list[CredentialKey]":
        """All keys, sorted."""
        try:
            data = self._read(_INDEX)
            entries = [] if data is None else loads(data)
            return sorted(
                CredentialKey(str(provider), str(account)) for provider, account in entries
            )
        except (ValueError, TypeError) as error:
            _log.warning("the index of the keyring entries is damaged (%s): log in again", error)
            return []

    def get(self, key: CredentialKey) -> Credential | None:
        """The credential, or None. Raises `LoginRequired` when its entries are damaged."""
        try:
            data = self._read(key.file_stem)
            return None if data is None else load_credential(data)
        except ValueError as error:
            raise LoginRequired(
                f"the keyring entry {key.file_stem!r} of service {self.service!r} is damaged "
                f"({error}); run `gateway login {key.provider}`"
            ) from error

    def put(self, credential: Credential) -> None:
        """Store, replacing what the key held."""
        self._write(credential.key.file_stem, dump_credential(credential))
        keys = self.list()
        if credential.key not in keys:
            self._write(_INDEX, dumps(sorted([*keys, credential.key])))

    def delete(self, key: CredentialKey) -> None:
        """Forget; no error when there is nothing."""
        keys = self.list()
        if key in keys:
            self._write(_INDEX, dumps([other for other in keys if other != key]))
        self._erase(key.file_stem)

    def _read(self, name: str) -> bytes | None:
        """Raises `ValueError` when the pieces do not make the whole."""
        for last_try in (False, True):
            manifest = self._manifest(name)
            if manifest is None:
                return None
            slot, count, digest = manifest
            pieces = [self._get(_piece(name, slot, number)) for number in range(count)]
            try:
                data = base64.b64decode("".join(piece or "" for piece in pieces), validate=True)
            except ValueError:
                data = b""
            if hashlib.sha256(data).hexdigest() == digest:
                return data
            # Another process may have replaced the value between our two reads: look once more.
            if last_try:
                raise ValueError("its pieces do not fit together")
        return None

    def _write(self, name: str, data: bytes) -> None:
        try:
            old = self._manifest(name)
        except ValueError:
            old = None
        slot = "b" if old is not None and old[0] == "a" else "a"
        text = base64.b64encode(data).decode()
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
        for number, piece in enumerate(pieces):
            self._set(_piece(name, slot, number), piece)
        manifest = {
            "slot": slot,
            "pieces": len(pieces),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        self._set(name, dumps_text(manifest))
        self._clear(name, "a" if slot == "b" else "b", 0)
        self._clear(name, slot, len(pieces))  # of a longer value whose writer was stopped

    def _erase(self, name: str) -> None:
        self._drop(name)
        self._clear(name, "a", 0)
        self._clear(name, "b", 0)

    def _clear(self, name: str, slot: str, start: int) -> None:
        number = start
        while self._get(_piece(name, slot, number)) is not None:
            number += 1
        for last in reversed(range(start, number)):  # so that what is left has no gap before it
            self._drop(_piece(name, slot, last))

    def _manifest(self, name: str) -> tuple[str, int, str] | None:
        text = self._get(name)
        if text is None:
            return None
        value = loads_object(text)
        slot, count, digest = value.get("slot"), value.get("pieces"), value.get("sha256")
        if slot not in ("a", "b") or not isinstance(count, int) or not isinstance(digest, str):
            raise ValueError("its manifest is malformed")
        return slot, count, digest

    def _get(self, name: str) -> str | None:
        return self._call(lambda backend: backend.get_password(self.service, name))

    def _set(self, name: str, value: str) -> None:
        self._call(lambda backend: backend.set_password(self.service, name, value))

    def _drop(self, name: str) -> None:
        if self._get(name) is not None:  # backends differ in what deleting nothing does
            self._call(lambda backend: backend.delete_password(self.service, name))

    def _call(self, action: "Callable[[KeyringBackend], _Result]") -> _Result:
        import keyring

        try:
            return action(self._backend or keyring.get_keyring())
        except Exception as error:  # every backend raises its own system's errors as well
            problem = type(error).__name__
        # Raised out here: some backends quote the value in their errors.
        raise StoreUnavailable(
            f"the keyring refused ({problem}); unlock it, or keep credentials in files "
            "with `gateway config set credentials.store file`"
        )


def keyring_answers(timeout: float = 3.0) -> bool:
    """Whether a real keyring backend answers a read within `timeout` seconds.

    Makeshift backends (none, null, plain text files) do not count. Asking can hang for good where
    there is a D-Bus address but nobody behind it, so it happens in a thread that is left behind.
    """
    answer: list[bool] = []
    done = threading.Event()

    def ask() -> None:
        try:
            answer.append(_has_real_backend())
        except Exception as error:  # a backend may fail in any way of its system
            _log.debug("no keyring: %s", type(error).__name__)
        finally:
            done.set()

    threading.Thread(target=ask, name="keyring-probe", daemon=True).start()
    return done.wait(timeout) and answer == [True]


def _has_real_backend() -> bool:
    import keyring
    from keyring.backends.chainer import ChainerBackend

    backend = keyring.get_keyring()
    chain = list(backend.backends) if isinstance(backend, ChainerBackend) else [backend]
    if not any(member.priority >= _RECOMMENDED for member in chain):
        return False
    backend.get_password("gateway", "probe")
    return True


def _piece(name: str, slot: str, number: int) -> str:
    return f"{name}.{slot}{number}"
