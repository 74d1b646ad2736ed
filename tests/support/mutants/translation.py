"""Faults of translation: area T."""

import itertools
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace

from gateway_core import JsonObject, Media, Request, ToolCall, ToolResult, Unsupported
from gateway_core.content import Foreign, Part
from gateway_core.provider import UpstreamCall
from gateway_core.request import FunctionTool, ReasoningSpec, Sampling, ToolChoice
from support.mutants.base import Mutant
from support.mutants.changes import asked_with, changed_parts, sending, sending_body

__all__ = ["MUTANTS"]

_NAME = 64  # characters, the usual limit of upstreams
_SERIAL = itertools.count()


def _parts(body: JsonObject, key: str) -> list[JsonObject]:
    """All parts of one type in what is sent."""
    return [part for message in body["messages"] for part in message["parts"] if key in part]


def refuse_images(part: Part) -> Part:
    if isinstance(part, Media):
        raise Unsupported("images cannot be sent")
    return part


def refuse_real_documents(part: Part) -> Part:
    if isinstance(part, ToolResult):
        for inner in part.content:
            refuse_real_documents(inner)
    if isinstance(part, Media) and part.kind == "document" and part.type != "text/plain":
        raise Unsupported("documents cannot be sent")
    return part


def refuse_without_a_word(part: Part) -> Part:
    if isinstance(part, Foreign):
        raise Unsupported("not possible")
    return part


def stumble_over_foreign_items(part: Part) -> Part:
    if isinstance(part, Foreign):
        raise KeyError(part.kind)
    return part


def drop_results(part: Part) -> Part | None:
    return None if isinstance(part, ToolResult) else part


def drop_failed_texts(part: Part) -> Part:
    return replace(part, content=[]) if isinstance(part, ToolResult) and part.failed else part


def drop_pictures_in_results(part: Part) -> Part:
    if isinstance(part, ToolResult):
        return replace(part, content=[c for c in part.content if not isinstance(c, Media)])
    return part


def keep_the_first_text(request: Request) -> Request:
    return replace(request, messages=[replace(m, parts=m.parts[:1]) for m in request.messages])


def only_when_true(request: Request) -> Request:
    """Takes a zero for nothing."""
    said = asdict(request.sampling).items()
    return replace(request, sampling=Sampling(**{name: value for name, value in said if value}))


def hide_failures(body: JsonObject) -> None:
    for part in _parts(body, "result"):
        part.pop("failed", None)


def send_null_for_nothing(body: JsonObject) -> None:
    for part in _parts(body, "call"):
        part["arguments"] = part["arguments"] or None


def forget_arguments(part: Part) -> Part:
    return replace(part, arguments="{}") if isinstance(part, ToolCall) else part


def results_first(body: JsonObject) -> None:
    body["messages"].sort(key=lambda message: not any("result" in p for p in message["parts"]))


def swap_neighbours(body: JsonObject) -> None:
    messages = body["messages"]
    if len(messages) > 4:
        messages[2], messages[3] = messages[3], messages[2]


def write_into_the_request(request: Request) -> Request:
    request.messages.append(request.messages[-1])
    return request


def write_into_a_schema(request: Request) -> Request:
    for tool in request.tools:
        if isinstance(tool, FunctionTool):
            tool.parameters["additionalProperties"] = False
    return request


def random_ids(body: JsonObject) -> None:
    body["id"] = uuid.uuid4().hex


def count_calls(call: UpstreamCall, request: Request) -> None:
    call.headers["x-request-number"] = str(next(_SERIAL))


def tell_the_length_first(body: JsonObject) -> None:
    if body["messages"]:
        body["messages"][0]["of"] = len(body["messages"])


def mark_the_last_message(body: JsonObject) -> None:
    if body["messages"]:
        body["messages"][-1]["cache"] = True


def look_at_the_last_message(request: Request) -> Request:
    assert request.messages[-1].parts[0] is not None
    return request


def cut_ids_of_calls(body: JsonObject) -> None:
    for part in _parts(body, "call"):
        part["call"] = part["call"][:40]


def shift_results(body: JsonObject) -> None:
    results = _parts(body, "result")
    ids = [part["result"] for part in results]
    for part, id in zip(results, ids[1:] + ids[:1], strict=True):
        part["result"] = id


def cut_names(body: JsonObject) -> None:
    for named in [*body["tools"], *_parts(body, "call")]:
        if "name" in named:
            named["name"] = named["name"][:_NAME]


def rename_tools_only(body: JsonObject) -> None:
    for tool in body["tools"]:
        if "name" in tool:
            tool["name"] = f"x_{tool['name']}"


