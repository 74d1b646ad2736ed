"""`gateway status`: logins, plans, limits, and whether the server answers."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from gateway_core.accounts import switch_command
from gateway_core.cli.common import (
    command_settings,
    echo_json,
    find_provider,
    known_key,
    local_time,
    printable,
    run,
    time_left,
)
from gateway_core.cli.group import Failure
from gateway_core.cli.server import probe
from gateway_core.json import JsonObject
from gateway_core.runtime import Runtime
from gateway_core.settings import Settings
from gateway_core.status import LoginStatus, gather_status, status_facts

if TYPE_CHECKING:
    from gateway_core.credentials.store import Credential
    from gateway_core.provider import Account, RateWindow

__all__ = ["show_status"]

_SERVER_WORDS = {
    "ours": "running",
    "wrong key": "running, with another key than this one's",
    "other": "another program answers there",
    "nothing": "not running; start it with `gateway serve`",
}


def show_status(provider: str | None, *, offline: bool, as_json: bool) -> None:
    """Print the state of all logins, or of one provider's.

    Raises `Failure` when a provider was named and is not logged in.
    """
    settings = command_settings()
    logins, facts = run(_collect(settings, provider, offline))
    servers = _servers(settings)
    if as_json:
        answers = [{"url": url, "state": state} for url, state in servers.items()]
        echo_json({**facts, "servers": answers})
    else:
        _print(logins, facts["store"], servers)
    if provider is not None and all(login.needed and not login.credential for login in logins):
        raise Failure(f"not logged in to {provider}; run `gateway login {provider}`")


async def _collect(
    settings: Settings, provider: str | None, offline: bool
) -> tuple[list[LoginStatus], JsonObject]:
    runtime = Runtime(settings)
    try:
        if provider is not None:
            find_provider(provider, runtime.plugins.providers)
        logins = await gather_status(runtime, provider, offline=offline)
        return logins, await status_facts(runtime, logins)
    finally:
        await runtime.credentials.aclose()
        await runtime.transports.aclose()


def _servers(settings: Settings) -> dict[str, str]:
    key = known_key(settings)
    addresses = [address for address in settings.server.addresses() if address.port]
    return {address.url: probe(address, key) for address in addresses}


def _print(logins: Sequence[LoginStatus], store: str, servers: Mapping[str, str]) -> None:
    click.echo(f"gateway {version('gateway-core')}, logins kept in: {store}")
    for url, state in servers.items():
        click.echo(f"{url}  {_SERVER_WORDS[state]}")
    if not logins:
        click.echo("no provider is installed; run `pip install gateway-demo`, or another one")
    credentials = [login.credential for login in logins if login.credential]
    for login in logins:
        click.echo()
        click.echo(printable(f"{login.provider} ({login.title})  {_state(login)}"))
        if login.credential and not login.active:
            click.echo(printable(f"  to use it: {_switch(login.credential, credentials)}"))
        if login.models:
            click.echo(f"  models {', '.join(login.models)}, ...")
        for line in _login_lines(login):
            click.echo(f"  {printable(line)}")


def _state(login: LoginStatus) -> str:
    if not login.needed:
        return "ready, needs no login"
    if login.credential is None:
        return login.problem or f"not logged in: gateway login {login.provider}"
    name = login.credential.label or login.credential.account
    return f"logged in as {name}" + ("" if login.active else " (not the active account)")


def _switch(credential: "Credential", everybody: "Sequence[Credential]") -> str:
    theirs = [other for other in everybody if other.provider == credential.provider]
    return switch_command(credential, [other for other in theirs if other.key != credential.key])


def _login_lines(login: LoginStatus) -> list[str]:
    if login.credential is None:
        return []
    lines = []
    if expires := login.credential.expires_at:
        renewed = _renewal(login.credential)
        lines.append(f"token ends {local_time(expires)} ({time_left(expires)}){renewed}")
    if login.account:
        lines += _account_lines(login.account)
    if login.problem:
        lines.append(f"problem: {login.problem}")
    return lines


def _renewal(credential: "Credential") -> str:
    if credential.refresh_token is None:
        return ""
    if credential.refresh_at is None:
        return " and is renewed by itself"
    return f" and is renewed by itself from {local_time(credential.refresh_at)} on"


def _account_lines(account: "Account") -> list[str]:
    lines = []
    if account.name:
        kind = f" ({account.structure})" if account.structure else ""
        lines.append(f"account {account.name}{kind}")
    if account.plan:
        lines.append(f"plan {account.plan}")
    if until := account.subscription_until:
        lines.append(f"subscription until {local_time(until)} ({time_left(until)})")
    if account.credits_unlimited:
        lines.append("credits unlimited")
    elif account.credits_balance is not None:
        lines.append(f"credits {account.credits_balance:g}")
    lines += [f"limit {window.name}: {_window(window)}" for window in account.rate_windows]
    return lines + [f"warning: {warning}" for warning in account.warnings]


def _window(window: "RateWindow") -> str:
    percent = window.remaining_percent
    left = "-" if percent is None else f"{percent:.0f} % left"
    if window.reset_at is None:
        return left
    return f"{left}, resets {local_time(window.reset_at)} ({time_left(window.reset_at)})"
