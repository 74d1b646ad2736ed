"""Area T, continued: what capabilities declare besides content, and details of calls."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

from gateway_core.content import Message, Text, ToolCall, ToolResult
from gateway_core.errors import GatewayError
from gateway_core.json import JsonObject, loads
from gateway_core.provider import Route, UpstreamCall
from gateway_core.request import (
    FunctionTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    ToolChoice,
)
from gateway_core.testing.asking import REFUSALS, as_handed_on, ask, routes
from gateway_core.testing.case import Findings, NotApplicable, Violation
from gateway_core.testing.cases.wire import AREA
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]

_SCHEMA: Final[JsonObject] = {"type": "object", "properties": {"city": {"type": "string"}}}
_SAMPLING: Final[JsonObject] = {
    "max_output_tokens": 77,
    "temperature": 0.0,
    "top_p": 0.5,
    "top_k": 3,
    "stop": ["ENOUGH"],
    "seed": 7,
    "presence_penalty": 0.25,
    "frequency_penalty": 0.25,
}
"""By name a value that differs from every default. Zero is a temperature, and easily lost."""
_MOST_MODELS: Final = 8
_EMPTY: Final = ("", "{}")


@dataclass(slots=True, frozen=True)
class _Option:
    """Two requests that differ in one option and nothing else. name: as capabilities call it."""

    name: str
    one: Request
    other: Request


@AREA.case(
    13,
    rule="What the capabilities declare reaches the upstream: sampling, efforts, the choice among "
    "tools, the shape of the answer.",
    why="The core drops with a notice what a provider cannot take. What it declares and forgets is "
    "lost without a word: answers are cut at another length, or are no JSON.",
    cure="Send the option that is named, or leave it out of `Capabilities`. Zero is a value: ask "
    "`is not None`.",
    static=True,
)
def options_reach_the_upstream(subject: Subject) -> None:
    findings = Findings()
    ways = routes(subject)
    for route in ways:
        for option in _options(subject, route):
            with findings.about(f"{option.name} ({route.model})" if len(ways) > 1 else option.name):
                if _makes_no_difference(subject, option, route):
                    raise Violation("the call is the same with and without it")
    with findings.about("efforts"):
        _expect_efforts(subject)
    findings.settle()


def _options(subject: Subject, route: Route) -> Iterator[_Option]:
    can = subject.capabilities(route)
    plain = _asking()
    for name, value in _SAMPLING.items():
        if name in can.sampling:
            changed = replace(plain, sampling=Sampling(**{name: value}))
            yield _Option(f"sampling: {name} = {value!r}", changed, plain)
    for kind in ("json", "json_schema"):
        if kind in can.output:
            shape = OutputSpec(kind, "city", schema=_SCHEMA if kind == "json_schema" else None)
            yield _Option(f"output: {kind}", replace(plain, output=shape), plain)
    if can.verbosity:
        low, high = (replace(plain, output=OutputSpec(verbosity=v)) for v in ("low", "high"))
        yield _Option("verbosity", low, high)
    if can.tools:
        tools = [FunctionTool(name, f"It can {name}.", _SCHEMA) for name in ("look", "go")]
        free = replace(plain, tools=[*tools])
        for mode in ("none", "required", "tool"):
            if mode in can.tool_choice:
                choice = ToolChoice(mode, ["go"] if mode == "tool" else [])
                yield _Option(f"tool_choice: {mode}", replace(free, tool_choice=choice), free)


def _asking() -> Request:
    return Request("", [Message("user", [Text("The city, as JSON.")])])


def _makes_no_difference(subject: Subject, option: _Option, route: Route) -> bool:
    try:
        calls = [
            ask(subject, as_handed_on(subject, request, route), route)
            for request in (option.one, option.other)
        ]
    except GatewayError as error:
        if error.kind not in REFUSALS:
            raise
        return False  # a refusal is no silence
    return all(getattr(calls[0], f.name) == getattr(calls[1], f.name) for f in fields(UpstreamCall))


def _expect_efforts(subject: Subject) -> None:
    """One model that takes efforts is enough: of some only the vendor knows whether they do."""
    tried = None
    for model in subject.models[:_MOST_MODELS]:
        route = subject.route(model.id)
        efforts = model.efforts or subject.capabilities(route).efforts
        if len(efforts) < 2:
            continue
        least, most = (
            replace(_asking(), reasoning=ReasoningSpec(effort=effort))
            for effort in (efforts[0], efforts[-1])
        )
        tried = f"{efforts[0]!r} and {efforts[-1]!r}"
        if not _makes_no_difference(subject, _Option("efforts", least, most), route):
            return
    if tried is not None:
        raise Violation(f"the call is the same for {tried}")


@AREA.case(
    14,
    rule="A call without arguments stays one in the history: its arguments are sent as empty, "
    "never as null.",
    why="Models call tools without arguments, and clients send nothing for them. Upstreams refuse "
    "null where they expect an object or a text, and with it every later turn.",
    cure="Write the arguments as they came, or `{}` where the upstream insists on an object.",
    static=True,
)
def empty_arguments_stay_empty(subject: Subject) -> None:
    route = subject.route()
    if not subject.capabilities(route).tools:
        raise NotApplicable("it takes no tools")
    bodies: list[object] = []
    for arguments in ('{"zq":"zq0000"}', *_EMPTY):
        try:
            call = ask(subject, as_handed_on(subject, _calling(arguments), route), route)
            bodies.append(loads(call.body))
        except ValueError as error:
            raise NotApplicable("the body is no JSON") from error
        except GatewayError as error:
            if error.kind not in REFUSALS:
                raise
            raise NotApplicable(f"it refuses such calls: {error.message}") from error
    full, *empty = bodies
    for arguments, body in zip(_EMPTY, empty, strict=True):
        for instead in _changed(full, body):
            if instead is None or instead == "null" or instead == "None":
                raise Violation(f"arguments {arguments!r} are sent as {instead!r}")


@AREA.case(
    15,
    rule="The result of a tool that failed is told apart from that of one that did not.",
    why="A model that is not told takes the words of an error for what it asked for, and goes on "
    "as if a file was written or a test had passed.",
    cure="Set the upstream's own field; where it has none begin the text with `Error:`.",
    static=True,
)
def failures_of_tools_are_told(subject: Subject) -> None:
    route = subject.route()
    if not subject.capabilities(route).tools:
        raise NotApplicable("it takes no tools")
    one, other = _calling("{}"), _calling("{}", failed=True)
    if _makes_no_difference(subject, _Option("failed", one, other), route):
        raise Violation("the call is the same whether the tool failed or not")


def _calling(arguments: str, *, failed: bool = False) -> Request:
    return Request(
        "",
        [
            Message("user", [Text("What time is it?")]),
            Message("assistant", [ToolCall("call_1", "now", arguments)]),
            Message("user", [ToolResult("call_1", [Text("noon")], failed=failed)]),
        ],
        tools=[FunctionTool("now", "The time", {"type": "object", "properties": {}})],
    )


def _changed(value: object, other: object) -> Iterator[object]:
    """What stands in the other value where it differs from the first."""
    if isinstance(value, dict) and isinstance(other, dict):
        for name in other:
            if name in value:
                yield from _changed(value[name], other[name])
    elif isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
        for one, another in zip(value, other, strict=True):
            yield from _changed(one, another)
    elif value != other:
        yield other
