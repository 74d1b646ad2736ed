"""From a canonical request to one streamed chat completion of Kimi.

The core writes the format; here is what Kimi wants besides. Pure, and stable as a conversation
grows, so that the prompt cache hits.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from gateway_core import Credential, JsonObject, Model, Request, Route, ToolAliases, UpstreamCall
from gateway_core.formats.chat import write_request
from gateway_core.json import dumps
from gateway_core.request import EFFORTS
from gateway_core.session_key import conversation_uuid
from gateway_kimi.account import api_headers
from gateway_kimi.schemas import tool_schema
from gateway_kimi.settings import KimiSettings

__all__ = ["ISSUER", "translate"]

ISSUER: Final = "kimi"
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def translate(
    request: Request, route: Route, credential: Credential, settings: KimiSettings
) -> UpstreamCall:
    """The call. Its state is what the `StreamReader` must know of the request, by parameter.

    Raises `Unsupported` for what Kimi cannot be told.
    """
    aliases = ToolAliases(request, letter_first=True)
    body = write_request(
        aliases.fit(request),
        route.model,
        issuer=ISSUER,
        effort_field=None,
        media_in_results=True,
        allowed_tools=False,
        session_fields=(),
    )
    body["prompt_cache_key"] = conversation_uuid(request)
    limit = route.model_info.max_output_tokens if route.model_info else None
    if limit is not None and body.get("max_completion_tokens", 0) > limit:
        body["max_completion_tokens"] = limit
    wanted = request.reasoning.effective_effort
    thinking = _thinking(wanted, route.model_info)
    if thinking is not None:
        body["thinking"] = thinking
    for message in body["messages"]:
        _fit_message(message, thinks=thinking is not None and thinking["type"] == "enabled")
    for tool in body.get("tools", ()):
        function = tool["function"]
        function.pop("strict", None)
        function["parameters"] = tool_schema(function["parameters"])
    headers = {"accept": "text/event-stream", "content-type": "application/json"}
    headers |= api_headers(settings, credential)
    return UpstreamCall(
        "POST",
        f"{settings.api(credential)}/chat/completions",
        headers,
        dumps(body),
        idle_timeout=settings.idle_timeout,
        state={"show_reasoning": wanted != "none", "tool_names": aliases.restore},
    )


def _thinking(wanted: str | None, model: Model | None) -> JsonObject | None:
    """The field `thinking`; None for a model that does not think. One that always does is asked
    for the least when the client wants none.
    """
    kind = model.private.get("thinking") if model else None
    if kind == "no":
        return None
    if wanted == "none" and kind == "both":
        return {"type": "disabled"}
    effort = _effort(wanted, model.efforts if model else ())
    return {"type": "enabled", **({"effort": effort} if effort else {}), "keep": "all"}


def _effort(wanted: str | None, efforts: Sequence[str]) -> str | None:
    """The least effort of the model that is no less than the wanted one, else its greatest."""
    if wanted not in EFFORTS or not efforts:
        return None
    least = EFFORTS.index(wanted)
    return next((effort for effort in efforts if EFFORTS.index(effort) >= least), efforts[-1])


def _fit_message(message: JsonObject, *, thinks: bool) -> None:
    """Within what Kimi takes: no names, short ids, and reasoning in every message of the model.

    While it thinks, a call without `reasoning_content` is refused; an empty one passes, which is
    what the turns of other models get.
    """
    message.pop("name", None)
    if thinks and message["role"] == "assistant":
        message.setdefault("reasoning_content", "")
    for call in message.get("tool_calls", ()):
        call["id"] = _call_id(call["id"])
    if "tool_call_id" in message:
        message["tool_call_id"] = _call_id(message["tool_call_id"])


def _call_id(id: str) -> str:
    """The id as it is, or one made of it: other clients' ids are longer than Kimi takes."""
    if _CALL_ID.fullmatch(id):
        return id
    return f"call_{hashlib.sha256(id.encode('utf-8', 'replace')).hexdigest()[:32]}"
