"""What a ChatGPT account may still do: plan, subscription, credits and rate-limit windows.

Two endpoints of the ChatGPT backend tell it, and the claims in the login's own tokens when they do
not answer. The windows also come along with answers, as headers or as an event; reading those is
pure. Windows are named by their length, never by their slot: some plans have a weekly window first.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gateway_codex.identity import Identity, parse_time, read_identity, workspace_of
from gateway_codex.settings import CodexSettings
from gateway_core import Account, Credential, GatewayError, JsonObject, RateWindow, UpstreamProtocol
from gateway_core.defaults import message_in, retry_after_in
from gateway_core.errors import Unauthorized, error_for_status
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads_object

if TYPE_CHECKING:
    import httpx

__all__ = ["account", "rate_windows_from_event", "rate_windows_from_headers"]

_SECONDS = 10.0
_SLOTS = ("primary", "secondary")
_SUFFIX = "-primary-used-percent"
_REASONS = {
    "workspace_owner_credits_depleted": "the workspace's credits are used up; buy more",
    "workspace_member_credits_depleted": "the workspace's credits are used up; ask its owner",
    "workspace_owner_usage_limit_reached": "the workspace's usage limit is reached; raise it",
    "workspace_member_usage_limit_reached": "the workspace's usage limit is reached; ask its owner",
}


async def account(
    credential: Credential,
    http: "httpx.AsyncClient",
    settings: CodexSettings,
    *,
    seen: Sequence[RateWindow] = (),
) -> Account:
    """Plan, limits and warnings of the account. What one endpoint does not tell is a warning.

    seen: the windows of the latest answer, for when the usage endpoint fails. Raises `Unauthorized`
    when the access token is refused.
    """
    headers = {
        "Authorization": f"Bearer {credential.access_token.get_secret_value()}",
        "ChatGPT-Account-Id": workspace_of(credential),
        "Accept": "application/json",
        "originator": settings.originator,
        "User-Agent": settings.agent,
    }
    usage, check = await asyncio.gather(
        _ask(http, f"{settings.backend_url}/wham/usage", headers),
        _ask(http, f"{settings.backend_url}/accounts/check/v4-2023-04-27", headers),
    )
    if isinstance(usage, Unauthorized):
        raise usage
    identity = read_identity(credential.secrets.get("id_token"), credential.access_token)
    return _account(credential, identity, usage, check, seen)


def rate_windows_from_headers(
    headers: Mapping[str, str], now: datetime | None = None
) -> list[RateWindow]:
    """The windows that an answer's headers tell of, those of the plan before those of single
    models. now: what relative times count from.
    """
    named = {name.lower(): value for name, value in headers.items()}
    families = [name.removesuffix(_SUFFIX) for name in named if name.endswith(_SUFFIX)]
    windows = []
    for family in sorted(families, key=lambda family: (family != "x-codex", family)):
        label = named.get(f"{family}-limit-name") or family.removeprefix("x-")
        for slot in _SLOTS:
            start = f"{family}-{slot}"
            facts = _Facts(
                slot,
                used=_number(named.get(f"{start}-used-percent")),
                minutes=_number(named.get(f"{start}-window-minutes")),
                reset_at=_number(named.get(f"{start}-reset-at")),
                reset_after=_number(named.get(f"{start}-reset-after-seconds")),
            )
            windows += _window(facts, "" if family == "x-codex" else label, now)
    return windows


def rate_windows_from_event(event: JsonObject, now: datetime | None = None) -> list[RateWindow]:
    """The windows in a `codex.rate_limits` event. now: what relative times count from."""
    label = event.get("limit_name")
    metered = event.get("metered_limit_name")
    if not label and metered not in (None, "codex"):
        label = metered
    limits = _object(event.get("rate_limits"))
    windows = []
    for slot in _SLOTS:
        facts = _facts(slot, _object(limits.get(slot)))
        windows += _window(facts, label if isinstance(label, str) else "", now)
    return windows


def _account(
    credential: Credential,
    identity: Identity,
    usage: JsonObject | GatewayError,
    check: JsonObject | GatewayError,
    seen: Sequence[RateWindow],
) -> Account:
    warnings = []
    windows: Sequence[RateWindow] = seen
    if isinstance(usage, GatewayError):
        warnings.append(f"the limits are not known for sure: {usage.message}")
        usage = {}
    else:
        windows = _windows(usage)
        warnings += _limit_warnings(usage)
    if isinstance(check, GatewayError):
        warnings.append(f"the subscription is told from the login alone: {check.message}")
        check = {}
    entry = _entry(check, workspace_of(credential))
    facts = _object(entry.get("account"))
    entitlement = _object(entry.get("entitlement"))
    until = parse_time(entitlement.get("expires_at"))
    if until is not None and until < datetime.now(UTC):
        warnings.append(f"the subscription ended on {until.astimezone():%Y-%m-%d}")
    if facts.get("is_deactivated") is True:
        warnings.append("the account is deactivated")
    active = entitlement.get("has_active_subscription")
    credits = _object(usage.get("credits"))
    return Account(
        id=workspace_of(credential),
        name=_text(facts.get("name")),
        email=_text(usage.get("email")) or identity.email,
        structure=_text(facts.get("structure")),
        plan=_text(usage.get("plan_type")) or _text(facts.get("plan_type")) or identity.plan,
        subscription_active=active if isinstance(active, bool) else None,
        subscription_until=until or identity.subscription_until,
        credits_balance=_number(credits.get("balance")),
        credits_unlimited=credits.get("unlimited") is True,
        rate_windows=windows,
        warnings=warnings,
    )


def _windows(usage: JsonObject) -> list[RateWindow]:
    """The plan's windows, then those of single models."""
    named: list[tuple[str, object]] = [("", usage.get("rate_limit"))]
    more = usage.get("additional_rate_limits")
    for extra in more if isinstance(more, list) else []:
        facts = _object(extra)
        label = _text(facts.get("limit_name")) or _text(facts.get("metered_feature")) or "other"
        named.append((label, facts.get("rate_limit")))
    return [
        window
        for label, limit in named
        for slot in _SLOTS
        for window in _window(_facts(slot, _object(_object(limit).get(f"{slot}_window"))), label)
    ]


