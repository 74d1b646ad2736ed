"""The state of all logins: who is logged in, for how long, with what plan and limits left.

Gathers it and writes it as JSON, for `GET /v1/status` and `gateway status --json` alike; how it
looks on a terminal is `gateway_core.cli.status`'s business. Also refreshes logins on demand. No
secret is in anything that comes out of here.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError, LoginRequired, NotFound, Unauthorized
from gateway_core.json import JsonObject
from gateway_core.recording import hide
from gateway_core.redaction import redact

if TYPE_CHECKING:
    from gateway_core.provider import Account, Model
    from gateway_core.runtime import Runtime

__all__ = [
    "LoginStatus",
    "RefreshOutcome",
    "gather_status",
    "highlights",
    "local_time",
    "login_facts",
    "refresh_facts",
    "refresh_logins",
    "status_facts",
    "token_facts",
]

_ACCOUNT_SECONDS = 15.0
_MINUTE = "%Y-%m-%d %H:%M"
_SMALL = re.compile(r"mini|nano|lite|flash|fast|spark|haiku|luna")


@dataclass(slots=True)
class LoginStatus:
    """What is known of one provider's account. `problem` is why something is not known, or does
    not work.
    """

    provider: str
    title: str
    needed: bool
    credential: Credential | None = None
    active: bool = False
    account: "Account | None" = None
    models: Sequence[str] = ()
    problem: str | None = None


@dataclass(slots=True)
class RefreshOutcome:
    """What became of one refresh: a fresh credential, or the error. Neither: nothing to refresh."""

    provider: str
    account: str
    label: str | None = None
    fresh: Credential | None = None
    error: GatewayError | None = None


async def gather_status(
    runtime: "Runtime", provider: str | None = None, *, offline: bool = False
) -> list[LoginStatus]:
    """The state of every login of every provider, or of one's; a provider without one is listed
    once. Asks the providers about plan and limits unless `offline`.

    Raises `NotFound` for a provider that is not installed.
    """
    logins: list[LoginStatus] = []
    wanted = _wanted(runtime, provider)
    if not all(runtime.catalogue.models(id) for id in wanted):
        await runtime.catalogue.load()
    for id in wanted:
        logins += await _logins(runtime, id)
    for login in logins:
        login.models = highlights(runtime.catalogue.models(login.provider))
    if not offline:
        await asyncio.gather(*(_ask_provider(runtime, login) for login in logins))
    return logins


async def refresh_logins(runtime: "Runtime", provider: str | None = None) -> list[RefreshOutcome]:
    """Refresh every login, or those of one provider, whatever time their tokens have left.

    Raises `NotFound` for a provider that is not installed, `LoginRequired` when there is no login
    at all. What fails for one login is in its outcome.
    """
    wanted = _wanted(runtime, provider)
    keys = [key for key in await runtime.credentials.keys() if key.provider in wanted]
    if not keys:
        command = f"gateway login {provider or ''}".strip()
        raise LoginRequired(f"not logged in to {provider or 'any provider'}; run `{command}`")
    outcomes = [RefreshOutcome(key.provider, key.account) for key in keys]
    await asyncio.gather(*(_refresh(runtime, outcome) for outcome in outcomes))
    return outcomes


async def status_facts(runtime: "Runtime", logins: Sequence[LoginStatus]) -> JsonObject:
    """The whole state as JSON."""
    return {
        "version": version("gateway-core"),
        "store": await asyncio.to_thread(lambda: runtime.store.name),
        "providers": [login_facts(login) for login in logins],
    }


def login_facts(login: LoginStatus, now: datetime | None = None) -> JsonObject:
    """One login as JSON. Times come in UTC, as the local clock shows them, and in seconds from
    `now`.
    """
    now = now or datetime.now(UTC)
    facts: JsonObject = {
        "provider": login.provider,
        "title": login.title,
        "login_needed": login.needed,
        "logged_in": login.credential is not None,
        "highlights": list(login.models),
    }
    if login.credential is not None:
        facts |= {
            "active": login.active,
            "account_id": login.credential.account,
            "label": login.credential.label,
            "token": token_facts(login.credential, now),
        }
    if account := login.account:
        facts |= {
            "account": {
                "id": account.id,
                "name": account.name,
                "email": account.email,
                "structure": account.structure,
                "plan": account.plan,
                "has_active_subscription": account.subscription_active,
                **_moment(
                    account.subscription_until,
                    now,
                    "subscription_expires_at",
                    "subscription_remaining_seconds",
                ),
            },
            "credits_balance": account.credits_balance,
            "credits_unlimited": account.credits_unlimited,
            "rate_limits": [
                {
                    "name": window.name,
                    "remaining_percent": window.remaining_percent,
                    **_moment(window.reset_at, now, "reset_at", "reset_in_seconds"),
                }
                for window in account.rate_windows
            ],
            "warnings": list(account.warnings),
        }
    if login.problem:
        facts["problem"] = login.problem
    return facts


def refresh_facts(outcomes: Sequence[RefreshOutcome]) -> JsonObject:
    """What became of refreshes, as JSON. Raises the first error when every one of them failed."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors and len(errors) == len(outcomes):
        raise errors[0]
    now = datetime.now(UTC)
    return {
        "logins": [
            {
                "provider": outcome.provider,
                "account_id": outcome.account,
                "label": outcome.label,
                "refreshed": outcome.fresh is not None,
                **({"token": token_facts(outcome.fresh, now)} if outcome.fresh else {}),
                **({"problem": redact(outcome.error.message)} if outcome.error else {}),
            }
            for outcome in outcomes
        ]
    }


