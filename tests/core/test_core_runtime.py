"""The model lists of many providers: one that fails or hangs costs the others nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway_core import (
    CONTRACT,
    Credential,
    Model,
    ProviderInfo,
    UpstreamTimeout,
    hookimpl,
    load_settings,
)
from gateway_core.accounts import use_account
from gateway_core.catalogue import Catalogue
from gateway_core.errors import Internal
from gateway_core.runtime import Runtime
from support.providers import LineProvider

Start = Callable[..., Awaitable[Runtime]]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short, so that what is waited for is seen in a moment."""
    monkeypatch.setattr("gateway_core.catalogue.REFRESH_SECONDS", 0.05)
    monkeypatch.setattr("gateway_core.catalogue.STATIC_SECONDS", 0.05)
    monkeypatch.setattr("gateway_core.runtime.LOOK_SECONDS", 0.01)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a runtime with the given providers."""
    runtimes: list[Runtime] = []

    async def start(*providers: object) -> Runtime:
        settings = load_settings(
            environ={
                "GATEWAY_HOME": str(tmp_path),
                "GATEWAY_PLUGINS": "none-at-all",
                "GATEWAY_CREDENTIALS__STORE": "file",
            }
        )
        runtime = Runtime(settings, extra_plugins=providers)
        runtimes.append(runtime)
        return await runtime.__aenter__()

    yield start
    for runtime in runtimes:
        await runtime.__aexit__(None, None, None)


class Changing(LineProvider):
    """Gives one list without a login, and another to whom asks again; says when it was asked."""

    def __init__(self, id: str, later: object, *, needs_login: bool = False) -> None:
        super().__init__(id, login="browser" if needs_login else "none")
        self.asked_again = asyncio.Event()
        self._later = later
        self._asked = 0

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        self._asked += 1
        if self._asked == 1:
            return [Model(f"{self.plugin_name}-static")]
        self.asked_again.set()
        if isinstance(self._later, BaseException):
            raise self._later
        return self._later  # type: ignore[return-value]  # a mistake


class Optional(LineProvider):
    """Lists more with a login than without; says when it was asked with one."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.asked_with_login = asyncio.Event()

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("both", "Both", CONTRACT, "browser", login_optional=True)

    @hookimpl
    # Hooks may take any subset of the arguments.
    async def gateway_models(  # type: ignore[override]  # takes more
        self, credential: Credential | None
    ) -> Sequence[Model]:
        if credential is None:
            return [Model("free")]
        self.asked_with_login.set()
        return [Model("paid")]


