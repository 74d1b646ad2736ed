"""From a canonical request to one call of the service: pure and deterministic.

`entries` reads the conversation, `repair` brings it within the rules, `tools` and `reasoning` see
to the rest. Here it is put together, weighed, and cut where it is too large.
"""

from dataclasses import dataclass
from typing import Final

from gateway_core import (
    Credential,
    HostedTool,
    JsonObject,
    LoginRequired,
    Request,
    Route,
    Text,
    UpstreamCall,
)
from gateway_core.events import Notice
from gateway_core.json import dumps_text
from gateway_core.request import OutputSpec
from gateway_kiro.endpoints import generate_call, mcp_call
from gateway_kiro.entries import Entry, as_text, read_entries
from gateway_kiro.errors import overflow
from gateway_kiro.identity import account_scope
from gateway_kiro.media import document
from gateway_kiro.models import KiroModel, find_model
from gateway_kiro.names import ToolNames, document_name, own_uuid, session_uuid
from gateway_kiro.payload import first_that_fits, weight
from gateway_kiro.reasoning import Thinking, ask_to_think
from gateway_kiro.repair import content_of, repaired
from gateway_kiro.search import direct_query, search_request
from gateway_kiro.settings import KiroSettings
from gateway_kiro.state import CallState, SearchPlan
from gateway_kiro.tools import SEARCH_TOOL, ToolSet, has_web_search, read_tools

__all__ = ["translate"]

_JSON: Final = "Answer with one JSON value and nothing else: no other words, no code fence."


def translate(
    request: Request, route: Route, credential: Credential | None, settings: KiroSettings
) -> UpstreamCall:
    """The call. Leaves the request untouched.

    Raises `Unsupported`, naming it, for content and tools that the service does not take, and
    `ContextOverflow` for a request that is too large, where it may not be trimmed.
    """
    if credential is None:
        raise LoginRequired("no Kiro account: run `gateway login kiro`")
    model = find_model(route)
    query = direct_query(request) if settings.search_rounds else None
    if query is not None:
        return _search_call(request, query, model, credential, settings)
    return _Translation(request, route, model, credential, settings).call()


def _search_call(
    request: Request,
    query: str,
    model: KiroModel,
    credential: Credential,
    settings: KiroSettings,
) -> UpstreamCall:
    """The turn is one search, which needs no model."""
    url, headers = mcp_call(credential, settings, settings.endpoint)
    plan = _plan(request, query=query)
    state = CallState(credential, settings, model.id, format=request.source.format, search=plan)
    return UpstreamCall("POST", url, headers, search_request(query), state=state)


def _plan(
    request: Request, *, query: str | None = None, tool: str | None = None, rounds: int = 0
) -> SearchPlan:
    hosted = next(tool for tool in request.tools if type(tool) is HostedTool)
    allowed, blocked = (
        tuple(str(host) for host in hosted.options.get(key) or ())
        for key in ("allowed_domains", "blocked_domains")
    )
    most = hosted.options.get("max_uses")
    rounds = min(rounds, most) if type(most) is int and most > 0 else rounds
    return SearchPlan(tool, query, rounds, allowed, blocked)


