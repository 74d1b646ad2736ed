"""The events of one answer, in the order and with the fields of real captures.

`perform` turns the steps of a script into events and acts (pauses, endings). It knows no bytes.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from gateway_core.json import JsonObject
from simulators.codex.faults import failure_message, failure_type
from simulators.codex.items import Built, build_items

__all__ = ["Act", "Answering", "perform"]

_TERMINAL: Final = frozenset({"fail", "cut", "drop", "reset", "stall", "stop"})


@dataclass(slots=True, frozen=True)
class Act:
    """Something other than an event: a pause in seconds, or a way to end."""

    kind: Literal["wait", "cut", "drop", "reset", "stall"]
    seconds: float = 0.0


@dataclass(slots=True)
class Answering:
    """What an answer depends on besides the steps.

    number: of the request, from which ids are made. seal: makes encrypted content for an item id.
    input_tokens and cached: for the usage. limits: the body of a rate limit event.
    """

    body: JsonObject
    number: int
    seal: Callable[[str], str]
    input_tokens: int
    cached: int
    limits: JsonObject
    now: int
    shapes: frozenset[str] = field(default_factory=frozenset)

    @property
    def response_id(self) -> str:
        """The id of the response."""
        return self.make_id("resp_", 0)

    def make_id(self, prefix: str, index: int) -> str:
        """An id whose first part all ids of the answer share."""
        shared = hashlib.sha256(f"response {self.number}".encode()).hexdigest()[:16]
        own = hashlib.sha256(f"{self.number} {prefix} {index}".encode()).hexdigest()
        return f"{prefix}{shared}{own[:34]}"


Output: TypeAlias = JsonObject | Act


def perform(steps: list[JsonObject], answering: Answering) -> Iterator[Output]:
    """The events and acts of an answer; events are numbered as they come."""
    number = 0
    for output in _perform(steps, answering):
        if isinstance(output, Act):
            yield output
            continue
        if output["type"].startswith("codex."):
            yield output
            continue
        yield {**output, "sequence_number": number}
        number += 1


def _perform(steps: list[JsonObject], answering: Answering) -> Iterator[Output]:
    done: list[JsonObject] = []
    ending: JsonObject = {"do": "complete"}
    for step in steps:
        if step["do"] == "limits":
            yield _limits(step["words"], answering.limits)
    started = False
    for group in _groups(steps):
        verb = group[0]["do"]
        if verb in _TERMINAL:
            ending = group[0]
            break
        if verb == "wait":
            yield Act("wait", group[0]["seconds"])
            continue
        if not started:
            started = True
            yield from _opening(answering)
        if verb == "keepalive":
            for _ in range(group[0]["count"]):
                yield {"type": "keepalive"}
            continue
        items = build_items(group, len(done), answering)
        done += [built.done for built in items]
        yield from _events_of(items, answering.shapes)
    early = ending["do"] == "fail" and ending["form"] in ("error", "flat")
    if not started and not early and ending["do"] in ("complete", "stop", "fail"):
        yield from _opening(answering)
    yield from _ending(ending, steps, done, answering)


def _groups(steps: list[JsonObject]) -> Iterator[list[JsonObject]]:
    """Steps one by one; neighbouring calls together when they are to take turns."""
    interleave = any("interleave" in step.get("shapes", ()) for step in steps)
    calls: list[JsonObject] = []
    for step in steps:
        if step["do"] == "tool" and interleave:
            calls.append(step)
            continue
        if calls:
            yield calls
            calls = []
        if step["do"] not in ("shape", "limits", "usage"):
            yield [step]
    if calls:
        yield calls


def _opening(answering: Answering) -> Iterator[Output]:
    yield {"type": "response.created", "response": _response(answering, "in_progress", [])}
    yield {"type": "response.in_progress", "response": _response(answering, "in_progress", [])}
    if "unknown" in answering.shapes:
        yield {"type": "codex.response.metadata", "metadata": {"conversation_id": "conv_1"}}
        yield {"type": "response.metadata", "headers": {"openai-model": ["gpt-5.5-x"]}}


def _events_of(items: list[Built], shapes: frozenset[str]) -> Iterator[Output]:
    """All events of some items; several have their deltas in turns."""
    hidden = "no-deltas" in shapes
    if "no-added" not in shapes:
        for built in items:
            yield _item_event("response.output_item.added", built.index, built.added)
    middles = [] if hidden else [built.middle for built in items]
    for turn in itertools.zip_longest(*middles):
        for event in turn:
            if event is not None:
                yield event
        if "unknown" in shapes:
            yield {"type": "response.never_heard_of", "delta": "nothing"}
    if "no-done" in shapes:
        return
    for built in items:
        yield _item_event("response.output_item.done", built.index, built.done)


def _item_event(kind: str, index: int, item: JsonObject) -> JsonObject:
    return {"type": kind, "output_index": index, "item": item}


def _ending(
    ending: JsonObject, steps: list[JsonObject], done: list[JsonObject], answering: Answering
) -> Iterator[Output]:
    verb = ending["do"]
    if verb == "cut" or verb == "drop" or verb == "reset" or verb == "stall":
        yield Act(verb)
    elif verb == "fail":
        yield from _failure(ending, answering)
    else:
        incomplete = ending["reason"] if verb == "stop" else None
        status = "incomplete" if incomplete else "completed"
        output = _final_output(done, answering.shapes)
        response = _response(answering, status, output)
        if incomplete:
            response["incomplete_details"] = {"reason": incomplete}
        response["usage"] = _usage(steps, done, answering)
        response["completed_at"] = answering.now
        yield {"type": f"response.{status}", "response": response}


def _final_output(done: list[JsonObject], shapes: frozenset[str]) -> list[JsonObject]:
    if "empty-output" in shapes:
        return []
    if "null-ids" in shapes:
        return [{**item, "id": None} for item in done]
    return done


def _failure(step: JsonObject, answering: Answering) -> Iterator[Output]:
    code, form = step["code"], step["form"]
    message = step["message"] or failure_message(code)
    if form in ("error", "both"):
        error = {"type": failure_type(code), "code": code, "message": message, "param": None}
        yield {"type": "error", "error": error}
    elif form == "flat":
        yield {"type": "error", "code": code, "message": message, "param": None}
    if form in ("failed", "both"):
        response = _response(answering, "failed", [])
        response["error"] = {"code": code, "message": message}
        yield {"type": "response.failed", "response": response}


def _usage(
    steps: list[JsonObject], done: list[JsonObject], answering: Answering
) -> JsonObject | None:
    if "null-usage" in answering.shapes:
        return None
    given = next((step for step in steps if step["do"] == "usage"), {})
    written = sum(len(str(item)) for item in done) // 16
    thought = any(item["type"] == "reasoning" for item in done)
    input_tokens = given.get("input", answering.input_tokens)
    output_tokens = given.get("output", 1 + written)
    usage: JsonObject = {
        "input_tokens": input_tokens,
        "input_tokens_details": {
            "cached_tokens": given.get("cached", answering.cached),
            "cache_write_tokens": 0,
        },
        "output_tokens": output_tokens,
        "output_tokens_details": {
            "reasoning_tokens": given.get("reasoning", min(8, output_tokens) if thought else 0)
        },
        "total_tokens": input_tokens + output_tokens,
    }
    if "null-details" in answering.shapes:
        usage |= {"input_tokens_details": None, "output_tokens_details": None}
    return usage


def _limits(words: list[str], limits: JsonObject) -> JsonObject:
    """`limits: reached [credits]` says that a window is used up."""
    if "reached" in words:
        rates = limits["rate_limits"] | {"limit_reached": True, "allowed": False}
        limits = limits | {"rate_limits": rates}
    if "credits" in words:
        limits = limits | {"credits": {"has_credits": True, "unlimited": False, "balance": "9"}}
    return limits


def _response(answering: Answering, status: str, output: list[Any]) -> JsonObject:
    body = answering.body
    reasoning = body.get("reasoning") or {}
    summary = reasoning.get("summary")
    return {
        "id": answering.response_id,
        "object": "response",
        "created_at": answering.now,
        "completed_at": None,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": f"{body['model']}-2026-04-23",
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {
            "effort": reasoning.get("effort") or "medium",
            "summary": "detailed" if summary == "auto" else summary,
        },
        "safety_identifier": "user-abc",
        "service_tier": body.get("service_tier", "auto") if status == "in_progress" else "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "low"} | (body.get("text") or {}),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }
