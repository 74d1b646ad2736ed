"""Responses that xAI keeps: fetched and deleted at the public API, which alone has them."""

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway_core import (
    Credential,
    JsonObject,
    Unsupported,
    UpstreamProtocol,
)
from gateway_core.errors import NotFound
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads_object
from gateway_core.provider import StoredAction
from gateway_grok.errors import read_error, read_told
from gateway_grok.rails import account_headers
from gateway_grok.settings import GrokSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["act_on_stored"]

_CANNOT: dict[StoredAction, str] = {
    "cancel": "xAI answers while one waits and can cancel nothing: close the stream instead",
    "input_items": "xAI does not tell what a stored response was asked with",
}
# Ids come from anywhere. Some servers decode a path before they split it, so whatever might become
# a step in it, or is longer than any id, is not asked for.
_ID: Final = re.compile(r"(?=.*[^.])[A-Za-z0-9._~:=+@-]{1,256}")
# An id that is malformed, or the name of an endpoint beside the ids, is unknown too.
_NO_SUCH: Final = frozenset({400, 404, 405, 410, 414, 422})
_UNKNOWN = "xAI has no such response: it keeps those made with `store: true`, 30 days"


async def act_on_stored(
    action: StoredAction,
    response_id: str,
    credential: Credential,
    http: "httpx.AsyncClient",
    settings: GrokSettings,
) -> JsonObject:
    """The response object, or the confirmation that it was deleted.

    Raises `NotFound` for one that is unknown or was not stored, `Unsupported` for what xAI has no
    endpoint for.
    """
    if action in _CANNOT:
        raise Unsupported(_CANNOT[action])
    if _ID.fullmatch(response_id) is None:
        raise NotFound(_UNKNOWN)
    with translate_http_errors("xAI"):
        answer = await http.request(
            "DELETE" if action == "delete" else "GET",
            f"{settings.api_url}/responses/{quote(response_id, safe='')}",
            headers=account_headers(credential, settings, "api") | {"accept": "application/json"},
            follow_redirects=False,
        )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status_code in _NO_SUCH:
        told = read_told(headers, answer.content)
        raise NotFound(f"{_UNKNOWN} ({told.words})" if told and told.words else _UNKNOWN)
    if not 200 <= answer.status_code < 300:
        raise read_error(answer.status_code, headers, answer.content, "api")
    if action == "delete":
        # The body may be empty.
        return {"id": response_id, "object": "response", "deleted": True}
    try:
        return loads_object(answer.content)
    except ValueError as error:
        raise UpstreamProtocol("xAI gave a stored response that is no JSON") from error