@dataclass(slots=True)
class _Translation:
    """One request on its way."""

    request: Request
    route: Route
    model: KiroModel
    credential: Credential
    settings: KiroSettings

    def call(self) -> UpstreamCall:
        request, settings = self.request, self.settings
        scope = account_scope(self.credential, self.model.id)
        names = ToolNames()
        thinking = ask_to_think(request, self.model, self.route.options.get("effort"), settings)
        instructions, said = read_entries(request, names, scope)
        offered = self._offered(names)
        if request.tool_choice.mode == "none":
            said = as_text(said)
        entries = repaired(said)
        offered.complete(use.name for entry in entries for use in entry.uses)
        head = self._head(instructions, offered, thinking)
        conversation = self._conversation_id(instructions, said)
        notices = [thinking.notice] if thinking.notice else []
        notices += self._notices(offered)
        wire, trimmed = self._fitting(_Parts(entries, offered, head, conversation, thinking.fields))
        if trimmed:
            notices.append(
                Notice(
                    "trimmed_history",
                    f"the conversation is too large for Kiro: its {trimmed} oldest messages were "
                    "left out",
                )
            )
        state = CallState(
            self.credential,
            settings,
            self.model.id,
            scope=scope,
            window=self.model.window,
            restore=tuple(names.restore.items()),
            tags=bool(thinking.prefix),
            size=wire.size,
            limit=settings.payload_limit_bytes,
            format=request.source.format,
            notices=tuple(notices),
            search=_plan(request, tool=offered.search, rounds=settings.search_rounds)
            if offered.search
            else None,
        )
        return UpstreamCall("POST", wire.url, wire.headers, wire.data, state=state)

    def _offered(self, names: ToolNames) -> ToolSet:
        if self.request.tool_choice.mode == "none":
            return ToolSet()
        return read_tools(self.request.tools, names, search=self.settings.search_rounds > 0)

    def _head(self, instructions: list[str], offered: ToolSet, thinking: Thinking) -> str:
        """What goes in front of the first words of the user: there is no other place for it.

        The wish to think goes there too and not to the latest message, where the service refuses it
        beside results, and where it would change the beginning of every conversation.
        """
        texts = [*instructions, *offered.long_descriptions]
        if told := _told_output(self.request.output):
            texts.append(told)
        return thinking.prefix + "".join(f"{text}\n\n" for text in texts)

    def _notices(self, offered: ToolSet) -> list[Notice]:
        notices = []
        request = self.request
        if request.tool_choice.parallel is False and request.tools:
            notices.append(
                Notice(
                    "dropped_parallel_tool_calls",
                    f"kiro/{self.model.id} cannot be kept from several tool calls at once",
                )
            )
        if request.output.kind != "text":
            notices.append(
                Notice(
                    "mapped_output_format",
                    f"kiro/{self.model.id} cannot be held to a format: it was asked for JSON in "
                    "words",
                )
            )
        unasked = offered.search is None and request.tool_choice.mode != "none"
        if unasked and has_web_search(request.tools):
            why = (
                f"another tool is called {SEARCH_TOOL!r}"
                if self.settings.search_rounds
                else "providers.kiro.search_rounds is 0"
            )
            notices.append(Notice("dropped_hosted_tool", f"Kiro's web search was left out: {why}"))
        return notices

    def _conversation_id(self, instructions: list[str], said: list[Entry]) -> str:
        """The uuid of the conversation. A client that names no session gets one from how the
        conversation begins, which later turns repeat.
        """
        session = self.request.session
        if name := session.cache_key or session.session_id:
            return session_uuid(name, session.agent_id)
        first = self.request.messages[0].parts if self.request.messages else []
        texts = [part.text for part in first if isinstance(part, Text)]
        return own_uuid("begins", *instructions, *texts)

    def _fitting(self, parts: "_Parts") -> tuple["_Wire", int]:
        """The call as it is sent, and how many messages had to go for it."""
        limit = self.settings.payload_limit_bytes
        body = self._body(parts)
        wire = self._encoded(body)
        if not limit or wire.size <= limit:
            return wire, 0
        format, mode = self.request.source.format, self.settings.on_overflow
        cut = None
        if mode == "trim" or (mode == "auto" and format != "anthropic"):
            # The head moves to the message that comes first then.
            cut = first_that_fits(_messages(body), wire.size + len(parts.head.encode()), limit)
        if cut is None:
            raise overflow(format, wire.size // 4, self.model.window)
        parts.entries = parts.entries[cut:]
        return self._encoded(self._body(parts)), cut

    def _encoded(self, body: JsonObject) -> "_Wire":
        settings = self.settings
        url, headers, data = generate_call(body, self.credential, settings, settings.endpoint)
        return _Wire(url, headers, data, weight(data, _messages(body)))

    def _body(self, parts: "_Parts") -> JsonObject:
        messages = [
            self._message(entry, parts.head if index == 0 else "")
            for index, entry in enumerate(parts.entries)
        ]
        *history, current = messages
        if parts.offered.specifications:
            message = current["userInputMessage"]
            context = message.setdefault("userInputMessageContext", {})
            context["tools"] = parts.offered.specifications
        turns = sum(entry.role == "user" and not entry.results for entry in parts.entries)
        state: JsonObject = {
            "chatTriggerType": "MANUAL",
            "agentTaskType": "vibe",
            "agentContinuationId": own_uuid("turn", parts.conversation, str(turns)),
            "conversationId": parts.conversation,
            "currentMessage": current,
        }
        if history:
            state["history"] = history
        body: JsonObject = {"conversationState": state}
        if parts.fields:
            body["additionalModelRequestFields"] = parts.fields
        return body

    def _message(self, entry: Entry, head: str) -> JsonObject:
        content = head + content_of(entry)
        if entry.role == "assistant":
            said: JsonObject = {"content": content}
            if entry.uses:
                said["toolUses"] = [
                    {"toolUseId": use.id, "name": use.name, "input": use.input}
                    for use in entry.uses
                ]
            if entry.reasoning:
                said["reasoningContent"] = entry.reasoning
            return {"assistantResponseMessage": said}
        told: JsonObject = {
            "content": content,
            "modelId": self.model.id,
            "origin": self.settings.origin,
        }
        if entry.images:
            told["images"] = entry.images
        if entry.documents:
            used: set[str] = set()
            told["documents"] = [
                document(media, document_name(media.name, used), path)
                for media, path in entry.documents
            ]
        if entry.results:
            results = [
                {
                    "toolUseId": result.id,
                    "content": [{"text": result.text}],
                    "status": "error" if result.failed else "success",
                }
                for result in entry.results
            ]
            told["userInputMessageContext"] = {"toolResults": results}
        return {"userInputMessage": told}


@dataclass(slots=True)
class _Parts:
    """What a body is put together from."""

    entries: list[Entry]
    offered: ToolSet
    head: str
    conversation: str
    fields: JsonObject | None


@dataclass(slots=True)
class _Wire:
    """A call as it is sent, and its size in bytes without images."""

    url: str
    headers: dict[str, str]
    data: bytes
    size: int


def _messages(body: JsonObject) -> list[JsonObject]:
    state = body["conversationState"]
    return [*state.get("history", []), state["currentMessage"]]


def _told_output(output: OutputSpec) -> str:
    """The wish for JSON in words, as there is no other way to say it."""
    if output.kind == "text":
        return ""
    if output.schema is None:
        return _JSON
    return f"{_JSON} It must be valid under this JSON Schema:\n{dumps_text(output.schema)}"
