"""From a canonical request to one call of the agent service: pure and deterministic.

`entries` reads the conversation, `history` writes it, `tools` and `context` see to what the model
may use and must heed. Here it is put together into a plan, which `opening` carries out: by a run
that is held open and waits for just these results, else by a new one.
"""

import hashlib
from dataclasses import replace
from typing import Final

from gateway_core import (
    Credential,
    FunctionTool,
    InvalidRequest,
    LoginRequired,
    Notice,
    Request,
    Route,
    Unsupported,
    UpstreamCall,
)
from gateway_core.degrade import nearest_effort
from gateway_core.request import HostedTool, Tool
from gateway_cursor.context import environment, read_place, request_context
from gateway_cursor.conversation import conversation_id, mode_of
from gateway_cursor.entries import read_entries
from gateway_cursor.history import History, Story, latest_pictures
from gateway_cursor.identity import account_scope, login_mark, run_headers
from gateway_cursor.media import MOST_IMAGES
from gateway_cursor.plan import RunLimits, RunPlan, RunStart
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.results import call_results
from gateway_cursor.settings import CursorSettings
from gateway_cursor.tools import ToolTable, fitting, shown_name
from gateway_cursor.variants import WireModel, likely_efforts, wire_model

__all__ = ["translate"]

_RUN: Final = "/agent.v1.AgentService/Run"
_BEGINNING: Final = 4  # entries in which clients tell of their surroundings
_BYTES_PER_TOKEN: Final = 4
_TOKENS_PER_IMAGE: Final = 1_000


def translate(
    request: Request, route: Route, credential: Credential | None, settings: CursorSettings
) -> UpstreamCall:
    """The call; its `state` is a `RunPlan`, its body the first message without its envelope.

    Leaves the request untouched. Raises `Unsupported`, naming it, for content and tools that the
    service does not take, `InvalidRequest` for what is broken, `LoginRequired` without a login.
    """
    if credential is None:
        raise LoginRequired("no Cursor account: run `gateway login cursor`")
    notices: list[Notice] = []
    reasoning = request.reasoning
    # What is not to think may still be told how much effort to make.
    bare = replace(reasoning, enabled=None)
    model = wire_model(route, bare.effective_effort, reasoning.enabled)
    notices += _unmet_effort(request, route)
    search = settings.allow_web_search and request.tool_choice.mode != "none"
    tools, trimmed = fitting(_offered(request, search=search))
    if trimmed:
        text = "the tools are too large for Cursor: their descriptions were shortened"
        notices.append(Notice("trimmed_tools", text))
    mode, unknown = mode_of(request, route, settings, tools=bool(tools.names))
    notices += [unknown] if unknown else []
    hint = _hint(request, tools)
    if hint:
        text = f"cursor/{route.model} can only be asked in words to call a tool"
        notices.append(Notice("mapped_tool_choice", text))
    instructions, entries = read_entries(request)
    system = "\n\n".join(instructions)
    place = read_place([*instructions, *(entry.text for entry in entries[:_BEGINNING])])
    rule = "\n\n".join(text for text in (system, hint) if text)
    scope = account_scope(credential)
    conversation = conversation_id(request, scope, model.id)
    pictures, left_out = latest_pictures(entries)
    history = History(system, entries, pictures, conversation, mode, environment(place), hint)
    if left_out:
        text = f"Cursor takes {MOST_IMAGES} images: the {left_out} oldest were left out"
        notices.append(Notice("dropped_images", text))

    def start(story: Story) -> RunStart:
        return RunStart(_run_request(story, model, tools, conversation, mode), story.blobs)

    begin = start(history.structured())
    parallel = request.tool_choice.parallel is not False
    plan = RunPlan(
        account=credential.account,
        model=model.id,
        conversation=conversation,
        start=begin,
        context=request_context(place, tools, rule, with_tools=not trimmed, search=search),
        tools=tools,
        login=login_mark(credential),
        parallel=parallel,
        allow_search=search,
        results=call_results(history.current),
        fingerprint=_fingerprint(scope, model.id, mode, tools, rule, parallel),
        limits=RunLimits(settings.held_seconds, settings.held_runs, settings.max_native_calls),
        estimate=_estimate(begin, tools, len(pictures)),
        window=route.model_info.context_window if route.model_info else None,
        as_text=lambda: start(history.as_text()),
    )
    body = pb.AgentClientMessage(run_request=begin.request).SerializeToString(deterministic=True)
    return UpstreamCall(
        "POST",
        f"{settings.run_base}{_RUN}",
        run_headers(credential, settings),
        body,
        state=plan,
        notices=notices,
    )


