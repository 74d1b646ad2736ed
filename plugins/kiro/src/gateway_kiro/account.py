"""What a Kiro account may still do: plan, credits, and when they come back."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway_core import Account, Credential, JsonObject, RateWindow
from gateway_kiro.control import usage_limits
from gateway_kiro.identity import credential_kind, is_builder
from gateway_kiro.settings import KiroSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["account", "read_account", "whose"]

_STRUCTURES = {"social": "personal", "external_idp": "organisation", "api_key": "API key"}
_PREFERRED = ("CREDIT", "AGENTIC_REQUEST", "VIBE", "SPEC")


async def account(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> Account:
    """Plan, limits and warnings of the account. Raises `GatewayError` when they cannot be had."""
    return read_account(credential, await usage_limits(credential, http, settings))


def whose(limits: JsonObject) -> tuple[str | None, str | None]:
    """The account's own id and e-mail in an answer of the usage endpoint."""
    user = _object(limits.get("userInfo"))
    return _text(user.get("userId")), _text(user.get("email"))


def read_account(credential: Credential, limits: JsonObject) -> Account:
    """The answer of the usage endpoint. What is in it may be missing at any place."""
    id, email = whose(limits)
    subscription = _object(limits.get("subscriptionInfo"))
    usage = _breakdown(limits)
    used, limit = _totals(usage)
    warnings = _warnings(limits, usage, used, limit)
    windows: list[RateWindow] = []
    if limit is not None:
        left = 100.0 if limit <= 0 else 100.0 * max(0.0, limit - used) / limit
        reset = _moment(usage.get("nextDateReset")) or _moment(limits.get("nextDateReset"))
        windows.append(RateWindow("credits", round(left, 2), reset))
    kind = credential_kind(credential)
    return Account(
        id=id or credential.account,
        name=email,
        email=email,
        structure="Builder ID"
        if is_builder(credential)
        else _STRUCTURES.get(kind, "IAM Identity Center"),
        plan=_text(subscription.get("subscriptionTitle")) or _text(subscription.get("type")),
        credits_balance=None if limit is None else round(max(0.0, limit - used), 2),
        rate_windows=windows,
        warnings=warnings,
    )


def _breakdown(limits: JsonObject) -> JsonObject:
    """The entry that counts what a turn costs."""
    entries = limits.get("usageBreakdownList")
    found = [_object(entry) for entry in entries] if isinstance(entries, list) else []
    for kind in _PREFERRED:
        for entry in found:
            if entry.get("resourceType") == kind:
                return entry
    return found[0] if found else {}


def _totals(usage: JsonObject) -> tuple[float, float | None]:
    """What was used and what there is: of the plan, an active trial, and active bonuses."""
    limit = _amount(usage, "usageLimit")
    if limit is None:
        return 0.0, None
    used = _amount(usage, "currentUsage") or 0.0
    trial = _object(usage.get("freeTrialInfo"))
    bonuses = usage.get("bonuses")
    more = [_object(bonus) for bonus in bonuses] if isinstance(bonuses, list) else []
    extra = [bonus for bonus in more if bonus.get("status") == "ACTIVE"]
    if trial.get("freeTrialStatus") == "ACTIVE":
        extra.append(trial)
    used += sum(_amount(entry, "currentUsage") or 0.0 for entry in extra)
    limit += sum(_amount(entry, "usageLimit") or 0.0 for entry in extra)
    return used, limit


def _warnings(limits: JsonObject, usage: JsonObject, used: float, limit: float | None) -> list[str]:
    warnings = []
    overage = _object(limits.get("overageConfiguration")).get("overageStatus") == "ENABLED"
    if limit is not None and used >= limit:
        warnings.append(
            "the credits are used up; overages are charged now"
            if overage
            else "the credits are used up; wait for their reset, or see "
            "https://app.kiro.dev/account/usage"
        )
    charges = _number(usage.get("overageCharges"))
    if charges:
        warnings.append(f"overages of {charges:.2f} {_text(usage.get('currency')) or 'USD'} so far")
    trial = _object(usage.get("freeTrialInfo"))
    end = _moment(trial.get("freeTrialExpiry"))
    if trial.get("freeTrialStatus") == "ACTIVE" and end is not None:
        warnings.append(f"the free trial ends on {end.astimezone():%Y-%m-%d}")
    return warnings


def _amount(entry: JsonObject, key: str) -> float | None:
    precise = _number(entry.get(f"{key}WithPrecision"))
    return _number(entry.get(key)) if precise is None else precise


def _moment(value: object) -> datetime | None:
    """Seconds since the epoch, with a fraction."""
    seconds = _number(value)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
