"""Where the service is asked and in which form: the current hosts, and the older one.

The forms say the same in different places: the operation is named in a header or in the path, and
the older host refuses the shared profile of Builder IDs, which the current one insists on. Pure.
"""

import hashlib
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from gateway_core import Credential, JsonObject
from gateway_core.json import dumps
from gateway_kiro.identity import api_headers, api_region, at_region, profile_arn
from gateway_kiro.settings import KiroSettings

__all__ = ["PROFILE_HEADER", "Form", "control_call", "encode", "generate_call", "mcp_call"]

Form = Literal["runtime", "runtime-rest", "legacy"]

PROFILE_HEADER: Final = "x-amzn-kiro-profile-arn"
_JSON_1_0: Final = "application/x-amz-json-1.0"
_STREAM: Final = "application/vnd.amazon.eventstream"
_CONTROL: Final = "KiroControlPlaneBearerService"
_LEGACY_CONTROL: Final = "AmazonCodeWhispererService"


def generate_call(
    body: JsonObject, credential: Credential, settings: KiroSettings, form: Form
) -> tuple[str, dict[str, str], bytes]:
    """Address, headers and final bytes for one answer. The profile in `body`, if any, is replaced
    by the one that the form wants.
    """
    legacy = form == "legacy"
    arn = profile_arn(credential, settings, legacy=legacy)
    body = {key: value for key, value in body.items() if key != "profileArn"}
    if arn is not None:
        body["profileArn"] = arn
    data = encode(body)
    template = settings.legacy_url if legacy else settings.runtime_url
    url = at_region(template, api_region(credential, settings))
    headers = api_headers(credential, settings) | {
        "accept": "*/*" if legacy else _STREAM,
        "content-type": _JSON_1_0 if form == "runtime" else "application/json",
        "x-amzn-codewhisperer-optout": "true",
        "x-amzn-kiro-agent-mode": "vibe",
        # The same for every try of one call, as the official client does it.
        "amz-sdk-invocation-id": _fingerprint(data),
        "amz-sdk-request": "attempt=1; max=3",
    }
    if arn is not None and not legacy:
        headers[PROFILE_HEADER] = arn
    if form == "runtime":
        headers["x-amz-target"] = f"{settings.target}.GenerateAssistantResponse"
        return f"{url}/", headers, data
    return f"{url}/generateAssistantResponse", headers, data


def mcp_call(
    credential: Credential, settings: KiroSettings, form: Form
) -> tuple[str, dict[str, str]]:
    """Address and headers of the endpoint for tools that the service runs itself, at the host where
    models are asked in this form.
    """
    legacy = form == "legacy"
    template = settings.legacy_url if legacy else settings.runtime_url
    url = at_region(template, api_region(credential, settings))
    headers = api_headers(credential, settings) | {
        "accept": "application/json",
        "content-type": "application/json",
    }
    if (arn := profile_arn(credential, settings, legacy=legacy)) is not None:
        headers[PROFILE_HEADER] = arn
    return f"{url}/mcp", headers


def control_call(
    operation: Literal["ListAvailableModels", "ListAvailableProfiles", "getUsageLimits"],
    facts: JsonObject,
    credential: Credential,
    settings: KiroSettings,
    region: str,
    *,
    legacy: bool,
) -> tuple[str, str, dict[str, str], bytes]:
    """Method, address, headers and body for a question about the account."""
    headers = api_headers(credential, settings) | {"accept": "application/json"}
    if operation == "getUsageLimits":
        counted = {"resourceType": "AGENTIC_REQUEST" if legacy else "CREDIT"}
        query = urlencode({key: str(value) for key, value in (counted | facts).items()})
        host = settings.legacy_url if legacy else settings.management_url
        path = "getUsageLimits" if legacy else "Get-Usage-Limits"
        return "GET", f"{at_region(host, region)}/{path}?{query}", headers, b""
    host = settings.legacy_url if legacy else settings.management_url
    service = _LEGACY_CONTROL if legacy else _CONTROL
    headers |= {"content-type": _JSON_1_0, "x-amz-target": f"{service}.{operation}"}
    if operation == "ListAvailableProfiles" and not legacy:
        del headers["x-amz-target"]
        headers["content-type"] = "application/json"
        page = {key: facts[key] for key in ("nextToken",) if key in facts}
        return "POST", f"{at_region(host, region)}/List-Available-Profiles", headers, dumps(page)
    return "POST", f"{at_region(host, region)}/", headers, dumps(dict(facts))


def encode(body: JsonObject) -> bytes:
    """JSON without the characters that break a request at the service: NUL and half pairs."""
    try:
        data = dumps(body)
    except ValueError:
        return dumps(_clean(body))
    return dumps(_clean(body)) if b"\\u0000" in data else data


def _clean(value: object) -> object:
    if isinstance(value, str):
        text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def _fingerprint(data: bytes) -> str:
    return str(UUID(bytes=hashlib.blake2b(data, digest_size=16).digest(), version=4))
