"""Area T: what becomes of a conversation on its way to the upstream. `wire` has more of it."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields
from functools import partial
from itertools import pairwise
from typing import Final

from gateway_core.content import Media, Message, Reasoning, Text, ToolCall, ToolResult
from gateway_core.errors import GatewayError
from gateway_core.json import loads
from gateway_core.provider import Route, UpstreamCall
from gateway_core.request import FunctionTool, HostedTool, Request
from gateway_core.testing.asking import (
    REFUSALS,
    Asked,
    as_handed_on,
    ask,
    asked,
    every_conversation,
    routes,
)
from gateway_core.testing.bodies import holds_data, leaves_of, says
from gateway_core.testing.case import Area, Findings, Violation
from gateway_core.testing.conversations import SESSIONS, features, obliged
from gateway_core.testing.conversations.sessions import TURNS
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]

AREA: Final = Area("T", "translation")

_WORDS: Final = re.compile(r"[^\W\d_]+")
_FAULTLESS_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@AREA.case(
    1,
    rule="Every conversation that the declared capabilities cover translates; any other is "
    "translated or refused with `Unsupported` or `InvalidRequest` that names what is at fault.",
    why="A client that is told `not supported` without a name cannot be helped, and a refusal that "
    "the capabilities do not announce comes as a surprise in the middle of a task.",
    cure="Translate it; or declare narrower `Capabilities`, so that the core refuses or adapts it "
    "before; or name the part, tool or field in the message of the error.",
    static=True,
)
def translates_or_refuses_by_name(subject: Subject) -> None:
    findings = Findings()
    ways = routes(subject)
    for route in ways:
        taken: set[str] = set()
        for name, build in every_conversation():
            with findings.about(f"{name} ({route.model})" if len(ways) > 1 else name):
                if _translates(subject, build(), route):
                    taken |= features(build())
        with findings.about(route.model):
            declared = "document" in subject.capabilities(route).input
            if declared and not taken & {"document_data", "document_url"}:
                raise Violation("it declares documents, and takes none but plain text")
    findings.settle()


def _translates(subject: Subject, request: Request, route: Route) -> bool:
    """False when it is refused as it should. Raises `Violation` otherwise."""
    try:
        ask(subject, as_handed_on(subject, request, route), route)
    except GatewayError as error:
        if error.kind not in REFUSALS:
            raise
        if obliged(request, subject.capabilities(route)):
            raise Violation(
                f"it is refused, though the capabilities cover it: {error.message}"
            ) from error
        if not any(word.lower() in error.message.lower() for word in _names_in(request)):
            raise Violation(
                f"the refusal does not say what is at fault: {error.message}"
            ) from error
        return False
    return True


def _names_in(request: Request) -> list[str]:
    """Words by which a refusal can name something of this request."""
    words = [word for name in features(request) for word in name.split(":")]
    words += ["tool", "result", "argument", "media", "file", "message", "URL", "schema"]
    for tool in request.tools:
        words.append(tool.kind if isinstance(tool, HostedTool) else tool.name)
    for message in request.messages:
        for part in message.parts:
            words.append(getattr(part, "kind", None) or getattr(part, "name", None) or "messages[")
    return words


@AREA.case(
    2,
    rule="Nothing that was said is lost: texts, tools, arguments, results and media all reach the "
    "upstream.",
    why="A model that does not see a result calls the tool again; one that does not see a text "
    "answers another question. Nobody gets an error.",
    cure="Look at the place named below. If the upstream has no place for it, raise `Unsupported`. "
    "If the body is no plain JSON or text, override `readable` of the conformance class.",
    static=True,
)
def loses_nothing(subject: Subject) -> None:
    findings = Findings()
    for name, build in every_conversation():
        with findings.about(name):
            if translated := asked(subject, name, build):
                _expect_everything(subject, translated)
    findings.settle()


def _expect_everything(subject: Subject, translated: Asked) -> None:
    readable = subject.readable(translated.call)
    callable = _callable_tools(translated.request)
    lost = [
        f"{mark.path} ({mark.sort})"
        for mark in translated.marks
        if mark.word not in readable and (mark.sort != "tool" or mark.name in callable)
    ]
    for index, message in enumerate(translated.request.messages):
        for place, part in enumerate(message.parts):
            lost += [
                f"messages[{index}].content[{place}] ({what})"
                for what, there in _contents(part, translated.call, readable)
                if not there
            ]
    for index, tool in enumerate(translated.request.tools):
        if isinstance(tool, FunctionTool) and tool.name in callable:
            named = [tool.name] if _is_faultless(tool.name) else []
            wanted = [*named, *tool.parameters.get("properties", ())]
            lost += [f"tools[{index}] ({word!r})" for word in wanted if word not in readable]
    if lost:
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
        raise Violation(f"the body lacks {', '.join(lost[:4])}{more}")


def _callable_tools(request: Request) -> set[str]:
    """Tools that may be called; leaving out the others asks the same of an upstream."""
    choice = request.tool_choice
    if choice.mode == "none":
        return set()
    return set(choice.names) or {tool.name for tool in request.tools}


def _contents(part: object, call: UpstreamCall, readable: str) -> list[tuple[str, bool]]:
    """What else must be there of a part, and whether it is."""
    match part:
        case ToolResult():
            return [found for inner in part.content for found in _contents(inner, call, readable)]
        case ToolCall() if not part.custom:
            words = _words_in(part.arguments)
            found = [(f"argument {word!r}", says(readable, word)) for word in words]
            named = [part.name] if _is_faultless(part.name) else []
            return found + [(f"tool name {name!r}", name in readable) for name in named]
        case Media():
            if part.data is not None:
                return [(part.kind, holds_data(call, readable, part.data))]
            where = part.file or part.url or ""
            return [(f"{part.kind} {where!r}", says(readable, where))]
    return []


def _words_in(arguments: str) -> list[str]:
    """The words in the strings of arguments: digits and signs have many spellings."""
    try:
        strings = leaves_of(loads(arguments), str)
    except ValueError:
        return []
    return [word for text in strings for word in _WORDS.findall(text)]


def _is_faultless(name: str) -> bool:
    """Whether no upstream would ask for another name."""
    return len(name) <= 32 and set(name) <= _FAULTLESS_NAME


@AREA.case(
    3,
    rule="What was said reaches the upstream in the order in which it was said.",
    why="A result before its call, or an older question after the newest, changes the meaning of "
    "the conversation; most upstreams refuse such a history, others answer the wrong message.",
    cure="Write messages one after another. If the body only seems unordered, override "
    "`conversation` of the conformance class to give the turns from the oldest to the newest.",
    static=True,
)
def keeps_the_order(subject: Subject) -> None:
    findings = Findings()
    for name, session in SESSIONS.items():
        with findings.about(f"a session of {TURNS} turns of a {name}"):
            if translated := asked(subject, name, partial(session, TURNS)):
                _expect_order(subject, translated)
    findings.settle()


def _expect_order(subject: Subject, translated: Asked) -> None:
    text = "\n".join(leaves_of(list(subject.conversation(translated.call))))
    last: tuple[int, str] = (-1, "")
    current: list[tuple[int, str]] = []
    message: int | None = None
    for mark in translated.marks:
        place = text.find(mark.word)
        if mark.role not in ("user", "assistant") or place < 0:
            continue
        if mark.message != message:
            last = max([last, *current])
            current, message = [], mark.message
        if place < last[0]:
            raise Violation(f"{mark.path} ({mark.sort}) comes before {last[1]}")
        current.append((place, mark.path))


@AREA.case(
    4,
    rule="Translation leaves the request untouched.",
    why="The core asks again with the same request after a failure, and counts and logs it; a "
    "request that changes in between is another one.",
    cure="Build new objects; `dataclasses.replace` copies a part with a change. Do not write into "
    "schemas, `options`, `extras` or `source.body`: they are shared.",
    static=True,
)
def leaves_the_request_untouched(subject: Subject) -> None:
    def check(request: Request, route: Route) -> None:
        before = deepcopy(request)
        ask(subject, request, route)
        changed = [f.name for f in fields(Request) if _differs(request, before, f.name)]
        if changed:
            raise Violation(f"translating it changed its {', '.join(changed)}")

    _for_each(subject, check)


@AREA.case(
    5,
    rule="Translation is deterministic: equal requests give equal calls, from a fresh plugin too.",
    why="Upstreams find what they cached by comparing bytes, and a retry must be the same call. "
    "Random ids and times make every turn pay the full price.",
    cure="Derive ids from the content (a hash of it) or from the position; let the decoder or "
    "`gateway_open` make up what must be new each time. Give `state` an equality (a dataclass).",
    static=True,
)
def is_deterministic(subject: Subject) -> None:
    other = subject.fresh_relay()

    def check(request: Request, route: Route) -> None:
        copy = deepcopy(request)
        call = ask(subject, request, route)
        for how, again in (
            ("a second time", ask(subject, request, route)),
            ("from a copy of the request, by a fresh plugin", ask(subject, copy, route, other)),
        ):
            changed = [f.name for f in fields(UpstreamCall) if _differs(call, again, f.name)]
            if changed:
                raise Violation(f"translated {how}, the call has another {', '.join(changed)}")

    _for_each(subject, check)


def _for_each(subject: Subject, check: Callable[[Request, Route], None]) -> None:
    """Check every conversation that is not refused."""
    findings = Findings()
    route = subject.route()
    for name, build in every_conversation():
        with findings.about(name):
            try:
                check(as_handed_on(subject, build(), route), route)
            except GatewayError as error:
                if error.kind not in REFUSALS:
                    raise
    findings.settle()


def _differs(one: object, other: object, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


@AREA.case(
    6,
    rule="A conversation that grows keeps its translated beginning.",
    why="Upstreams cache by prefix. When a turn changes what was sent before, the whole history is "
    "paid again in every turn of an agent.",
    cure="Translate each message by what is in it and before it, never by what comes after or by "
    "how long the conversation is. If the newest turn stands elsewhere in the body, override "
    "`conversation` of the conformance class.",
    static=True,
)
def keeps_the_beginning(subject: Subject) -> None:
    findings = Findings()
    route = subject.route()
    for name, session in SESSIONS.items():
        with findings.about(f"a session of a {name}"):
            try:
                calls = [
                    ask(subject, as_handed_on(subject, session(turn), route), route)
                    for turn in range(TURNS + 1)
                ]
            except GatewayError as error:
                if error.kind not in REFUSALS:
                    raise
                continue
            turns = [list(subject.conversation(call)) for call in calls]
            for number, (earlier, later) in enumerate(pairwise(turns)):
                _expect_prefix(number, earlier, later)
    findings.settle()


def _expect_prefix(number: int, earlier: list[object], later: list[object]) -> None:
    for index, (one, other) in enumerate(zip(earlier, later, strict=False)):
        if one != other:
            raise Violation(
                f"from request {number + 1} to request {number + 2} what is sent for turn "
                f"{index + 1} of {len(earlier)} changes"
            )
    if len(later) <= len(earlier):
        raise Violation(f"request {number + 2} has no more turns than the one before it")


@AREA.case(
    7,
    rule="Odd but valid requests raise nothing but `Unsupported` and `InvalidRequest`.",
    why="Clients send histories without a question, with nothing in them or with system messages "
    "alone; a crash is reported as a bug of the gateway and the turn is lost.",
    cure="Send such a request as it is, add a word for an upstream that insists on one, or refuse "
    "it with `InvalidRequest`.",
    static=True,
)
def takes_odd_requests(subject: Subject) -> None:
    findings = Findings()
    route = subject.route()
    for name, messages in _ODD.items():
        with findings.about(name):
            request = Request("", deepcopy(messages))
            try:
                ask(subject, as_handed_on(subject, request, route), route)
            except GatewayError as error:
                if error.kind not in REFUSALS:
                    raise
    findings.settle()


_ODD: Final[dict[str, list[Message]]] = {
    "no messages": [],
    "one empty message": [Message("user", [])],
    "an empty text": [Message("user", [Text("")])],
    "nothing but blanks": [Message("user", [Text(" \n")])],
    "system messages alone": [Message("system", [Text("Be brief.")])],
    "an empty system message": [Message("system", []), Message("user", [Text("Hello")])],
    "the assistant alone": [Message("assistant", [Text("Hello.")])],
    "an assistant turn at the end": [
        Message("user", [Text("Count")]),
        Message("assistant", [Text("One, two,")]),
    ],
    "a thought without anything": [
        Message("user", [Text("Hello")]),
        Message("assistant", [Reasoning("")]),
        Message("user", [Text("Hello?")]),
    ],
    "a call at the end": [
        Message("user", [Text("Time?")]),
        Message("assistant", [ToolCall("call_1", "now", "{}")]),
    ],
    "a call with empty arguments": [
        Message("user", [Text("Time?")]),
        Message("assistant", [ToolCall("call_1", "now", "")]),
        Message("user", [ToolResult("call_1", [Text("noon")])]),
    ],
    "a result alone": [Message("user", [ToolResult("call_1", [])])],
}
