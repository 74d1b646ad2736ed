"""From a canonical request to one call of xAI: pure and deterministic.

Starts from what `gateway_core.formats.responses` writes and keeps an allow-list of fields, because
xAI answers others with an error. `items` and `tools` see to what is in the input, `images` to
requests that ask for nothing but a picture, `rails` to the host. A request for a compaction becomes
one to the endpoint of the public API if that is where the turn belongs.
"""

from base64 import b64decode
from dataclasses import replace
from typing import Any, Final

from gateway_core import (
    Credential,
    Foreign,
    HostedCall,
    Media,
    Message,
    Request,
    Route,
    Text,
    ToolAliases,
    ToolResult,
    UpstreamCall,
)
from gateway_core.compaction import asks_for_compaction
from gateway_core.content import Part, ResultPart
from gateway_core.degrade import nearest_effort
from gateway_core.events import Notice
from gateway_core.formats.responses import write_request
from gateway_core.json import JsonObject, dumps
from gateway_core.pairing import pair_calls
from gateway_core.request import OutputSpec, ToolChoice
from gateway_grok.images import image_body, wants_picture
from gateway_grok.items import STORED_ONLY, clean_items, message
from gateway_grok.models import GrokModel, find_model, parse_name
from gateway_grok.names import account_scope, session_uuid
from gateway_grok.rails import CallState, account_headers, on_rail
from gateway_grok.refusals import no_compaction, not_gone_on_from
from gateway_grok.settings import GrokSettings, Rail
from gateway_grok.tools import clean_choice, clean_tools, with_exclusions

__all__ = ["ISSUER", "translate"]

ISSUER: Final = "grok"
PICTURE_SECONDS: Final = 300.0

_NOTHING_SAID: Final = "Go ahead."
# In place of that where a compaction follows a stored response: it must not allow anything.
_NOTHING_MORE: Final = "Compact the conversation up to here."
_INCLUDES: Final = frozenset(
    {
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "code_interpreter_call.outputs",
        "file_search_call.results",
        "message.output_text.logprobs",
        "no_inline_citations",
    }
)
_COPIED: Final = ("logprobs", "top_logprobs", "stream_tool_calls")
_STANDARD: Final = frozenset({None, "auto", "default", "standard", "standard_only"})
_OWN_CONVERSATION: Final = "grok-composer"


def translate(
    request: Request, route: Route, credential: Credential, settings: GrokSettings
) -> UpstreamCall:
    """The call. Leaves the request untouched.

    Raises `Unsupported`, naming it, for content and tools that xAI does not take, and what
    `gateway_grok.refusals` has for what this rail cannot do.
    """
    aliases = ToolAliases(request)
    request = aliases.fit(request)
    model, effort = _wanted_model(request, route, settings)
    rail, other = _rail(request, settings)
    compacts = asks_for_compaction(request)
    state = CallState(
        account=credential.account,
        scope=account_scope(credential.account),
        settings=settings,
        rail=rail,
        other=other,
        path="/responses/compact" if compacts else "/responses",
        stored=rail == "api" and not compacts and _keeps(request),
        continues=request.session.previous_response_id is not None,
        compacts=compacts,
        stop=() if compacts else tuple(request.sampling.stop),
        tool_names=aliases.restore,
    )
    notices: list[Notice] = []
    if compacts:
        body = _compaction_body(request, model, state)
    elif wants_picture(request, model):
        return _picture_call(request, model, credential, state)
    else:
        body = _body(request, model, effort, state, notices)
    session = _session(request, model)
    body["prompt_cache_key"] = session
    headers = account_headers(credential, settings, rail, model.id) | {
        "accept": "application/json" if compacts else "text/event-stream",
        "content-type": "application/json",
        "x-grok-conv-id": session,
    }
    return UpstreamCall(
        "POST",
        settings.base_url(rail) + state.path,
        headers,
        dumps(on_rail(body, state, rail)),
        idle_timeout=settings.idle_timeout,
        state=state,
        notices=notices,
    )


def _wanted_model(
    request: Request, route: Route, settings: GrokSettings
) -> tuple[GrokModel, str | None]:
    """The model and the effort, from the settings, the route and the request, in this order."""
    id, options = route.model, dict(route.options)
    if settings.model:
        claim = parse_name(settings.model, settings.models)
        id = claim.model if claim else settings.model
        options.update(claim.options if claim else {})
    model = find_model(route, id)
    asked = options.get("effort") or request.reasoning.effective_effort or settings.effort
    return model, nearest_effort(asked, model.efforts) if asked else None


