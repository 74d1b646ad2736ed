"""`gateway status`: logins, plans, limits, and whether the server answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from gateway_core.cli.common import (
    command_settings,
    echo_json,
    find_provider,
    known_key,
    local_time,
    run,
    time_left,
)
from gateway_core.cli.group import Failure
from gateway_core.cli.server import probe
from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError
from gateway_core.json import JsonObject
from gateway_core.runtime import Runtime
from gateway_core.settings import Settings

if TYPE_CHECKING:
    from gateway_core.provider import Account

__all__ = ["show_status"]

_ACCOUNT_SECONDS = 15.0
_SERVER_WORDS = {
    "ours": "running",
    "wrong key": "running, with another key than this one's",
    "other": "another program answers there",
    "nothing": "not running; start it with `gateway serve`",
}


@dataclass(slots=True)
class _Login:
    """What is known of one provider's account."""

    provider: str
    title: str
    needed: bool
    credential: Credential | None = None
    active: bool = False
    account: "Account | None" = None
    problem: str | None = None


def show_status(provider: str | None, *, offline: bool, as_json: bool) -> None:
    """Print the state of all logins, or of one provider's.

    Raises `Failure` when a provider was named and is not logged in.
    """
    settings = command_settings()
    logins, store = run(_collect(settings, provider, offline))
    servers = _servers(settings)
    if as_json:
        echo_json(
            {
                "version": version("gateway-core"),
                "store": store,
                "servers": [{"url": url, "state": state} for url, state in servers.items()],
                "providers": [_facts(login) for login in logins],
            }
        )
    else:
        _print(logins, store, servers)
    if provider is not None and all(login.needed and not login.credential for login in logins):
        raise Failure(f"not logged in to {provider}; run `gateway login {provider}`")


async def _collect(
    settings: Settings, provider: str | None, offline: bool
) -> tuple[list[_Login], str]:
    runtime = Runtime(settings)
    try:
        providers = runtime.plugins.providers
        wanted = [find_provider(provider, providers)] if provider else sorted(providers)
        logins: list[_Login] = []
        for id in wanted:
            logins += await _logins(runtime, id)
        if not offline:
            await asyncio.gather(*(_ask_provider(runtime, login) for login in logins))
        return logins, runtime.store.name
    finally:
        await runtime.transports.aclose()


async def _logins(runtime: Runtime, provider: str) -> list[_Login]:
    info = runtime.plugins.providers[provider].info
    if info.login == "none":
        return [_Login(provider, info.title, needed=False)]
    manager = runtime.credentials
    active = await manager.active(provider)
    logins = []
    for account in await manager.accounts(provider):
        login = _Login(provider, info.title, needed=True, active=account == active)
        try:
            login.credential = await manager.stored(provider, account)
        except GatewayError as error:
            login.problem = error.message
        logins.append(login)
    return logins or [_Login(provider, info.title, needed=True)]


async def _ask_provider(runtime: Runtime, login: _Login) -> None:
    """Fill in plan and limits, with a fresh token; what fails becomes the login's problem."""
    if login.credential is None:
        return
    relay = runtime.plugins.providers[login.provider]
    try:
        async with asyncio.timeout(_ACCOUNT_SECONDS):
            fresh = await runtime.credentials.fresh(login.provider, login.credential.account)
            transport = runtime.transports.get(login.provider, fresh.account)
            login.credential = fresh
            login.account = await relay.account(fresh, transport.http)
    except GatewayError as error:
        login.problem = error.message
    except TimeoutError:
        login.problem = f"the provider did not answer within {_ACCOUNT_SECONDS:g} s"


def _servers(settings: Settings) -> dict[str, str]:
    key = known_key(settings)
    addresses = [address for address in settings.server.addresses() if address.port]
    return {address.url: probe(address, key) for address in addresses}


def _facts(login: _Login) -> JsonObject:
    """A login for JSON output."""
    now = datetime.now(UTC)
    facts: JsonObject = {
        "provider": login.provider,
        "title": login.title,
        "login_needed": login.needed,
        "logged_in": login.credential is not None,
    }
    if login.credential is not None:
        facts |= {
            "active": login.active,
            "account_id": login.credential.account,
            "label": login.credential.label,
            "token": _moment("expires_at", login.credential.expires_at, now),
        }
    if account := login.account:
        facts |= {
            "account": {
                "id": account.id,
                "name": account.name,
                "email": account.email,
                "plan": account.plan,
                **_moment("subscription_expires_at", account.subscription_until, now),
            },
            "credits_balance": account.credits_balance,
            "rate_limits": [
                {
                    "name": window.name,
                    "remaining_percent": window.remaining_percent,
                    **_moment("reset_at", window.reset_at, now),
                }
                for window in account.rate_windows
            ],
            "warnings": list(account.warnings),
        }
    if login.problem:
        facts["problem"] = login.problem
    return facts


def _moment(name: str, moment: datetime | None, now: datetime) -> JsonObject:
    """A time in three forms: UTC, local, and seconds from now."""
    if moment is None:
        return {name: None}
    return {
        name: moment.astimezone(UTC).isoformat(timespec="seconds"),
        f"{name}_local": local_time(moment),
        f"{name}_in_seconds": round((moment - now).total_seconds()),
    }


def _print(logins: Sequence[_Login], store: str, servers: Mapping[str, str]) -> None:
    click.echo(f"gateway {version('gateway-core')}, logins kept in: {store}")
    for url, state in servers.items():
        click.echo(f"{url}  {_SERVER_WORDS[state]}")
    if not logins:
        click.echo("no provider is installed; run `pip install gateway-demo`, or another one")
    for login in logins:
        click.echo(f"\n{login.provider} ({login.title})  {_state(login)}")
        for line in _account_lines(login):
            click.echo(f"  {line}")


def _state(login: _Login) -> str:
    if not login.needed:
        return "ready, needs no login"
    if login.credential is None:
        return login.problem or f"not logged in: gateway login {login.provider}"
    name = login.credential.label or login.credential.account
    return f"logged in as {name}" + ("" if login.active else " (not the active account)")


def _account_lines(login: _Login) -> list[str]:
    if login.credential is None:
        return []
    lines = []
    if expires := login.credential.expires_at:
        renewed = " and is renewed by itself" if login.credential.refresh_token else ""
        lines.append(f"token ends {local_time(expires)} ({time_left(expires)}){renewed}")
    if account := login.account:
        if account.plan:
            until = account.subscription_until
            lines.append(f"plan {account.plan}" + (f" until {local_time(until)}" if until else ""))
        if account.credits_balance is not None:
            lines.append(f"credits {account.credits_balance:g}")
        for window in account.rate_windows:
            percent = window.remaining_percent
            left = "-" if percent is None else f"{percent:.0f} % left"
            reset = f", resets {time_left(window.reset_at)}" if window.reset_at else ""
            lines.append(f"limit {window.name}: {left}{reset}")
        lines += [f"warning: {warning}" for warning in account.warnings]
    if login.problem:
        lines.append(f"problem: {login.problem}")
    return lines
