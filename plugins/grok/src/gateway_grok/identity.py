"""Who an xAI token belongs to, and the credential made of what a login granted.

Reads the claims of xAI's JWTs without verifying them: they came from xAI itself, and nothing here
is a matter of trust. Does no I/O.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import SecretStr

from gateway_core import Credential, LoginRequired
from gateway_core.credentials.oauth import TokenResponse, jwt_claims

__all__ = ["Identity", "make_credential", "parse_time", "read_identity", "token_end"]

UNNAMED: Final = "default"
"""The account when nothing tells whose a login is."""

TIERS: Final = {
    0: "free",
    1: "SuperGrok",
    2: "X Basic",
    3: "X Premium",
    4: "X Premium+",
    5: "SuperGrok Heavy",
    6: "SuperGrok Lite",
    7: "SuperGrok Plus",
}
_LIFE: Final = timedelta(hours=6)  # what access tokens were seen to live


@dataclass(slots=True, frozen=True)
class Identity:
    """What the tokens say of their owner; None where they do not."""

    account: str | None = None
    email: str | None = None
    name: str | None = None
    plan: str | None = None
    kind: str | None = None


def read_identity(*tokens: SecretStr | None) -> Identity:
    """The first answer to each question, in the order of the tokens: access token, then id token.

    A team's token names the team as its principal; its account is then the team's.
    """
    claims = [jwt_claims(token) for token in tokens if token is not None]
    given = _first(one.get(key) for one in claims for key in ("given_name", "first_name"))
    family = _first(one.get(key) for one in claims for key in ("family_name", "last_name"))
    tiers = (one.get("tier") for one in claims)
    tier = next((tier for tier in tiers if type(tier) is int), None)
    return Identity(
        account=_first(one.get(key) for one in claims for key in ("principal_id", "sub")),
        email=_first(one.get("email") for one in claims),
        name=" ".join(filter(None, (given, family))) or None,
        plan=None if tier is None else TIERS.get(tier, f"tier {tier}"),
        kind=_first(one.get("principal_type") for one in claims),
    )


def make_credential(tokens: TokenResponse, account: str | None = None) -> Credential:
    """The credential for what a login granted. account: for tokens that do not name theirs.

    Raises `LoginRequired` when there is no access token.
    """
    if tokens.access_token is None:
        raise LoginRequired("xAI granted no access token; run `gateway login grok` again")
    identity = read_identity(tokens.access_token, tokens.id_token)
    return Credential(
        provider="grok",
        account=identity.account or account or UNNAMED,
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
    six hours from it.
    """
    end = jwt_claims(access_token).get("exp")
    if isinstance(end, int | float) and not isinstance(end, bool):
        try:
            return datetime.fromtimestamp(end, UTC)
        except (ValueError, OverflowError, OSError):
            pass
    return received_at + (timedelta(seconds=expires_in) if expires_in else _LIFE)


def parse_time(value: object) -> datetime | None:
    """A time in ISO 8601; None for anything else. One without a zone is in UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _first(values: Iterable[object]) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)
