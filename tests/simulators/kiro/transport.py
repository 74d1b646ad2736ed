"""Where and how the service is asked: the forms of a request, its headers, its profile, its region.

What the service needs is `grave`; what every client of it sends is only noted when it is missing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from gateway_core.json import JsonObject
from simulators.kiro.problem import NOT_AUTHORISED, Problem
from simulators.kiro.state import BUILDER_PROFILE, Account, Kind

__all__ = [
    "PROFILE_HEADER",
    "REGIONS",
    "Host",
    "header_problems",
    "origin_problems",
    "profile_problems",
]

Host: TypeAlias = Literal["runtime", "management", "q"]

REGIONS: Final = ("us-east-1", "eu-central-1")
PROFILE_HEADER: Final = "x-amzn-kiro-profile-arn"
_JSON_1_0: Final = "application/x-amz-json-1.0"
_UUID4: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_AGENT: Final = re.compile(r"^gateway-kiro/[\d.]+ \(|KiroIDE-[\d.]+-[0-9a-f]{16,64}$")
_TOKEN_TYPES: Final[dict[Kind, str]] = {"api-key": "API_KEY", "external": "EXTERNAL_IDP"}
_EVENT_STREAM: Final = ("application/vnd.amazon.eventstream", "*/*")


def header_problems(
    headers: Mapping[str, str], account: Account, *, target: bool, generate: bool
) -> Iterator[Problem]:
    """Problems of the headers. target: whether the operation is named in a header. generate:
    whether an answer of a model is asked for.
    """
    wanted = _JSON_1_0 if target else "application/json"
    if "content-type" in headers and headers["content-type"] != wanted:
        yield Problem(f"the content type is {headers['content-type']!r}")
    token_type = _TOKEN_TYPES.get(account.kind)
    if headers.get("tokentype") != token_type:
        told = "The bearer token included in the request is invalid."
        yield Problem(f"tokentype is {headers.get('tokentype')!r}", told, status=403)
    for name in ("user-agent", "x-amz-user-agent"):
        if not _AGENT.search(headers.get(name, "")):
            yield Problem(f"{name} does not look like a client's", grave=False)
    if not generate:
        return
    if headers.get("accept") not in _EVENT_STREAM:
        yield Problem(f"accept is {headers.get('accept')!r}", grave=False)
    if headers.get("x-amzn-kiro-agent-mode") not in ("vibe", "spec"):
        yield Problem("there is no agent mode")
    if headers.get("x-amzn-codewhisperer-optout") != "true":
        yield Problem("the words of the user may be used for training", grave=False)
    if not _UUID4.fullmatch(headers.get("amz-sdk-invocation-id", "")):
        yield Problem("the invocation has no id", grave=False)
    if not headers.get("amz-sdk-request", "").startswith("attempt="):
        yield Problem("the attempt is not numbered", grave=False)


def profile_problems(
    arn: str | None, headers: Mapping[str, str], account: Account, host: Host, region: str
) -> Iterator[Problem]:
    """Problems of the profile that a request names. Each host and kind of login has its rule."""
    kind, legacy = account.kind, host == "q"
    named = headers.get(PROFILE_HEADER)
    if kind == "api-key":
        if arn is not None or named is not None:
            yield Problem("an API key names a profile", NOT_AUTHORISED, status=403)
        return
    if kind == "builder" and legacy:
        if arn is not None:
            told = "a Builder ID names a profile at the older host"
            yield Problem(told, NOT_AUTHORISED, status=403)
        return
    if arn is None:
        told = "profileArn is required for this request."
        yield Problem("no profile is named", told)
        return
    if arn != (BUILDER_PROFILE if kind == "builder" else account.profile):
        yield Problem("the profile is another one's", reason="REQUEST_BODY_INVALID")
    elif arn.split(":")[3] != region:
        yield Problem("the profile is of another region")
    if not legacy and named != arn:
        yield Problem("header and body name different profiles", grave=False)


def origin_problems(body: JsonObject, target: str | None, host: Host) -> Iterator[Problem]:
    """Problems of the program that a question is said to come from, which must fit the form."""
    user = body["conversationState"]["currentMessage"]["userInputMessage"]
    allowed: tuple[str, ...] = ("AI_EDITOR",)
    if target == "AmazonCodeWhispererStreamingService.GenerateAssistantResponse":
        allowed = ("CLI", "AI_EDITOR") if host == "q" else ("AI_EDITOR", "KIRO_CLI")
    if user.get("origin") not in allowed:
        yield Problem(f"the origin {user.get('origin')!r} does not fit", NOT_AUTHORISED, status=403)
