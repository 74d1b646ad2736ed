"""Real processes that want to refresh the same single-use token."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway_core.credentials.file_store import FileStore
from gateway_core.credentials.lock import FileLock
from gateway_core.credentials.store import Credential, CredentialKey, StoreUnavailable
from support.identity_provider import Fault, IdentityProvider

SCRIPT = Path(__file__).parents[1] / "support" / "refresh_process.py"
KEY = CredentialKey("codex", "ann")

Start = Callable[[], Awaitable[Process]]


@pytest.fixture
def store(tmp_path: Path, identity_provider: IdentityProvider) -> FileStore:
    """Holds one stale credential that the identity provider knows."""
    tokens = identity_provider.log_in()
    store = FileStore(tmp_path / "credentials")
    store.put(
        Credential(
            provider=KEY.provider,
            account=KEY.account,
            access_token=SecretStr(tokens.access),
            refresh_token=SecretStr(tokens.refresh),
            expires_at=datetime.now(UTC) - timedelta(hours=1),
        )
    )
    return store


@pytest.fixture
async def start(
    tmp_path: Path, identity_provider: IdentityProvider, store: FileStore
) -> AsyncIterator[Start]:
    """Starts processes that are ready to ask for a fresh credential."""
    async with AsyncExitStack() as stack:

        async def start() -> Process:
            process = await stack.enter_async_context(running(tmp_path, identity_provider))
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            return process

        yield start


@asynccontextmanager
async def running(home: Path, identity_provider: IdentityProvider) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, home, identity_provider.token_url, stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def go(process: Process) -> None:
    """Let the process ask for its credential, and wait until it has read the store."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"go\n")
    assert await process.stdout.readline() == b"read\n"


async def token_of(process: Process) -> str:
    """The token that the process ends up with."""
    output, _ = await process.communicate()
    return output.decode().split()[-1]


def stored_token(store: FileStore) -> str:
    credential = store.get(KEY)
    assert credential is not None
    return credential.access_token.get_secret_value()


async def test_two_processes_make_one_refresh_and_share_its_outcome(
    start: Start, store: FileStore, identity_provider: IdentityProvider
) -> None:
    processes = await asyncio.gather(start(), start())
    with identity_provider.holding_answers():
        # Both have seen the stale credential before either can have a new one.
        await asyncio.gather(*(go(process) for process in processes))
        assert await asyncio.to_thread(identity_provider.refresh_arrived.wait, 10)
    tokens = await asyncio.gather(*(token_of(process) for process in processes))

    assert identity_provider.refreshes == 1
    assert tokens == [stored_token(store)] * 2
    assert tokens[0].startswith("access-secret-")


async def test_a_process_that_dies_on_getting_its_token_has_stored_it(
    start: Start, store: FileStore, identity_provider: IdentityProvider
) -> None:
    one, other = await asyncio.gather(start(), start())
    await go(one)
    first = await token_of(one)
    await go(other)
    second = await token_of(other)

    assert first == second == stored_token(store)
    assert identity_provider.refreshes == 1


async def test_a_process_killed_during_its_refresh_leaves_no_lock_behind(
    start: Start, store: FileStore, identity_provider: IdentityProvider
) -> None:
    identity_provider.faults.append(Fault(503))
    doomed, heir = await asyncio.gather(start(), start())
    with identity_provider.holding_answers():
        await go(doomed)
        assert await asyncio.to_thread(identity_provider.refresh_arrived.wait, 10)
        doomed.kill()
        await doomed.wait()

    await go(heir)
    assert await token_of(heir) == stored_token(store)
    assert identity_provider.refreshes == 2


class TestFileLock:
    async def test_the_second_holder_waits_for_the_first(self, tmp_path: Path) -> None:
        order: list[str] = []
        path = tmp_path / "locks" / "a.lock"

        async def hold(name: str) -> None:
            async with FileLock(path):
                order.append(name)

        async with FileLock(path):
            others = [asyncio.create_task(hold(name)) for name in ("one", "two")]
            done, _ = await asyncio.wait(others, timeout=0.1)
            assert not done
        await asyncio.gather(*others)

        assert sorted(order) == ["one", "two"]

    async def test_waiting_ends_with_an_error_that_names_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lock"
        async with FileLock(path):
            with pytest.raises(StoreUnavailable, match=r"a\.lock for 0.01 seconds"):
                await FileLock(path, timeout=0.01).__aenter__()

    async def test_one_that_stopped_waiting_never_gets_the_lock(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lock"
        async with FileLock(path):
            waiting = asyncio.create_task(FileLock(path).__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

        async with FileLock(path, timeout=1):
            assert path.exists()

    async def test_without_a_place_for_locks_nothing_is_locked(self, tmp_path: Path) -> None:
        (tmp_path / "in-the-way").write_text("")

        with pytest.raises(StoreUnavailable, match="cannot lock"):
            await FileLock(tmp_path / "in-the-way" / "a.lock").__aenter__()