class Hanging(LineProvider):
    """Never gives its models."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.asked = 0

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        self.asked += 1
        await asyncio.Event().wait()
        return []


def ids(runtime: Runtime, provider: str) -> list[str]:
    return [model.id for model in runtime.catalogue.models(provider)]


def remove(folder: Path, name: str) -> None:
    """Remove a file, wherever in a folder it is."""
    for file in folder.rglob(name):
        file.unlink()


def credential(provider: str, account: str = "anna") -> Credential:
    return Credential(provider=provider, account=account, access_token=SecretStr("t"))


class Broken(LineProvider):
    """Has no list of models to give."""

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return None  # type: ignore[return-value]  # a mistake


@pytest.mark.parametrize("bad", [Broken("bad"), Hanging("bad")], ids=["none", "hanging"])
async def test_a_start_gets_by_without_the_list_of_one_provider(
    start: Start, bad: LineProvider
) -> None:
    runtime = await start(bad, LineProvider("good"))
    assert (ids(runtime, "bad"), ids(runtime, "good")) == ([], ["line-1"])
    assert runtime.router.resolve("line-1").provider == "good"


@pytest.mark.parametrize(
    "later",
    [None, ["just-a-name"], KeyError("models"), asyncio.CancelledError(), SystemExit(3)],
    ids=["none", "no models", "raises", "cancels", "exits"],
)
async def test_a_refresh_that_fails_keeps_the_list_and_the_look_for_logins(
    start: Start, later: object
) -> None:
    bad = Changing("bad", later)
    good = Changing("good", [Model("good-live")], needs_login=True)
    runtime = await start(bad, good)
    await bad.asked_again.wait()
    assert not runtime.is_ready("good")
    await runtime.credentials.put(credential("good"))
    await good.asked_again.wait()
    assert runtime.is_ready("good")
    assert ids(runtime, "bad") == ["bad-static"]


async def test_a_provider_that_hangs_does_not_hold_up_logins_of_others(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.catalogue.REFRESH_SECONDS", 3600.0)
    good = Changing("good", [Model("good-live")], needs_login=True)
    bad = Hanging("bad")
    runtime = await start(bad, good)
    await runtime.credentials.put(credential("good"))
    await good.asked_again.wait()
    assert bad.asked == 2, "at the start and once more, and that goes on"


async def test_a_login_is_noticed_where_none_is_needed(start: Start) -> None:
    both = Optional("both")
    runtime = await start(both)
    await runtime.refresh_models("both")
    assert (ids(runtime, "both"), runtime.is_ready("both")) == (["free"], True)
    await runtime.credentials.put(credential("both"))
    async with asyncio.timeout(5):
        await both.asked_with_login.wait()


async def test_a_logout_in_another_process_is_told_to_the_transport(start: Start) -> None:
    good = Changing("good", [Model("good-live")], needs_login=True)
    runtime = await start(good)
    login, gone = credential("good"), asyncio.Event()
    runtime.transports.get("good", login.account).at_logout(gone.set)
    await runtime.credentials.put(login)
    await good.asked_again.wait()
    assert not gone.is_set()
    await asyncio.to_thread(runtime.store.delete, login.key)
    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_refresh_asked_for_by_name_says_that_it_took_too_long(start: Start) -> None:
    runtime = await start(Hanging("bad"))
    with pytest.raises(UpstreamTimeout, match=r"'bad' did not give its models within 0\.05 s"):
        await runtime.refresh_models("bad")


async def test_a_refresh_asked_for_by_name_names_the_hook_at_fault(start: Start) -> None:
    runtime = await start(Broken("bad"))
    with pytest.raises(Internal, match="provider 'bad' failed in gateway_models"):
        await runtime.refresh_models("bad")


async def test_a_refresh_of_all_gets_by_without_one(start: Start) -> None:
    runtime = await start(Hanging("bad"), Changing("good", [Model("good-live")]))
    await runtime.refresh_models()
    assert ids(runtime, "good") == ["good-live"]


class Counting(LineProvider):
    """Counts how often it is asked for its models with a login, and answers when it may."""

    def __init__(self, id: str, error: Exception | None = None) -> None:
        super().__init__(id, login="browser")
        self.may_answer = asyncio.Event()
        self.was_asked = asyncio.Event()
        self.asked = 0
        self._error = error

    @hookimpl
    # Hooks may take any subset of the arguments.
    async def gateway_models(  # type: ignore[override]  # takes more
        self, credential: Credential | None
    ) -> Sequence[Model]:
        if credential is None:
            return [Model("static")]
        self.asked += 1
        self.was_asked.set()
        await self.may_answer.wait()
        if self._error is not None:
            raise self._error
        return [Model(f"of-{credential.account}")]


async def asked_together(
    provider: Counting, catalogue: Catalogue, *accounts: str
) -> list[BaseException | None]:
    """Ask for the list with several logins before the first has an answer; the errors."""
    asking = [
        asyncio.create_task(catalogue.refresh("counting", credential("counting", account)))
        for account in accounts
    ]
    await provider.was_asked.wait()
    provider.may_answer.set()
    return await asyncio.gather(*asking, return_exceptions=True)


@pytest.fixture
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_core.catalogue.REFRESH_SECONDS", 10.0)


@pytest.mark.usefixtures("in_no_hurry")
async def test_who_wants_a_list_that_is_asked_for_already_gets_the_same_answer(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Counting("counting")
    catalogue = (await start(provider)).catalogue
    assert await asked_together(provider, catalogue, "anna", "anna") == [None, None]
    assert provider.asked == 1
    assert [model.id for model in catalogue.models("counting")] == ["of-anna"]
    await catalogue.refresh("counting", credential("counting"))
    assert provider.asked == 1
    monkeypatch.setattr("gateway_core.catalogue.JUST_NOW_SECONDS", 0.0)
    await catalogue.refresh("counting", credential("counting"))
    assert provider.asked == 2, "who asks later asks anew"


@pytest.mark.usefixtures("in_no_hurry")
@pytest.mark.parametrize("named", ["counting", None])
async def test_a_refresh_that_comes_with_the_start_asks_once(
    start: Start, named: str | None
) -> None:
    """`gateway models --refresh` is one: the start finds the list too old, too."""
    await (await start()).credentials.put(credential("counting"))
    provider = Counting("counting")
    runtime = await start(provider)
    refresh = asyncio.create_task(runtime.refresh_models(named))
    await provider.was_asked.wait()
    provider.may_answer.set()
    await refresh
    assert ids(runtime, "counting") == ["of-anna"]
    assert provider.asked == 1


@pytest.mark.usefixtures("in_no_hurry")
async def test_who_wants_a_list_that_is_asked_for_already_gets_the_same_error(start: Start) -> None:
    provider = Counting("counting", ValueError("no list today"))
    catalogue = (await start(provider)).catalogue
    first, second = await asked_together(provider, catalogue, "anna", "anna")
    assert (type(first), type(second), provider.asked) == (Internal, Internal, 1)


@pytest.mark.usefixtures("in_no_hurry")
async def test_a_list_asked_for_with_another_login_is_no_answer(start: Start) -> None:
    provider = Counting("counting")
    catalogue = (await start(provider)).catalogue
    assert await asked_together(provider, catalogue, "anna", "ben") == [None, None]
    assert provider.asked == 2
    assert [model.id for model in catalogue.models("counting")] == ["of-ben"]


@pytest.mark.usefixtures("in_no_hurry")
async def test_a_login_that_comes_while_a_list_is_asked_for_is_not_forgotten(start: Start) -> None:
    """The list of before counts as old at once."""
    provider = Counting("counting")
    catalogue = (await start(provider)).catalogue
    asking = asyncio.create_task(catalogue.refresh("counting", credential("counting")))
    await provider.was_asked.wait()
    catalogue.outdate("counting")
    provider.may_answer.set()
    await asking
    assert catalogue.stale("counting")
    await catalogue.refresh("counting", credential("counting"))
    assert (provider.asked, catalogue.stale("counting")) == (2, False)


@pytest.mark.usefixtures("in_no_hurry")
async def test_the_list_is_asked_for_anew_when_another_account_is_chosen(start: Start) -> None:
    elsewhere = await start()
    await elsewhere.credentials.put(credential("counting", "anna"))
    await elsewhere.credentials.put(credential("counting", "ben"))
    provider = Counting("counting")
    provider.may_answer.set()
    runtime = await start(provider)
    await provider.was_asked.wait()
    provider.was_asked.clear()
    await elsewhere.credentials.set_active("counting", "ben")
    async with asyncio.timeout(5):
        await provider.was_asked.wait()
        await runtime.refresh_models("counting")
    assert ids(runtime, "counting") == ["of-ben"]


@pytest.mark.usefixtures("in_no_hurry")
async def test_the_list_of_the_account_before_is_old_for_a_later_start_too(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_core.runtime.LOOK_SECONDS", 3600.0)
    provider = Counting("counting")
    provider.may_answer.set()
    first = await start(provider)
    for account in ("anna", "ben"):
        await first.credentials.put(credential("counting", account))
    await first.refresh_models("counting")
    await use_account(await start(Counting("counting")), "counting", "ben")

    later = await start(Counting("counting"))
    assert ids(later, "counting") == ["of-anna"], "it serves until there is another"
    assert later.catalogue.age("counting") is None


@pytest.mark.usefixtures("in_no_hurry")
async def test_a_list_that_is_there_is_not_loaded_over(start: Start, tmp_path: Path) -> None:
    """As the state of all logins loads the lists when one is missing."""
    provider = Counting("counting")
    provider.may_answer.set()
    catalogue = (await start(provider, Broken("bad"))).catalogue
    await catalogue.refresh("counting", credential("counting"))
    remove(tmp_path, "counting.json")
    await catalogue.load()
    assert [model.id for model in catalogue.models("counting")] == ["of-anna"]


async def test_a_list_from_a_clock_that_ran_ahead_is_old(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr("gateway_core.catalogue.time.time", lambda: real() + 86_400)
    runtime = await start(LineProvider("lines"))
    await runtime.refresh_models("lines")
    assert not runtime.catalogue.stale("lines")
    monkeypatch.undo()
    assert runtime.catalogue.stale("lines")


class Quoting(LineProvider):
    """Cannot refresh, and says so with the token in it."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential) -> Credential:
        assert credential.refresh_token is not None
        raise ValueError(f"refused {credential.refresh_token.get_secret_value()}")


async def test_a_token_that_a_refresh_quotes_is_not_remembered(start: Start) -> None:
    runtime = await start(Quoting("quoting", login="browser"))
    stale = {"expires_at": datetime(2020, 1, 1, tzinfo=UTC), "refresh_token": SecretStr("canary-7")}
    await runtime.credentials.put(credential("quoting").model_copy(update=stale))
    with pytest.raises(Internal):
        await runtime.credentials.fresh("quoting")
    runtime.plugins.health.flush()
    failure = runtime.plugins.health.last("quoting", None)
    assert failure is not None
    assert failure.reason == "raised ValueError: refused [redacted]"
