"""What an xAI account may still do: plan, credits and how much of them is used.

The proxy of Grok's CLI tells it at two endpoints, and the claims in the login's own tokens when
they do not answer.
"""

import asyncio
import math
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from gateway_core import Account, Credential, GatewayError, JsonObject, RateWindow, UpstreamProtocol
from gateway_core.errors import Unauthorized
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads_object
from gateway_grok.errors import read_error
from gateway_grok.identity import parse_time, read_identity
from gateway_grok.rails import account_headers
from gateway_grok.settings import GrokSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["account", "whose"]

_SECONDS: Final = 10.0
_PERIODS: Final = {
    "USAGE_PERIOD_TYPE_DAILY": "daily",
    "USAGE_PERIOD_TYPE_WEEKLY": "weekly",
    "USAGE_PERIOD_TYPE_MONTHLY": "monthly",
}
_NO_LOGS: Final = "BLOCKED_REASON_NO_LOGS"


async def account(
    credential: Credential, http: "httpx.AsyncClient", settings: GrokSettings
) -> Account:
    """Plan, limits and warnings of the account. What one endpoint does not tell is a warning.

    Raises `Unauthorized` when the access token is refused.
    """
    profile, billing = await asyncio.gather(
        _ask(http, "/user?include=subscription", credential.access_token, settings),
        _ask(http, "/billing?format=credits", credential.access_token, settings),
    )
    if isinstance(profile, Unauthorized):
        raise profile
    warnings = []
    if isinstance(profile, GatewayError):
        warnings.append(f"the plan is told from the login alone: {profile.message}")
        profile = {}
    if isinstance(billing, GatewayError):
        warnings.append(f"the limits are not known: {billing.message}")
        billing = {}
    identity = read_identity(credential.access_token, credential.secrets.get("id_token"))
    config = _object(billing.get("config"))
    name = " ".join(filter(None, (_text(profile.get(key)) for key in ("firstName", "lastName"))))
    plan = _text(profile.get("subscriptionTier")) or _text(billing.get("subscription_tier"))
    if plan is None and profile:
        plan = "Free"  # the profile names no plan only when there is none
    return Account(
        id=credential.account,
        name=_text(profile.get("teamName")) or name or identity.name,
        email=_text(profile.get("email")) or identity.email,
        structure=(_text(profile.get("principalType")) or identity.kind or "").lower() or None,
        plan=plan or identity.plan,
        subscription_active=plan.lower() != "free" if plan else None,
        credits_balance=_dollars(config.get("prepaidBalance")),
        rate_windows=_windows(config),
        warnings=[*warnings, *_blocks(profile)],
    )


async def whose(
    access_token: SecretStr, http: "httpx.AsyncClient", settings: GrokSettings
) -> str | None:
    """The id of a token's owner from the profile, for tokens that do not tell; None when it does
    not answer.
    """
    profile = await _ask(http, "/user", access_token, settings)
    if isinstance(profile, GatewayError):
        return None
    return _text(profile.get("principalId")) or _text(profile.get("userId"))


def _windows(config: JsonObject) -> list[RateWindow]:
    """The current period; the monthly limit when no share of it is told."""
    period = _object(config.get("currentPeriod"))
    kind = _text(period.get("type")) or ""
    used = _number(config.get("creditUsagePercent"))
    end = parse_time(period.get("end")) or parse_time(config.get("billingPeriodEnd"))
    name = _PERIODS.get(kind, "credits")
    if used is None:
        limit, spent = _cents(config.get("monthlyLimit")), _cents(config.get("used"))
        if not limit or spent is None:
            return []
        used, name = 100 * spent / limit, "monthly"
        end = parse_time(config.get("billingPeriodEnd"))
    return [RateWindow(name, max(0.0, min(100.0, 100.0 - used)), end)]


def _blocks(profile: JsonObject) -> list[str]:
    """Why xAI holds an account back."""
    warnings = []
    if reason := _text(profile.get("userBlockedReason")):
        warnings.append(f"xAI has blocked the account: {reason}")
    reasons = profile.get("teamBlockedReasons")
    for reason in filter(None, map(_text, reasons if isinstance(reasons, list) else ())):
        if reason == _NO_LOGS:
            warnings.append("the team keeps no data: responses cannot be stored at xAI")
        else:
            warnings.append(f"xAI has blocked the team: {reason}")
    return warnings


async def _ask(
    http: "httpx.AsyncClient", path: str, access_token: SecretStr, settings: GrokSettings
) -> JsonObject | GatewayError:
    """The JSON object at a path of the proxy, or why there is none."""
    owner = Credential(provider="grok", account="", access_token=access_token)
    headers = account_headers(owner, settings, "proxy") | {"accept": "application/json"}
    try:
        with translate_http_errors("xAI"):
            response = await http.get(
                settings.proxy_url + path,
                headers=headers,
                timeout=_SECONDS,
                follow_redirects=False,
            )
    except GatewayError as error:
        return error
    if response.status_code != 200:
        told = {name.lower(): value for name, value in response.headers.items()}
        return read_error(response.status_code, told, response.content, "proxy")
    try:
        return loads_object(response.content)
    except ValueError:
        return UpstreamProtocol("xAI answered with something other than JSON")


def _cents(value: object) -> float | None:
    """`{"val": 15000}`; an empty object is nothing at all."""
    return (_number(value.get("val", 0)) or 0.0) if isinstance(value, dict) else None


def _dollars(value: object) -> float | None:
    cents = _cents(value)
    return None if cents is None else cents / 100


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
