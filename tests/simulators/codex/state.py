"""What the simulated backend knows: accounts, tokens, limits, sealed reasoning, prompt caches.

No HTTP in here. A test changes it while the server runs, so each step is taken under a lock.
"""

import hashlib
import itertools
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway_core.json import JsonObject, dumps
from simulators.codex.catalogue import MODELS, ModelFacts
from simulators.codex.problem import Problem

__all__ = ["ACCESS_LIFETIME", "Account", "BackendState", "TokenRefused", "Tokens", "Window"]

ACCESS_LIFETIME = 864_000
_ISSUER = "https://auth.openai.com"
_CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
_REFUSALS = {
    "refresh_token_reused": (
        "Your refresh token has already been used to generate a new access token. Please try "
        "signing in again."
    ),
    "refresh_token_expired": "Your refresh token has expired. Please try signing in again.",
    "refresh_token_invalidated": "Your session has ended. Please try signing in again.",
    "token_expired": "Provided authentication token is expired. Please try signing in again.",
    "token_invalidated": "Your authentication token has been invalidated.",
}


@dataclass(slots=True)
class Window:
    """A rate-limit window: length in minutes, share used in percent, seconds until its reset."""

    minutes: int
    used: float = 0.0
    reset_after: int = 9000


@dataclass(slots=True)
class Account:
    """A workspace of a person. `credits` is the balance, None without any."""

    id: str
    email: str = "user@example.com"
    plan: str = "plus"
    user_id: str = "user-abc"
    subscription_until: str = "2026-12-24T00:00:00+00:00"
    primary: Window | None = field(default_factory=lambda: Window(300, 27.0))
    secondary: Window | None = field(default_factory=lambda: Window(10_080, 4.0, 300_000))
    credits: str | None = None
    unlimited: bool = False
    deactivated: bool = False

    @property
    def limit_reached(self) -> bool:
        """Whether a window is used up."""
        return any(window and window.used >= 100 for window in (self.primary, self.secondary))


