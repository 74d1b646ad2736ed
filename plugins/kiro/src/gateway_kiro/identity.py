"""Whose login a credential is, which region and profile it works in, and the headers it needs.

Facts of a login live in `Credential.extra` under the names below; nothing here does I/O, and no
secret is among them. Tokens are opaque: they are never read.
"""

import hashlib
import secrets
from typing import Final, Literal, TypeAlias

from gateway_core import Credential
from gateway_kiro.settings import BUILDER_START_URL, KiroSettings

__all__ = [
    "API_REGIONS",
    "BUILDER_PROFILE",
    "SOCIAL_PROFILE",
    "Kind",
    "account_scope",
    "api_headers",
    "api_region",
    "at_region",
    "auth_agent",
    "credential_kind",
    "is_builder",
    "is_region",
    "machine_id",
    "needs_profile",
    "new_machine",
    "profile_arn",
    "profile_region",
    "sso_region",
    "user_agents",
]

Kind: TypeAlias = Literal["social", "idc", "external_idp", "api_key"]

API_REGIONS: Final = ("us-east-1", "eu-central-1")
"""Where the service runs."""

BUILDER_PROFILE: Final = "arn:aws:codewhisperer:us-east-1:638616132270:profile/AAAACCCCXXXX"
"""The profile that everyone with an AWS Builder ID shares; the official command line sends it."""

SOCIAL_PROFILE: Final = "arn:aws:codewhisperer:us-east-1:699475941385:profile/EHGA3GRVQMUK"
"""The profile that everyone with a social login shares, for logins that do not name theirs."""

_HOME: Final = "us-east-1"
_ALLOWED: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_SDK: Final = "1.0.34"
_NODE: Final = "22.21.1"


def credential_kind(credential: Credential) -> Kind:
    """What kind of login it is: as noted when it was obtained, else by what it holds."""
    match credential.extra.get("kind"):
        case "social":
            return "social"
        case "idc":
            return "idc"
        case "external_idp":
            return "external_idp"
        case "api_key":
            return "api_key"
    if credential.access_token.get_secret_value().startswith("ksk_"):
        return "api_key"
    if credential.extra.get("token_endpoint"):
        return "external_idp"
    return "idc" if "client_secret" in credential.secrets else "social"


def is_builder(credential: Credential) -> bool:
    """Whether an AWS Builder ID is behind it, and no organisation."""
    extra = credential.extra
    if credential_kind(credential) != "idc":
        return False
    if extra.get("provider", "").lower() == "builderid":
        return True
    return extra.get("start_url", "").rstrip("/") == BUILDER_START_URL


def needs_profile(credential: Credential, settings: KiroSettings) -> bool:
    """Whether it is of no use before the service was asked for its profiles."""
    if settings.profile_arn or credential.extra.get("profile_arn") or is_builder(credential):
        return False
    return credential_kind(credential) in ("idc", "external_idp")


def profile_arn(
    credential: Credential, settings: KiroSettings, *, legacy: bool = False
) -> str | None:
    """The profile to name. legacy: at the older host, which refuses the one of Builder IDs."""
    kind = credential_kind(credential)
    if kind == "api_key":
        return None
    if settings.profile_arn:
        return settings.profile_arn
    if is_builder(credential):
        return None if legacy else credential.extra.get("profile_arn") or BUILDER_PROFILE
    known = credential.extra.get("profile_arn")
    return known or (SOCIAL_PROFILE if kind == "social" else None)


def profile_region(arn: str | None) -> str | None:
    """The region in a profile's name, which is the region of the service."""
    parts = (arn or "").split(":")
    return parts[3] if len(parts) > 5 and is_region(parts[3]) else None


def api_region(credential: Credential | None, settings: KiroSettings) -> str:
    """The region to ask: as set, that of the profile, the stored one, or near the login's."""
    if settings.region:
        return settings.region
    if credential is None:
        return profile_region(settings.profile_arn) or _HOME
    region = profile_region(profile_arn(credential, settings))
    if region:
        return region
    stored = credential.extra.get("api_region", "")
    if is_region(stored):
        return stored
    return "eu-central-1" if sso_region(credential).startswith("eu-") else _HOME


def sso_region(credential: Credential) -> str:
    """The region in which the login is renewed."""
    region = credential.extra.get("sso_region", "")
    return region if is_region(region) else _HOME


def is_region(text: str) -> bool:
    """Whether the text may become part of a host name."""
    return 0 < len(text) <= 32 and _ALLOWED.issuperset(text)


def at_region(template: str, region: str) -> str:
    """An address of the settings in a region."""
    return template.replace("{region}", region)


def new_machine() -> str:
    """A fresh random id for a login, which it keeps for as long as it is renewed."""
    return secrets.token_hex(16)


def machine_id(credential: Credential) -> str:
    """64 hex digits that stay the same while tokens change."""
    seed = credential.extra.get("machine") or credential.account
    return hashlib.sha256(f"gateway-kiro {seed}".encode()).hexdigest()


def account_scope(credential: Credential, model: str) -> str:
    """What sealed reasoning is bound to: the service takes it back from one account for one model
    alone.
    """
    return hashlib.sha256(f"{credential.account}\n{model}".encode()).hexdigest()[:12]


def auth_agent(settings: KiroSettings, machine: str) -> str:
    """The User-Agent header for the login host."""
    return settings.user_agent or f"KiroIDE-{settings.ide_version}-{machine}"


def user_agents(settings: KiroSettings, machine: str, api: str) -> dict[str, str]:
    """`user-agent` and `x-amz-user-agent` for the service. api: which of its parts is asked."""
    tail = f"KiroIDE-{settings.ide_version}-{machine}"
    full = (
        f"aws-sdk-js/{_SDK} ua/2.1 os/{settings.system} lang/js md/nodejs#{_NODE} "
        f"api/{api}#{_SDK} m/E {tail}"
    )
    short = settings.user_agent or f"aws-sdk-js/{_SDK} {tail}"
    return {"user-agent": settings.user_agent or full, "x-amz-user-agent": short}


def api_headers(credential: Credential, settings: KiroSettings, api: str) -> dict[str, str]:
    """Headers of every request in the name of an account."""
    headers = {
        "authorization": f"Bearer {credential.access_token.get_secret_value()}",
        **user_agents(settings, machine_id(credential), api),
    }
    match credential_kind(credential):
        case "api_key":
            headers["tokentype"] = "API_KEY"
        case "external_idp":
            headers["tokentype"] = "EXTERNAL_IDP"
    if credential.extra.get("provider", "").lower() == "internal":
        headers["redirect-for-internal"] = "true"
    return headers
