"""OAuth 2 for public clients, as small functions that plugins put together.

PKCE, the authorize URL, the token endpoint and what its answers mean. Nothing here waits for a
person: `browser` and `device` do. No token, code or verifier ever enters an exception or a log.
"""

import base64
import hashlib
import math
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from gateway_core.credentials.store import Credential
from gateway_core.errors import (
    GatewayError,
    LoginRequired,
    Overloaded,
    RateLimited,
    UpstreamFailed,
    UpstreamProtocol,
    UpstreamTimeout,
)
from gateway_core.json import JsonObject, loads_object

if TYPE_CHECKING:
    import httpx

__all__ = [
    "REJECTED_CODES",
    "OAuthAnswer",
    "PKCEPair",
    "TokenResponse",
    "authorize_url",
    "exchange_code",
    "jwt_claims",
    "lenient_seconds",
    "pkce_pair",
    "post",
    "random_state",
    "read_model",
    "refresh_token",
    "renewed",
    "token_response",
]

Encoding: TypeAlias = Literal["form", "json"]
_Model = TypeVar("_Model", bound=BaseModel)
_TIMEOUT = 30.0
_EMPTY = "empty body"
_PUBLIC_FIELDS = {"grant_type", "client_id", "redirect_uri", "scope", "referrer"}
_LONGEST_LIFE = 10 * 365 * 86400.0

REJECTED_CODES = frozenset(
    {
        "invalid_grant",
        "invalid_client",
        "unauthorized_client",
        "refresh_token_expired",
        "refresh_token_reused",
        "refresh_token_invalidated",
        "invalid_refresh_token",
        "app_session_expired",
    }
)
"""Error codes that mean that a refresh token is dead for good (RFC 6749 5.2, and OpenAI's own)."""


class PKCEPair(NamedTuple):
    """A verifier for the exchange and its S256 challenge for the authorize URL (RFC 7636)."""

    verifier: SecretStr
    challenge: str