def _rail(request: Request, settings: GrokSettings) -> tuple[Rail, bool]:
    """The rail to ask and whether the other may be.

    Only the public API keeps responses, so it alone can go on from one, knows their items and
    compacts. A compaction that does not belong there by the request itself is left to the model:
    what is remembered of the account is not known here. Raises the errors on which the core asks in
    another way, when the settings or the request rule out the public API.
    """
    session = request.session
    if session.previous_response_id is not None:
        if settings.rail == "proxy":
            raise not_gone_on_from(
                "only the public API of xAI goes on from a stored response, and `rail` in "
                '[providers.grok] is "proxy" (set it to "auto")'
            )
        return "api", False
    if settings.rail == "auto" and _holds_stored(request):
        return "api", False
    stores = settings.rail == "auto" and session.store is True
    if asks_for_compaction(request) and not (stores or settings.rail == "api"):
        raise no_compaction("only the public API does, and the request goes to the proxy")
    if settings.rail != "auto":
        return settings.rail, False
    return ("api" if stores else "proxy"), True


def _holds_stored(request: Request) -> bool:
    """Whether there are items in the conversation that only the public API can read."""
    return any(
        isinstance(part, Foreign) and part.namespace == "responses" and part.kind in STORED_ONLY
        for entry in request.messages
        for part in entry.parts
    )


def _refers(request: Request) -> bool:
    """Whether an item is named that xAI stores: it may be a call that is answered here."""
    return any(
        isinstance(part, Foreign) and part.kind == "item_reference"
        for entry in request.messages
        for part in entry.parts
    )


def _keeps(request: Request) -> bool:
    """Whether the answer is to be kept: in the Responses API it is, unless the client says no."""
    store = request.session.store
    return store is True or (store is None and request.source.format == "responses")


def _body(
    request: Request,
    model: GrokModel,
    effort: str | None,
    state: CallState,
    notices: list[Notice],
) -> JsonObject:
    body, listed, choice = _conversation(request, model, state)
    tools = clean_tools(listed, notices, draws=model.draws)
    if tools:
        body["tools"] = tools
        body["tool_choice"] = clean_choice(choice, tools)
        if request.tool_choice.parallel is not None:
            body["parallel_tool_calls"] = request.tool_choice.parallel
    if reasoning := _reasoning(request, effort, state.settings):
        body["reasoning"] = reasoning
    if (format := _format(request.output)) is not None:
        body["text"] = {"format": format}
    body |= _knobs(request, model, state)
    body |= {"store": state.stored, "stream": True, "include": _include(request, tools)}
    _tell_dropped(request, state, notices)
    return body


def _compaction_body(request: Request, model: GrokModel, state: CallState) -> JsonObject:
    """The conversation and nothing else: the endpoint takes no stream, tools or sampling."""
    bare = replace(request, tools=[], tool_choice=ToolChoice())
    return _conversation(bare, model, state)[0]


def _conversation(
    request: Request, model: GrokModel, state: CallState
) -> tuple[JsonObject, list[JsonObject], Any]:
    """A body with what was said up to now; tools and choice as the format has them."""
    reachable = [_reachable(entry) for entry in request.messages]
    paired = pair_calls(reachable, keep_lonely_results=state.continues or _refers(request))
    written = write_request(
        replace(request, messages=paired, tools=with_exclusions(request.tools)),
        model.id,
        issuer=ISSUER,
        scope=state.scope,
        system_role="system",
        item_fields=("id",),
        namespaces=False,
    )
    items = clean_items(written["input"], state.rail)
    if instructions := written.get("instructions"):
        # `instructions` exists, but not beside `previous_response_id`; the official client never
        # sends it.
        items.insert(0, message("system", instructions))
    if not items:
        items.append(message("user", _NOTHING_MORE if state.compacts else _NOTHING_SAID))
    body: JsonObject = {"model": model.id, "input": items}
    if state.continues:
        body["previous_response_id"] = request.session.previous_response_id
    return body, written.get("tools", []), written.get("tool_choice", "auto")