def _unmet_effort(request: Request, route: Route) -> list[Notice]:
    """What becomes of the wish for an effort where the model is in no list, which the core would
    hold it against.
    """
    wanted = request.reasoning.effective_effort
    asks = wanted not in (None, "none") or bool(request.reasoning.enabled)
    if route.model_info is not None or "effort" in route.options or not asks:
        return []
    efforts = likely_efforts(route)
    if not efforts:
        name = route.options.get("variant") or route.model
        text = "is in no list, so no variants of it are known: `reasoning` was left out"
        return [Notice("dropped_reasoning", f"cursor/{name} {text}")]
    if wanted is None or wanted in efforts:
        return []
    text = f"has no reasoning effort {wanted!r}: {nearest_effort(wanted, efforts)!r} was used"
    return [Notice("mapped_effort", f"cursor/{route.model} {text}")]


def _offered(request: Request, *, search: bool) -> list[FunctionTool]:
    """The tools that may be called. Where the client names some, leaving out the others is surer
    than to ask for it. search: whether Cursor may search the web, which is no tool of the client.
    """
    choice = request.tool_choice
    if choice.mode == "none":
        return []
    tools: list[FunctionTool] = []
    searches: set[str] = set()
    for tool in request.tools:
        if search and _is_search(tool):
            searches.add(tool.name)
            continue
        if type(tool) is not FunctionTool:
            kind = tool.kind if type(tool) is HostedTool else "custom"
            raise Unsupported(
                f"Cursor cannot run the tool {kind!r}: send the request without it", param="tools"
            )
        if choice.mode != "tool" or tool.name in choice.names:
            tools.append(tool)
    if choice.mode == "tool" and not tools and searches.isdisjoint(choice.names):
        raise InvalidRequest(
            f"tool_choice names {', '.join(map(repr, choice.names))}, which is none of the tools",
            param="tool_choice",
        )
    return tools


def _is_search(tool: Tool) -> bool:
    return type(tool) is HostedTool and tool.kind == "web_search"


def _hint(request: Request, tools: ToolTable) -> str:
    """The wish for a call in words, as there is no other way to say it."""
    choice = request.tool_choice
    forced = choice.mode == "required" or (choice.mode == "tool" and choice.required_among)
    if not forced or not request.tools:
        return ""
    if not tools.names:
        return "Search the web before you answer."
    if choice.mode == "required":
        return "Your next answer must call at least one of the user's tools; words are not enough."
    named = " or ".join(f"`{shown_name(name)}`" for name in choice.names)
    return f"Your next answer must call the tool {named}; words are not enough."


def _run_request(
    story: Story, model: WireModel, tools: ToolTable, conversation: str, mode: "pb.AgentMode"
) -> pb.AgentRunRequest:
    run = pb.AgentRunRequest(
        conversation_state=story.state,
        action=story.action,
        model_details=pb.ModelDetails(
            model_id=model.id,
            display_model_id=model.id,
            display_name=model.title,
            display_name_short=model.title,
        ),
        requested_model=pb.RequestedModel(model_id=model.id, max_mode=model.max_mode),
        conversation_id=conversation,
    )
    if model.max_mode:
        run.model_details.max_mode = True
    if tools.definitions:
        run.mcp_tools.mcp_tools.extend(tools.definitions)
    if mode == pb.AGENT_MODE_ASK:
        run.exclude_workspace_context = True
    return run


def _estimate(start: RunStart, tools: ToolTable, images: int) -> int:
    """About how many tokens a run begins with."""
    run = start.request
    size = sum(len(start.blobs[id]) for id in run.conversation_state.root_prompt_messages_json)
    size += len(run.action.user_message_action.user_message.text)
    size += sum(definition.ByteSize() for definition in tools.definitions)
    return size // _BYTES_PER_TOKEN + images * _TOKENS_PER_IMAGE


def _fingerprint(
    scope: str, model: str, mode: "pb.AgentMode", tools: ToolTable, rule: str, parallel: bool
) -> str:
    """Of what a held run cannot change."""
    facts = f"{scope}\n{model}\n{mode}\n{parallel}\n{len(rule)}\n{rule}"
    hashed = hashlib.sha256(facts.encode())
    for definition in tools.definitions:
        hashed.update(definition.SerializeToString(deterministic=True))
    return hashed.hexdigest()
