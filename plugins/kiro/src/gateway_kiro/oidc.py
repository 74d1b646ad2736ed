"""AWS Builder ID and IAM Identity Center: AWS's own OIDC service, by device code.

A client is registered for each login and kept with it, as it is needed for every refresh. All
bodies are JSON in camel case; nothing is signed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from gateway_core import Credential, JsonObject, LoginPrompt, LoginRequired
from gateway_core.credentials.device import (
    DEVICE_GRANT,
    DeviceCode,
    Pending,
    poll,
    show_device_code,
)
from gateway_core.credentials.oauth import (
    REJECTED_CODES,
    OAuthAnswer,
    TokenResponse,
    post,
    read_model,
    token_response,
)
from gateway_core.errors import UpstreamFailed, UpstreamProtocol
from gateway_kiro.identity import at_region, sso_region
from gateway_kiro.logins import new_credential
from gateway_kiro.settings import BUILDER_START_URL, KiroSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["device_login", "normal_start_url", "renew"]

CLIENT_NAME: Final = "gateway-kiro"
"""What the consent page calls us."""
SCOPES: Final = (
    "codewhisperer:completions",
    "codewhisperer:analysis",
    "codewhisperer:conversations",
)
_HOME: Final = "us-east-1"
# Where organisations have their Identity Center, in the order of how likely it is.
_REGIONS: Final = (
    _HOME,
    "eu-west-1",
    "eu-central-1",
    "us-east-2",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "ap-southeast-1",
    "ap-northeast-1",
    "us-west-2",
)
_HOSTS: Final = ("awsapps.com", "amazonaws.com", "aws.amazon.com", "app.aws")


@dataclass(slots=True, frozen=True)
class _Client:
    """A registration. `expires_at`: seconds since the epoch, as told."""

    region: str
    id: str
    secret: SecretStr
    expires_at: str


async def device_login(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    settings: KiroSettings,
    start_url: str = BUILDER_START_URL,
    region: str | None = None,
) -> Credential:
    """Lead a person through a login with a code, at any device.

    start_url: of the organisation, else that of Builder IDs. region: of the organisation's Identity
    Center; when it is not known, the regions are tried one by one. Raises `LoginRequired` when the
    person or AWS declines.
    """
    builder = start_url == BUILDER_START_URL
    regions = (_HOME,) if builder else (region,) if region else _REGIONS
    client, code = await _start(http, settings, start_url, regions)
    show_device_code(prompt, code, _hosts(settings, client.region))
    fields = {
        "clientId": client.id,
        "clientSecret": client.secret.get_secret_value(),
        "deviceCode": code.device_code.get_secret_value(),
        "grantType": DEVICE_GRANT,
    }

    async def attempt() -> TokenResponse | Pending:
        return _judge(await _post(http, settings, client.region, "token", fields))

    tokens = await poll(attempt, interval=code.interval or 5.0, timeout=code.expires_in or 600.0)
    facts = {
        "provider": "BuilderId" if builder else "Enterprise",
        "sso_region": client.region,
        "start_url": start_url,
        "client_id": client.id,
        "client_secret_expires_at": client.expires_at,
    }
    return new_credential("idc", tokens, facts, {"client_secret": client.secret})


async def renew(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> TokenResponse:
    """Fresh tokens. Raises `LoginRequired` when refresh token or registration are dead, another
    `GatewayError` when trying again later may help.
    """
    secret, refresh = credential.secrets.get("client_secret"), credential.refresh_token
    id = credential.extra.get("client_id")
    if secret is None or refresh is None or not id:
        raise LoginRequired("this login lacks what it is renewed with; run `gateway login kiro`")
    fields = {
        "clientId": id,
        "clientSecret": secret.get_secret_value(),
        "grantType": "refresh_token",
        "refreshToken": refresh.get_secret_value(),
    }
    answer = await _post(http, settings, sso_region(credential), "token", fields)
    if answer.ok:
        return token_response(answer)
    failure = answer.failure("AWS did not renew the login")
    dead = answer.error in REJECTED_CODES or answer.error in ("expired_token", "access_denied")
    if dead or (answer.status in (400, 401) and answer.error == "invalid_request"):
        raise LoginRequired(failure.message, code=answer.error)
    raise failure


def normal_start_url(text: str) -> str:
    """A start URL however it was typed: `d-1234567890`, with or without scheme, path and slash.

    Raises `LoginRequired` when it is none.
    """
    text = "".join(text.split())
    if text and "://" not in text:
        text = f"https://{text}" if "." in text else f"https://{text}.awsapps.com/start"
    url = urlsplit(text)
    host = url.hostname or ""
    if url.scheme not in ("https", "http") or not host:
        raise LoginRequired(
            "that is no start URL; your organisation's administrator knows it, it looks like "
            "https://d-1234567890.awsapps.com/start"
        )
    if host.endswith(".awsapps.com"):
        return f"https://{host}/start"
    return text.partition("#")[0].partition("?")[0].rstrip("/")


async def _start(
    http: "httpx.AsyncClient",
    settings: KiroSettings,
    start_url: str,
    regions: tuple[str, ...],
) -> tuple[_Client, DeviceCode]:
    """A registration and a code of the first region that knows the start URL.

    Raises `LoginRequired` when none does, and another `GatewayError` at the first trouble of AWS.
    """
    told = "no region to ask"
    for region in regions:
        client = await _register(http, settings, region)
        fields = {
            "clientId": client.id,
            "clientSecret": client.secret.get_secret_value(),
            "startUrl": start_url,
        }
        answer = await _post(http, settings, region, "device_authorization", fields)
        if answer.ok:
            return client, read_model(DeviceCode, answer.body, "the answer of AWS")
        failure = answer.failure("the login could not be started")
        if not isinstance(failure, UpstreamFailed) or answer.status >= 500:
            raise failure
        told = failure.message
    raise LoginRequired(
        f"AWS does not know the start URL ({told}); check it, and set "
        "providers.kiro.sso_region if your organisation told you a region"
    )


async def _register(http: "httpx.AsyncClient", settings: KiroSettings, region: str) -> _Client:
    fields = {
        "clientName": CLIENT_NAME,
        "clientType": "public",
        "scopes": list(SCOPES),
        "grantTypes": [DEVICE_GRANT, "refresh_token"],
    }
    answer = await _post(http, settings, region, "client/register", fields)
    if not answer.ok:
        raise answer.failure("AWS did not register this program")
    id, secret = answer.body.get("clientId"), answer.body.get("clientSecret")
    if not isinstance(id, str) or not isinstance(secret, str) or not id or not secret:
        raise UpstreamProtocol("AWS registered this program without telling its id")
    end = answer.body.get("clientSecretExpiresAt")
    return _Client(region, id, SecretStr(secret), str(end) if isinstance(end, int) else "")


async def _post(
    http: "httpx.AsyncClient", settings: KiroSettings, region: str, path: str, fields: JsonObject
) -> OAuthAnswer:
    url = f"{at_region(settings.oidc_url, region)}/{path}"
    return await post(http, url, fields, encoding="json", headers={"User-Agent": settings.agent})


def _judge(answer: OAuthAnswer) -> TokenResponse | Pending:
    match answer.error:
        case "authorization_pending":
            return Pending()
        case "slow_down":
            return Pending(slow_down=True)
        case "expired_token":
            raise LoginRequired(
                "the code expired before it was used; start again", code=answer.error
            )
        case "access_denied":
            raise LoginRequired("the login was refused in the browser", code=answer.error)
    if answer.ok:
        return token_response(answer)
    failure = answer.failure("the login failed")
    if isinstance(failure, UpstreamFailed) and answer.status < 500:
        raise LoginRequired(f"{failure.message}; start again", code=failure.code)
    raise failure


def _hosts(settings: KiroSettings, region: str) -> tuple[str, ...]:
    """Where people may be sent: AWS's pages, or beside whatever the settings put in its place."""
    own = urlsplit(at_region(settings.oidc_url, region)).hostname or ""
    return (*_HOSTS, own)
