"""The events of one answer, in the order and with the fields of xAI's own.

`perform` turns the steps of a script into events and acts (pauses, endings). It knows no bytes.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from gateway_core.json import JsonObject
from simulators.grok.faults import failure_message
from simulators.grok.items import HOSTED, Built, build_items

__all__ = ["Act", "Answering", "perform"]

_TERMINAL: Final = frozenset({"fail", "cut", "drop", "reset", "stall", "garbage", "stop"})
_NO_CONTENT: Final = frozenset({"shape", "usage"})
_EARLY: Final = frozenset({"error", "bare", "flat"})


@dataclass(slots=True, frozen=True)
class Act:
    """Something other than an event: a pause in seconds, bytes as they are, or a way to end."""

    kind: Literal["wait", "send", "cut", "drop", "reset", "stall"]
    seconds: float = 0.0
    data: bytes = b""


@dataclass(slots=True)
class Answering:
    """What an answer depends on besides the steps.

    model: the name that the answer is given under. number: of the request, from which ids are made.
    seal: makes encrypted content for an item id. issue: told of every item id that goes out.
    input_tokens and cached: for the usage. finished: told of the last response object, if there
    comes one.
    """

    body: JsonObject
    model: str
    number: int
    seal: Callable[[str], str]
    issue: Callable[[str], None]
    input_tokens: int
    cached: int
    now: int
    finished: Callable[[JsonObject], None]
    shapes: frozenset[str] = field(default_factory=frozenset)

    @property
    def response_id(self) -> str:
        """The id of the response: a uuid, unlike OpenAI's."""
        text = hashlib.sha256(f"response {self.number}".encode()).hexdigest()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"

    def new_id(self, prefix: str, index: int) -> str:
        """The id of an item, which from then on is known to be ours."""
        own = hashlib.sha256(f"{self.number} {prefix} {index}".encode()).hexdigest()[:24]
        id = f"{prefix}_{own}"
        self.issue(id)
        return id


Output: TypeAlias = JsonObject | Act


def perform(steps: list[JsonObject], answering: Answering) -> Iterator[Output]:
    """The events and acts of an answer; events are numbered as they come."""
    number = 0
    for output in _perform(steps, answering):
        if isinstance(output, Act) or "type" not in output:
            yield output
            continue
        yield {"type": output["type"], "sequence_number": number, **output}
        number += 1


def _perform(steps: list[JsonObject], answering: Answering) -> Iterator[Output]:
    done: list[JsonObject] = []
    ending: JsonObject = {"do": "complete"}
    started = False
    for step in steps:
        verb = step["do"]
        if verb in _TERMINAL:
            ending = step
            break
        if verb in _NO_CONTENT:
            continue
        if verb == "wait":
            yield Act("wait", step["seconds"])
            continue
        if not started:
            started = True
            yield from _opening(answering)
        if verb == "keepalive":
            for _ in range(step["count"]):
                yield Act("send", data=b": keepalive\n\n")
                yield {"type": "keepalive"}
            continue
        for built in build_items(step, len(done), answering):
            done.append(built.done)
            yield from _events_of(built, answering.shapes)
    early = ending["do"] == "fail" and ending["form"] in _EARLY
    if not started and not early and ending["do"] in ("complete", "stop", "fail"):
        yield from _opening(answering)
    yield from _ending(ending, steps, done, answering)


def _opening(answering: Answering) -> Iterator[Output]:
    if "unknown" in answering.shapes:
        yield {"type": "response.queued", "response": _response(answering, "queued", [])}
    yield {"type": "response.created", "response": _response(answering, "in_progress", [])}
    yield {"type": "response.in_progress", "response": _response(answering, "in_progress", [])}
    if "unknown" in answering.shapes:
        yield Act("send", data=b": a comment\n\n")
        yield {"type": "keepalive"}
        yield {"type": "response.doom_loop_check", "score": 0}


