"""Which account of each provider is the active one, in a small file that all processes share.

The file also carries a revision that every change of a stored credential renews. Reading it costs
a few microseconds, so each request can ask whether what is cached still holds; reading a keyring
would cost a thousand times as much. No secret is in it.
"""

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway_core.credentials.store import StoreUnavailable
from gateway_core.json import dumps, loads_object
from gateway_core.private_files import write_private

__all__ = ["Accounts", "AccountsFile"]


@dataclass(slots=True, frozen=True)
class Accounts:
    """One reading of the file. `active` maps provider to account; compare `revision` only."""

    revision: str
    active: dict[str, str]


class AccountsFile:
    """Reads and replaces the file. Writers hold a lock of their own around `change`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = (b"", Accounts("", {}))  # one value: threads read it while others replace it

    def read(self) -> Accounts:
        """What the file says now; a missing or damaged file says nothing."""
        try:
            data = self.path.read_bytes()
        except OSError:
            data = b""
        last_data, reading = self._last
        if data != last_data:
            reading = _parse(data)
            self._last = (data, reading)
        return reading

    def change(self, change: Callable[[dict[str, str]], object]) -> tuple[Accounts, Accounts]:
        """Let `change` edit the mapping and write it under a new revision: readings before and
        after. Raises `StoreUnavailable`.
        """
        before = self.read()
        active = dict(before.active)
        change(active)
        document = {"revision": secrets.token_hex(8), "active": active}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self.path, dumps(document) + b"\n")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StoreUnavailable(f"cannot write {self.path}: {reason}") from error
        return before, self.read()


def _parse(data: bytes) -> Accounts:
    active: dict[str, str] = {}
    revision = ""
    with contextlib.suppress(ValueError, AttributeError):
        document = loads_object(data)
        revision = str(document.get("revision", ""))
        active.update(
            (provider, account)
            for provider, account in document.get("active", {}).items()
            if isinstance(account, str)
        )
    return Accounts(revision, active)
