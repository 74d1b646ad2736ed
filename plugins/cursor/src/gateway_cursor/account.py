"""What a Cursor account may still do: plan, spending of the month, and when it begins anew."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gateway_core import Account, Credential, GatewayError, JsonObject, RateWindow
from gateway_core.lookups import number_at, text_at, value_at
from gateway_cursor.identity import credential_kind
from gateway_cursor.settings import CursorSettings
from gateway_cursor.unary import ask

if TYPE_CHECKING:
    import httpx

__all__ = ["account", "read_account"]

_log = logging.getLogger(__name__)
_DASHBOARD: Final = "aiserver.v1.DashboardService"
_STRUCTURES: Final[Mapping[str, str]] = {"session": "personal", "key": "API key"}


async def account(
    credential: Credential, http: "httpx.AsyncClient", settings: CursorSettings
) -> Account:
    """Plan, spending and warnings of the account. Raises `GatewayError` when the spending cannot
    be had; without the plan's name the rest is told.
    """
    usage, plan = await asyncio.gather(
        ask(f"{_DASHBOARD}/GetCurrentPeriodUsage", credential, http, settings),
        _plan(credential, http, settings),
    )
    return read_account(credential, usage, plan, settings)


async def _plan(
    credential: Credential, http: "httpx.AsyncClient", settings: CursorSettings
) -> JsonObject:
    try:
        return await ask(f"{_DASHBOARD}/GetPlanInfo", credential, http, settings)
    except GatewayError as error:
        _log.info("the plan of the Cursor account is not known: %s", error.message)
        return {}


def read_account(
    credential: Credential, usage: JsonObject, plan: JsonObject, settings: CursorSettings
) -> Account:
    """The answers of GetCurrentPeriodUsage and GetPlanInfo. What is in them may be missing at any
    place; amounts are cents.

    How much is left is worked out from what was spent: the percentages in the answer follow a
    measure that nobody has explained.
    """
    spent = number_at(usage, "planUsage", "includedSpend") or 0.0
    limit = number_at(usage, "planUsage", "limit")
    end = _moment(usage, "billingCycleEnd") or _moment(plan, "planInfo", "billingCycleEnd")
    left = None if limit is None else max(0.0, limit - spent)
    windows = [RateWindow("included usage", _percent(left, limit), end)]
    extra = number_at(usage, "spendLimitUsage", "individualLimit")
    extra_left = number_at(usage, "spendLimitUsage", "individualRemaining")
    if extra is not None and extra > 0 and extra_left is not None:
        windows.append(RateWindow("on-demand usage", _percent(max(0.0, extra_left), extra), end))
    warnings = []
    if left is not None and left <= 0:
        warnings.append(
            "the included usage is used up; on-demand usage is charged now"
            if extra_left
            else f"the included usage is used up; see {settings.website}/dashboard"
        )
    if value_at(usage, "enabled") is False:
        warnings.append(f"usage is switched off; see {settings.website}/dashboard")
    return Account(
        id=credential.account,
        name=credential.label,
        email=credential.email or (credential.label if "@" in (credential.label or "") else None),
        structure=_STRUCTURES[credential_kind(credential)],
        plan=text_at(plan, "planInfo", "planName"),
        credits_balance=None if left is None else round(left / 100, 2),
        rate_windows=windows,
        warnings=warnings,
    )


def _percent(left: float | None, limit: float | None) -> float | None:
    if left is None or limit is None:
        return None
    return 0.0 if limit <= 0 else round(min(100.0, 100 * left / limit), 2)


def _moment(value: object, *keys: str) -> datetime | None:
    """Milliseconds since the epoch, as text."""
    milliseconds = number_at(value, *keys)
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    except (ValueError, OverflowError, OSError):
        return None