def _events_of(built: Built, shapes: frozenset[str]) -> Iterator[Output]:
    yield _item_event("response.output_item.added", built.index, built.added)
    for event in built.middle:
        yield event
        if "unknown" in shapes:
            yield {"type": "response.never_heard_of", "delta": "nothing"}
    yield _item_event("response.output_item.done", built.index, built.done)


def _item_event(kind: str, index: int, item: JsonObject) -> JsonObject:
    return {"type": kind, "output_index": index, "item": item}


def _ending(
    ending: JsonObject, steps: list[JsonObject], done: list[JsonObject], answering: Answering
) -> Iterator[Output]:
    verb = ending["do"]
    if verb == "cut" or verb == "drop" or verb == "reset" or verb == "stall":
        yield Act(verb)
    elif verb == "garbage":
        yield Act("send", data=b'data: {"type":"response.output_text.delta","delta":\n\n')
        yield Act("cut")
    elif verb == "fail":
        yield _failure(ending, answering)
    else:
        incomplete = ending["reason"] if verb == "stop" else None
        status = "incomplete" if incomplete else "completed"
        response = _response(answering, status, done)
        if incomplete:
            response["incomplete_details"] = {"reason": incomplete}
        response["usage"] = _usage(steps, done, answering)
        answering.finished(response)
        if "empty-output" in answering.shapes:
            response = {**response, "output": []}
        kind = f"response.{status}"
        if "done" in answering.shapes and not incomplete:
            kind = "response.done"
        yield {"type": kind, "response": response}


def _failure(step: JsonObject, answering: Answering) -> JsonObject:
    code, message = step["code"], step["message"] or failure_message(step["code"])
    match step["form"]:
        case "error":
            return {"type": "error", "code": code, "message": message, "param": None}
        case "bare":
            return {"error": {"message": message, "type": code, "code": code, "param": None}}
        case "flat":
            return {"code": code, "error": message}
        case "failed":
            response = _response(answering, "failed", [])
            response["error"] = {"code": code, "message": message}
            return {"type": "response.failed", "response": response}
        case form:
            raise ValueError(f"no failure has the form {form!r}")


def _usage(
    steps: list[JsonObject], done: list[JsonObject], answering: Answering
) -> JsonObject | None:
    """With tools of xAI the numbers are sums over internal turns; `context_details` are not."""
    if "no-usage" in answering.shapes:
        return None
    given = next((step for step in steps if step["do"] == "usage"), {})
    written = sum(len(str(item)) for item in done) // 16
    thought = any(item["type"] == "reasoning" for item in done)
    input_tokens = given.get("input", answering.input_tokens)
    output_tokens = given.get("output", 1 + written)
    hosted = sum(step["do"] in HOSTED for step in steps)
    usage: JsonObject = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_tokens_details": {"cached_tokens": given.get("cached", answering.cached)},
        "output_tokens_details": {
            "reasoning_tokens": given.get("reasoning", min(8, output_tokens) if thought else 0)
        },
        "num_sources_used": 0,
        "num_server_side_tools_used": hosted,
        "cost_in_usd_ticks": 1_830_000,
    }
    if hosted:
        context = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        usage["context_details"] = context
    if "no-details" in answering.shapes:
        del usage["input_tokens_details"], usage["output_tokens_details"]
    return usage


def _response(answering: Answering, status: str, output: list[Any]) -> JsonObject:
    body = answering.body
    return {
        "id": answering.response_id,
        "object": "response",
        "created_at": answering.now,
        "status": status,
        "model": answering.model,
        "output": output,
        "error": None,
        "incomplete_details": None,
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": {},
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None} | (body.get("reasoning") or {}),
        "store": body.get("store", True),
        "temperature": body.get("temperature"),
        "text": body.get("text", {"format": {"type": "text"}}),
        "tool_choice": body.get("tool_choice", "auto"),
        # Strict clients do not know all of these fields.
        "tools": [{**tool, "xai_origin": "client"} for tool in body.get("tools", [])],
        "top_p": body.get("top_p"),
        "usage": None,
        "user": body.get("user"),
    }
