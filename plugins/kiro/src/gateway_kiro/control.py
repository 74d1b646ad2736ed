"""Questions about the account: models, profiles and limits, at the current host, else the older
one.
"""

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from gateway_core import Credential, GatewayError, JsonObject, UpstreamFailed, UpstreamProtocol
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads_object
from gateway_kiro.endpoints import control_call
from gateway_kiro.errors import error_of, is_profile, is_wrong_endpoint, read_failure
from gateway_kiro.identity import (
    API_REGIONS,
    api_region,
    credential_kind,
    needs_profile,
    profile_arn,
    profile_region,
)
from gateway_kiro.settings import KiroSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["list_models", "resolve_profile", "usage_limits"]

Operation: TypeAlias = Literal["ListAvailableModels", "ListAvailableProfiles", "getUsageLimits"]

_SECONDS: Final = 20.0
_MOST_PAGES: Final = 20


async def list_models(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> list[JsonObject]:
    """The pages of the model list. Raises the `GatewayError` of the first that fails."""
    facts: JsonObject = {"origin": settings.origin}
    if arn := profile_arn(credential, settings):
        facts["profileArn"] = arn
    region = api_region(credential, settings)
    return await _pages("ListAvailableModels", facts, credential, http, settings, region)


async def usage_limits(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> JsonObject:
    """What was used of the plan, and whose it is. Raises `GatewayError`."""
    facts: JsonObject = {"origin": settings.origin, "isEmailRequired": "true"}
    region = api_region(credential, settings)
    arn = profile_arn(credential, settings)
    with_profile = facts | ({"profileArn": arn} if arn else {})
    try:
        return await _ask("getUsageLimits", with_profile, credential, http, settings, region)
    except _ProfileRefusedError:
        # Some accounts must name their profile here and some must not.
        if not arn:
            raise
        return await _ask("getUsageLimits", facts, credential, http, settings, region)


async def resolve_profile(
    credential: Credential, http: "httpx.AsyncClient", settings: KiroSettings
) -> Credential:
    """The credential with its profile, asked for in every region of the service; the first counts.

    As it is when it needs none, or has one. Raises `GatewayError` when no region could tell.
    """
    if not needs_profile(credential, settings):
        return credential
    problem: GatewayError | None = None
    for region in dict.fromkeys((settings.region or API_REGIONS[0], *API_REGIONS)):
        try:
            pages = await _pages(
                "ListAvailableProfiles", {"maxResults": 10}, credential, http, settings, region
            )
        except _ProfileRefusedError as error:
            if credential_kind(credential) == "idc" and error.code == "FEATURE_NOT_SUPPORTED":
                # How the service says that this is a Builder ID after all.
                return _with(credential, provider="BuilderId")
            problem = error
        except GatewayError as error:
            problem = error
        else:
            if arn := _first_arn(pages):
                return _with(credential, profile_arn=arn)
    if problem is not None:
        raise problem
    return credential


class _ProfileRefusedError(GatewayError):
    """The question named a profile, or named none, and should not have."""

    kind, status = "forbidden", 403


async def _pages(
    operation: Operation,
    facts: JsonObject,
    credential: Credential,
    http: "httpx.AsyncClient",
    settings: KiroSettings,
    region: str,
) -> list[JsonObject]:
    pages: list[JsonObject] = []
    token: object = None
    while len(pages) < _MOST_PAGES:
        more = {"nextToken": token} if token else {}
        page = await _ask(operation, {**facts, **more}, credential, http, settings, region)
        pages.append(page)
        token = page.get("nextToken")
        if not isinstance(token, str) or not token:
            break
    return pages


async def _ask(
    operation: Operation,
    facts: JsonObject,
    credential: Credential,
    http: "httpx.AsyncClient",
    settings: KiroSettings,
    region: str,
) -> JsonObject:
    """One answer, from the older host where the current one cannot give it."""
    legacy = settings.endpoint == "legacy"
    while True:
        fallback = bool(settings.legacy_url) and not legacy
        if legacy and profile_arn(credential, settings, legacy=True) is None:
            facts = {key: value for key, value in facts.items() if key != "profileArn"}
        method, url, headers, body = control_call(
            operation, facts, credential, settings, region, legacy=legacy
        )
        try:
            with translate_http_errors("Kiro"):
                answer = await http.request(
                    method,
                    url,
                    headers=headers,
                    content=body,
                    timeout=_SECONDS,
                    follow_redirects=False,
                )
        except UpstreamFailed:
            if not fallback:
                raise
            legacy = True
            continue
        if answer.status_code == 200:
            try:
                return loads_object(answer.content)
            except ValueError as error:
                raise UpstreamProtocol("Kiro answered with something other than JSON") from error
        named = {name.lower(): value for name, value in answer.headers.items()}
        failure = read_failure(answer.status_code, named, answer.content)
        if fallback and is_wrong_endpoint(failure):
            legacy = True
            continue
        problem = error_of(failure)
        if is_profile(failure):
            raise _ProfileRefusedError(problem.message, code=failure.reason or None)
        raise problem


def _first_arn(pages: list[JsonObject]) -> str | None:
    for page in pages:
        profiles = page.get("profiles")
        for profile in profiles if isinstance(profiles, list) else ():
            arn = profile.get("arn") if isinstance(profile, dict) else None
            if isinstance(arn, str) and profile_region(arn):
                return arn
    return None


def _with(credential: Credential, **facts: str) -> Credential:
    return credential.model_copy(update={"extra": {**credential.extra, **facts}})
