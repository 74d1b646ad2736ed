"""What simulated Cursor knows: accounts, tokens, keys, logins that wait in a browser.

No HTTP in here. A test changes it while the server runs, so each step is taken under a lock.
"""

import hashlib
import itertools
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway_core.json import dumps

__all__ = ["ACCESS_LIFETIME", "CANARY", "Account", "CursorState", "TokenRefused", "Tokens"]

ACCESS_LIFETIME: Final = 3600.0
CANARY: Final = "canary"
"""A word that is in every secret that the simulator ever gives out, and in nothing else."""


@dataclass(slots=True)
class Account:
    """A person at Cursor. spent, limit: cents; a free plan has no limit and only the model
    `default`.
    """

    id: str = "auth0|user_01SIMULATED0000000000000"
    email: str = "ann@example.com"
    plan: str = "Pro"
    spent: int = 1288
    limit: int | None = 2000


@dataclass(slots=True, frozen=True)
class Tokens:
    """What a login or a refresh grants."""

    access: str
    refresh: str


class TokenRefused(Exception):
    """A token is of no use."""


@dataclass(slots=True)
class _Access:
    account: str
    ends: float


class CursorState:
    """Everything that outlives a request.

    now: the time in Unix seconds. refreshes: how often a refresh or an exchange was asked for.
    rotates: whether a refresh grants a new refresh token. refresh_status: with which every refresh
    fails. secrets: all that was ever given out.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.refreshes = 0
        self.rotates = False
        self.refresh_status: int | None = None
        self.secrets: list[str] = []
        self.lock = threading.RLock()
        self._accounts: dict[str, Account] = {}
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def add_account(self, account: Account) -> Account:
        """Make an account known; the newest is who sits at the browser."""
        with self.lock:
            self._accounts[account.id] = account
        return account

    @property
    def newest(self) -> Account:
        """Who sits at the browser."""
        with self.lock:
            return next(reversed(self._accounts.values()))

    def log_in(self, account_id: str, lifetime: float = ACCESS_LIFETIME) -> Tokens:
        """Tokens of a new login; `lifetime` of the access token in seconds."""
        with self.lock:
            return Tokens(self._grant(account_id, lifetime), self._new_refresh(account_id))

    def api_key(self, account_id: str) -> str:
        """A new key from the dashboard."""
        with self.lock:
            key = self._secret("crsr_")
            self._keys[key] = account_id
            return key

    def refresh(self, token: str) -> Tokens:
        """Use a refresh token. Raises `TokenRefused` when the session is dead."""
        with self.lock:
            self.refreshes += 1
            if token not in self._refresh:
                raise TokenRefused
            account_id = self._refresh[token]
            if not self.rotates:
                return Tokens(self._grant(account_id, ACCESS_LIFETIME), token)
            del self._refresh[token]
            return self.log_in(account_id)

    def exchange(self, key: str) -> Tokens:
        """Tokens for a key. Raises `TokenRefused`."""
        with self.lock:
            self.refreshes += 1
            if key not in self._keys:
                raise TokenRefused
            return self.log_in(self._keys[key])

    def end_access_tokens(self) -> None:
        """Refuse all access tokens of today, long before their time."""
        with self.lock:
            for token in self._access.values():
                token.ends = 0

    def end_sessions(self) -> None:
        """Refuse everything that was granted so far, keys included."""
        with self.lock:
            self.end_access_tokens()
            self._refresh.clear()
            self._keys.clear()

    def account_of(self, access_token: str) -> Account:
        """Whose token it is. Raises `TokenRefused`."""
        with self.lock:
            known = self._access.get(access_token)
            if known is None or known.ends <= self.now():
                raise TokenRefused
            return self._accounts[known.account]

    def _grant(self, account_id: str, lifetime: float) -> str:
        ends = self.now() + lifetime
        token = self._token(account_id, ends)
        self._access[token] = _Access(account_id, ends)
        return token

    def _new_refresh(self, account_id: str) -> str:
        token = self._token(account_id, self.now() + 60 * 86_400)
        self._refresh[token] = account_id
        return token

    def _token(self, account_id: str, ends: float) -> str:
        """A JWT, whose signature nobody but its maker can check."""
        claims = {
            "sub": account_id,
            "time": str(int(self.now())),
            "randomness": f"simulated-{next(self._numbers):04d}",
            "exp": int(ends),
            "iss": "https://authentication.cursor.sh",
            "scope": "openid profile email offline_access",
            "aud": "https://cursor.com",
            "type": "session",
        }
        parts = [dumps({"alg": "HS256", "typ": "JWT"}), dumps(claims)]
        encoded = [urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
        token = ".".join([*encoded, self._secret("")])
        self.secrets.append(token)
        return token

    def _secret(self, prefix: str) -> str:
        number = next(self._numbers)
        filler = hashlib.sha256(f"{prefix}{number}".encode()).hexdigest()
        made = f"{prefix}{CANARY}-{number}-{filler}"
        self.secrets.append(made)
        return made
