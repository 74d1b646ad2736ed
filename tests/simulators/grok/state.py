"""What the simulated xAI knows: accounts, tokens, stored responses, sealed reasoning.

No HTTP in here. A test changes it while the server runs, so each step is taken under a lock.
"""

import hashlib
import itertools
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway_core.json import JsonObject, dumps
from simulators.grok.catalogue import MODELS, ModelFacts
from simulators.grok.problem import Problem

__all__ = [
    "ACCESS_LIFETIME",
    "CLIENT_ID",
    "FULL_SCOPE",
    "ISSUER",
    "OLD_SCOPE",
    "Account",
    "GrokState",
    "Stored",
    "TokenRefused",
    "Tokens",
]

ISSUER: Final = "https://auth.x.ai"
CLIENT_ID: Final = "b1a00492-073a-47ea-816f-4c329264a828"
OLD_SCOPE: Final = "openid profile email offline_access grok-cli:access api:access"
FULL_SCOPE: Final = (
    f"{OLD_SCOPE} conversations:read conversations:write workspaces:read workspaces:write"
)
ACCESS_LIFETIME: Final = 21_600
_KEPT_SECONDS: Final = 30 * 86_400
_PLANS: Final = {
    0: "Free",
    1: "SuperGrok",
    2: "X Basic",
    3: "X Premium",
    4: "X Premium+",
    5: "SuperGrok Heavy",
    6: "SuperGrok Lite",
    7: "SuperGrok Plus",
}


@dataclass(slots=True)
class Account:
    """A person with a subscription; `tier` as the access token counts it (1 is SuperGrok).

    api, proxy: what the two hosts say to it. `no-credit` is the subscription that the public API
    wants credit from, `denied` lacks a permission, `used-up` has had its free share, `spent` its
    credits. no_logs: of a team that keeps no data. credit_used: of the week's credits, in percent.
    prepaid: in cents.
    """

    id: str
    email: str = "ann@example.com"
    first: str = "Ann"
    last: str = "Doe"
    tier: int = 1
    team: str | None = None
    api: Literal["open", "no-credit", "denied"] = "open"
    proxy: Literal["open", "denied", "used-up", "spent"] = "open"
    no_logs: bool = False
    credit_used: float = 37.5
    prepaid: int = 1250

    @property
    def plan(self) -> str:
        """The plan by the name that people know."""
        return _PLANS[self.tier]

    @property
    def paints(self) -> bool:
        """Whether the plan includes images: X Basic and the free one do not."""
        return self.tier not in (0, 2)


@dataclass(slots=True, frozen=True)
class Tokens:
    """What a login or refresh grants."""

    access: str
    refresh: str
    id: str
    scope: str

    def answer(self) -> JsonObject:
        """The answer of the token endpoint."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "id_token": self.id,
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFETIME,
            "scope": self.scope,
        }


class TokenRefused(Exception):
    """A token is of no use: the OAuth error and its description."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        super().__init__(f"{error}: {description}")


@dataclass(slots=True, frozen=True)
class Stored:
    """A response that is kept, and the whole conversation up to its end."""

    account: str
    response: JsonObject
    items: list[JsonObject]
    ends_at: float


@dataclass(slots=True)
class _Login:
    """A family of tokens that descend from one login. spent: when each refresh token was."""

    account: str
    scope: str
    live: str = ""
    spent: dict[str, float] = field(default_factory=dict)
    over: bool = False


