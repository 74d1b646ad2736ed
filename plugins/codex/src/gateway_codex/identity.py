"""Who a ChatGPT token belongs to, and the credential made of what a login granted.

Reads the claims of OpenAI's JWTs without verifying them: they came from OpenAI itself, and nothing
here is a matter of trust. Does no I/O.

An account is a person in a workspace, as several people may share one: `WORKSPACE/USER`. Logins of
earlier versions, and those whose tokens name no user, have the workspace alone. That is what OpenAI
calls the account id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from gateway_core import Credential, JsonObject, LoginRequired
from gateway_core.credentials.oauth import TokenResponse, jwt_claims

__all__ = [
    "Identity",
    "is_same_account",
    "make_credential",
    "parse_time",
    "read_identity",
    "token_end",
    "workspace_of",
]

_AUTH = "https://api.openai.com/auth"
_PROFILE = "https://api.openai.com/profile"
_LONGEST_LIFE = timedelta(
    days=8
)  # the age at which the official client renews a token it can't date


@dataclass(slots=True, frozen=True)
class Identity:
    """What the tokens say of their owner; None where they do not. `account_id` is the
    workspace's.
    """

    account_id: str | None = None
    user_id: str | None = None
    email: str | None = None
    plan: str | None = None
    subscription_until: datetime | None = None

    def account_in(self, workspace: str) -> str:
        """The name of the account that these people have in a workspace."""
        return f"{workspace}/{self.user_id}" if self.user_id else workspace


def read_identity(*tokens: SecretStr | None) -> Identity:
    """The first answer to each question, in the order of the tokens: id token, then access token.

    The account is named at one of four places, the e-mail at one of two.
    """
    claims = [jwt_claims(token) for token in tokens if token is not None]
    auths = [_object(one.get(_AUTH)) for one in claims]
    return Identity(
        account_id=_first(_account_ids(claims, auths)),
        user_id=_first(_user_ids(claims, auths)),
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
        account=identity.account_in(identity.account_id),
        label=identity.email,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=token_end(tokens.access_token, tokens.received_at, tokens.expires_in),
        secrets={"id_token": tokens.id_token} if tokens.id_token else {},
    )


def workspace_of(credential: Credential) -> str:
    """What OpenAI is told as the account id."""
    return credential.account.partition("/")[0]


def is_same_account(one: Credential, other: Credential) -> bool:
    """Whether two logins are of the same person in the same workspace. Where one of them does not
    say who it is, not even by an e-mail, the workspace decides, unless `other` is kept under a
    person's name: that one is nobody else's to take.
    """
    if workspace_of(one) != workspace_of(other):
        return False
    identities = [
        read_identity(each.secrets.get("id_token"), each.access_token) for each in (one, other)
    ]
    users = [
        each.account.partition("/")[2] or identity.user_id
        for each, identity in zip((one, other), identities, strict=True)
    ]
    if all(users):
        return users[0] == users[1]
    emails = [identity.email.casefold() for identity in identities if identity.email]
    return emails[0] == emails[1] if len(emails) == 2 else "/" not in other.account


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


def _user_ids(claims: list[JsonObject], auths: list[JsonObject]) -> Iterator[object]:
    for one, auth in zip(claims, auths, strict=True):
        yield auth.get("chatgpt_user_id")
        yield auth.get("user_id")
        yield one.get("chatgpt_user_id")


def _first(values: Iterator[object]) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
