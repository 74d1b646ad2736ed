"""Which account a person means, and what becomes of logins that a plugin once named otherwise."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway_core import Credential, hookimpl, load_settings
from gateway_core.accounts import (
    KnownAccount,
    find_account,
    gather_accounts,
    keep_login,
    switch_command,
)
from gateway_core.credentials.store import CredentialKey, MemoryStore
from gateway_core.errors import InvalidRequest, LoginRequired, NotFound
from gateway_core.runtime import Runtime
from support.about import each
from support.providers import LineProvider


def login(account: str, label: str | None = None, provider: str = "lines") -> Credential:
    return Credential(
        provider=provider, account=account, label=label, access_token=SecretStr("canary")
    )


def known(account: str, label: str | None = None, provider: str = "lines") -> KnownAccount:
    credential = login(account, label, provider)
    return KnownAccount(credential.key, active=False, credential=credential)


ACCOUNTS = [
    known("w1/ann", "ann@a.test"),
    known("w1/bob", "bob@a.test"),
    known("w2/ann", "ann@a.test"),
    known("bob", "Work"),
    KnownAccount(CredentialKey("lines", "zed"), active=False, problem="cannot be read"),
    known("w9", "else@a.test", provider="others"),
]


@each(
    "name, account",
    [
        ("w1/ann", "w1/ann"),
        ("w2", "w2/ann"),
        ("w2/…", "w2/ann"),  # as a table shows it
        ("bob", "bob"),
        ("bob@", "w1/bob"),
        (" WORK ", "bob"),
        ("zed", "zed"),
    ],
)
def test_an_account_is_found_by_what_fits_best(name: str, account: str) -> None:
    assert find_account(ACCOUNTS, "lines", name).key.account == account


@each("name", ["ann@a.test", "ann", "w"])
def test_what_fits_several_is_asked_back(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"ann@a\.test \(w1/ann\), .*ann@a\.test \(w2/ann\)"):
        find_account(ACCOUNTS, "lines", name)


@each("name", ["", " ", "…", "w9", "else"])
def test_what_fits_none_is_answered_with_what_there_is(name: str) -> None:
    with pytest.raises(NotFound, match=r"Work \(bob\), zed \(`gateway login lines` adds another"):
        find_account(ACCOUNTS, "lines", name)


def test_without_any_account_a_login_is_what_is_missing() -> None:
    with pytest.raises(LoginRequired, match="gateway login third"):
        find_account(ACCOUNTS, "third", "ann")


@each(
    "label, others, words",
    [
        ("ann@a.test", [login("w2")], "ann@a.test"),
        ("ann@a.test", [login("w2", "Ann@a.test")], "w1"),
        ("ann@a.test", [login("w2", "ann@a.test").named("work")], "w1"),
        ("w2", [login("w2", "bob")], "w1"),
        ("--json", [], "-- --json"),
        (None, [], "w1"),
        ("at work", [], "'at work'"),
    ],
)
def test_the_command_to_switch_means_one_account(
    label: str | None, others: list[Credential], words: str
) -> None:
    assert switch_command(login("w1", label), others) == f"gateway accounts use lines {words}"


class Renaming(LineProvider):
    """Named accounts in capitals once; cannot tell for those named `BROKEN` and `ODD`."""

    def __init__(self) -> None:
        super().__init__(login="browser")

    @hookimpl
    def gateway_same_account(self, credential: Credential, other: Credential) -> object:
        if other.account == "BROKEN":
            raise ValueError(other)
        if other.account == "ODD":
            return "perhaps"
        return credential.account == other.account.lower()


async def kept(home: Path, plugin: LineProvider, *stored: str) -> list[tuple[str, bool]]:
    """The accounts, and which of them serves, after a new login of `ann`."""
    settings = load_settings(environ={"GATEWAY_HOME": str(home)})
    store = MemoryStore(*map(login, stored))
    runtime = Runtime(settings, extra_plugins=[plugin], installed=False, store=store)
    await keep_login(runtime, login("ann"))
    accounts = await gather_accounts(runtime)
    await runtime.credentials.aclose()
    return [(account.key.account, account.active) for account in accounts]


async def test_a_login_takes_the_place_of_the_one_that_was_named_otherwise(tmp_path: Path) -> None:
    assert await kept(tmp_path, Renaming(), "ANN", "BOB") == [("BOB", False), ("ann", True)]


async def test_a_plugin_that_cannot_tell_costs_no_login(tmp_path: Path) -> None:
    accounts = await kept(tmp_path, Renaming(), "ANN", "BROKEN", "ODD")
    assert accounts == [("BROKEN", False), ("ODD", False), ("ann", True)]


async def test_accounts_with_different_names_are_different_unless_told(tmp_path: Path) -> None:
    accounts = await kept(tmp_path, LineProvider(login="browser"), "ANN")
    assert accounts == [("ANN", False), ("ann", True)]