def _knobs(request: Request, model: GrokModel, state: CallState) -> JsonObject:
    sampling = request.sampling
    limit = sampling.max_output_tokens
    if limit is not None and model.max_output is not None:
        limit = min(limit, model.max_output)
    forwarded = state.settings.forward_stop and state.rail == "api"
    knobs: JsonObject = {
        "max_output_tokens": limit,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": sampling.stop if forwarded and sampling.stop else None,
        "user": request.session.user,
    }
    if request.source.format == "responses":
        knobs |= {key: request.source.body.get(key) for key in _COPIED}
    return {key: value for key, value in knobs.items() if value is not None}


def _reasoning(request: Request, effort: str | None, settings: GrokSettings) -> JsonObject:
    """Effort and summary. A summary is asked for where it is shown: by a client of the Messages
    API that switched thinking on, and by any of the chat format; others ask for themselves.
    """
    spec, format = request.reasoning, request.source.format
    summary: str | None = spec.summary or settings.summary
    if spec.enabled is False:
        summary = None
    elif summary is None:
        shown = spec.enabled if format == "anthropic" else format != "responses"
        summary = "auto" if shown else None
    said = {"effort": effort, "summary": None if summary == "none" else summary}
    return {key: value for key, value in said.items() if value is not None}


def _format(output: OutputSpec) -> JsonObject | None:
    if output.kind == "json":
        return {"type": "json_object"}
    if output.kind != "json_schema":
        return None
    form: JsonObject = {
        "type": "json_schema",
        "name": output.name or "answer",
        "schema": output.schema or {},
    }
    return form | ({} if output.strict is None else {"strict": output.strict})


def _include(request: Request, tools: list[JsonObject]) -> list[str]:
    include = ["reasoning.encrypted_content"]
    if any(tool["type"] == "web_search" for tool in tools):
        include.append("web_search_call.action.sources")
    if request.source.format == "responses":
        asked = request.source.body.get("include")
        words = [each for each in asked if type(each) is str] if type(asked) is list else []
        include += [word for word in words if word in _INCLUDES]
    return list(dict.fromkeys(include))


def _tell_dropped(request: Request, state: CallState, notices: list[Notice]) -> None:
    session = request.session
    if session.service_tier not in _STANDARD:
        said = f"xAI has no service tier {session.service_tier!r} here: it was left out"
        notices.append(Notice("dropped_service_tier", said))
    if session.metadata and request.source.format != "anthropic":
        notices.append(Notice("dropped_metadata", "xAI takes no `metadata`: it was left out"))
    if session.store is True and not state.stored:
        said = 'the proxy of Grok keeps no responses ([providers.grok] rail = "proxy")'
        notices.append(Notice("not_stored", said))


def _session(request: Request, model: GrokModel) -> str:
    """The uuid that routes the conversation to its cache.

    A client that names no session gets one from how the conversation begins, which later turns
    repeat.
    """
    session = request.session
    own = model.id if model.id.startswith(_OWN_CONVERSATION) else None
    part = "\n".join(filter(None, (session.agent_id, own))) or None
    if name := session.cache_key or session.session_id:
        return session_uuid(name, part)
    first = request.messages[0].parts if request.messages else []
    texts = [*request.instructions, *(each for each in first if isinstance(each, Text))]
    return session_uuid("\n".join(["begins", *(text.text for text in texts)]), part)


def _picture_call(
    request: Request, model: GrokModel, credential: Credential, state: CallState
) -> UpstreamCall:
    settings, notices = state.settings, list[Notice]()
    path, body = image_body(request, model, settings, notices)
    state.path, state.paints = path, body["prompt"]
    state.stored = state.continues = False
    headers = account_headers(credential, settings, state.rail, body["model"]) | {
        "accept": "application/json",
        "content-type": "application/json",
    }
    return UpstreamCall(
        "POST",
        settings.base_url(state.rail) + path,
        headers,
        dumps(body),
        idle_timeout=PICTURE_SECONDS,
        total_timeout=PICTURE_SECONDS,
        state=state,
        notices=notices,
    )


def _reachable(entry: Message) -> Message:
    """The message with documents of plain text as texts, for xAI takes no files inline, and without
    hosted calls of other services.
    """
    parts = [_inline(part) for part in entry.parts]
    kept = [part for part in parts if part is not None]
    same = len(kept) == len(entry.parts) and all(
        new is old for new, old in zip(kept, entry.parts, strict=True)
    )
    return entry if same else replace(entry, parts=kept)


def _inline(part: Part) -> Part | None:
    if isinstance(part, HostedCall) and part.name not in ("web_search", "image_generation"):
        return None  # what it found is in the answer that followed
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
