"""Who a ChatGPT token belongs to, and the credential made of what a login granted.

Reads the claims of OpenAI's JWTs without verifying them: they came from OpenAI itself, and nothing
here is a matter of trust. Does no I/O.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from gateway_core import Credential, JsonObject, LoginRequired
from gateway_core.credentials.oauth import TokenResponse, jwt_claims

__all__ = ["Identity", "make_credential", "parse_time", "read_identity", "token_end"]

_AUTH = "https://api.openai.com/auth"
_PROFILE = "https://api.openai.com/profile"
_LONGEST_LIFE = timedelta(
    days=8
)  # the age at which the official client renews a token it can't date


@dataclass(slots=True, frozen=True)
class Identity:
    """What the tokens say of their owner; None where they do not."""

    account_id: str | None = None
    email: str | None = None
    plan: str | None = None
    subscription_until: datetime | None = None


def read_identity(*tokens: SecretStr | None) -> Identity:
    """The first answer to each question, in the order of the tokens: id token, then access token.

    The account is named at one of four places, the e-mail at one of two.
    """
    claims = [jwt_claims(token) for token in tokens if token is not None]
    auths = [_object(one.get(_AUTH)) for one in claims]
    return Identity(
        account_id=_first(_account_ids(claims, auths)),
        email=_first(
            value
            for one in claims
            for value in (one.get("email"), _object(one.get(_PROFILE)).get("email"))
        ),
        plan=_first(auth.get("chatgpt_plan_type") for auth in auths),
        subscription_until=parse_time(
            _first(auth.get("chatgpt_subscription_active_until") for auth in auths)
        ),
    )


def make_credential(tokens: TokenResponse) -> Credential:
    """The credential for what a login granted.

    Raises `LoginRequired` when there is no access token or no ChatGPT account behind it.
    """
    identity = read_identity(tokens.id_token, tokens.access_token)
    if tokens.access_token is None:
        raise LoginRequired("OpenAI granted no access token; start again")
    if identity.account_id is None:
        raise LoginRequired(
            "this OpenAI login has no ChatGPT account behind it (new, or for the API only); open "
            "https://chatgpt.com with it once, then run `gateway login codex` again"
        )
    return Credential(
        provider="codex",
        account=identity.account_id,
        label=identity.email,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=token_end(tokens.access_token, tokens.received_at, tokens.expires_in),
        secrets={"id_token": tokens.id_token} if tokens.id_token else {},
    )


def token_end(
    access_token: SecretStr, received_at: datetime, expires_in: float | None = None
) -> datetime:
    """When an access token ends: its own `exp`, else `expires_in` seconds from its receipt, else
    eight days from it.
    """
    end = jwt_claims(access_token).get("exp")
    if isinstance(end, int | float):
        try:
            return datetime.fromtimestamp(end, UTC)
        except (ValueError, OverflowError, OSError):
            pass
    life = timedelta(seconds=expires_in) if expires_in else _LONGEST_LIFE
    return received_at + life


def parse_time(value: object) -> datetime | None:
    """A time in ISO 8601; None for anything else. One without a zone is in UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _account_ids(claims: list[JsonObject], auths: list[JsonObject]) -> Iterator[object]:
    for one, auth in zip(claims, auths, strict=True):
        yield auth.get("chatgpt_account_id")
        yield one.get("chatgpt_account_id")
        yield one.get(f"{_AUTH}.chatgpt_account_id")
    for one, auth in zip(claims, auths, strict=True):
        for organizations in (auth.get("organizations"), one.get("organizations")):
            if isinstance(organizations, list):
                yield from (_object(entry).get("id") for entry in organizations)


def _first(values: Iterator[object]) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
