"""The login at Kilo: a code to confirm in a browser, for a token that lasts for years.

The flow resembles RFC 8628 in other words and in JSON. The token is given out once, and is never
refreshed.
"""

from typing import TYPE_CHECKING, Final

from gateway_core import (
    Credential,
    LoginPrompt,
    LoginRequired,
    UpstreamFailed,
    UpstreamProtocol,
)
from gateway_core.credentials.device import DeviceCode, Pending, poll, show_device_code
from gateway_core.credentials.oauth import OAuthAnswer, TokenResponse, post, read_model
from gateway_core.lookups import number_at, text_at
from gateway_kilo.settings import KiloSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["login"]

INTERVAL: float = 3.0
"""Seconds between two polls."""
_LIFE_SECONDS: Final = 600.0


async def login(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KiloSettings
) -> Credential:
    """Lead a person through a login. Raises `LoginRequired` when it is declined or expires."""
    started = await post(http, f"{settings.api_url}/device-auth/codes", {}, encoding="json")
    if not started.ok:
        raise started.failure("the login at Kilo could not be started")
    fields = {
        "device_code": started.body.get("device_code"),
        "user_code": started.body.get("user_code") or started.body.get("code"),
        "verification_uri_complete": started.body.get("verificationUrl"),
    }
    code = read_model(DeviceCode, fields, "the answer that starts the login at Kilo")
    show_device_code(prompt, code, () if settings.api_url.startswith("http://") else ("kilo.ai",))
    asked = {"deviceCode": code.device_code.get_secret_value()}

    async def attempt() -> Credential | Pending:
        url = f"{settings.api_url}/device-auth/token"
        return _judge(await post(http, url, asked, encoding="json"))

    life = number_at(started.body, "expiresIn") or _LIFE_SECONDS
    return await poll(attempt, interval=INTERVAL, timeout=life)


def _judge(answer: OAuthAnswer) -> Credential | Pending:
    """The outcome of a poll. Nothing else is asked before the token is stored: it comes once."""
    if answer.status == 202:
        return Pending()
    if answer.status == 403:
        raise LoginRequired("the login was refused in the browser, or Kilo blocks the account")
    if answer.status == 410:
        raise LoginRequired("the code expired before it was used; run `gateway login kilo` again")
    if not answer.ok:
        failure = answer.failure("the login at Kilo failed")
        if isinstance(failure, UpstreamFailed) and answer.status < 500:
            raise failure.retold(LoginRequired)  # else it would be asked until the code expires
        raise failure
    granted = {"access_token": answer.body.get("token")}
    tokens = read_model(TokenResponse, granted, "the answer that ends the login at Kilo")
    if tokens.access_token is None:
        raise UpstreamProtocol("Kilo granted a login without a token")
    return Credential(
        provider="kilo",
        account=text_at(answer.body, "userId") or "default",
        label=text_at(answer.body, "userEmail"),
        access_token=tokens.access_token,
        expires_at=tokens.expires_at,
    )
