"""Logging in: at Kiro's portal with Google or GitHub, at AWS, or with an API key.

The portal is asked in a browser here, or with a code at any device; `oidc` is the way to AWS.
"""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from pydantic import SecretStr

from gateway_core import Credential, JsonObject, LoginPrompt, LoginRequired, UpstreamProtocol
from gateway_core.credentials.browser import browser_login
from gateway_core.credentials.callback import Callback, LoopbackCallback
from gateway_core.credentials.device import DeviceCode, Pending, poll, show_device_code
from gateway_core.credentials.oauth import (
    OAuthAnswer,
    TokenResponse,
    pkce_pair,
    post,
    random_state,
    read_model,
    token_response,
)
from gateway_core.credentials.prompt import is_headless
from gateway_core.errors import UpstreamFailed
from gateway_kiro.identity import at_region, is_region
from gateway_kiro.logins import identified, new_credential
from gateway_kiro.oidc import device_login, normal_start_url
from gateway_kiro.settings import BUILDER_START_URL, KiroSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

__all__ = ["login"]

_HOME: Final = "us-east-1"
_CLIENT: Final = "kiro-cli"
_SOCIAL: Final = {"google": "Google", "github": "Github"}
_AT_AWS: Final = frozenset({"awsidc", "builderid"})
_CALLBACK: Final = "/oauth/callback"
_WAYS: Final = ("google", "github", "builder-id", "identity-center", "api-key")
_MENU: Final = """How do you sign in to Kiro?

  1  Google
  2  GitHub
  3  AWS Builder ID
  4  your organisation (IAM Identity Center)
  5  API key
"""


async def login(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KiroSettings, method: str
) -> Credential:
    """Lead a person through a login.

    method: `browser` (the portal, in a browser here), `paste` (in a browser elsewhere, whose last
    address is pasted), `device` (a code for any device), or `auto`: by device code where no browser
    would be seen, else in the browser. The setting `login` decides whom to sign in with, else the
    portal or a question does. Raises `LoginRequired` when the person or the service declines.
    """
    way: str | None = settings.login
    if way is None and (method == "device" or (method == "auto" and is_headless())):
        way = await _choose(prompt)
        method = "device"
    if way == "api-key":
        return await _with_key(prompt, http, settings)
    if way in ("builder-id", "identity-center"):
        start_url = BUILDER_START_URL
        if way == "identity-center":
            start_url = await _start_url(prompt, settings)
        granted = await device_login(prompt, http, settings, start_url, settings.sso_region)
    elif way is not None and (method == "device" or (method == "auto" and is_headless())):
        granted = await _social_device(prompt, http, settings, way)
    else:
        granted = await _portal(prompt, http, settings, way, listen=method != "paste")
    credential = await identified(granted, http, settings)
    if credential.label:
        prompt.show(f"This is the login of {credential.label}.")
    return credential


async def _choose(prompt: LoginPrompt) -> str:
    prompt.show(_MENU)
    while True:
        answer = (await prompt.ask("1 to 5: ")).strip().lower()
        if answer.isdigit() and 1 <= int(answer) <= len(_WAYS):
            return _WAYS[int(answer) - 1]
        if answer in _WAYS:
            return answer
        prompt.show("That is none of these.")


async def _start_url(prompt: LoginPrompt, settings: KiroSettings) -> str:
    if settings.start_url:
        return normal_start_url(settings.start_url)
    return normal_start_url(await prompt.ask("Start URL of your organisation: "))


async def _with_key(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KiroSettings
) -> Credential:
    key = (await prompt.ask("API key (ksk_...): ", secret=True)).strip()
    if not key.startswith("ksk_"):
        raise LoginRequired("that is no API key of Kiro: they begin with ksk_")
    tokens = TokenResponse.model_validate({"access_token": key})
    credential = new_credential("api_key", tokens, {})
    endless = credential.model_copy(update={"expires_at": None, "refresh_at": None})
    return await identified(endless, http, settings)


# In the browser


async def _portal(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    settings: KiroSettings,
    way: str | None,
    *,
    listen: bool,
) -> Credential:
    pkce = pkce_pair()
    listener = LoopbackCallback(
        ports=settings.callback_ports,
        state=random_state(),
        paths=(_CALLBACK, "/signin/callback"),
        host="localhost",  # the only spelling that the portal accepts
        accept=_completes,
    )

    def authorize(redirect_uri: str) -> str:
        query = {
            "state": listener.state,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
            "redirect_uri": listener.origin,  # the portal chooses the path itself
            "redirect_from": settings.redirect_from,
        }
        if way is not None:
            query["signin_methods"] = way
        return f"{settings.portal_url}/signin?{urlencode(query)}"

    callback = await browser_login(prompt, listener, authorize, listen=listen)
    option = _option(callback.query)
    if callback.code is None or option in _AT_AWS:
        return await _at_aws(prompt, http, settings, callback.query)
    tokens = await _exchange(http, settings, callback, listener.origin, pkce.verifier)
    return new_credential("social", tokens, {"provider": _SOCIAL[option], "auth_region": _HOME})


