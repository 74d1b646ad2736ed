"""Several accounts, and several processes that share them."""

import asyncio
from pathlib import Path

import pytest

from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import Credential, CredentialKey, StoreUnavailable
from gateway_core.errors import GatewayError, LoginRequired, NotFound
from support.clock import Clock
from support.credential_doubles import CountingStore, MakeCredential, Refresher, started, token


class TestOtherProcesses:
    async def test_a_login_elsewhere_is_noticed_at_once(
        self,
        manager: CredentialManager,
        other_process: CredentialManager,
        store: CountingStore,
        make: MakeCredential,
    ) -> None:
        store.put(make())
        await manager.fresh("codex")
        await other_process.put(make(access_token="new-login"))

        assert token(await manager.fresh("codex")) == "new-login"

    async def test_a_refresh_elsewhere_is_noticed_at_once(
        self,
        manager: CredentialManager,
        other_process: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make())
        await other_process.refreshed(await manager.fresh("codex"))

        assert token(await manager.fresh("codex")) == "access-1"
        assert len(refresher.calls) == 1

    async def test_a_logout_elsewhere_is_noticed_at_once(
        self,
        manager: CredentialManager,
        other_process: CredentialManager,
        store: CountingStore,
        make: MakeCredential,
    ) -> None:
        store.put(make())
        await manager.fresh("codex")
        await other_process.forget("codex", "ann")

        with pytest.raises(LoginRequired):
            await manager.fresh("codex")

    async def test_a_refresh_elsewhere_that_takes_too_long_is_reported(
        self,
        other_process: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        clock: Clock,
        make: MakeCredential,
        tmp_path: Path,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.gate.clear()
        slow = await started(other_process.fresh("codex"))
        await refresher.started.wait()
        manager = CredentialManager(
            store, refresher, tmp_path / "locks", clock=clock, lock_timeout=0.05
        )

        with pytest.raises(StoreUnavailable, match=r"another process has held .*locks.*\.lock"):
            await manager.fresh("codex")
        refresher.gate.set()
        await slow

    async def test_while_a_refresh_elsewhere_takes_too_long_time_left_is_used(
        self,
        other_process: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        clock: Clock,
        make: MakeCredential,
        tmp_path: Path,
    ) -> None:
        store.put(make(minutes_left=4))
        refresher.gate.clear()
        slow = await started(other_process.fresh("codex"))
        await refresher.started.wait()
        manager = CredentialManager(
            store, refresher, tmp_path / "locks", clock=clock, lock_timeout=0.05
        )

        assert token(await manager.fresh("codex")) == "access-0"
        refresher.gate.set()
        await slow

    async def test_a_login_waits_for_a_refresh_under_way_and_wins(
        self,
        manager: CredentialManager,
        other_process: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.gate.clear()
        refreshing = await started(other_process.fresh("codex"))
        await refresher.started.wait()
        login = asyncio.create_task(manager.put(make(access_token="new-login")))
        refresher.gate.set()
        await asyncio.gather(refreshing, login)

        assert token(store.get(make().key)) == "new-login"


class TestAccounts:
    async def test_the_first_login_serves_until_another_is_chosen(
        self, manager: CredentialManager, make: MakeCredential
    ) -> None:
        await manager.put(make(account="zoe"))
        await manager.put(make(account="ann"))

        assert await manager.accounts("codex") == ["ann", "zoe"]
        assert await manager.active("codex") == "zoe"
        assert (await manager.fresh("codex")).account == "zoe"

    async def test_the_choice_is_shared_and_survives(
        self, manager: CredentialManager, other_process: CredentialManager, make: MakeCredential
    ) -> None:
        await manager.put(make(account="zoe"))
        await manager.put(make(account="ann"))
        await other_process.fresh("codex")
        await manager.set_active("codex", "ann")

        assert (await other_process.fresh("codex")).account == "ann"

    async def test_an_unknown_account_cannot_be_chosen(
        self, manager: CredentialManager, make: MakeCredential
    ) -> None:
        await manager.put(make())

        with pytest.raises(GatewayError, match="'bob'; stored accounts: ann"):
            await manager.set_active("codex", "bob")

    async def test_a_new_name_is_noticed_elsewhere_and_outlives_a_refresh(
        self,
        manager: CredentialManager,
        other_process: CredentialManager,
        make: MakeCredential,
    ) -> None:
        await manager.put(make(label="ann@example.com"))
        await other_process.fresh("codex")
        await manager.rename("codex", "ann", "work")

        renamed = await other_process.fresh("codex")
        assert (renamed.label, renamed.email) == ("work", "ann@example.com")
        fresh = await other_process.refreshed(renamed)
        assert (token(fresh), fresh.label, fresh.email) == ("access-1", "work", "ann@example.com")

    async def test_a_plugin_that_names_accounts_at_each_refresh_does_not_undo_a_name(
        self, store: CountingStore, make: MakeCredential, tmp_path: Path
    ) -> None:
        async def refresh(credential: Credential) -> Credential:
            return make(access_token="new", label="ann@example.com")

        async with CredentialManager(store, refresh, tmp_path / "locks") as manager:
            await manager.put(make(label="ann@example.com"))
            await manager.rename("codex", "ann", "work")
            fresh = await manager.refreshed(await manager.fresh("codex"))

        assert (token(fresh), fresh.label) == ("new", "work")

    async def test_a_new_name_costs_no_token_that_could_not_be_stored_before(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        store.put(make())
        store.full = True
        with pytest.raises(StoreUnavailable):
            await manager.refreshed(make())
        store.full = False
        await manager.rename("codex", "ann", "work")

        stored = await manager.stored("codex", "ann")
        assert stored is not None
        assert (token(stored), stored.label) == ("access-1", "work")

    async def test_a_new_name_given_elsewhere_costs_no_such_token_either(
        self,
        manager: CredentialManager,
        other_process: CredentialManager,
        store: CountingStore,
        make: MakeCredential,
    ) -> None:
        store.put(make())
        store.full = True
        with pytest.raises(StoreUnavailable):
            await manager.refreshed(make())
        store.full = False
        await other_process.rename("codex", "ann", "work")

        served = await manager.refreshed(make())
        assert (token(served), served.label) == ("access-1", "work")
        assert await manager.stored("codex", "ann") == served

    async def test_an_unknown_account_cannot_be_renamed(
        self, manager: CredentialManager, make: MakeCredential
    ) -> None:
        await manager.put(make())

        with pytest.raises(NotFound, match="'bob'; stored accounts: ann"):
            await manager.rename("codex", "bob", "work")

    async def test_when_the_active_account_is_forgotten_another_serves(
        self, manager: CredentialManager, make: MakeCredential
    ) -> None:
        await manager.put(make(account="zoe"))
        await manager.put(make(account="ann"))
        await manager.forget("codex", "zoe")

        assert await manager.active("codex") == "ann"

    async def test_an_active_account_removed_from_the_store_by_hand_is_passed_over(
        self, manager: CredentialManager, store: CountingStore, make: MakeCredential
    ) -> None:
        await manager.put(make(account="zoe"))
        store.delete(CredentialKey("codex", "zoe"))
        store.put(make(account="ann"))

        assert (await manager.fresh("codex")).account == "ann"

    async def test_providers_do_not_mix(
        self, manager: CredentialManager, make: MakeCredential
    ) -> None:
        await manager.put(make(provider="kimi", account="kim"))
        await manager.put(make())

        assert await manager.accounts("kimi") == ["kim"]
        assert await manager.keys() == [("codex", "ann"), ("kimi", "kim")]
        assert await manager.active("grok") is None

    async def test_stored_gives_the_stale_one_without_a_refresh(
        self, manager: CredentialManager, refresher: Refresher, make: MakeCredential
    ) -> None:
        await manager.put(make(minutes_left=-60))

        assert token(await manager.stored("codex", "ann")) == "access-0"
        assert refresher.calls == []

    @pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"active": 5}'])
    async def test_a_damaged_choice_means_the_first_account(
        self, manager: CredentialManager, make: MakeCredential, tmp_path: Path, damage: bytes
    ) -> None:
        await manager.put(make(account="zoe"))
        await manager.put(make(account="ann"))
        (tmp_path / "accounts.json").write_bytes(damage)

        assert await manager.active("codex") == "ann"

    async def test_no_secret_is_in_the_file_of_choices(
        self, manager: CredentialManager, make: MakeCredential, tmp_path: Path
    ) -> None:
        await manager.put(make())

        text = (tmp_path / "accounts.json").read_text()
        assert '"codex":"ann"' in text
        assert "access-0" not in text
        assert "refresh-0" not in text
