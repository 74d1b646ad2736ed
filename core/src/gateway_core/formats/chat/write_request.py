"""A canonical request as the JSON of a chat completion request for an upstream.

Pure and deterministic; the request stays untouched. Calls and results are put in pairs, as all such
upstreams insist on it. A longer conversation begins with the very messages of the shorter one, but
for calls that nobody had answered.

What the format has no place for: the order of text, calls and reasoning within an assistant
message; the parting of instructions; hosted calls of the past other than pictures; a refusal as
something else than text; seals on tool calls. A failed tool result begins with `FAILED_PREFIX`.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

from gateway_core.content import (
    Foreign,
    Media,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.formats.chat.read_content import FORMAT_NAME
from gateway_core.formats.chat.read_request import FAILED_PREFIX
from gateway_core.formats.chat.write_body import REASONING_GAP, image_of, tool_call
from gateway_core.formats.chat.write_content import join_texts, write_content
from gateway_core.formats.chat.write_tools import write_tool_choice, write_tools
from gateway_core.json import JsonObject, loads
from gateway_core.pairing import pair_calls
from gateway_core.request import (
    OutputSpec,
    ReasoningSpec,
    Request,
    SessionHints,
    Tool,
    ToolChoice,
)
from gateway_core.seals import replayable

__all__ = ["SESSION_FIELDS", "write_request"]

SESSION_FIELDS = ("user", "prompt_cache_key", "service_tier", "store", "metadata")
"""Fields that help routing and caching; an upstream may know only some of them."""


def write_request(
    request: Request,
    model: str,
    *,
    issuer: str,
    scope: str | None = None,
    reasoning_field: str | None = "reasoning_content",
    effort_field: Literal["reasoning_effort", "reasoning"] | None = "reasoning_effort",
    max_tokens_field: str = "max_completion_tokens",
    media_in_results: bool = False,
    web_search: bool = False,
    cache_control: bool = False,
    allowed_tools: bool = True,
    session_fields: Collection[str] = SESSION_FIELDS,
) -> JsonObject:
    """The body to send, always streaming and with usage.

    issuer, scope: whose seals may be replayed, as `reasoning_details`.
    reasoning_field: where the text of earlier reasoning goes; None leaves it out.
    effort_field: how effort is asked for: OpenAI's word, the object of routers, or not at all.
    media_in_results: whether tool messages may hold media; otherwise it follows in a user message.
    web_search: whether the upstream knows `web_search_options`.
    cache_control: keep Anthropic's cache marks, for routers that pass them on.
    allowed_tools: whether the upstream can be told to choose among some of the tools; otherwise it
    is offered no others.
    session_fields: which of `SESSION_FIELDS` the upstream knows.

    Raises `Unsupported` for content and hosted tools that the upstream cannot take.
    """
    messages = _Messages(issuer, scope, reasoning_field, media_in_results, cache_control)
    messages.instructions(request.instructions)
    for message in pair_calls(request.messages):
        messages.add(message)
    body: JsonObject = {
        "model": model,
        "messages": messages.written,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    tools, choice = request.tools, request.tool_choice
    if not allowed_tools:
        tools, choice = _only_allowed(tools, choice)
    body |= write_tools(tools, web_search=web_search)
    if "tools" in body:
        body |= write_tool_choice(choice, tools)
    sampling = request.sampling
    if sampling.max_output_tokens is not None:
        body[max_tokens_field] = sampling.max_output_tokens
    for name in ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty"):
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    body |= _output(request.output)
    if effort_field is not None:
        body |= _effort(request.reasoning, effort_field)
    body |= _session(request.session, session_fields)
    return body


def _only_allowed(tools: list[Tool], choice: ToolChoice) -> tuple[list[Tool], ToolChoice]:
    """A choice among several tools as a choice among all of fewer tools."""
    if choice.mode != "tool" or (len(choice.names) == 1 and choice.required_among):
        return tools, choice
    allowed = [tool for tool in tools if tool.name in choice.names]
    mode: Literal["required", "auto"] = "required" if choice.required_among else "auto"
    return allowed or tools, replace(choice, mode=mode, names=[])


class _Messages:
    """Builds the list of messages, one canonical message at a time, with calls in pairs."""

    def __init__(
        self,
        issuer: str,
        scope: str | None,
        reasoning_field: str | None,
        media_in_results: bool,
        cache_control: bool,
    ) -> None:
        self._issuer = issuer
        self._scope = scope
        self._reasoning_field = reasoning_field
        self._media_in_results = media_in_results
        self._cache_control = cache_control
        self.written: list[JsonObject] = []
        self._waiting: list[Part] = []  # pictures of the model, which tool results precede

    def instructions(self, texts: list[Text]) -> None:
        """One system message: chat templates of many models take no second one."""
        content = self._system_content(texts)
        if content:
            self.written.append({"role": "system", "content": content})

    def _system_content(self, parts: Sequence[Part]) -> str | list[JsonObject]:
        """One string, which every upstream takes, unless cache marks ask for parts."""
        if self._cache_control:
            return write_content(parts, cache_control=True)
        return "\n\n".join(part.text for part in parts if isinstance(part, Text) and part.text)

    def add(self, message: Message) -> None:
        if message.role == "assistant":
            self._add_assistant(message)
        elif message.role == "system":
            content = self._system_content(message.parts)
            self.written.append({"role": "system", **_name(message), "content": content})
        else:
            self._add_user(message)

    def _add_user(self, message: Message) -> None:
        rest: list[Part] = []
        results: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                results += self._add_result(part)
            else:
                rest.append(part)
        parts = [*results, *self._waiting, *rest]
        self._waiting = []
        if parts:
            content = write_content(parts, cache_control=self._cache_control)
            self.written.append({"role": "user", **_name(message), "content": content})

    def _add_result(self, result: ToolResult) -> list[Part]:
        """Writes the tool message; gives what has to follow in a user message."""
        if self._media_in_results:
            content = write_content(_marked(result), cache_control=self._cache_control)
            media: list[Part] = []
        else:
            texts = [part.text for part in result.content if isinstance(part, Text) and part.text]
            media = [part for part in result.content if not isinstance(part, Text)]
            if media:
                texts.append("(attached below)")
            content = (FAILED_PREFIX if result.failed else "") + "\n\n".join(texts)
        self.written.append({"role": "tool", "tool_call_id": result.call_id, "content": content})
        return [Text(f"Attached to the result of {result.call_id}:"), *media] if media else []

    def _add_assistant(self, message: Message) -> None:
        written: JsonObject = {"role": "assistant", **_name(message)}
        said = [part for part in message.parts if isinstance(part, Text | Foreign)]
        foreign = any(isinstance(part, Foreign) for part in said)
        content = write_content(said) if foreign else join_texts(message.parts)
        written["content"] = content
        self._add_reasoning(message, written)
        calls = [
            tool_call(part, part.arguments or ("" if part.custom else "{}"))
            for part in message.parts
            if isinstance(part, ToolCall)
        ]
        if calls:
            written["tool_calls"] = calls
            if not content:
                del written["content"]  # some upstreams refuse an empty text beside calls
        if written.keys() - {"role", "name", "content"} or content:
            self.written.append(written)
        made = [part if isinstance(part, Media) else image_of(part) for part in message.parts]
        media = [part for part in made if part is not None]
        if media:
            shown: list[Part] = [Text("Made by the assistant:"), *media]
            if calls:
                self._waiting = shown
            else:
                self.written.append({"role": "user", "content": write_content(shown)})

    def _add_reasoning(self, message: Message, written: JsonObject) -> None:
        parts = [part for part in message.parts if isinstance(part, Reasoning)]
        text = REASONING_GAP.join(part.text for part in parts if part.text)
        if text and self._reasoning_field is not None:
            written[self._reasoning_field] = text
        details: list[Any] = []
        for part in parts:
            if part.seal is not None and replayable(part.seal, self._issuer, self._scope):
                details += _details(part.seal.data)
        if details:
            written["reasoning_details"] = details


def _details(data: str) -> list[Any]:
    """What the stream reader put into a seal: the vendor's `reasoning_details`, as JSON."""
    try:
        details = loads(data)
    except ValueError:
        return []
    return details if isinstance(details, list) else []


