"""The token documents that Kiro's own programs keep: read leniently, changed with care.

The command line writes snake case, the IDE camel case; both may carry members that nobody here
knows. Pure: where a document lies is the business of `cli_store` and `ide_store`.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import SecretStr

from gateway_core import Credential, JsonObject, LoginRequired
from gateway_kiro.identity import Kind, is_region, profile_region
from gateway_kiro.logins import refresh_time

__all__ = ["member", "parse_time", "read_token", "same_login", "text_of", "updated"]

_FACTS: Final = (
    "provider",
    "start_url",
    "client_id",
    "token_endpoint",
    "issuer_url",
    "scopes",
    "profile_arn",
    "api_region",
)
_MILLISECONDS: Final = 1e10  # a larger number is no count of seconds
_FRACTION: Final = re.compile(r"\.(\d+)")
_CUT: Final = ("...", "…")
_INSTEAD: Final = "log in with Kiro again, or run `gateway login kiro`"


def member(document: JsonObject, name: str) -> Any:
    """A member by its name in snake case, whichever way it is written."""
    value = document.get(name)
    return document.get(_camel(name)) if value is None else value


def text_of(document: JsonObject, name: str) -> str | None:
    """The same when it is a text, and not an empty one."""
    value = member(document, name)
    return value if isinstance(value, str) and value else None


def read_token(
    document: JsonObject, registration: JsonObject, place: str, account: str, **known: str
) -> Credential:
    """The credential in a token document. registration: of the client it was granted to, if any.

    place: for messages. account: what to call it. known: facts from elsewhere, which the document's
    own override. Raises `LoginRequired` that says what to do when it holds no login.
    """
    access, refresh = text_of(document, "access_token"), text_of(document, "refresh_token")
    if access is None:
        raise LoginRequired(f"{place} holds no login: {_INSTEAD}")
    if refresh is not None and refresh.endswith(_CUT):
        raise LoginRequired(f"{place} holds a refresh token that was cut off: {_INSTEAD}")
    kind = _kind(document, registration, place)
    extra = {"kind": kind, **known}
    for name in _FACTS:
        value = member(document, name)
        if name == "scopes" and isinstance(value, list):
            value = " ".join(str(scope) for scope in value)
        if isinstance(value, str) and value:
            extra[name] = value
    if not profile_region(extra.get("profile_arn")):
        extra.pop("profile_arn", None)
    secrets: dict[str, SecretStr] = {}
    if kind == "idc":
        extra["client_id"] = _registered(document, registration, "client_id")
        secrets["client_secret"] = SecretStr(_registered(document, registration, "client_secret"))
    region = text_of(document, "region") or text_of(registration, "region") or ""
    if is_region(region):
        extra["auth_region" if kind == "social" else "sso_region"] = region
    end = parse_time(member(document, "expires_at"))
    return Credential(
        provider="kiro",
        account=account,
        access_token=SecretStr(access),
        refresh_token=None if refresh is None or kind == "api_key" else SecretStr(refresh),
        expires_at=end,
        refresh_at=refresh_time(end),
        extra=extra,
        secrets=secrets,
    )


def updated(document: JsonObject, credential: Credential) -> JsonObject:
    """The document with the tokens of a credential, in its own spelling; all else stays."""
    changed = dict(document)
    _put(changed, "access_token", credential.access_token.get_secret_value())
    if credential.refresh_token is not None:
        _put(changed, "refresh_token", credential.refresh_token.get_secret_value())
    if credential.expires_at is not None:
        _put(changed, "expires_at", _like(member(document, "expires_at"), credential.expires_at))
    arn = credential.extra.get("profile_arn")
    if arn is not None and credential.extra.get("kind") == "social":
        _put(changed, "profile_arn", arn)
    return changed


def same_login(theirs: Credential, ours: Credential) -> bool:
    """Whether two credentials are of one account, as far as can be told: tokens are opaque, so only
    what contradicts it counts. In an organisation the profile can be changed by whoever logged in.
    """
    names = ["kind", "provider", "start_url", "issuer_url"]
    if ours.extra.get("kind") == "social":
        names.append("profile_arn")
    for name in names:
        one, other = theirs.extra.get(name, ""), ours.extra.get(name, "")
        if one and other and one.lower() != other.lower():
            return False
    return True


def parse_time(value: object) -> datetime | None:
    """A time in RFC 3339 with any number of digits, or seconds or milliseconds since the epoch, as
    number or text. None for anything else.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return _parse_text(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    seconds = value / 1000 if value > _MILLISECONDS else value
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _parse_text(text: str) -> datetime | None:
    # Nine digits are written, six are read.
    text = _FRACTION.sub(lambda match: f".{match[1][:6]:0<6}", text, count=1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _kind(document: JsonObject, registration: JsonObject, place: str) -> Kind:
    """By content: what is written about the kind is spelled in many ways."""
    if (text_of(document, "access_token") or "").startswith("ksk_"):
        return "api_key"
    method = (text_of(document, "auth_method") or "").lower()
    if method == "external_idp" or text_of(document, "token_endpoint"):
        return "external_idp"
    if all(
        text_of(document, name) or text_of(registration, name)
        for name in ("client_id", "client_secret")
    ):
        return "idc"
    if method in ("idc", "builder-id") or text_of(document, "oauth_flow"):
        raise LoginRequired(f"{place} lacks the registration to renew its login with: {_INSTEAD}")
    return "social"


def _registered(document: JsonObject, registration: JsonObject, name: str) -> str:
    return text_of(document, name) or text_of(registration, name) or ""


def _put(document: JsonObject, name: str, value: object) -> None:
    """Under the spelling that is there; a new member in that of the document."""
    camel = _camel(name)
    snake = name in document or (camel not in document and "access_token" in document)
    document[name if snake else camel] = value


def _like(before: object, moment: datetime) -> object:
    """A time in the form of the one it takes the place of."""
    if isinstance(before, int | float) and not isinstance(before, bool):
        return round(moment.timestamp() * (1000 if before > _MILLISECONDS else 1))
    if isinstance(before, str) and before.isdigit():
        return str(_like(int(before), moment))
    text = moment.astimezone(UTC).replace(tzinfo=None)
    exact = "milliseconds" if isinstance(before, str) and "." in before else "seconds"
    return f"{text.isoformat(timespec=exact)}Z"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
