"""Login with a code on another device (RFC 8628), and polling for the flows that resemble it."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator

from gateway_core.credentials.oauth import (
    OAuthAnswer,
    TokenResponse,
    lenient_seconds,
    post,
    read_model,
    token_response,
)
from gateway_core.errors import (
    GatewayError,
    LoginRequired,
    Overloaded,
    RateLimited,
    UpstreamFailed,
    UpstreamProtocol,
    UpstreamTimeout,
)
from gateway_core.provider import LoginPrompt

if TYPE_CHECKING:
    import httpx

__all__ = ["DEVICE_GRANT", "DeviceCode", "Pending", "device_login", "poll", "show_device_code"]

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER = 5.0  # RFC 8628, section 3.5
_DEFAULT_LIFE = 900.0
_PASSING = (RateLimited, Overloaded, UpstreamFailed, UpstreamTimeout)
_Result = TypeVar("_Result")


@dataclass(slots=True, frozen=True)
class Pending:
    """A poll's answer for now. slow_down: lengthen the interval for good; wait: at least this many
    seconds before the next try.
    """

    slow_down: bool = False
    wait: float = 0.0


class DeviceCode(BaseModel):
    """The answer that starts a device login. Times in seconds."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    device_code: SecretStr = Field(validation_alias=AliasChoices("device_code", "deviceCode"))
    user_code: str = Field(
        validation_alias=AliasChoices("user_code", "userCode"), pattern=r"^[A-Za-z0-9 -]{1,64}$"
    )
    verification_uri: str = Field(
        "", validation_alias=AliasChoices("verification_uri", "verificationUri")
    )
    verification_uri_complete: str | None = Field(
        None,
        validation_alias=AliasChoices("verification_uri_complete", "verificationUriComplete"),
    )
    expires_in: float | None = Field(None, validation_alias=AliasChoices("expires_in", "expiresIn"))
    interval: float | None = None

    _lenient = field_validator("expires_in", "interval", mode="before")(lenient_seconds)


async def poll(
    attempt: Callable[[], Awaitable[_Result | Pending]],
    *,
    interval: float = 5.0,
    timeout: float = _DEFAULT_LIFE,
    growth: float = 1.0,
    longest: float = 60.0,
    patience: int | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> _Result:
    """Try until the answer is more than `Pending`; the first try comes after one interval.

    interval: seconds between tries, multiplied by `growth` after each, up to `longest`.
    patience: how many failures in a row (network, 429, 5xx) to sit out; None for any number.
    Raises `LoginRequired` after `timeout` seconds, and what `attempt` raises otherwise.
    """
    deadline = clock() + timeout
    failures = 0
    pause = interval
    while True:
        remaining = deadline - clock()
        if remaining <= 0:
            raise LoginRequired(
                f"the login was not completed within {timeout:g} seconds; start again",
                code="expired_token",
            )
        await sleep(min(pause, remaining))
        try:
            answer = await attempt()
        except _PASSING as error:
            failures += 1
            if patience is not None and failures > patience:
                raise
            answer = Pending(slow_down=isinstance(error, RateLimited), wait=error.retry_after or 0)
        else:
            failures = 0
        if not isinstance(answer, Pending):
            return answer
        interval = min(interval * growth, max(interval, longest))
        if answer.slow_down:
            interval += _SLOWER
        pause = max(interval, answer.wait)


def show_device_code(prompt: LoginPrompt, code: DeviceCode, hosts: Sequence[str] = ()) -> None:
    """Tell the person where to go and what to type, and try to open a browser there.

    hosts: the host names that the address may have (or be a subdomain of); empty for any. Raises
    `UpstreamProtocol` when it is not an https address of these.
    """
    addresses = [code.verification_uri_complete, code.verification_uri]
    url = next((address for address in addresses if address), None)
    if url is None:
        raise UpstreamProtocol("the provider's device login names no address to open")
    for address in filter(None, addresses):
        _check_address(address, hosts)
    opened = prompt.open_browser(url)
    intro = "Your browser was opened. If it shows nothing, open" if opened else "Open"
    prompt.show(f"{intro} this URL on any device:\n\n{url}\n\nand check that it shows the code")
    prompt.show(f"\n    {code.user_code}\n")


async def device_login(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    *,
    device_url: str,
    token_url: str,
    client_id: str,
    scope: str | None = None,
    extra: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    hosts: Sequence[str] = (),
    timeout: float | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> TokenResponse:
    """The whole device flow of RFC 8628: ask for a code, show it, poll for the tokens.

    extra: more fields for the first request. headers: for both. hosts: see `show_device_code`.
    timeout: seconds, by default as long as the code lives.

    Raises `LoginRequired` when refused or expired, with the OAuth error in `code`
    (`access_denied`, `expired_token`); `GatewayError` for what is not a person's doing.
    """
    start = {"client_id": client_id, **({"scope": scope} if scope else {}), **(extra or {})}
    answer = await post(http, device_url, start, headers=headers)
    if not answer.ok:
        raise answer.failure("the device login could not be started")
    code = read_model(DeviceCode, answer.body, "the device login's answer")
    show_device_code(prompt, code, hosts)
    form = {
        "grant_type": DEVICE_GRANT,
        "device_code": code.device_code.get_secret_value(),
        "client_id": client_id,
    }

    async def attempt() -> TokenResponse | Pending:
        return _judge(await post(http, token_url, form, headers=headers))

    return await poll(
        attempt,
        interval=code.interval or 5.0,
        timeout=timeout or code.expires_in or _DEFAULT_LIFE,
        sleep=sleep,
        clock=clock,
    )


def _judge(answer: OAuthAnswer) -> TokenResponse | Pending:
    """Body before status: some servers answer `authorization_pending` with 200."""
    if answer.error == "authorization_pending":
        return Pending()
    if answer.error == "slow_down":
        return Pending(slow_down=True)
    if answer.ok:
        tokens = token_response(answer)
        if tokens.access_token is None:
            raise UpstreamProtocol("the device login was granted without an access token")
        return tokens
    if answer.error in ("access_denied", "authorization_declined"):
        raise LoginRequired("the login was refused in the browser", code=answer.error)
    if answer.error == "expired_token":
        raise LoginRequired("the code expired before it was used; start again", code=answer.error)
    failure: GatewayError = answer.failure("the device login failed")
    if isinstance(failure, UpstreamFailed) and answer.status < 500:
        raise LoginRequired(failure.message, code=failure.code)
    raise failure


def _check_address(address: str, hosts: Sequence[str]) -> None:
    url: Any = urlsplit(address)
    host = url.hostname or ""
    local = host in ("127.0.0.1", "localhost", "::1")
    allowed = not hosts or any(host == name or host.endswith(f".{name}") for name in hosts)
    plain = re.fullmatch(r"[\x21-\x7e]+", address) is not None
    if not plain or not (url.scheme == "https" or (local and url.scheme == "http")) or not allowed:
        raise UpstreamProtocol(f"the provider's device login names a strange address ({host!r})")