def _marked(result: ToolResult) -> list[Part]:
    """The content of a result, with the mark of failure in its first text."""
    content: list[Part] = [*result.content]
    if not result.failed:
        return content
    first = content[0] if content else None
    if isinstance(first, Text):
        return [Text(FAILED_PREFIX + first.text, extras=first.extras), *content[1:]]
    return [Text(FAILED_PREFIX), *content]


def _name(message: Message) -> JsonObject:
    name = ((message.extras or {}).get(FORMAT_NAME) or {}).get("name")
    return {} if name is None else {"name": name}


def _output(output: OutputSpec) -> JsonObject:
    body: JsonObject = {}
    if output.kind == "json":
        body["response_format"] = {"type": "json_object"}
    elif output.kind == "json_schema":
        spec: JsonObject = {"name": output.name or "response"}
        if output.description is not None:
            spec["description"] = output.description
        spec["schema"] = output.schema or {}
        if output.strict is not None:
            spec["strict"] = output.strict
        body["response_format"] = {"type": "json_schema", "json_schema": spec}
    if output.verbosity is not None:
        body["verbosity"] = output.verbosity
    return body


def _effort(
    reasoning: ReasoningSpec, field: Literal["reasoning_effort", "reasoning"]
) -> JsonObject:
    effort = reasoning.effective_effort
    if field == "reasoning_effort":
        return {} if effort is None else {field: effort}
    if effort == "none":
        return {field: {"enabled": False}}
    if reasoning.effort is None and reasoning.budget_tokens is not None:
        return {field: {"max_tokens": reasoning.budget_tokens}}
    if effort is not None:
        return {field: {"effort": effort}}
    return {field: {"enabled": True}} if reasoning.enabled else {}


def _session(session: SessionHints, fields: Collection[str]) -> JsonObject:
    values = {
        "user": session.user,
        "prompt_cache_key": session.cache_key,
        "service_tier": session.service_tier,
        "store": session.store,
        "metadata": session.metadata,
    }
    return {key: value for key, value in values.items() if key in fields and value is not None}
