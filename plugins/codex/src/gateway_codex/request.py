"""From a canonical request to one call of the backend: pure and deterministic.

Starts from what `gateway_core.formats.responses` writes and keeps an allow-list of fields, because
the backend answers any other with an error. `items` and `tools` see to what is in the input. The
newest models are asked in the Responses Lite lane, where tools and instructions are input items.
"""

from base64 import b64decode
from dataclasses import dataclass, replace
from typing import Final, Literal

from gateway_codex.identity import workspace_of
from gateway_codex.items import clean_items, message
from gateway_codex.models import CodexModel, find_model, parse_name
from gateway_codex.names import account_scope, session_uuid
from gateway_codex.schemas import strict_schema, tool_schema
from gateway_codex.settings import CodexSettings
from gateway_codex.tools import clean_choice, clean_tools, fits_lite
from gateway_core import (
    Credential,
    Media,
    Message,
    Request,
    Route,
    Text,
    ToolAliases,
    Unsupported,
    UpstreamCall,
)
from gateway_core.content import Part, ResultPart, ToolResult
from gateway_core.degrade import nearest_effort
from gateway_core.formats.responses import write_request
from gateway_core.json import JsonObject, dumps
from gateway_core.request import OutputSpec
from gateway_core.tool_names import tool_alias

__all__ = ["ISSUER", "CallState", "account_headers", "translate"]

ISSUER: Final = "codex"
LITE_HEADER: Final = "x-openai-internal-codex-responses-lite"
"""Asks for the Responses Lite lane."""

_NOTHING_SAID: Final = "Go ahead."
_COMPACTION: Final = frozenset({"compaction", "compaction_trigger"})
_TIERS: Final = {
    "fast": "priority",
    "priority": "priority",
    "flex": "flex",
    "ultrafast": "ultrafast",
}
_STANDARD: Final = frozenset({"default", "standard", "standard_only"})
_Summary = Literal["auto", "concise", "detailed"]


@dataclass(slots=True, frozen=True)
class CallState:
    """What the decoder must know of the request: whose seals to stamp, names to give back."""

    account: str
    scope: str
    restore: tuple[tuple[str, str], ...] = ()


def account_headers(credential: Credential, settings: CodexSettings) -> dict[str, str]:
    """Headers of every request in the name of an account."""
    return {
        "authorization": f"Bearer {credential.access_token.get_secret_value()}",
        "chatgpt-account-id": workspace_of(credential),
        "originator": settings.originator,
        "user-agent": settings.agent,
    }


def translate(
    request: Request, route: Route, credential: Credential, settings: CodexSettings
) -> UpstreamCall:
    """The call. Leaves the request untouched.

    Raises `Unsupported`, naming it, for content and tools that the backend does not take.
    """
    wanted = _Wanted(request, route, settings)
    scope = account_scope(workspace_of(credential))
    aliases = ToolAliases(request)
    written = write_request(
        _with_texts_inline(request), wanted.model.slug, issuer=ISSUER, scope=scope
    )
    items = clean_items(written["input"], aliases)
    tools = clean_tools(written.get("tools", []), aliases)
    if request.output.kind == "json":
        # The backend insists on the word; at the front it changes nothing from turn to turn.
        items.insert(0, message("developer", "Answer with JSON."))
    lite = wanted.lite(tools)
    session = _session(request)
    body: JsonObject = {"model": wanted.model.slug}
    instructions: str = written.get("instructions", "")
    if lite:
        if instructions:
            items.insert(0, message("developer", instructions))
        if tools:
            items.insert(0, {"type": "additional_tools", "role": "developer", "tools": tools})
    else:
        body["instructions"] = instructions
    if not any(item["type"] != "additional_tools" for item in items):
        items.append(message("user", _NOTHING_SAID))
    body["input"] = items
    if tools:
        if not lite:
            body["tools"] = tools
        choice = written.get("tool_choice", "auto")
        body["tool_choice"] = clean_choice(choice, tools, aliases)
    if tools or lite:
        body["parallel_tool_calls"] = not lite and request.tool_choice.parallel is not False
    body |= wanted.knobs(lite)
    body |= {"store": False, "stream": True, "include": _include(tools)}
    body["prompt_cache_key"] = session
    headers = account_headers(credential, settings) | {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "session-id": session,
        "x-client-request-id": session,
    }
    if lite:
        headers[LITE_HEADER] = "true"
    if any(item["type"] in _COMPACTION for item in items):
        headers["x-codex-beta-features"] = "remote_compaction_v2"
    return UpstreamCall(
        "POST",
        f"{settings.base_url}/responses",
        headers,
        dumps(body),
        state=CallState(credential.account, scope, tuple(aliases.restore.items())),
    )