def pkce_pair(size: int = 32) -> PKCEPair:
    """A fresh pair. size: random bytes in the verifier, 32 to 96."""
    verifier = secrets.token_urlsafe(size)
    digest = hashlib.sha256(verifier.encode()).digest()
    return PKCEPair(SecretStr(verifier), base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def random_state() -> str:
    """A fresh `state` (or `nonce`): 32 hex digits, which every provider takes."""
    return secrets.token_hex(16)


def authorize_url(
    endpoint: str,
    *,
    client_id: str,
    redirect_uri: str,
    state: str,
    challenge: str,
    scope: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> str:
    """The URL to open for the authorization code flow with PKCE."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        **({"scope": scope} if scope else {}),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **(extra or {}),
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def lenient_seconds(value: object) -> float | None:
    """A duration as servers write it (number or text); None when it is no positive number, as
    nothing is worth losing a token over.
    """
    try:
        seconds = float(value)  # type: ignore[arg-type]  # TypeError is caught
    except (TypeError, ValueError):
        return None
    if math.isnan(seconds) or seconds <= 0:
        return None
    return min(seconds, _LONGEST_LIFE)


class TokenResponse(BaseModel):
    """What a token endpoint granted. Anything may be missing, so ask before you use it.

    expires_in: seconds. received_at: our clock when it came. raw: the whole body, for members that
    only the provider knows; it holds the tokens in clear and never shows in `repr`.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: SecretStr | None = Field(
        None, validation_alias=AliasChoices("access_token", "accessToken")
    )
    refresh_token: SecretStr | None = Field(
        None, validation_alias=AliasChoices("refresh_token", "refreshToken")
    )
    id_token: SecretStr | None = Field(None, validation_alias=AliasChoices("id_token", "idToken"))
    token_type: str | None = Field(None, validation_alias=AliasChoices("token_type", "tokenType"))
    expires_in: float | None = Field(None, validation_alias=AliasChoices("expires_in", "expiresIn"))
    scope: str | None = None
    received_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    raw: JsonObject = Field(default_factory=dict, repr=False, exclude=True)

    _lenient = field_validator("expires_in", mode="before")(lenient_seconds)

    @field_validator("access_token", "refresh_token", "id_token", mode="before")
    @classmethod
    def _no_empty_token(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("token_type", "scope", mode="before")
    @classmethod
    def _only_text(cls, value: object) -> object:
        return value if isinstance(value, str) else None

    @property
    def expires_at(self) -> datetime | None:
        """When the access token ends: from `expires_in`, else from its own `exp` claim."""
        if self.expires_in is not None:
            return self.received_at + timedelta(seconds=self.expires_in)
        end = jwt_claims(self.access_token).get("exp") if self.access_token else None
        if not isinstance(end, int | float):
            return None
        try:
            return datetime.fromtimestamp(end, UTC)
        except (ValueError, OverflowError, OSError):
            return None


@dataclass(slots=True, frozen=True)
class OAuthAnswer:
    """An answer of an OAuth endpoint, read but not yet judged.

    error and description: from `{"error": "...", "error_description": "..."}` or
    `{"error": {"code": ..., "message": ...}}`. text: what the body was when it was no JSON object.
    """

    status: int
    body: JsonObject = field(repr=False)
    error: str | None = None
    description: str | None = None
    retry_after: float | None = None
    text: str | None = None

    @property
    def ok(self) -> bool:
        """Granted: a 2xx with a JSON object that reports no error."""
        return 200 <= self.status < 300 and self.error is None and self.text is None

    def failure(self, doing: str) -> GatewayError:
        """The error to raise; `doing` starts the message. `LoginRequired` is up to the caller."""
        told = ": ".join(part for part in (self.error, self.description) if part) or self.text
        message = f"{doing}: HTTP {self.status}" + (f" ({told})" if told else "")
        kinds: dict[int, type[GatewayError]] = {
            408: UpstreamTimeout,
            429: RateLimited,
            503: Overloaded,
            504: UpstreamTimeout,
            529: Overloaded,
        }
        cls = UpstreamProtocol if 200 <= self.status < 300 else kinds.get(self.status)
        return (cls or UpstreamFailed)(
            message,
            retry_after=self.retry_after,
            code=self.error,
            upstream={"status": self.status},
        )


async def post(
    http: "httpx.AsyncClient",
    url: str,
    fields: Mapping[str, object],
    *,
    encoding: Encoding = "form",
    headers: Mapping[str, str] | None = None,
    timeout: float = _TIMEOUT,
) -> OAuthAnswer:
    """Send fields to an OAuth endpoint and read the answer. Redirects are not followed, as they
    would carry secrets elsewhere.

    fields: texts; with `json`, anything that JSON has. Raises `UpstreamTimeout` or `UpstreamFailed`
    when there is no answer.
    """
    import httpx  # here, because loading it takes longer than most commands run

    headers = {"Accept": "application/json", **(headers or {})}
    body: dict[str, Any] = {"json": dict(fields)} if encoding == "json" else {"data": dict(fields)}
    host = urlsplit(url).netloc
    problem: GatewayError
    try:
        response = await http.post(
            url, headers=headers, timeout=timeout, follow_redirects=False, **body
        )
    except httpx.TimeoutException:
        problem = UpstreamTimeout(f"{host} did not answer within {timeout:g} seconds")
    except httpx.HTTPError as error:
        problem = UpstreamFailed(f"cannot reach {host} ({type(error).__name__})")
    else:
        sent = [value for name, value in fields.items() if name not in _PUBLIC_FIELDS]
        return _read_answer(response, [value for value in sent if isinstance(value, str) and value])
    raise problem


async def exchange_code(
    http: "httpx.AsyncClient",
    token_url: str,
    *,
    client_id: str,
    code: str,
    redirect_uri: str,
    verifier: SecretStr,
    encoding: Encoding = "form",
    extra: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> TokenResponse:
    """Exchange an authorization code, which a failing exchange spends as well.

    redirect_uri: exactly that of the authorize URL. Raises `LoginRequired` when it is refused,
    `GatewayError` when the endpoint does not work.
    """
    fields = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier.get_secret_value(),
        **(extra or {}),
    }
    answer = await post(http, token_url, fields, encoding=encoding, headers=headers)
    if not answer.ok:
        failure = answer.failure("the provider did not accept the code")
        if 400 <= answer.status < 500 and isinstance(failure, UpstreamFailed):
            failure = LoginRequired(f"{failure.message}; start again", code=answer.error)
        raise failure
    tokens = token_response(answer)
    if tokens.access_token is None:
        raise UpstreamProtocol("the provider accepted the code but sent no access token")
    return tokens


async def refresh_token(
    http: "httpx.AsyncClient",
    token_url: str,
    *,
    refresh_token: SecretStr,
    client_id: str | None = None,
    encoding: Encoding = "form",
    extra: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    rejected_codes: Collection[str] = REJECTED_CODES,
    rejected_statuses: Collection[int] = (401,),
) -> TokenResponse:
    """Exchange a refresh token. Never retried here: a lost answer may have spent it.

    Raises `LoginRequired` when the token is dead: the error code is one of `rejected_codes`, or the
    status one of `rejected_statuses` and the body no web page (a proxy in between must not end a
    login). Every other failure is a `GatewayError` that may pass.
    """
    fields = {
        "grant_type": "refresh_token",
        **({"client_id": client_id} if client_id else {}),
        "refresh_token": refresh_token.get_secret_value(),
        **(extra or {}),
    }
    answer = await post(http, token_url, fields, encoding=encoding, headers=headers)
    if answer.ok:
        return token_response(answer)
    failure = answer.failure("the token endpoint refused")
    if answer.error in rejected_codes or (
        answer.status in rejected_statuses and answer.text in (None, _EMPTY)
    ):
        raise LoginRequired(failure.message, code=answer.error, upstream=failure.upstream)
    raise failure


def token_response(answer: OAuthAnswer) -> TokenResponse:
    """The tokens of an answer that is `ok`. Raises `UpstreamProtocol` when they are malformed."""
    body = {**answer.body, "raw": answer.body}
    body.pop("received_at", None)
    return read_model(TokenResponse, body, "the token endpoint's answer")


def read_model(model: type[_Model], body: JsonObject, what: str) -> _Model:
    """Validate a body. Raises `UpstreamProtocol` that names the members and quotes nothing."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        fields = sorted({".".join(map(str, item["loc"])) for item in error.errors()})
    raise UpstreamProtocol(f"{what} is malformed: {', '.join(fields)}")


def renewed(credential: Credential, tokens: TokenResponse) -> Credential:
    """The credential with what a refresh brought; what it did not bring stays. `refresh_at`, which
    was the old token's, goes with it.

    An id token is kept as `secrets["id_token"]`.
    """
    update: dict[str, object] = {}
    if tokens.access_token is not None:
        update |= {"access_token": tokens.access_token, "expires_at": tokens.expires_at}
        update["refresh_at"] = None
    if tokens.refresh_token is not None:
        update["refresh_token"] = tokens.refresh_token
    if tokens.id_token is not None:
        update["secrets"] = {**credential.secrets, "id_token": tokens.id_token}
    return credential.model_copy(update=update)


def jwt_claims(token: str | SecretStr) -> JsonObject:
    """The claims of a JWT, *not verified*: for display, expiry and account ids, never for trust.

    `{}` for anything that is no JWT, as many tokens are opaque.
    """
    text = token.get_secret_value() if isinstance(token, SecretStr) else token
    parts = text.split(".")
    if len(parts) != 3:
        return {}
    try:
        return loads_object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}


def _read_answer(response: "httpx.Response", sent: Collection[str]) -> OAuthAnswer:
    retry_after = lenient_seconds(response.headers.get("retry-after"))
    try:
        body = loads_object(response.content)
    except ValueError:
        text = _summary(response) if response.content.strip() else _EMPTY
        return OAuthAnswer(response.status_code, {}, retry_after=retry_after, text=text)
    error, description = _read_error(body, response.status_code)
    return OAuthAnswer(
        response.status_code,
        body,
        error=_clean(error and error.lower(), sent),
        description=_clean(description, sent),
        retry_after=retry_after,
    )


def _read_error(body: JsonObject, status: int) -> tuple[str | None, str | None]:
    error = body.get("error")
    description = body.get("error_description")
    if isinstance(error, dict):
        code = error.get("code") or error.get("type") or "error"
        return str(code), _text(error.get("message"))
    if not error:
        if status < 300:
            return None, None
        return _text(body.get("code")), _text(body.get("message") or body.get("detail"))
    return str(error), _text(description or body.get("message"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _clean(text: str | None, sent: Collection[str]) -> str | None:
    """One printable line without anything we sent: servers like to quote the token they refuse."""
    if text is None:
        return None
    for secret in sent:
        text = text.replace(secret, "***")
    return "".join(char for char in text if char.isprintable())[:300]


def _summary(response: "httpx.Response") -> str:
    kind = response.headers.get("content-type", "").partition(";")[0].strip()[:60]
    return f"{len(response.content)} bytes of {kind or 'unknown type'} instead of JSON"