def _completes(query: "Mapping[str, str]") -> bool:
    """Whether the portal's answer ends the login in the browser: with a code, or with directions to
    AWS.
    """
    option = _option(query)
    return option in _AT_AWS or (option in _SOCIAL and bool(query.get("code")))


def _option(query: "Mapping[str, str]") -> str:
    return (query.get("login_option") or query.get("loginOption") or "").lower()


async def _exchange(
    http: "httpx.AsyncClient",
    settings: KiroSettings,
    callback: Callback,
    origin: str,
    verifier: SecretStr,
) -> TokenResponse:
    """Exchange the code, which a failing exchange spends as well."""
    path = callback.path if len(callback.path) > 1 else _CALLBACK
    fields = {
        "code": callback.code,
        "code_verifier": verifier.get_secret_value(),
        # With path and option, or the service answers with an internal error.
        "redirect_uri": f"{origin}{path}?login_option={_option(callback.query)}",
    }
    url = f"{at_region(settings.auth_url, _HOME)}/oauth/token"
    headers = {"User-Agent": settings.agent}
    answer = await post(http, url, fields, encoding="json", headers=headers)
    if not answer.ok:
        failure = answer.failure("Kiro did not accept the login")
        if isinstance(failure, UpstreamFailed) and answer.status < 500:
            raise LoginRequired(f"{failure.message}; start again", code=answer.error)
        raise failure
    return token_response(answer)


async def _at_aws(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    settings: KiroSettings,
    query: "Mapping[str, str]",
) -> Credential:
    """The portal leaves logins of AWS to whoever asked; it says where they happen."""
    prompt.show("This login goes on at AWS.")
    if _option(query) == "builderid":
        return await device_login(prompt, http, settings)
    told = query.get("issuer_url") or query.get("issuerUrl")
    start_url = normal_start_url(told) if told else await _start_url(prompt, settings)
    region = query.get("idc_region") or query.get("idcRegion") or settings.sso_region or ""
    known = region if is_region(region) else None
    return await device_login(prompt, http, settings, start_url, known)


# With a code: the portal's own protocol, which resembles RFC 8628


async def _social_device(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: KiroSettings, way: str
) -> Credential:
    start = f"{at_region(settings.auth_url, _HOME)}/oauth/device"
    headers = {"User-Agent": settings.agent}
    wanted = {"clientId": _CLIENT, "loginProvider": _SOCIAL[way]}
    answer = await post(http, f"{start}/authorization", wanted, encoding="json", headers=headers)
    if not answer.ok:
        raise answer.failure("the device login could not be started")
    code = _device_code(answer.body)
    show_device_code(prompt, code, (urlsplit(settings.portal_url).hostname or "",))
    fields = {"clientId": _CLIENT, "deviceCode": code.device_code.get_secret_value()}

    async def attempt() -> TokenResponse | Pending:
        return _judge(await post(http, f"{start}/poll", fields, encoding="json", headers=headers))

    tokens = await poll(attempt, interval=code.interval or 5.0, timeout=code.expires_in or 300.0)
    return new_credential("social", tokens, {"provider": _SOCIAL[way], "auth_region": _HOME})


def _device_code(body: JsonObject) -> DeviceCode:
    """The code. This service counts in milliseconds."""
    fields = dict(body)
    for name, key in (
        ("expiresIn", "expiresInMilliseconds"),
        ("interval", "intervalInMilliseconds"),
    ):
        value = body.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            fields[name] = value / 1000
    return read_model(DeviceCode, fields, "the device login's answer")


def _judge(answer: OAuthAnswer) -> TokenResponse | Pending:
    if not answer.ok:
        failure = answer.failure("the device login failed")
        if 400 <= answer.status < 500 and answer.status not in (408, 429):
            raise LoginRequired(f"{failure.message}; start again", code=failure.code)
        raise failure
    status = answer.body.get("status")
    if status == "authorization_pending":
        return Pending()
    if status == "slow_down":
        return Pending(slow_down=True)
    tokens = token_response(answer)
    if tokens.access_token is not None and status in (None, "success"):
        return tokens
    if status == "success":
        raise UpstreamProtocol("the device login was granted without an access token")
    raise LoginRequired(f"the device login ended without success ({str(status)[:60]}); start again")
