"""Keeping credentials fresh: when a refresh happens, how often, and who gets its outcome."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import Credential, StoreUnavailable
from gateway_core.errors import LoginRequired, UpstreamFailed
from support.clock import Clock
from support.credential_doubles import CountingStore, MakeCredential, Refresher, started, token


class TestKnown:
    async def test_nobody_logged_in(self, manager: CredentialManager) -> None:
        assert await manager.known("codex") is None

    async def test_a_stale_token_is_told_without_a_refresh_and_not_served(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=-5))
        for _ in range(3):
            assert await manager.known("codex") == make(minutes_left=-5)
        assert (store.reads, refresher.calls) == (1, [])

        assert token(await manager.fresh("codex")) == "access-1"
        assert token(await manager.known("codex")) == "access-1"


class TestFresh:
    async def test_nobody_logged_in(self, manager: CredentialManager) -> None:
        with pytest.raises(LoginRequired, match="run `gateway login codex`"):
            await manager.fresh("codex")

    async def test_unknown_account(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        store.put(make())

        with pytest.raises(LoginRequired, match=r"'bob'.*`gateway login codex`"):
            await manager.fresh("codex", "bob")

    async def test_a_token_with_time_left_is_served(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=5.1))

        assert token(await manager.fresh("codex")) == "access-0"
        assert refresher.calls == []

    async def test_the_store_is_read_once_while_the_token_has_time_left(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        store.put(make())
        for _ in range(10):
            await manager.fresh("codex")

        assert store.reads == 1

    async def test_five_minutes_before_the_end_it_is_refreshed_and_stored(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        store.put(make(minutes_left=5))

        assert token(await manager.fresh("codex")) == "access-1"
        assert token(store.get(make().key)) == "access-1"

    async def test_time_passing_makes_a_cached_token_stale(
        self,
        manager: CredentialManager,
        store: CountingStore,
        clock: Clock,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=60))
        await manager.fresh("codex")
        clock.advance(minutes=55)

        assert token(await manager.fresh("codex")) == "access-1"

    @pytest.mark.parametrize(
        ("minutes_left", "refresh_token"), [(None, "refresh-0"), (-60, None), (None, None)]
    )
    async def test_without_an_end_or_a_refresh_token_it_is_used_as_it_is(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
        minutes_left: float | None,
        refresh_token: str | None,
    ) -> None:
        store.put(make(minutes_left, refresh_token=refresh_token))

        assert token(await manager.fresh("codex")) == "access-0"
        assert refresher.calls == []

    async def test_a_token_shorter_than_the_margin_is_used_for_half_its_life(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        clock: Clock,
        make: MakeCredential,
    ) -> None:
        refresher.lifetime = timedelta(minutes=4)
        store.put(make(minutes_left=0))
        for _ in range(4):
            await manager.fresh("codex")
            clock.advance(seconds=59)

        assert len(refresher.calls) == 2

    async def test_twenty_at_once_cause_one_refresh(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))

        credentials = await asyncio.gather(*(manager.fresh("codex") for _ in range(20)))

        assert {token(credential) for credential in credentials} == {"access-1"}
        assert refresher.calls == ["refresh-0"]

    async def test_accounts_do_not_wait_for_each_other(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        store.put(make(account="bob"))
        refresher.gate.clear()
        waiting = await started(manager.fresh("codex", "ann"))
        await refresher.started.wait()

        assert token(await manager.fresh("codex", "bob")) == "access-0"
        refresher.gate.set()
        await waiting

    async def test_nobody_gets_the_new_token_before_it_is_stored(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        store.full = True
        with pytest.raises(StoreUnavailable, match="No space left"):
            await manager.fresh("codex")

        store.full = False
        assert token(await manager.fresh("codex")) == "access-1"
        assert token(store.get(make().key)) == "access-1"
        assert refresher.calls == ["refresh-0"]

    async def test_a_token_that_could_not_be_stored_yields_to_a_new_login(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        store.put(make(minutes_left=0))
        store.full = True
        with pytest.raises(StoreUnavailable):
            await manager.fresh("codex")
        store.full = False
        store.put(make(access_token="new-login"))

        assert token(await manager.fresh("codex")) == "new-login"

    async def test_a_refresh_cannot_move_a_credential_to_another_account(
        self, clock: Clock, store: CountingStore, make: MakeCredential, tmp_path: Path
    ) -> None:
        async def rename(credential: Credential) -> Credential:
            return make(account="mallory", access_token="access-1")

        store.put(make(minutes_left=0))
        manager = CredentialManager(store, rename, tmp_path / "locks", clock=clock)
        await manager.fresh("codex")

        assert [key.account for key in store.list()] == ["ann"]


class TestCancellation:
    async def test_a_client_that_leaves_does_not_stop_the_refresh_others_wait_for(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.gate.clear()
        leaving = await started(manager.fresh("codex"))
        staying = await started(manager.fresh("codex"))
        await refresher.started.wait()

        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        refresher.gate.set()

        assert token(await staying) == "access-1"
        assert refresher.calls == ["refresh-0"]

    async def test_the_rotated_token_is_stored_even_if_everybody_left(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.gate.clear()
        leaving = await started(manager.fresh("codex"))
        await refresher.started.wait()
        leaving.cancel()
        refresher.gate.set()

        await manager.aclose()

        assert token(store.get(make().key)) == "access-1"

    async def test_leaving_the_manager_waits_for_the_refresh(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        async with manager:
            leaving = await started(manager.fresh("codex"))
            await refresher.started.wait()
            leaving.cancel()

        assert token(store.get(make().key)) == "access-1"


class TestRefreshed:
    async def test_a_refused_token_is_refreshed_whatever_its_time_left(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        store.put(make())

        assert token(await manager.refreshed(await manager.fresh("codex"))) == "access-1"
        assert token(await manager.fresh("codex")) == "access-1"

    async def test_many_refusals_of_one_token_cause_one_refresh(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make())
        refused = await manager.fresh("codex")

        renewed = await asyncio.gather(*(manager.refreshed(refused) for _ in range(6)))

        assert {token(credential) for credential in renewed} == {"access-1"}
        assert refresher.calls == ["refresh-0"]

    async def test_a_different_token_in_the_store_is_taken_instead(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make())
        refused = await manager.fresh("codex")
        store.put(make(access_token="from-elsewhere"))

        assert token(await manager.refreshed(refused)) == "from-elsewhere"
        assert refresher.calls == []

    async def test_what_cannot_be_refreshed_needs_a_login(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        store.put(make(refresh_token=None))

        with pytest.raises(LoginRequired, match="`gateway login codex`"):
            await manager.refreshed(await manager.fresh("codex"))

    async def test_a_passing_failure_does_not_bring_the_refused_token_back(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make())
        refused = await manager.fresh("codex")
        refresher.failure = UpstreamFailed("no route")

        with pytest.raises(UpstreamFailed):
            await manager.refreshed(refused)
