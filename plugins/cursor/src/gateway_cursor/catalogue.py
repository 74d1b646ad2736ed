"""The live list of models: two questions at once, of which one answer is enough."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gateway_core import Credential, GatewayError, JsonObject, LoginRequired, Model, Unauthorized
from gateway_cursor.models import read_models
from gateway_cursor.settings import CursorSettings
from gateway_cursor.unary import ask

if TYPE_CHECKING:
    import httpx

__all__ = ["live_models"]

_log = logging.getLogger(__name__)
_USABLE: Final = "agent.v1.AgentService/GetUsableModels"
_AVAILABLE: Final = "aiserver.v1.AiService/AvailableModels"
_WANTED: Final = {"useModelParameters": True, "doNotUseMarkdown": True}


async def live_models(
    credential: Credential, http: "httpx.AsyncClient", settings: CursorSettings
) -> Sequence[Model]:
    """What the account is served. Raises `GatewayError` when neither question was answered, or the
    login was refused.
    """
    usable, available = await asyncio.gather(
        _asked(_USABLE, {}, credential, http, settings),
        _asked(_AVAILABLE, _WANTED, credential, http, settings),
    )
    for answer in (usable, available):
        if isinstance(answer, Unauthorized | LoginRequired):
            raise answer
    if isinstance(usable, GatewayError) and isinstance(available, GatewayError):
        raise usable
    return read_models(_or_none(usable), _or_none(available), settings)


async def _asked(
    method: str,
    fields: JsonObject,
    credential: Credential,
    http: "httpx.AsyncClient",
    settings: CursorSettings,
) -> JsonObject | GatewayError:
    try:
        return await ask(method, credential, http, settings, fields)
    except GatewayError as error:
        return error


def _or_none(answer: JsonObject | GatewayError) -> JsonObject | None:
    if isinstance(answer, GatewayError):
        _log.info("a part of Cursor's model list is missing: %s", answer.message)
        return None
    return answer