class GrokState:
    """Everything that outlives a request.

    models: those that exist; a test may put others. now: the time in Unix seconds. grace: for how
    many seconds a spent refresh token is forgiven; a later use ends the login. refreshes: how many
    refresh tokens were presented. refuse_refresh: the OAuth error that every refresh fails with.
    minimal_version: of the official client that the proxy serves. needs_conversations: whether the
    proxy refuses logins without that permission. not_taken: fields that the public API happens to
    refuse today. empty_delete: whether a deletion is confirmed without a word. moderated: whether
    pictures are filtered.
    """

    def __init__(
        self,
        *,
        models: Mapping[str, ModelFacts] = MODELS,
        now: Callable[[], float] = time.time,
        grace: float = 0.0,
    ) -> None:
        self.models = dict(models)
        self.now = now
        self.grace = grace
        self.refreshes = 0
        self.refuse_refresh: str | None = None
        self.minimal_version = (0, 1, 202)
        self.needs_conversations = False
        self.not_taken: Collection[str] = ()
        self.empty_delete = False
        self.moderated = False
        self.lock = threading.RLock()
        self.stored: dict[str, Stored] = {}
        self._accounts: dict[str, Account] = {}
        self._access: dict[str, tuple[_Login, float]] = {}  # token: login, expiry
        self._refresh: dict[str, _Login] = {}
        self._dead: set[str] = set()
        self._seals: dict[str, tuple[str, str]] = {}  # blob: account, item
        self._unreadable: set[str] = set()
        self._issued: dict[str, str] = {}  # item id: account
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

    # Tokens

    def log_in(
        self,
        account_id: str,
        *,
        scope: str = FULL_SCOPE,
        nonce: str | None = None,
        lifetime: float = ACCESS_LIFETIME,
    ) -> Tokens:
        """Tokens of a new login; `lifetime` of the access token in seconds."""
        with self.lock:
            return self._grant(_Login(account_id, scope), lifetime, nonce)

    def refresh(self, token: str) -> Tokens:
        """Spend a refresh token. Raises `TokenRefused`; a second use, after the grace, ends the
        login.
        """
        with self.lock:
            self.refreshes += 1
            if self.refuse_refresh is not None:
                raise TokenRefused(self.refuse_refresh, "Refused by the test")
            login = self._refresh.get(token)
            if login is None or login.over:
                raise TokenRefused("invalid_grant", "Refresh token has been revoked")
            if token in login.spent and self.now() - login.spent[token] >= self.grace:
                login.over = True
                raise TokenRefused("invalid_grant", "Refresh token has been revoked")
            login.spent.setdefault(token, self.now())
            return self._grant(login, ACCESS_LIFETIME, None)

    def end_access_tokens(self) -> None:
        """Refuse all access tokens of today, long before their time."""
        with self.lock:
            self._dead.update(self._access)

    def account_of(self, access_token: str) -> tuple[Account, str]:
        """Whose token it is, and its scope. Raises `TokenRefused`."""
        with self.lock:
            login, expires_at = self._access.get(access_token, (None, 0.0))
            if login is None or access_token in self._dead or expires_at <= self.now():
                raise TokenRefused("invalid_token", "The access token could not be validated.")
            return self._accounts[login.account], login.scope

    def _grant(self, login: _Login, lifetime: float, nonce: str | None) -> Tokens:
        account = self._accounts[login.account]
        number = next(self._numbers)
        expires_at = self.now() + lifetime
        team = {"team_id": account.team} if account.team else {}
        whose: JsonObject = {
            "iss": ISSUER,
            "sub": account.id,
            "aud": CLIENT_ID,
            "iat": int(self.now()),
            "exp": int(expires_at),
            "jti": f"{number}",
        }
        principal = {
            "principal_type": "Team" if account.team else "User",
            "principal_id": account.team or account.id,
            "tier": account.tier,
            "scope": login.scope,
        }
        profile: JsonObject = {
            "email": account.email,
            "given_name": account.first,
            "family_name": account.last,
        }
        access = _jwt(whose | principal | team)
        id_token = _jwt(whose | profile | ({"nonce": nonce} if nonce is not None else {}))
        tokens = Tokens(access, f"rt_{number}_secret", id_token, login.scope)
        if login.live:
            login.spent.setdefault(login.live, self.now())
        login.live = tokens.refresh
        self._access[access] = (login, expires_at)
        self._refresh[tokens.refresh] = login
        return tokens

    # Reasoning and other items

    def seal(self, account_id: str, item_id: str) -> str:
        """Encrypted content of an item, bound to the account: base64 without padding."""
        with self.lock:
            seed = f"{account_id}|{item_id}|{next(self._numbers)}".encode()
            blob = b64encode(hashlib.sha512(seed).digest() * 2).decode().rstrip("=")
            self._seals[blob] = (account_id, item_id)
            return blob

    def forget_seals(self) -> None:
        """From now on nothing that was sealed so far can be read, as after a change of keys."""
        with self.lock:
            self._unreadable |= self._seals.keys()

    def seal_problem(
        self, account_id: str, blob: object, item_id: object, *, lost: bool
    ) -> Problem | None:
        """What is wrong with encrypted content that an account brings. lost: whether it counts
        that xAI can no longer read what it sealed itself.
        """
        with self.lock:
            known = isinstance(blob, str) and self._seals.get(blob) == (account_id, item_id)
            if known and not (lost and blob in self._unreadable):
                return None
        return Problem("Could not decrypt the provided encrypted_content.")

    def issue(self, account_id: str, item_id: str) -> None:
        """Remember that an item went out to an account."""
        with self.lock:
            self._issued[item_id] = account_id

    def issued(self, account_id: str, item_id: object) -> bool:
        """Whether an item with this id went out to the account."""
        with self.lock:
            return isinstance(item_id, str) and self._issued.get(item_id) == account_id

    # Responses

    def keep(self, account_id: str, response: JsonObject, items: list[JsonObject]) -> None:
        """Store a response for thirty days."""
        with self.lock:
            ends_at = self.now() + _KEPT_SECONDS
            self.stored[response["id"]] = Stored(account_id, response, items, ends_at)

    def find(self, account_id: str, response_id: object) -> Stored | None:
        """A response that the account stored and that is still there."""
        with self.lock:
            stored = self.stored.get(response_id) if isinstance(response_id, str) else None
            there = stored is not None and stored.account == account_id
            return stored if there and stored and stored.ends_at > self.now() else None


def _jwt(claims: JsonObject) -> str:
    """A token with these claims; the signature is no signature."""
    parts = [dumps({"alg": "ES256", "typ": "JWT", "kid": "k1"}), dumps(claims)]
    parts.append(hashlib.sha256(parts[1]).digest())
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
