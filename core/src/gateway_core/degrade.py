"""Holds a request against what a provider can take, before the provider sees it.

The policy in one sentence: a knob that the provider lacks is dropped or mapped with a notice, but
content and tools that it cannot take are refused by name, because an answer without them would be
an answer to another question; pictures in tool results and earlier turns are told of in words. A
shape of the answer that it cannot enforce is asked for in words, with a notice, because most models
then keep to it. Pure; it knows capabilities and no provider. How custom tools become functions is
the business of `gateway_core.custom_tools`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import is_
from typing import TYPE_CHECKING, Final

from gateway_core.content import Media, Message, Text, ToolResult
from gateway_core.custom_tools import (
    as_function_tool,
    bridge_message,
    bridged_custom_tools,
    grammar_of,
)
from gateway_core.errors import Unsupported
from gateway_core.events import Notice
from gateway_core.file_references import refusal
from gateway_core.json import dumps_text
from gateway_core.omitted_media import without_unseen_media
from gateway_core.provider import Capabilities
from gateway_core.request import (
    EFFORTS,
    CustomTool,
    HostedTool,
    OutputSpec,
    Request,
    Tool,
    ToolChoice,
)
from gateway_core.text_documents import text_documents

if TYPE_CHECKING:
    from gateway_core.json import JsonObject

__all__ = ["bridged_custom_tools", "degrade", "nearest_effort"]

_SAMPLING: Final = (
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
)


def degrade(
    request: Request, capabilities: Capabilities, model_title: str
) -> tuple[Request, list[Notice]]:
    """The request as the provider can take it, and a notice for whatever the user loses.

    The given request is never changed, and is returned itself when it fits as it is. `model_title`
    names the model in messages. Raises `Unsupported` for content and tools that have no substitute;
    its `param` names the field by the canonical position (`messages[2].content[0]`).
    """
    return _Policy(capabilities, model_title).apply(request)


def nearest_effort(effort: str, supported: tuple[str, ...]) -> str | None:
    """The supported effort closest to the wanted one, the lower of two that are equally close.

    `none` stays apart: it is met by the lowest, and stands in for another effort only where nothing
    else is supported. None when nothing is supported or the wanted word is unknown.
    """
    if effort in supported:
        return effort
    known = [name for name in supported if name in EFFORTS and name != "none"] or [
        name for name in supported if name == "none"
    ]
    if not known or effort not in EFFORTS:
        return None
    wanted = EFFORTS.index(effort)
    return min(known, key=lambda name: (abs(EFFORTS.index(name) - wanted), EFFORTS.index(name)))


class _Policy:
    """One pass over one request; each step returns the request, changed or not."""

    def __init__(self, capabilities: Capabilities, model_title: str) -> None:
        self._can = capabilities
        self._title = model_title
        self._notices: list[Notice] = []

    def apply(self, request: Request) -> tuple[Request, list[Notice]]:
        request = self._documents(request)
        media = list(_media_of(request.messages))
        if any(medium.kind not in self._can.input for medium, _ in media):
            request = self._without_unseen_media(request)
            media = list(_media_of(request.messages))
        self._check_media(request, media)
        request = self._sampling(request)
        request = self._reasoning(request)
        request = self._output(request)
        request = self._hosted_tools(request)
        request = self._tool_choice(request)
        if request.tools and not self._can.tools:
            raise Unsupported(
                f"{self._title} cannot call tools: send the request without `tools`", param="tools"
            )
        request = self._custom_tools(request)
        return request, self._notices

    def _notice(self, code: str, message: str) -> None:
        self._notices.append(Notice(code, message))

    def _dropped(self, field: str) -> None:
        self._notice(f"dropped_{field}", f"{self._title} has no `{field}`: it was left out")

    def _documents(self, request: Request) -> Request:
        if "document" in self._can.input:
            return request
        messages = text_documents(request.messages)
        same = all(map(is_, messages, request.messages))
        return request if same else replace(request, messages=messages)

    def _without_unseen_media(self, request: Request) -> Request:
        messages, omitted = without_unseen_media(request.messages, self._can.input)
        if not omitted:
            return request
        for kind, count in omitted.items():
            self._notice(
                f"omitted_{kind}",
                f"{self._title} does not take {kind} input: {count} in tool results or earlier "
                f"turns became words",
            )
        return replace(request, messages=messages)

    def _check_media(self, request: Request, found: Iterable[tuple[Media, str]]) -> None:
        for media, path in found:
            if media.kind not in self._can.input:
                raise Unsupported(
                    f"{path}: {self._title} does not take {media.kind} input; "
                    f"remove it or choose another model",
                    param=path,
                )
            if media.data is not None:
                continue
            if media.file is not None and media.kind not in self._can.file_ids:
                raise refusal(media, request.source, path, self._title)
            if not self._can.media_urls and media.url and media.file is None:
                raise Unsupported(
                    f"{path}: {self._title} takes no {media.kind} by URL; send it inline as base64",
                    param=path,
                )

    def _sampling(self, request: Request) -> Request:
        sampling = request.sampling
        dropped = [
            name
            for name in _SAMPLING
            if name not in self._can.sampling and getattr(sampling, name) not in (None, [])
        ]
        if not dropped:
            return request
        for name in dropped:
            self._dropped(name)
        empty: JsonObject = {name: [] if name == "stop" else None for name in dropped}
        return replace(request, sampling=replace(sampling, **empty))

    def _reasoning(self, request: Request) -> Request:
        reasoning = request.reasoning
        wanted = reasoning.effective_effort
        if not self._can.efforts:
            if wanted is None and not reasoning.enabled:
                return request
            if wanted != "none":
                self._dropped("reasoning")
            bare = replace(reasoning, enabled=None, effort=None, budget_tokens=None)
            return replace(request, reasoning=bare)
        if wanted is None or wanted in self._can.efforts:
            return request
        nearest = nearest_effort(wanted, self._can.efforts)
        if nearest is None:
            self._notice(
                "dropped_effort",
                f"{self._title} has no reasoning effort {wanted!r}: its default was used",
            )
        else:
            self._notice(
                "mapped_effort",
                f"{self._title} has no reasoning effort {wanted!r}: {nearest!r} was used",
            )
        enabled = None if reasoning.enabled is False else reasoning.enabled
        mapped = replace(reasoning, enabled=enabled, effort=nearest, budget_tokens=None)
        return replace(request, reasoning=mapped)

    def _output(self, request: Request) -> Request:
        output = request.output
        if output.verbosity is not None and not self._can.verbosity:
            self._dropped("verbosity")
            output = replace(output, verbosity=None)
        if output.kind != "text" and output.kind not in self._can.output:
            instructions = [*request.instructions, Text(_output_instruction(output))]
            request = replace(request, instructions=instructions)
            if output.kind == "json_schema" and "json" in self._can.output:
                self._notice(
                    "mapped_output_format",
                    f"{self._title} cannot be held to a JSON schema: it was held to JSON, and "
                    f"asked in words for the schema",
                )
                output = OutputSpec(kind="json", verbosity=output.verbosity)
            else:
                self._notice(
                    "dropped_output_format",
                    f"{self._title} cannot be held to {output.kind!r} output: it was asked for it "
                    f"in words",
                )
                output = OutputSpec(verbosity=output.verbosity)
        return request if output is request.output else replace(request, output=output)

    def _hosted_tools(self, request: Request) -> Request:
        lacking = [
            tool
            for tool in request.tools
            if type(tool) is HostedTool and tool.kind not in self._can.hosted_tools
        ]
        if not lacking:
            return request
        left = [tool for tool in request.tools if not _contains(lacking, tool)]
        choice = request.tool_choice
        gone = {word for tool in lacking for word in (tool.name, tool.kind)}
        gone -= {tool.name for tool in left}
        names = [name for name in choice.names if name not in gone]
        forced = choice.mode == "tool" and not names
        if (not left and choice.mode != "none") or forced:
            tool = next((tool for tool in lacking if tool.name in choice.names), lacking[0])
            if tool.wished_in is not None:
                raise Unsupported(
                    f"{tool.wished_in}: {self._title} has no {tool.kind!r}; choose a model that "
                    "can, or ask for text alone",
                    param=tool.wished_in,
                )
            raise Unsupported(
                f"{self._title} cannot run the tool {tool.kind!r}; "
                f"choose a model that can, or send the request without it",
                param="tool_choice" if left else "tools",
            )
        for tool in lacking:
            self._notice(
                "dropped_hosted_tool",
                f"{self._title} cannot run the tool {tool.kind!r}: it was left out",
            )
        return replace(request, tools=left, tool_choice=replace(choice, names=names))

    def _tool_choice(self, request: Request) -> Request:
        choice = request.tool_choice
        if choice.parallel is not None and not self._can.parallel_tools:
            self._dropped("parallel_tool_calls")
            choice = replace(choice, parallel=None)
        if choice.mode == "none" and not (self._can.tools and "none" in self._can.tool_choice):
            # Without tools nothing can be called: the same wish in other words, so no notice.
            return replace(request, tools=[], tool_choice=ToolChoice(parallel=choice.parallel))
        if choice.mode not in self._can.tool_choice and choice.mode != "auto":
            self._notice(
                "mapped_tool_choice",
                f"{self._title} cannot be made to call a tool ({choice.mode!r}): 'auto' was used",
            )
            choice = ToolChoice(parallel=choice.parallel)
        return request if choice is request.tool_choice else replace(request, tool_choice=choice)

    def _custom_tools(self, request: Request) -> Request:
        if self._can.custom_tools:
            return request
        messages = [bridge_message(message) for message in request.messages]
        if all(map(is_, messages, request.messages)):
            messages = request.messages
        if not bridged_custom_tools(request, self._can):
            if messages is request.messages:
                return request
            return replace(request, messages=messages)
        tools: list[Tool] = []
        for tool in request.tools:
            if type(tool) is not CustomTool:
                tools.append(tool)
                continue
            tools.append(as_function_tool(tool))
            if grammar_of(tool):
                self._notice(
                    "dropped_tool_grammar",
                    f"{self._title} does not enforce the grammar of the tool {tool.name!r}",
                )
        return replace(request, messages=messages, tools=tools)


def _output_instruction(output: OutputSpec) -> str:
    """The wish for JSON in words; the same for the same wish, so that prompt caches hold."""
    only = "and nothing else: no other text around it, no code fence."
    if output.kind == "json" or output.schema is None:
        return f"Your final answer must be a single JSON object {only}"
    purpose = f"\nIt is for: {output.description}" if output.description else ""
    return (
        f"Your final answer must be a single JSON value that is valid under the JSON Schema below, "
        f"{only}{purpose}\nJSON Schema: {dumps_text(output.schema)}"
    )


def _contains(tools: list[HostedTool], tool: Tool) -> bool:
    return any(tool is other for other in tools)


def _media_of(messages: list[Message]) -> Iterator[tuple[Media, str]]:
    """All media with their paths, those in tool results included."""
    for i, message in enumerate(messages):
        for j, part in enumerate(message.parts):
            if type(part) is Media:
                yield part, f"messages[{i}].content[{j}]"
            elif type(part) is ToolResult:
                for k, inner in enumerate(part.content):
                    if type(inner) is Media:
                        yield inner, f"messages[{i}].content[{j}].content[{k}]"
