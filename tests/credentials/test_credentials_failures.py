"""What a failed refresh means, and for how long."""

import asyncio
from pathlib import Path

import pytest

from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError, Internal, LoginRequired, RateLimited, UpstreamFailed
from support.clock import Clock
from support.credential_doubles import CountingStore, MakeCredential, Refresher, token


class TestFailure:
    async def test_a_rejected_login_names_the_command_and_the_reason(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0, label="ann@example.org"))
        refresher.failure = LoginRequired("revoked by the owner", code="invalid_grant")

        with pytest.raises(LoginRequired) as caught:
            await manager.fresh("codex")

        assert caught.value == LoginRequired(
            "codex no longer accepts the login of 'ann@example.org' (revoked by the owner); "
            "run `gateway login codex`",
            code="invalid_grant",
        )

    async def test_a_rejected_token_is_never_sent_again(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        clock: Clock,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.failure = LoginRequired("revoked")
        for _ in range(3):
            with pytest.raises(LoginRequired):
                await manager.fresh("codex")
            clock.advance(days=1)

        assert len(refresher.calls) == 1

    async def test_many_at_once_learn_of_one_rejection(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.failure = LoginRequired("revoked")

        outcomes = await asyncio.gather(
            *(manager.fresh("codex") for _ in range(6)), return_exceptions=True
        )

        assert {type(outcome) for outcome in outcomes} == {LoginRequired}
        assert len(refresher.calls) == 1

    async def test_a_new_login_ends_a_rejection(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.failure = LoginRequired("revoked")
        with pytest.raises(LoginRequired):
            await manager.fresh("codex")
        refresher.failure = None
        await manager.put(make(minutes_left=0, refresh_token="new-login"))

        assert token(await manager.fresh("codex")) == "access-2"

    async def test_a_sibling_program_that_rotated_first_is_believed(
        self, clock: Clock, store: CountingStore, make: MakeCredential, tmp_path: Path
    ) -> None:
        async def too_late(credential: Credential) -> Credential:
            store.put(make(access_token="by-sibling", refresh_token="by-sibling"))
            raise LoginRequired("already used")

        store.put(make(minutes_left=0))
        manager = CredentialManager(store, too_late, tmp_path / "locks", clock=clock)

        assert token(await manager.fresh("codex")) == "by-sibling"

    @pytest.mark.parametrize(
        "failure", [UpstreamFailed("no route"), LoginRequired("revoked"), KeyError("x")]
    )
    async def test_a_token_with_time_left_is_served_when_its_refresh_fails(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
        failure: Exception,
    ) -> None:
        store.put(make(minutes_left=4))
        refresher.failure = failure

        assert token(await manager.fresh("codex")) == "access-0"

    @pytest.mark.parametrize(
        ("failure", "told"),
        [
            (
                UpstreamFailed("no route"),
                UpstreamFailed("cannot refresh the codex login: no route", retry_after=2.0),
            ),
            (
                RateLimited("slow", retry_after=30),
                RateLimited("cannot refresh the codex login: slow", retry_after=30),
            ),
            (
                KeyError("access_token"),
                Internal("cannot refresh the codex login: KeyError in its plugin", retry_after=2.0),
            ),
        ],
    )
    async def test_a_passing_failure_is_told_once_the_token_has_ended(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        make: MakeCredential,
        failure: Exception,
        told: GatewayError,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.failure = failure

        with pytest.raises(GatewayError) as caught:
            await manager.fresh("codex")

        assert caught.value == told

    async def test_after_a_passing_failure_it_pauses_and_then_tries_again(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        clock: Clock,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=4))
        refresher.failure = UpstreamFailed("no route")
        for _ in range(5):
            await manager.fresh("codex")
        assert len(refresher.calls) == 1

        refresher.failure = None
        clock.advance(seconds=2)

        assert token(await manager.fresh("codex")) == "access-2"

    async def test_pauses_grow_to_a_minute(
        self,
        manager: CredentialManager,
        store: CountingStore,
        refresher: Refresher,
        clock: Clock,
        make: MakeCredential,
    ) -> None:
        store.put(make(minutes_left=0))
        refresher.failure = UpstreamFailed("no route")
        pauses = []
        for _ in range(7):
            with pytest.raises(UpstreamFailed) as caught:
                await manager.fresh("codex")
            pauses.append(caught.value.retry_after)
            clock.advance(seconds=60)

        assert pauses == [2, 4, 8, 16, 32, 60, 60]
