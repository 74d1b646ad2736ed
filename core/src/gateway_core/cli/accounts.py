"""`gateway accounts`: which accounts are logged in, which of them serves, what they are called."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import TypeVar

import click

from gateway_core.accounts import (
    KnownAccount,
    accounts_facts,
    gather_accounts,
    rename_account,
    use_account,
)
from gateway_core.cli.common import (
    command_settings,
    echo_json,
    local_time,
    printable,
    run,
    time_left,
)
from gateway_core.json import JsonObject
from gateway_core.runtime import Runtime

__all__ = ["rename", "show_accounts", "use"]

T = TypeVar("T")

_TITLES = ("provider", "account", "id", "", "token ends")
_SHORT_ID = 12


def show_accounts(provider: str | None, *, as_json: bool) -> None:
    """Print all logins, or those with one provider."""

    async def collect(runtime: Runtime) -> tuple[list[KnownAccount], JsonObject]:
        accounts = await gather_accounts(runtime, provider)
        return accounts, await accounts_facts(runtime, accounts)

    accounts, facts = run(_with_runtime(collect))
    if as_json:
        echo_json(facts)
    elif accounts:
        _print(accounts, facts["store"])
    else:
        command = f"gateway login {provider or ''}".strip()
        click.echo(f"not logged in to {provider or 'any provider'}; run `{command}`")


def use(provider: str, name: str) -> None:
    """Let another account serve, whatever gateways run."""
    account = run(_with_runtime(lambda runtime: use_account(runtime, provider, name)))
    click.echo(printable(f"{provider} is served by {account} from its next turn on"))


def rename(provider: str, name: str, label: str) -> None:
    """Call an account something else."""
    account = run(_with_runtime(lambda runtime: rename_account(runtime, provider, name, label)))
    click.echo(printable(f"{account} of {provider} is called {label.strip()} now"))


async def _with_runtime(work: Callable[[Runtime], Awaitable[T]]) -> T:
    runtime = Runtime(command_settings())
    try:
        return await work(runtime)
    finally:
        await runtime.credentials.aclose()
        await runtime.transports.aclose()


def _print(accounts: Sequence[KnownAccount], store: str) -> None:
    click.echo(f"logins kept in: {store}")
    rows: list[tuple[str, ...]] = [_TITLES]
    several = False
    for _, group in groupby(accounts, lambda account: account.key.provider):
        theirs = list(group)
        several = several or len(theirs) > 1
        rows += [_row(account, _short_id(account, theirs)) for account in theirs]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
    if several:
        click.echo("\nUse another one with: gateway accounts use PROVIDER ACCOUNT")


def _row(account: KnownAccount, id: str) -> tuple[str, ...]:
    state = "active" if account.active else ""
    if account.title is None:
        state = "not installed"
    cells = (account.key.provider, account.label or "-", id, state, _end(account))
    return tuple(map(printable, cells))


def _end(account: KnownAccount) -> str:
    if account.credential is None:
        return account.problem or "-"
    end = account.credential.expires_at
    return f"{local_time(end)} ({time_left(end)})" if end else "-"


def _short_id(account: KnownAccount, theirs: Sequence[KnownAccount]) -> str:
    """The beginning of a long id that none of the provider's other ids begins with."""
    id = account.key.account
    others = [other.key.account for other in theirs if other.key != account.key]
    for length in range(_SHORT_ID, len(id) - 1):
        if not any(other.startswith(id[:length]) for other in others):
            return f"{id[:length]}…"
    return id
