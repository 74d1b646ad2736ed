"""From a canonical request to one streamed chat completion of Kilo: pure, and stable as a
conversation grows. The core writes the format; here is what Kilo wants besides.
"""

from dataclasses import replace
from importlib.metadata import version
from typing import Final

from gateway_core import Credential, Request, Route, ToolAliases, UpstreamCall
from gateway_core.formats.chat import write_request
from gateway_core.json import dumps
from gateway_core.session_key import conversation_uuid
from gateway_kilo.models import PAINTING, vendor_name
from gateway_kilo.settings import KiloSettings

__all__ = ["ISSUER", "headers_for", "translate"]

ISSUER: Final = "kilo"
_LEAST_TOKENS: Final = 16
"""Some of the vendors behind Kilo refuse a smaller limit."""
_AGENT: Final = f"gateway-kilo/{version('gateway-kilo')}"


def headers_for(credential: Credential | None, settings: KiloSettings) -> dict[str, str]:
    """The headers of every request. Without a login nothing is said of who asks: Kilo refuses a
    key that it does not know, and takes none at all for its free models.
    """
    headers = {"user-agent": _AGENT}
    if credential is not None:
        headers["authorization"] = f"Bearer {credential.access_token.get_secret_value()}"
        if settings.organization is not None:
            headers["x-kilocode-organizationid"] = str(settings.organization)
    return headers


def translate(
    request: Request, route: Route, credential: Credential | None, settings: KiloSettings
) -> UpstreamCall:
    """The call. Its state is `tool_names` for the `StreamReader`.

    Raises `Unsupported` for what Kilo cannot be told.
    """
    aliases = ToolAliases(request, letter_first=True)  # as Google's models want it
    fitting = aliases.fit(request)
    tools = [tool for tool in fitting.tools if getattr(tool, "kind", None) not in PAINTING]
    body = write_request(
        fitting if len(tools) == len(fitting.tools) else replace(fitting, tools=tools),
        vendor_name(route.model),
        issuer=ISSUER,
        reasoning_field="reasoning",
        effort_field="reasoning",
        max_tokens_field="max_tokens",
        cache_control="claude" in route.model,
        allowed_tools=False,
        session_fields=(),
    )
    if len(tools) < len(request.tools):
        body["modalities"] = ["image", "text"]
    if "max_tokens" in body:
        limit = route.model_info.max_output_tokens if route.model_info else None
        wanted = body["max_tokens"] if limit is None else min(body["max_tokens"], limit)
        body["max_tokens"] = max(wanted, _LEAST_TOKENS)
    headers = headers_for(credential, settings)
    headers |= {"accept": "text/event-stream", "content-type": "application/json"}
    headers["x-kilocode-taskid"] = conversation_uuid(request)
    return UpstreamCall(
        "POST",
        f"{settings.base_url}/chat/completions",
        headers,
        dumps(body),
        idle_timeout=settings.idle_timeout,
        state=aliases.restore,
    )
