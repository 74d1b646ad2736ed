"""Questions to Kimi's API about an account, and who we are to it.

Kimi binds the device id of a login into its tokens (the claim `device_id`), so every request says
the one that the login was made with.
"""

import platform
import re
from typing import TYPE_CHECKING, Any, Final

from gateway_core import Account, Credential, GatewayError, JsonObject, RateWindow
from gateway_core.lookups import get_object, list_at, number_at, text_at, time_at, value_at
from gateway_kimi.errors import read_error
from gateway_kimi.settings import KimiSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["account", "api_headers", "fetch", "identity_headers"]

_UNITS: Final = {"MINUTE": 1, "HOUR": 60, "DAY": 1440, "WEEK": 10_080}
_WALLET_UNIT: Final = 100_000_000  # a dollar: the wallet counts millionths of cents


def identity_headers(settings: KimiSettings, device_id: str | None) -> dict[str, str]:
    """What every request to login service and API says of the program and the machine."""
    model = f"{platform.system()} {platform.release()} {platform.machine()}"
    headers = {
        "user-agent": settings.user_agent or f"KimiCLI/{settings.version}",
        "x-msh-platform": settings.platform,
        "x-msh-version": settings.version,
        "x-msh-device-name": _plain(platform.node()),
        "x-msh-device-model": _plain(model),
        "x-msh-os-version": _plain(platform.version()),
    }
    return headers | ({"x-msh-device-id": device_id} if device_id else {})


def api_headers(settings: KimiSettings, credential: Credential) -> dict[str, str]:
    """The headers of a request to the API, with the credential in them."""
    headers = identity_headers(settings, credential.extra.get("device_id"))
    return headers | {"authorization": f"Bearer {credential.access_token.get_secret_value()}"}


async def fetch(
    credential: Credential, http: "httpx.AsyncClient", settings: KimiSettings, path: str
) -> JsonObject:
    """What is at a path of the API. Raises `GatewayError`."""
    return await get_object(
        http,
        settings.api(credential) + path,
        title="Kimi",
        headers=api_headers(settings, credential),
        read_error=read_error,
    )


async def account(
    credential: Credential, http: "httpx.AsyncClient", settings: KimiSettings
) -> Account:
    """Plan and limits; who it is only adds to them. Raises `GatewayError`."""
    usages = await fetch(credential, http, settings, "/usages")
    try:
        person = await fetch(credential, http, settings, "/me")
    except GatewayError:
        person = {}
    level = text_at(usages, "user", "membership", "level")
    wallet = number_at(usages, "boosterWallet", "balance", "amountLeft")
    quotas = [("weekly", usages.get("usage"))]
    quotas += [(_name(limit), value_at(limit, "detail")) for limit in list_at(usages, "limits")]
    windows = [_window(name, detail) for name, detail in quotas]
    return Account(
        id=credential.account,
        name=text_at(person, "nickname"),
        email=text_at(person, "email"),
        plan=level.removeprefix("LEVEL_").lower() if level else None,
        credits_balance=None if wallet is None else wallet / _WALLET_UNIT,
        rate_windows=[window for window in windows if window is not None],
    )


def _window(name: str, detail: Any) -> RateWindow | None:
    """A quota. Its numbers are decimal texts; either of `used` and `remaining` may be missing."""
    limit, used = number_at(detail, "limit"), number_at(detail, "used")
    left = number_at(detail, "remaining")
    if not limit or (left is None and used is None):
        return None
    left = limit - (used or 0) if left is None else left
    reset = time_at(detail, "resetTime") or time_at(detail, "resetAt")
    return RateWindow(name, max(0.0, min(100.0, 100 * left / limit)), reset)


def _name(limit: Any) -> str:
    """`5h` for 300 minutes."""
    unit = (text_at(limit, "window", "timeUnit") or "").removeprefix("TIME_UNIT_")
    minutes = int((number_at(limit, "window", "duration") or 0) * _UNITS.get(unit, 0))
    for name, size in (("d", 1440), ("h", 60), ("min", 1)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{name}"
    return text_at(limit, "name") or "limit"


def _plain(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "", text).strip() or "unknown"