def rename_for_good(body: JsonObject) -> None:
    for named in [*body["tools"], *_parts(body, "call")]:
        if "name" in named:
            named["name"] = f"x_{named['name']}"


def address(url: str) -> Callable[[UpstreamCall, Request], None]:
    def change(call: UpstreamCall, request: Request) -> None:
        call.url = url

    return change


def break_a_header(call: UpstreamCall, request: Request) -> None:
    call.headers["x-prompt"] = "two\nlines"


def never_time_out(call: UpstreamCall, request: Request) -> None:
    call.idle_timeout = float("inf")


def body_as_text(call: UpstreamCall, request: Request) -> None:
    call.body = call.body.decode()  # type: ignore[assignment]


def _asked(change: Callable[[Part], Part | None]) -> type:
    return asked_with(changed_parts(change))


MUTANTS = [
    Mutant("refuses what it declares", "T01", _asked(refuse_images), "image-inline: it is refused"),
    Mutant(
        "refuses all real documents",
        "T01",
        _asked(refuse_real_documents),
        "takes none but plain text",
    ),
    Mutant("refuses without a word", "T01", _asked(refuse_without_a_word), "not possible"),
    Mutant("crashes instead of refusing", "T01", _asked(stumble_over_foreign_items), "foreign"),
    Mutant("drops tool results", "T02", _asked(drop_results), "(result)"),
    Mutant("drops texts of failures", "T02", _asked(drop_failed_texts), "result-failed"),
    Mutant("drops pictures in results", "T02", _asked(drop_pictures_in_results), "(image)"),
    Mutant("keeps one part of a message", "T02", asked_with(keep_the_first_text), "(text)"),
    Mutant("forgets arguments", "T02", _asked(forget_arguments), "(call)"),
    Mutant(
        "drops instructions",
        "T02",
        asked_with(lambda request: replace(request, instructions=[])),
        "(instruction)",
    ),
    Mutant(
        "drops tools beyond a limit",
        "T02",
        asked_with(lambda request: replace(request, tools=request.tools[:32])),
        "tools-many",
    ),
    Mutant("puts results first", "T03", sending_body(results_first), "comes before"),
    Mutant("swaps messages", "T03", sending_body(swap_neighbours), "comes before"),
    Mutant("writes into the request", "T04", asked_with(write_into_the_request), "messages"),
    Mutant("writes into a schema", "T04", asked_with(write_into_a_schema), "tools"),
    Mutant("makes random ids", "T05", sending_body(random_ids), "another body"),
    Mutant("counts its calls", "T05", sending(count_calls), "another headers"),
    Mutant("tells the length first", "T06", sending_body(tell_the_length_first), "turn 1 of"),
    Mutant("marks the last message", "T06", sending_body(mark_the_last_message), "changes"),
    Mutant("needs a last part", "T07", asked_with(look_at_the_last_message), "no messages"),
    Mutant("cuts the ids of calls alone", "T08", sending_body(cut_ids_of_calls), "says that it"),
    Mutant("gives results to other calls", "T08", sending_body(shift_results), "answers"),
    Mutant("cuts names of tools", "T09", sending_body(cut_names), "no name of its own"),
    Mutant("renames tools but no calls", "T09", sending_body(rename_tools_only), "does not use"),
    Mutant("renames tools for good", "T10", sending_body(rename_for_good), "comes back as"),
    Mutant("goes elsewhere", "T11", sending(address("https://elsewhere.example/")), "elsewhere"),
    Mutant("talks in clear", "T11", sending(address("http://elsewhere.example/")), "by http"),
    Mutant("breaks a header", "T12", sending(break_a_header), "x-prompt"),
    Mutant("never times out", "T12", sending(never_time_out), "idle_timeout"),
    Mutant("sends text for bytes", "T12", sending(body_as_text), "not bytes"),
    Mutant(
        "forgets how long the answer may be",
        "T13",
        asked_with(lambda request: replace(request, sampling=Sampling())),
        "max_output_tokens = 77",
    ),
    Mutant("takes a zero for nothing", "T13", asked_with(only_when_true), "temperature = 0.0"),
    Mutant(
        "forgets how hard to think",
        "T13",
        asked_with(lambda request: replace(request, reasoning=ReasoningSpec())),
        "efforts: the call is the same for 'none' and 'max'",
    ),
    Mutant(
        "leaves every choice to the model",
        "T13",
        asked_with(lambda request: replace(request, tool_choice=ToolChoice())),
        "tool_choice: required",
    ),
    Mutant("hides that a tool failed", "T15", sending_body(hide_failures), "failed or not"),
    Mutant("sends null for nothing", "T14", sending_body(send_null_for_nothing), "sent as None"),
]