def _limit_warnings(usage: JsonObject) -> list[str]:
    limit = _object(usage.get("rate_limit"))
    if limit.get("limit_reached") is not True and limit.get("allowed") is not False:
        return []
    credits = _object(usage.get("credits"))
    if credits.get("has_credits") is True or credits.get("unlimited") is True:
        return ["the plan's usage limit is reached; credits are used now"]
    kind = usage.get("rate_limit_reached_type")
    if isinstance(kind, dict):
        kind = kind.get("type")
    return [_REASONS.get(str(kind), "the plan's usage limit is reached; wait for its reset")]


def _entry(check: JsonObject, account: str) -> JsonObject:
    """What the check says of our account: by its id, else the default, else the first in order."""
    accounts = _object(check.get("accounts"))
    order = check.get("account_ordering")
    names = [account, "default", *(order if isinstance(order, list) else [])]
    return next((_object(accounts[name]) for name in names if _object(accounts.get(name))), {})


@dataclass(slots=True, frozen=True)
class _Facts:
    """One window as some source tells it; times in seconds, `reset_at` since the epoch."""

    slot: str
    used: float | None
    minutes: float | None
    reset_at: float | None
    reset_after: float | None


def _facts(slot: str, window: JsonObject) -> _Facts:
    minutes = _number(window.get("window_minutes"))
    seconds = _number(window.get("limit_window_seconds"))
    if minutes is None and seconds is not None:
        minutes = math.ceil(seconds / 60)
    return _Facts(
        slot,
        used=_number(window.get("used_percent")),
        minutes=minutes,
        reset_at=_number(window.get("reset_at")),
        reset_after=_number(window.get("reset_after_seconds")),
    )


def _window(facts: _Facts, label: str, now: datetime | None = None) -> list[RateWindow]:
    """The window; none when the source only says that there is none, by zeros or by silence."""
    if not facts.used and not facts.minutes and not facts.reset_at and not facts.reset_after:
        return []
    name = _name(facts.minutes) if facts.minutes else facts.slot
    remaining = None if facts.used is None else max(0.0, min(100.0, 100.0 - facts.used))
    return [RateWindow(f"{label} {name}".strip(), remaining, _reset(facts, now))]


def _reset(facts: _Facts, now: datetime | None) -> datetime | None:
    try:
        if facts.reset_at:
            return datetime.fromtimestamp(facts.reset_at, UTC)
        if facts.reset_after:
            return (now or datetime.now(UTC)) + timedelta(seconds=facts.reset_after)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _name(minutes: float) -> str:
    """`5h` and `weekly` above all; the backend has been seen to report both a minute short."""
    if minutes < 55:
        return f"{round(minutes)}min"
    hours = round(minutes / 60)
    if hours < 24:
        return f"{hours}h"
    days = round(hours / 24)
    usual = {1: "daily", 7: "weekly", 28: "monthly", 29: "monthly", 30: "monthly", 31: "monthly"}
    return usual.get(days, f"{days}d")


async def _ask(
    http: "httpx.AsyncClient", url: str, headers: Mapping[str, str]
) -> JsonObject | GatewayError:
    """The JSON object at a URL, or why there is none."""
    try:
        with translate_http_errors("ChatGPT"):
            response = await http.get(
                url, headers=dict(headers), timeout=_SECONDS, follow_redirects=False
            )
    except GatewayError as error:
        return error
    status, told = response.status_code, response.headers
    if status != 200:
        message = message_in(response.content, told) or f"ChatGPT answered with status {status}"
        return error_for_status(status, message, retry_after=retry_after_in(told))
    try:
        return loads_object(response.content)
    except ValueError:
        return UpstreamProtocol("ChatGPT answered with something other than JSON")


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
