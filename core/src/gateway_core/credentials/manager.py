"""Keeping credentials fresh: when to refresh, who does it, and what to do when it fails.

One refresh at a time per account, in this process and across processes, because refresh tokens are
single-use and a second use logs the account out. Knows nothing of OAuth (a plugin refreshes) and
nothing of where credentials are kept (a store does).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pydantic import SecretStr

from gateway_core.credentials.accounts import AccountsFile
from gateway_core.credentials.failures import RefreshFailure, RefreshFailures
from gateway_core.credentials.lock import FileLock
from gateway_core.credentials.store import (
    Credential,
    CredentialKey,
    CredentialStore,
    StoreUnavailable,
)
from gateway_core.errors import LoginRequired, NotFound

__all__ = ["CredentialManager", "RefreshFunction"]

RefreshFunction = Callable[[Credential], Awaitable[Credential]]
"""Exchanges a stale credential for a fresh one, for the provider that `credential.provider` names.

Raises `LoginRequired` when the refresh token is rejected for good, anything else when it may work
later. Bounded by its own HTTP timeouts: nobody cancels it, as its answer may hold the only valid
refresh token.
"""

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_ACCOUNTS_TIMEOUT = 5.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, frozen=True)
class _Cached:
    """Good until `due`, while `revision` is still the current one of the accounts file."""

    credential: Credential
    due: datetime | None
    revision: str


@dataclass(slots=True, frozen=True)
class _Unsaved:
    """A refreshed credential that the store did not take, and what the store held before."""

    before: Credential
    after: Credential


class CredentialManager:
    """Hands out credentials that work. Belongs to one event loop; `async with` or `aclose` ends it.

    store: called in worker threads. refresh: see `RefreshFunction`. lock_folder: where the lock
    files live; `accounts.json`, with the active account of each provider, lies beside it.
    clock: the time now, timezone-aware. margin: how long before the end to refresh a token whose
    `refresh_at` does not say when.
    lock_timeout: seconds to wait for another process's refresh.

    A login or refresh in another gateway process is noticed by the next `fresh`. What is changed in
    the store by other means is noticed when a token nears its end, is refused, or is missing.
    """

    def __init__(
        self,
        store: CredentialStore,
        refresh: RefreshFunction,
        lock_folder: Path,
        *,
        clock: Callable[[], datetime] = _utc_now,
        margin: timedelta = timedelta(minutes=5),
        lock_timeout: float = 60.0,
    ) -> None:
        self.store = store
        self._refresh = refresh
        self._lock_folder = lock_folder
        self._clock = clock
        self._margin = margin
        self._lock_timeout = lock_timeout
        self._file = AccountsFile(lock_folder.with_name("accounts.json"))
        self._keys: tuple[str, list[CredentialKey]] | None = None
        self._cache: dict[CredentialKey, _Cached] = {}
        self._unsaved: dict[CredentialKey, _Unsaved] = {}
        self._failures = RefreshFailures()
        self._locks: dict[CredentialKey, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    async def __aenter__(self) -> "CredentialManager":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self, timeout: float = 30.0) -> None:
        """Let refreshes under way finish and be stored, for at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    # Handing out

    async def fresh(self, provider: str, account: str | None = None) -> Credential:
        """A credential whose refresh is not yet due; of the active account when none is named.

        Raises `LoginRequired` when there is none or its refresh token was rejected, and the
        refresh's own error when that may pass; both only once the access token has ended.
        """
        if account is None:
            account = await self.active(provider)
        if account is None:
            raise LoginRequired(f"not logged in to {provider}; run `gateway login {provider}`")
        key = CredentialKey(provider, account)
        cached = self._cached(key, None)
        return cached if cached is not None else await self._finish(self._renew(key, None))

    async def refreshed(self, credential: Credential) -> Credential:
        """Another credential for the account, after the upstream refused this one with a 401.

        Takes a different token from the cache or the store when there is one by now, else refreshes
        by force. Raises like `fresh`; a failed refresh never gives the refused token back.
        """
        refused = credential.access_token.get_secret_value()
        key = credential.key
        cached = self._cached(key, refused)
        return cached if cached is not None else await self._finish(self._renew(key, refused))

    async def known(self, provider: str) -> Credential | None:
        """The active account's credential as it is, however stale, for what needs no upstream; None
        without a login.
        """
        account = await self.active(provider)
        if account is None:
            return None
        key = CredentialKey(provider, account)
        if key in self._unsaved:
            return self._unsaved[key].after
        revision = self._file.read().revision
        cached = self._cache.get(key)
        if cached is not None and cached.revision == revision:
            return cached.credential
        stored = await self.stored(provider, account)
        return None if stored is None else self._keep(stored, revision)

    # Accounts

    async def keys(self) -> list[CredentialKey]:
        """Every stored account of every provider, sorted, as the store has it now."""
        revision = self._file.read().revision
        keys = await asyncio.to_thread(self.store.list)
        self._keys = (revision, keys)
        return list(keys)

    async def accounts(self, provider: str) -> list[str]:
        """The stored accounts of a provider, sorted."""
        return [key.account for key in await self.keys() if key.provider == provider]

    async def active(self, provider: str) -> str | None:
        """The account that serves: the one chosen, else the first; None without any."""
        reading = self._file.read()
        chosen = reading.active.get(provider)
        if self._keys is not None and self._keys[0] == reading.revision:
            known = [key.account for key in self._keys[1] if key.provider == provider]
            if chosen in known:
                return chosen
            if known and chosen is None:
                return known[0]
        accounts = await self.accounts(provider)
        if chosen in accounts:
            return chosen
        return accounts[0] if accounts else None

    async def set_active(self, provider: str, account: str) -> None:
        """Choose the account that serves. Raises `NotFound` when it is not stored."""
        await self._expect(provider, account)
        await self._finish(self._note(lambda active: active.update({provider: account})))

    async def rename(self, provider: str, account: str, label: str) -> None:
        """Call an account something else. Raises `NotFound` when it is not stored."""
        await self._expect(provider, account)
        await self._finish(self._rename(CredentialKey(provider, account), label))

    async def stored(self, provider: str, account: str) -> Credential | None:
        """What the store holds for an account, however stale, without refreshing it."""
        return await asyncio.to_thread(self.store.get, CredentialKey(provider, account))

    async def put(self, credential: Credential) -> None:
        """Store the outcome of a login. A provider's first account becomes the active one."""
        await self._finish(self._put(credential))

    async def forget(self, provider: str, account: str) -> None:
        """Remove an account from the store; no error when it is not there."""
        await self._finish(self._forget(CredentialKey(provider, account)))

    async def _expect(self, provider: str, account: str) -> None:
        accounts = await self.accounts(provider)
        if account not in accounts:
            known = ", ".join(accounts) or "none"
            raise NotFound(f"{provider} has no account {account!r}; stored accounts: {known}")

    # The work, in tasks that no caller's cancellation reaches

    async def _finish(self, work: Coroutine[object, object, _Result]) -> _Result:
        """Await the work, but let it run on when the one who waits is cancelled: others wait for
        the same refresh, and a rotated token must reach the store.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: the one who waited may have gone

    async def _renew(self, key: CredentialKey, refused: str | None) -> Credential:
        async with self._locks.setdefault(key, asyncio.Lock()):
            cached = self._cached(key, refused)
            if cached is not None:  # whoever held the lock before us did it
                return cached
            stored = None
            if key not in self._unsaved:
                revision = self._file.read().revision
                stored = await self._read(key)
                settled = self._settle(stored, refused, revision)
                if settled is not None:
                    return settled
            try:
                async with self._file_lock(key):
                    return await self._renew_locked(key, refused)
            except StoreUnavailable as error:
                if stored is None or not self._is_usable(stored, refused):
                    raise
                _log.warning("serving the old %s token: %s", key.provider, error.message)
                return stored

    async def _renew_locked(self, key: CredentialKey, refused: str | None) -> Credential:
        revision = self._file.read().revision
        stored = await self._rescue(key, await self._read(key))
        settled = self._settle(stored, refused, revision)
        if settled is not None:
            return settled
        problem: Exception
        try:
            renewed = await self._refresh(stored)
        except Exception as error:  # a plugin may raise anything
            problem = error
        else:
            refresh_at = self._still_to_come(renewed.refresh_at)
            kept = {"label": stored.label or renewed.label, "email": stored.email}
            renewed = renewed.model_copy(update={**key._asdict(), **kept, "refresh_at": refresh_at})
            await self._save(stored, renewed)
            _log.info("refreshed the %s login", key.provider)
            return self._keep(renewed, self._file.read().revision, obtained=True)
        if isinstance(problem, LoginRequired):
            # A program that does not use our lock may have rotated the token.
            again = await self._read(key)
            if again != stored and self._is_good(again, refused, self._due(again)):
                return self._keep(again, revision)
        failure = self._failures.remember(stored, problem, self._clock())
        return self._serve_or_raise(stored, refused, failure)

    async def _read(self, key: CredentialKey) -> Credential:
        stored = await asyncio.to_thread(self.store.get, key)
        if stored is None:
            self._unsaved.pop(key, None)
            raise LoginRequired(
                f"{key.provider} has no login for the account {key.account!r}; "
                f"run `gateway login {key.provider}`"
            )
        return stored

    async def _save(self, before: Credential, after: Credential) -> None:
        """Write before anyone uses the token; on failure keep it at hand for the next try."""
        self._cache.pop(after.key, None)
        self._unsaved[after.key] = _Unsaved(before, after)
        await asyncio.to_thread(self.store.put, after)
        del self._unsaved[after.key]
        self._failures.forget(after.key)
        try:
            await self._note(lambda active: None)
        except StoreUnavailable as error:
            _log.warning("other processes will notice the refresh late: %s", error.message)

    async def _rescue(self, key: CredentialKey, stored: Credential) -> Credential:
        """Write what could not be written before, unless the store has moved on since."""
        unsaved = self._unsaved.get(key)
        if unsaved is None:
            return stored
        if _tokens(stored) != _tokens(unsaved.before):
            del self._unsaved[key]
            return stored
        # It may have been renamed elsewhere in the meantime.
        named = {"label": stored.label or unsaved.after.label, "email": stored.email}
        after = unsaved.after.model_copy(update=named)
        await self._save(stored, after)
        return after

    async def _put(self, credential: Credential) -> None:
        key = credential.key
        async with self._exclusive(key):
            others = await self.accounts(key.provider)
            await asyncio.to_thread(self.store.put, credential)
            self._drop(key)
            first = others[0] if others else key.account
            await self._note(lambda active: active.setdefault(key.provider, first))

    async def _forget(self, key: CredentialKey) -> None:
        def leave(active: dict[str, str]) -> None:
            if active.get(key.provider) == key.account:
                del active[key.provider]

        async with self._exclusive(key):
            await asyncio.to_thread(self.store.delete, key)
            self._drop(key)
            await self._note(leave)

    async def _rename(self, key: CredentialKey, label: str) -> None:
        async with self._exclusive(key):
            stored = await self._rescue(key, await self._read(key))
            await asyncio.to_thread(self.store.put, stored.named(label))
            self._cache.pop(key, None)
            await self._note(lambda active: None)

    def _drop(self, key: CredentialKey) -> None:
        self._cache.pop(key, None)
        self._unsaved.pop(key, None)
        self._failures.forget(key)
        self._keys = None

    @asynccontextmanager
    async def _exclusive(self, key: CredentialKey) -> AsyncIterator[None]:
        """Against refreshes of the account and, as stores have one index, other writers of it."""
        async with (
            self._locks.setdefault(key, asyncio.Lock()),
            self._file_lock(key),
            FileLock(self._lock_folder / "store.lock", timeout=self._lock_timeout),
        ):
            yield

    def _file_lock(self, key: CredentialKey) -> FileLock:
        path = self._lock_folder / f"{key.file_stem}.lock"
        return FileLock(path, timeout=self._lock_timeout)

    async def _note(self, change: Callable[[dict[str, str]], object]) -> None:
        """Change the accounts file, which tells every process, this one too, to look again."""
        async with FileLock(self._lock_folder / "accounts.lock", timeout=_ACCOUNTS_TIMEOUT):
            await asyncio.to_thread(self._file.change, change)

    # Judging

    def _settle(self, stored: Credential, refused: str | None, revision: str) -> Credential | None:
        """What comes of it without a refresh: a credential or an error. None: do refresh."""
        if self._is_good(stored, refused, self._due(stored)):
            return self._keep(stored, revision)
        if stored.refresh_token is None:  # and refused, or it would be good
            raise LoginRequired(
                f"{stored.provider} refused the stored credential, which cannot be refreshed; "
                f"run `gateway login {stored.provider}`"
            )
        failure = self._failures.standing(stored, self._clock())
        return None if failure is None else self._serve_or_raise(stored, refused, failure)

    def _serve_or_raise(
        self, stored: Credential, refused: str | None, failure: RefreshFailure
    ) -> Credential:
        """A failed refresh does not invalidate an access token that has time left."""
        if self._is_usable(stored, refused):
            return stored
        raise failure.error()

    def _cached(self, key: CredentialKey, refused: str | None) -> Credential | None:
        cached = self._cache.get(key)
        if cached is None or cached.revision != self._file.read().revision:
            return None
        good = self._is_good(cached.credential, refused, cached.due)
        return cached.credential if good else None

    def _keep(self, credential: Credential, revision: str, *, obtained: bool = False) -> Credential:
        """Cache what the store held at a revision. obtained: just now, so what is left is its whole
        life: a short one is used for half of it, or every request would refresh.
        """
        due = self._due(credential)
        end = _aware(credential.expires_at)
        if obtained and due is not None and end is not None and credential.refresh_at is None:
            now = self._clock()
            due = max(due, now + (end - now) / 2)
        self._cache[credential.key] = _Cached(credential, due, revision)
        return credential

    def _is_good(self, credential: Credential, refused: str | None, due: datetime | None) -> bool:
        """Not refused, and no refresh is due, or none is possible."""
        if credential.access_token.get_secret_value() == refused:
            return False
        return credential.refresh_token is None or due is None or self._clock() < due

    def _is_usable(self, credential: Credential, refused: str | None) -> bool:
        return self._is_good(credential, refused, _aware(credential.expires_at))

    def _due(self, credential: Credential) -> datetime | None:
        """When to refresh: as the plugin says, else the margin before the end; None for never."""
        end = _aware(credential.expires_at)
        wanted = _aware(credential.refresh_at)
        if wanted is None:
            return None if end is None else end - self._margin
        return wanted if end is None else min(wanted, end)

    def _still_to_come(self, refresh_at: datetime | None) -> datetime | None:
        """A new token's time of refresh. None when that is over already, as it was the old token's
        or meant for a longer life: to follow it would be a refresh at each request.
        """
        wanted = _aware(refresh_at)
        return wanted if wanted is not None and self._clock() < wanted else None


def _tokens(credential: Credential) -> tuple[SecretStr, SecretStr | None]:
    return credential.access_token, credential.refresh_token


def _aware(moment: datetime | None) -> datetime | None:
    """The time with a zone: UTC when it has none."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