class _Wanted:
    """The model and the knobs, from the route, the request and the settings, in this order.

    A model set in the settings stands before all of them.
    """

    def __init__(self, request: Request, route: Route, settings: CodexSettings) -> None:
        self._request = request
        self._settings = settings
        slug, options = route.model, dict(route.options)
        if settings.model:
            claim = parse_name(settings.model, settings.models)
            slug = claim.model if claim else settings.model
            options.update(claim.options if claim else {})
        self._options = options
        self.model: CodexModel = find_model(route, slug)

    def lite(self, tools: list[JsonObject]) -> bool:
        """Whether the Responses Lite lane is to be asked.

        Raises `Unsupported` for tools that the model, having no other lane, cannot run.
        """
        if self.model.lane == "full":
            return False
        fits = fits_lite(tools)
        if not fits and self.model.lane == "lite-only":
            raise Unsupported(
                f"codex/{self.model.slug} runs no hosted tools such as web search; choose another "
                "model for that",
                param="tools",
            )
        return fits

    def knobs(self, lite: bool) -> JsonObject:
        """`reasoning`, `text` and `service_tier`, as far as there is something to say."""
        reasoning: JsonObject = {"effort": self._effort(), "summary": self._summary()}
        reasoning["context"] = "all_turns" if lite else None
        output = self._request.output
        text: JsonObject = {"format": _format(output), "verbosity": self._verbosity()}
        knobs: JsonObject = {
            "reasoning": {key: value for key, value in reasoning.items() if value is not None},
            "text": {key: value for key, value in text.items() if value is not None},
            "service_tier": self._tier(),
        }
        return {key: value for key, value in knobs.items() if value not in (None, {})}

    def _effort(self) -> str | None:
        asked = self._options.get("effort")
        effort = asked or self._request.reasoning.effective_effort or self._settings.effort
        return nearest_effort(effort, self.model.efforts) if effort else None

    def _summary(self) -> _Summary | None:
        """What the request says; else `auto` where thinking is shown: to a client of the Messages
        API that switched it on, and to any of the chat format. A client of the Responses API asks
        for itself.
        """
        reasoning, format = self._request.reasoning, self._request.source.format
        if not self.model.summaries or reasoning.enabled is False:
            return None
        summary = reasoning.summary or self._settings.summary
        if summary is None:
            shown = reasoning.enabled if format == "anthropic" else format != "responses"
            return "auto" if shown else None
        return None if summary == "none" else summary

    def _verbosity(self) -> str | None:
        wanted = self._request.output.verbosity or self._settings.verbosity
        return wanted if self.model.verbosity else None

    def _tier(self) -> str | None:
        """The tier, if the model has it: another would be served at standard speed anyway."""
        request = self._request
        wanted = request.session.service_tier or self._options.get("tier")
        if request.source.format == "anthropic" and request.source.body.get("speed") == "fast":
            wanted = "priority"
        if wanted in _STANDARD:
            return None
        tier = _TIERS.get(wanted or "") or _TIERS.get(self._settings.service_tier or "")
        return tier if tier in self.model.tiers else None


def _format(output: OutputSpec) -> JsonObject | None:
    """`text.format`: strict wherever the schema can be made so and the client did not refuse."""
    if output.kind == "json":
        return {"type": "json_object"}
    if output.kind != "json_schema":
        return None
    schema = output.schema or {}
    if schema.get("type", "object") != "object":
        raise Unsupported(
            "the schema of an answer must be of type 'object': put other types into a property",
            param="text.format.schema",
        )
    strict = None if output.strict is False else strict_schema({"type": "object", **schema})
    form: JsonObject = {
        "type": "json_schema",
        "name": tool_alias(output.name or "response"),
        "schema": strict or tool_schema(schema),
        "strict": strict is not None,
    }
    return form | ({"description": output.description} if output.description else {})


def _include(tools: list[JsonObject]) -> list[str]:
    include = ["reasoning.encrypted_content"]
    if any(tool["type"] == "web_search" for tool in tools):
        include.append("web_search_call.action.sources")
    return include


def _session(request: Request) -> str:
    """The uuid that routes the conversation to its cache.

    A client that names no session gets one from how the conversation begins, which later turns
    repeat.
    """
    session = request.session
    if name := session.cache_key or session.session_id:
        return session_uuid(name, session.agent_id)
    first = request.messages[0].parts if request.messages else []
    texts = [*request.instructions, *(part for part in first if isinstance(part, Text))]
    return session_uuid("\n".join(["begins", *(text.text for text in texts)]))


def _with_texts_inline(request: Request) -> Request:
    """The request with documents of plain text as texts: as files they would be taken for PDF."""
    messages = [_inline(entry) for entry in request.messages]
    same = all(new is old for new, old in zip(messages, request.messages, strict=True))
    return request if same else replace(request, messages=messages)


def _inline(entry: Message) -> Message:
    if not any(isinstance(part, Media | ToolResult) for part in entry.parts):
        return entry
    parts: list[Part] = [_inline_part(part) for part in entry.parts]
    same = all(new is old for new, old in zip(parts, entry.parts, strict=True))
    return entry if same else replace(entry, parts=parts)


def _inline_part(part: Part) -> Part:
    if isinstance(part, ToolResult):
        content: list[ResultPart] = [_inline_media(inner) for inner in part.content]
        same = all(new is old for new, old in zip(content, part.content, strict=True))
        return part if same else replace(part, content=content)
    return _inline_media(part) if isinstance(part, Media) else part


def _inline_media(part: ResultPart) -> ResultPart:
    if not isinstance(part, Media) or part.kind != "document" or part.data is None:
        return part
    if not (part.type or "").startswith("text/"):
        return part
    text = part.data
    if part.type != "text/plain":
        try:
            text = b64decode(text, validate=True).decode()
        except ValueError:
            return part
    return Text(f"{part.name}:\n{text}" if part.name else text)
