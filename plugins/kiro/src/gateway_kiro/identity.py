"""Whose login a credential is, which region and profile it works in, and the headers it needs.

Facts of a login live in `Credential.extra` under the names below; nothing here does I/O, and no
secret is among them. Tokens are opaque: they are never read.
"""

import hashlib
import re
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
    "credential_kind",
    "is_builder",
    "is_region",
    "needs_profile",
    "profile_arn",
    "profile_region",
    "sso_region",
]

Kind: TypeAlias = Literal["social", "idc", "external_idp", "api_key"]

API_REGIONS: Final = ("us-east-1", "eu-central-1")
"""Where the service runs."""

BUILDER_PROFILE: Final = "arn:aws:codewhisperer:us-east-1:638616132270:profile/AAAACCCCXXXX"
"""The profile that everyone with an AWS Builder ID shares; the official command line sends it."""

SOCIAL_PROFILE: Final = "arn:aws:codewhisperer:us-east-1:699475941385:profile/EHGA3GRVQMUK"
"""The profile that everyone with a social login shares, for logins that do not name theirs."""

_HOME: Final = "us-east-1"
# The names of AWS and nothing looser: `oidc.s3.amazonaws.com` may be anybody's.
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}")
_ARN: Final = re.compile(r"arn:aws[a-z-]*:codewhisperer:([a-z0-9-]+):\d{12}:profile/[\w-]+", re.A)


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
    """The region in a profile's name, which is the region of the service; None for what is none."""
    found = _ARN.fullmatch(arn or "")
    return found[1] if found and is_region(found[1]) else None


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
    return _REGION.fullmatch(text) is not None


def at_region(template: str, region: str) -> str:
    """An address of the settings in a region."""
    return template.replace("{region}", region)


def account_scope(credential: Credential, model: str) -> str:
    """What sealed reasoning is bound to: the service takes it back from one account for one model
    alone.
    """
    return hashlib.sha256(f"{credential.account}\n{model}".encode()).hexdigest()[:12]


def api_headers(credential: Credential, settings: KiroSettings) -> dict[str, str]:
    """Headers of every request in the name of an account."""
    headers = {
        "authorization": f"Bearer {credential.access_token.get_secret_value()}",
        "user-agent": settings.agent,
        "x-amz-user-agent": settings.agent,
    }
    match credential_kind(credential):
        case "api_key":
            headers["tokentype"] = "API_KEY"
        case "external_idp":
            headers["tokentype"] = "EXTERNAL_IDP"
    if credential.extra.get("provider", "").lower() == "internal":
        headers["redirect-for-internal"] = "true"
    return headers