@dataclass(slots=True, frozen=True)
class Tokens:
    """What a login or refresh grants."""

    access: str
    refresh: str
    id: str

    def answer(self) -> JsonObject:
        """The answer of the token endpoint."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "id_token": self.id,
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFETIME,
            "scope": "openid profile email offline_access",
        }


class TokenRefused(Exception):
    """A token is of no use. `code` as the backend names the reason."""

    def __init__(self, code: str, status: int = 401) -> None:
        self.code = code
        self.status = status
        super().__init__(_REFUSALS.get(code, f"The token was refused: {code}."))

    def body(self) -> JsonObject:
        """The error body."""
        error = {"type": "invalid_request_error", "param": None, "code": self.code}
        return {"error": {"message": str(self), **error}}


class BackendState:
    """Everything that outlives a request.

    models: those that exist; a test may put others. now: the time in Unix seconds.
    refreshes: how many refresh tokens were presented. revoked: tokens given to the revocation
    endpoint, oldest first. refuse_refresh: the code that every refresh fails with, if any.
    """

    def __init__(
        self,
        *,
        models: Mapping[str, ModelFacts] = MODELS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.models = dict(models)
        self.now = now
        self.refreshes = 0
        self.revoked: list[str] = []
        self.refuse_refresh: str | None = None
        self.lock = threading.RLock()
        self._accounts: dict[str, Account] = {}
        self._access: dict[str, tuple[str, float]] = {}  # token: account, expiry
        self._live: dict[str, tuple[str, int]] = {}  # refresh token: account, login
        self._spent: dict[str, int] = {}
        self._ended: set[int] = set()
        self._dead: dict[str, str] = {}  # access token: code of its refusal
        self._seals: dict[str, str] = {}  # blob: account
        self._unreadable: set[str] = set()
        self._numbers = itertools.count(1)

    def add_account(self, account: Account) -> Account:
        """Make an account known."""
        with self.lock:
            self._accounts[account.id] = account
        return account

    @property
    def accounts(self) -> list[Account]:
        """All accounts, oldest first."""
        with self.lock:
            return list(self._accounts.values())

    def log_in(self, account_id: str, *, lifetime: float = ACCESS_LIFETIME) -> Tokens:
        """Tokens of a new login; `lifetime` of the access token in seconds."""
        with self.lock:
            return self._grant(account_id, next(self._numbers), lifetime)

    def refresh(self, token: str) -> Tokens:
        """Spend a refresh token. Raises `TokenRefused`; a second use ends the login."""
        with self.lock:
            self.refreshes += 1
            if self.refuse_refresh is not None:
                raise TokenRefused(self.refuse_refresh)
            if token in self._spent:
                self._ended.add(self._spent[token])
                raise TokenRefused("refresh_token_reused")
            account, login = self._live.get(token, ("", -1))
            if login < 0 or login in self._ended:
                raise TokenRefused("refresh_token_invalidated")
            self._spent[token] = login
            del self._live[token]
            return self._grant(account, login, ACCESS_LIFETIME)

    def revoke(self, token: str) -> None:
        """End the login of a refresh token, or an access token alone."""
        with self.lock:
            self.revoked.append(token)
            if token in self._live:
                self._ended.add(self._live.pop(token)[1])
            if token in self._access:
                self._dead[token] = "token_invalidated"

    def end_access_tokens(self, code: str = "token_expired") -> None:
        """Refuse all access tokens of today with this code, long before their time."""
        with self.lock:
            self._dead.update(dict.fromkeys(self._access, code))

    def account_of(self, access_token: str) -> Account:
        """Whose token it is. Raises `TokenRefused`."""
        with self.lock:
            account, expires_at = self._access.get(access_token, ("", 0.0))
            if not account:
                raise TokenRefused("invalid_api_key")
            if code := self._dead.get(access_token):
                raise TokenRefused(code)
            if expires_at <= self.now():
                raise TokenRefused("token_expired")
            return self._accounts[account]

    def seal(self, account_id: str, item_id: str) -> str:
        """Encrypted content of a reasoning item, bound to the account."""
        with self.lock:
            text = f"{account_id}|{item_id}|{next(self._numbers)}"
            blob = "gAAAA" + urlsafe_b64encode(text.encode() * 3).decode()
            self._seals[blob] = account_id
            return blob

    def forget_seals(self) -> None:
        """From now on nothing that was sealed so far can be read, as after a change of keys."""
        with self.lock:
            self._unreadable |= self._seals.keys()

    def unreadable(self, blob: str) -> bool:
        """Whether the backend lost the key of what it sealed itself."""
        with self.lock:
            return blob in self._unreadable

    def seal_problem(self, account_id: str, blob: str) -> Problem | None:
        """What is wrong with encrypted content that an account brings."""
        with self.lock:
            if self._seals.get(blob) == account_id and blob not in self._unreadable:
                return None
        message = (
            f"The encrypted content {blob[:12]}...{blob[-4:]} could not be verified. Reason: "
            "Encrypted content could not be decrypted or parsed."
        )
        return Problem(message, "input", "invalid_encrypted_content")

    def _grant(self, account_id: str, login: int, lifetime: float) -> Tokens:
        account = self._accounts[account_id]
        number = next(self._numbers)
        expires_at = self.now() + lifetime
        profile = {"email": account.email, "email_verified": True}
        plan = {
            "chatgpt_account_id": account.id,
            "chatgpt_user_id": account.user_id,
            "user_id": account.user_id,
            "chatgpt_plan_type": account.plan,
            "organizations": [
                {"id": "org-1", "is_default": True, "role": "owner", "title": "Personal"}
            ],
        }
        times: JsonObject = {"iss": _ISSUER, "aud": [_CLIENT_ID], "jti": f"{number}"}
        times |= {"exp": int(expires_at), "iat": int(self.now())}
        access = _jwt(
            times | {"https://api.openai.com/auth": plan, "https://api.openai.com/profile": profile}
        )
        plan = plan | {
            "chatgpt_subscription_active_until": account.subscription_until,
            "chatgpt_subscription_last_checked": "2026-05-02T10:00:00+00:00",
        }
        tokens = Tokens(
            access, f"rt_{number}_secret", _jwt(times | profile | {_CLAIM: plan, "sub": "auth0|1"})
        )
        self._access[access] = (account_id, expires_at)
        self._live[tokens.refresh] = (account_id, login)
        return tokens


_CLAIM = "https://api.openai.com/auth"


def _jwt(claims: JsonObject) -> str:
    """A token with these claims; the signature is no signature."""
    parts = [dumps({"alg": "RS256", "typ": "JWT"}), dumps(claims)]
    parts.append(hashlib.sha256(parts[1]).digest())
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
