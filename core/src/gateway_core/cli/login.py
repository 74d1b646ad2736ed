"""`gateway login`, `import`, `logout` and `refresh`: a person's part in the life of credentials."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from gateway_core.accounts import (
    KnownAccount,
    find_account,
    gather_accounts,
    keep_login,
    switch_command,
)
from gateway_core.cli.common import command_settings, find_provider, local_time, printable, run
from gateway_core.cli.group import Failure
from gateway_core.credentials.prompt import TerminalPrompt
from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError, LoginRequired
from gateway_core.recording import hide
from gateway_core.redaction import redact
from gateway_core.runtime import Runtime
from gateway_core.status import RefreshOutcome
from gateway_core.status import refresh_logins as refresh_all

__all__ = ["import_login", "log_in", "log_out", "refresh_logins"]

_METHODS = {
    "none": "needs no login",
    "browser": "browser or device code",
    "device": "device code",
    "key": "API key",
}


def log_in(provider: str | None, method: str, label: str | None) -> None:
    """Lead a person through a login and keep its outcome; without a provider, list them.

    method: `auto`, `browser`, `device` or `paste`. label: what to call the account.
    """
    run(_list_providers() if provider is None else _log_in(provider, method, label))


def import_login(provider: str, source: Path | None, label: str | None) -> None:
    """Take over the login that another program keeps; `source` None means its usual place."""
    run(_import_login(provider, source, label))


def log_out(provider: str, account: str | None) -> None:
    """Revoke and forget one account, or all accounts of a provider."""
    run(_log_out(provider, account))


def refresh_logins(provider: str | None) -> None:
    """Refresh every login, or those of one provider, whatever time their tokens have left.

    Raises `Failure` when one of them failed.
    """
    run(_refresh_logins(provider))


class _NobodyAnswers(LoginRequired, EOFError):
    """Explains itself to people, and is the `EOFError` that login helpers know what to do with."""


class _Prompt(TerminalPrompt):
    """The terminal; a question that nobody can answer names the command to run by hand."""

    def __init__(self, provider: str, *, headless: bool | None) -> None:
        super().__init__(headless=headless)
        self._provider = provider

    async def ask(self, question: str, *, secret: bool = False) -> str:
        """Ask for one line. Raises `LoginRequired`, which is an `EOFError` too."""
        try:
            return await super().ask(question, secret=secret)
        except EOFError as error:
            raise _NobodyAnswers(
                f"the login asks a question; run `gateway login {self._provider}` in a terminal"
            ) from error


@asynccontextmanager
async def _runtime() -> AsyncIterator[Runtime]:
    """A runtime that only logs in: no model lists, no background work."""
    runtime = Runtime(command_settings())
    try:
        yield runtime
    finally:
        await runtime.credentials.aclose()
        await runtime.transports.aclose()


async def _list_providers() -> None:
    async with _runtime() as runtime:
        relays = runtime.plugins.providers
        if not relays:
            raise Failure("no provider is installed; run `pip install gateway-demo`, or another")
        stored = {key.provider for key in await runtime.credentials.keys()}
        width = max(len(id) for id in relays)
        for id in sorted(relays):
            info = relays[id].info
            state = "logged in, " if id in stored else ""
            without = ", works without a login too" if info.login_optional else ""
            click.echo(f"{id:{width}}  {info.title} ({state}{_METHODS[info.login]}{without})")
    click.echo("\nLog in with: gateway login PROVIDER")


async def _log_in(provider: str, method: str, label: str | None) -> None:
    async with _runtime() as runtime:
        relay = runtime.plugins.providers[find_provider(provider, runtime.plugins.providers)]
        if relay.info.login == "none":
            click.echo(f"{provider} needs no login; `gateway serve` serves it")
            return
        http = runtime.transports.get(provider).http
        prompt = _Prompt(provider, headless=True if method == "paste" else None)
        credential = await relay.login(prompt, http, method)
        await _keep(runtime, credential, label, "logged in to")


async def _import_login(provider: str, source: Path | None, label: str | None) -> None:
    async with _runtime() as runtime:
        relay = runtime.plugins.providers[find_provider(provider, runtime.plugins.providers)]
        credential = await relay.import_login(source)
        await _keep(runtime, credential, label, "imported the login of")


async def _keep(runtime: Runtime, credential: Credential, label: str | None, done: str) -> None:
    """Store a new login, let its account serve, and say so."""
    hide(credential)
    if label:
        credential = credential.named(label)
    served = await keep_login(runtime, credential)
    end = credential.expires_at
    ends = f"; the token ends {local_time(end)}" if end and not credential.refresh_token else ""
    click.echo(printable(f"{done} {credential.provider} as {_name(credential)}{ends}"))
    click.echo("A running gateway uses it at once; otherwise start one with `gateway serve`.")
    if served is not None and served.credential is not None:
        accounts = await gather_accounts(runtime, credential.provider)
        others = [one.credential for one in accounts if one.credential and one.key != served.key]
        command = switch_command(served.credential, others)
        click.echo(printable(f"To use {served} again: {command}"))


async def _log_out(provider: str, account: str | None) -> None:
    async with _runtime() as runtime:
        accounts = await gather_accounts(runtime, provider)
        if not accounts:
            raise Failure(f"not logged in to {provider}; `gateway accounts` shows what there is")
        for one in accounts if account is None else [find_account(accounts, provider, account)]:
            await _revoke(runtime, one)
            await runtime.credentials.forget(*one.key)
            click.echo(printable(f"logged out of {provider} ({one.key.account})"))
        serving = await runtime.credentials.active(provider)
        for one in accounts:
            if one.key.account == serving and not one.active:
                click.echo(printable(f"{provider} is served by {one} from its next turn on"))


async def _revoke(runtime: Runtime, account: KnownAccount) -> None:
    """Revoke at the provider if it can; failing that, the login is forgotten all the same."""
    relay = runtime.plugins.providers.get(account.key.provider)
    if relay is None:
        return
    try:
        credential = await runtime.credentials.stored(*account.key)
        if credential is not None:
            hide(credential)
            await relay.logout(credential, runtime.transports.get(*account.key).http)
    except GatewayError as error:
        told = printable(f"note: not revoked at the provider: {error.message}")
        click.echo(told, err=True)


async def _refresh_logins(provider: str | None) -> None:
    async with _runtime() as runtime:
        if provider is not None:
            find_provider(provider, runtime.plugins.providers)
        outcomes = await refresh_all(runtime, provider)
    for outcome in outcomes:
        told = printable(f"{outcome.provider}  {_told(outcome)}")
        click.echo(told, err=outcome.error is not None)
    if failures := sum(outcome.error is not None for outcome in outcomes):
        raise Failure(
            f"{failures} of {len(outcomes)} logins could not be refreshed; see `gateway status`"
        )


def _told(outcome: RefreshOutcome) -> str:
    name = outcome.label or outcome.account
    if outcome.error is not None:
        return f"{outcome.account}: {redact(outcome.error.message)}"
    if outcome.fresh is None:
        return f"{name}: has nothing to refresh"
    end = outcome.fresh.expires_at
    return f"{name}: refreshed" + (f", good until {local_time(end)}" if end else "")


def _name(credential: Credential) -> str:
    return credential.label or credential.account
