"""What simulated Kiro knows: accounts, tokens, registered clients, signatures, profiles.

No HTTP in here. A test changes it while the server runs, so each step is taken under a lock.
"""

import hashlib
import itertools
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gateway_core.json import JsonObject
from simulators.kiro.catalogue import MODELS

__all__ = [
    "ACCESS_LIFETIME",
    "BUILDER_PROFILE",
    "CANARY",
    "PROFILE",
    "Account",
    "Client",
    "Kind",
    "KiroState",
    "TokenRefused",
    "Tokens",
]

Kind: TypeAlias = Literal["social", "builder", "organisation", "external", "api-key"]

ACCESS_LIFETIME: Final = 3600
PROFILE: Final = "arn:aws:codewhisperer:us-east-1:111122223333:profile/ABCDEFGHIJKL"
BUILDER_PROFILE: Final = "arn:aws:codewhisperer:us-east-1:638616132270:profile/AAAACCCCXXXX"
"""The profile that everyone with an AWS Builder ID shares."""

CANARY: Final = "canary"
"""A word that is in every secret that the simulator ever gives out, and in nothing else."""


@dataclass(slots=True)
class Account:
    """A person at Kiro. used, limit: credits. overages: whether more than the limit may be used."""

    id: str
    kind: Kind = "social"
    email: str = "ann@example.com"
    profile: str | None = PROFILE
    plan: str = "KIRO PRO"
    used: float = 412.37
    limit: float = 1000.0
    overages: bool = False
    suspended: bool = False


@dataclass(slots=True, frozen=True)
class Tokens:
    """What a login or a refresh grants; an API key has no refresh token."""

    access: str
    refresh: str = ""


@dataclass(slots=True, frozen=True)
class Client:
    """A program that was registered at AWS."""

    id: str
    secret: str
    region: str


class TokenRefused(Exception):
    """A token is of no use. `code` in the words of OAuth."""

    def __init__(self, code: str = "invalid_grant") -> None:
        self.code = code
        super().__init__(code)


@dataclass(slots=True)
class _Access:
    account: str
    login: int
    ends: float


class KiroState:
    """Everything that outlives a request.

    models: those that exist; a test may put others. now: the time in Unix seconds. refreshes: how
    many refresh tokens were presented. rotates: whether a refresh token is good for one refresh
    only. refuse_refresh: status with which every refresh fails. secrets: all that was ever given
    out. gone: hosts (`runtime`, `management`, `q`) that no longer know what they are asked.
    largest: bytes of a request without its images that the service takes. page: how many models a
    page of the list has.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.models = dict(MODELS)
        self.refreshes = 0
        self.rotates = True
        self.refuse_refresh: int | None = None
        self.secrets: list[str] = []
        self.gone: set[str] = set()
        self.largest = 1_250_000
        self.page = 100
        self.lock = threading.RLock()
        self._accounts: dict[str, Account] = {}
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, tuple[str, int]] = {}
        self._clients: dict[str, Client] = {}
        self._seals: dict[str, tuple[str, str]] = {}
        self._unreadable: set[str] = set()
        self._numbers = itertools.count(1)

    # Accounts and their tokens

    def add_account(self, account: Account) -> Account:
        """Make an account known."""
        with self.lock:
            self._accounts[account.id] = account
        return account

    def account_with(self, kind: Kind) -> Account:
        """The newest account of a kind, which is who sits at the browser."""
        with self.lock:
            return next(one for one in reversed(self._accounts.values()) if one.kind == kind)

    def log_in(self, account_id: str, *, lifetime: float = ACCESS_LIFETIME) -> Tokens:
        """Tokens of a new login; `lifetime` of the access token in seconds."""
        with self.lock:
            account = self._accounts[account_id]
            if account.kind == "api-key":
                key = self.secret("ksk_")
                self._access[key] = _Access(account_id, next(self._numbers), float("inf"))
                return Tokens(key)
            return self._grant(account_id, next(self._numbers), lifetime)

    def refresh(self, token: str) -> Tokens:
        """Use a refresh token. Raises `TokenRefused` when it is not known, or was used before."""
        with self.lock:
            self.refreshes += 1
            if token not in self._refresh:
                raise TokenRefused
            account_id, login = self._refresh[token]
            if not self.rotates:
                tokens = self._grant(account_id, login, ACCESS_LIFETIME, token)
                return Tokens(tokens.access)
            del self._refresh[token]
            return self._grant(account_id, login, ACCESS_LIFETIME)

    def end_access_tokens(self) -> None:
        """Refuse all access tokens of today, long before their time."""
        with self.lock:
            for token in self._access.values():
                token.ends = 0

    def account_of(self, access_token: str) -> Account:
        """Whose token it is. Raises `TokenRefused`."""
        with self.lock:
            known = self._access.get(access_token)
            if known is None or known.ends <= self.now():
                raise TokenRefused("invalid_token")
            return self._accounts[known.account]

    def owner_of_refresh(self, token: str) -> Account | None:
        """Whose refresh token it is, if it is good."""
        with self.lock:
            known = self._refresh.get(token)
            return None if known is None else self._accounts[known[0]]

    # Programs, signatures, secrets

    def register_client(self, region: str) -> Client:
        """A new registered program."""
        with self.lock:
            client = Client(f"client-{next(self._numbers)}", self.secret("client-"), region)
            self._clients[client.id] = client
            return client

    def client_of(self, id: object, secret: object, region: str) -> Client:
        """The program with this id and secret. Raises `TokenRefused`."""
        with self.lock:
            client = self._clients.get(str(id))
            if client is None or client.secret != secret or client.region != region:
                raise TokenRefused("invalid_client")
            return client

    def sign(self, account_id: str, model: str, text: str, signature: str | None = None) -> str:
        """The signature of a thought, for this account and model alone."""
        with self.lock:
            mark = f"{account_id}|{model}|{next(self._numbers)}|{text[:40]}"
            made = signature or b64encode(hashlib.sha256(mark.encode()).digest() * 2).decode()
            self._seals[made] = (account_id, model)
            return made

    def signed(self, account_id: str, model: str, reasoning: JsonObject) -> bool:
        """Whether a `reasoningContent` is one that the service made for them."""
        with self.lock:
            return self._seals.get(_mark(reasoning)) == (account_id, model)

    def forget_signatures(self) -> None:
        """From now on no thought of the past can be read, as after a change of keys."""
        with self.lock:
            self._unreadable |= self._seals.keys()

    def unreadable(self, reasoning: JsonObject) -> bool:
        """Whether the service lost the key to a thought, which is no fault of who sends it."""
        with self.lock:
            return _mark(reasoning) in self._unreadable

    def secret(self, prefix: str) -> str:
        """A new secret, which nobody but its owner may ever see."""
        with self.lock:
            number = next(self._numbers)
            filler = hashlib.sha256(f"{prefix}{number}".encode()).hexdigest() * 2
            made = f"{prefix}{CANARY}-{number}-{filler}"
            self.secrets.append(made)
            return made

    def _grant(
        self, account_id: str, login: int, lifetime: float, refresh: str | None = None
    ) -> Tokens:
        tokens = Tokens(self.secret("aoa"), refresh or self.secret("aor"))
        self._access[tokens.access] = _Access(account_id, login, self.now() + lifetime)
        self._refresh[tokens.refresh] = (account_id, login)
        return tokens


def _mark(reasoning: JsonObject) -> str:
    """What proves a `reasoningContent`; a text without a signature proves nothing."""
    told = reasoning.get("reasoningText")
    if isinstance(told, dict):
        return str(told.get("signature")) if told.get("text") else ""
    return str(reasoning.get("redactedContent"))