def highlights(models: Sequence["Model"], count: int = 3) -> list[str]:
    """The strongest models, going by their names: full-size ones first, then the higher version."""

    def weakness(model: "Model") -> tuple[bool, list[int]]:
        version = re.search(r"\d+(?:[.-]\d+)*", model.id)
        numbers = re.findall(r"\d+", version[0]) if version else []
        return _SMALL.search(model.id) is not None, [-int(number) for number in numbers] or [0]

    return [model.id for model in sorted(models, key=weakness)[:count]]


def local_time(moment: datetime) -> str:
    """A time as the person's clock shows it; in UTC one that is beyond that clock: some services
    say with the year 9999 that there is no end.
    """
    try:
        return moment.astimezone().strftime(_MINUTE)
    except (OverflowError, OSError, ValueError):
        return f"{moment.strftime(_MINUTE)} UTC"


def _wanted(runtime: "Runtime", provider: str | None) -> list[str]:
    installed = sorted(runtime.plugins.providers)
    if provider is None:
        return installed
    if provider not in installed:
        known = ", ".join(installed) or "none"
        raise NotFound(f"no provider {provider!r} is installed; installed: {known}")
    return [provider]


async def _logins(runtime: "Runtime", provider: str) -> list[LoginStatus]:
    info = runtime.plugins.providers[provider].info
    if info.login == "none":
        return [LoginStatus(provider, info.title, needed=False)]
    manager = runtime.credentials
    active = await manager.active(provider)
    logins = []
    for account in await manager.accounts(provider):
        login = LoginStatus(provider, info.title, needed=True, active=account == active)
        try:
            login.credential = await manager.stored(provider, account)
        except GatewayError as error:
            login.problem = redact(error.message)
        logins.append(login)
    return logins or [LoginStatus(provider, info.title, needed=info.needs_login)]


async def _ask_provider(runtime: "Runtime", login: LoginStatus) -> None:
    """Fill in plan and limits, with a fresh token; what fails becomes the login's problem."""
    if login.credential is None:
        return
    try:
        async with asyncio.timeout(_ACCOUNT_SECONDS):
            fresh = await runtime.credentials.fresh(login.provider, login.credential.account)
            await _ask_with(runtime, login, fresh)
    except GatewayError as error:
        login.problem = redact(error.message)
    except TimeoutError:
        login.problem = f"the provider did not answer within {_ACCOUNT_SECONDS:g} s"


async def _ask_with(runtime: "Runtime", login: LoginStatus, credential: Credential) -> None:
    relay = runtime.plugins.providers[login.provider]
    http = runtime.transports.get(login.provider, credential.account).http
    hide(credential)
    login.credential = credential
    try:
        login.account = _with_zones(await relay.account(credential, http))
    except Unauthorized:  # revoked before its time: the same single recovery that a turn gets
        login.credential = await runtime.credentials.refreshed(credential)
        hide(login.credential)
        login.account = _with_zones(await relay.account(login.credential, http))


def _with_zones(account: "Account | None") -> "Account | None":
    """The same account; a time that a plugin gave without a zone is one in UTC, as everywhere."""
    if account is None:
        return None
    windows = [replace(one, reset_at=_in_utc(one.reset_at)) for one in account.rate_windows]
    until = _in_utc(account.subscription_until)
    return replace(account, subscription_until=until, rate_windows=windows)


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


async def _refresh(runtime: "Runtime", outcome: RefreshOutcome) -> None:
    try:
        stored = await runtime.credentials.stored(outcome.provider, outcome.account)
        if stored is None:
            raise LoginRequired(f"the login of {outcome.account!r} is gone meanwhile")
        hide(stored)
        outcome.label = stored.label
        if stored.refresh_token is not None:
            outcome.fresh = await runtime.credentials.refreshed(stored)
            hide(outcome.fresh)
    except GatewayError as error:
        outcome.error = error


def token_facts(credential: Credential, now: datetime) -> JsonObject:
    """When the access token ends, and when it is to be renewed if its provider says so."""
    facts = _moment(credential.expires_at, now, "expires_at", "remaining_seconds")
    if credential.refresh_at is not None:
        facts |= _moment(credential.refresh_at, now, "refresh_at", "refresh_in_seconds")
    return facts


def _moment(moment: datetime | None, now: datetime, name: str, seconds: str) -> JsonObject:
    """A time in three forms; all None when it is unknown."""
    if moment is None:
        return {name: None, f"{name}_local": None, seconds: None}
    return {
        name: moment.astimezone(UTC).isoformat(timespec="seconds"),
        f"{name}_local": local_time(moment),
        seconds: round((moment - now).total_seconds()),
    }
