"""A credential that says itself when it is to be refreshed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway_core.credentials.file_store import FileStore
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import Credential, dump_credential, load_credential
from gateway_core.errors import UpstreamFailed
from gateway_core.json import dumps, loads_object
from support.clock import Clock
from support.credential_doubles import CountingStore, MakeCredential, Refresher, token

TellsWhen = Callable[[Credential], Credential]


@pytest.fixture
def in_minutes(make: MakeCredential, clock: Clock) -> Callable[..., Credential]:
    """A credential to be refreshed in so many minutes."""

    def in_minutes(refresh: float, end: float | None = 60) -> Credential:
        return make(end, refresh_at=clock() + timedelta(minutes=refresh))

    return in_minutes


@pytest.mark.parametrize(
    ("refresh", "end"),
    [(30, 60), (50, 60), (59, 60), (7.5, 15), (30, None), (90, 60)],
    ids=["half life", "ten minutes ahead", "one ahead", "short", "endless", "after the end"],
)
async def test_it_is_refreshed_at_its_time_and_not_before(
    manager: CredentialManager,
    store: CountingStore,
    clock: Clock,
    in_minutes: Callable[..., Credential],
    refresh: float,
    end: float | None,
) -> None:
    store.put(in_minutes(refresh, end))
    due = refresh if end is None else min(refresh, end)
    clock.advance(minutes=due, seconds=-1)
    assert token(await manager.fresh("codex")) == "access-0"
    clock.advance(seconds=1)
    assert token(await manager.fresh("codex")) == "access-1"


async def test_a_refresh_that_fails_leaves_it_in_use_to_its_end(
    manager: CredentialManager,
    store: CountingStore,
    refresher: Refresher,
    clock: Clock,
    in_minutes: Callable[..., Credential],
) -> None:
    store.put(in_minutes(30))
    refresher.failure = UpstreamFailed("no route")
    clock.advance(minutes=59)
    assert token(await manager.fresh("codex")) == "access-0"
    clock.advance(minutes=1)
    with pytest.raises(UpstreamFailed):
        await manager.fresh("codex")


async def refreshes_in(
    minutes: int, store: CountingStore, clock: Clock, folder: Path, tells: TellsWhen
) -> int:
    """How often a plugin is asked, with a request each minute; its tokens live an hour."""
    refresher = Refresher(clock)

    async def refresh(credential: Credential) -> Credential:
        return tells(await refresher(credential))

    manager = CredentialManager(store, refresh, folder, clock=clock)
    for _ in range(minutes):
        await manager.fresh("codex")
        clock.advance(minutes=1)
    return len(refresher.calls)


async def test_a_refresh_sets_the_time_anew(
    store: CountingStore, clock: Clock, make: MakeCredential, tmp_path: Path
) -> None:
    def half_life(fresh: Credential) -> Credential:
        return fresh.model_copy(update={"refresh_at": clock() + timedelta(minutes=30)})

    store.put(make(0))
    assert await refreshes_in(120, store, clock, tmp_path / "locks", half_life) == 4


async def test_a_time_that_is_over_in_a_new_token_is_ignored(
    store: CountingStore,
    clock: Clock,
    in_minutes: Callable[..., Credential],
    tmp_path: Path,
) -> None:
    store.put(in_minutes(0))  # and the plugin copies it along with the rest
    calls = await refreshes_in(120, store, clock, tmp_path / "locks", lambda fresh: fresh)
    assert calls == 3
    stored = store.get(in_minutes(0).key)
    assert stored is not None
    assert stored.refresh_at is None


def test_it_is_stored(in_minutes: Callable[..., Credential], tmp_path: Path) -> None:
    credential = in_minutes(30)
    FileStore(tmp_path).put(credential)
    assert FileStore(tmp_path).get(credential.key) == credential


def test_what_an_older_version_stored_has_none(make: MakeCredential) -> None:
    document = loads_object(dump_credential(make()))
    del document["refresh_at"]
    assert load_credential(dumps(document)) == make()
