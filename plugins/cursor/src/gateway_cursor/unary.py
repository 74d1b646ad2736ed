"""Questions to Cursor that have one answer, both in JSON: who am I, which models, how much is left.

Connect's unary calls: the HTTP status and a JSON body tell what went wrong.
"""

from typing import TYPE_CHECKING, Final

from gateway_core import Credential, JsonObject, UpstreamProtocol
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import dumps, loads_object
from gateway_cursor.errors import http_error
from gateway_cursor.identity import unary_headers
from gateway_cursor.settings import CursorSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["ask"]

_SECONDS: Final = 20.0


async def ask(
    method: str,
    credential: Credential,
    http: "httpx.AsyncClient",
    settings: CursorSettings,
    fields: JsonObject | None = None,
) -> JsonObject:
    """The answer of a method, `aiserver.v1.AuthService/GetUserMeta`. Redirects are not followed.

    Raises `GatewayError`.
    """
    with translate_http_errors("Cursor"):
        answer = await http.post(
            f"{settings.base_url}/{method}",
            headers=unary_headers(credential, settings),
            content=dumps(fields or {}),
            timeout=_SECONDS,
            follow_redirects=False,
        )
    if answer.status_code != 200:
        named = {name.lower(): value for name, value in answer.headers.items()}
        raise http_error(answer.status_code, named, answer.content)
    try:
        return loads_object(answer.content)
    except ValueError as error:
        raise UpstreamProtocol("Cursor answered with something other than JSON") from error
