"""The stream of a simulated chat completion: steps of a script to bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.json import JsonObject, dumps
from simulators.grok.connections import PIECE_BYTES

__all__ = ["Answering", "perform"]

_USAGE: Final = {"prompt_tokens": 1000, "completion_tokens": 50}


@dataclass(slots=True)
class Answering:
    """One answer. reasoning: the field that thoughts come in. cached: tokens found in the cache."""

    id: str
    model: str
    reasoning: str
    cached: int = 0
    shapes: frozenset[str] = frozenset()
    calls: int = field(default=0, init=False)

    def chunk(self, delta: JsonObject, finish: str | None = None, **more: Any) -> JsonObject:
        """A chunk with one choice; `more` goes into the choice."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
        return {**self._head(), "choices": [choice]}

    def usage_chunk(self, usage: JsonObject) -> JsonObject:
        """The chunk at the end that has no choice."""
        return {**self._head(), "choices": [], "usage": usage}

    def _head(self) -> JsonObject:
        kind = "chat.completion.chunk"
        return {"id": self.id, "object": kind, "created": 1787400000, "model": self.model}


def perform(steps: Sequence[JsonObject], answering: Answering) -> Iterator[bytes | str | float]:
    """The bytes of a stream; a number is of seconds to wait; a text is the verb of what happens to
    the connection, and the last.
    """
    for step in steps:
        if step["do"] == "shape":
            answering.shapes |= frozenset(step["shapes"])
    for piece in _perform(steps, answering):
        if isinstance(piece, str):
            yield piece
            return
        if isinstance(piece, float):
            yield piece
            continue
        data = piece if isinstance(piece, bytes) else b"data: %b\n\n" % dumps(piece)
        if "comments" in answering.shapes:
            data = b": KILO PROCESSING\n\n" + data
        size = PIECE_BYTES if "split" in answering.shapes else len(data)
        yield from (data[start : start + size] for start in range(0, len(data), size))


def _perform(
    steps: Sequence[JsonObject], answering: Answering
) -> Iterator[JsonObject | bytes | str | float]:
    yield answering.chunk({"role": "assistant", "content": ""})
    finish, usage = "stop", _USAGE
    for place, step in enumerate(steps):
        match step["do"]:
            case "think":
                yield from _think(step["text"], answering)
            case "text":
                for piece in _halves(step["text"]):
                    yield answering.chunk({"content": piece})
            case "tool" if place == 0 or steps[place - 1]["do"] != "tool":
                yield from _calls(_run_of_calls(steps[place:]), answering)
                finish = "stop" if "stop-with-calls" in answering.shapes else "tool_calls"
            case "usage":
                usage = {name: count for name, count in step.items() if name != "do"}
            case "stop":
                finish = step["reason"]
            case "fail":
                yield {"error": {"message": step["message"], "type": step["type"]}}
                yield "cut"
            case "wait":
                yield float(step["seconds"])
            case "cut" | "reset" | "stall":
                yield step["do"]
    yield from _end(finish, usage, answering)


def _think(text: str, answering: Answering) -> Iterator[JsonObject]:
    for piece in _halves(text):
        delta: JsonObject = {answering.reasoning: piece}
        if "signed" in answering.shapes:
            detail = {"type": "reasoning.text", "text": piece, "index": 0}
            delta["reasoning_details"] = [detail]
        yield answering.chunk(delta)
    if "signed" in answering.shapes:
        signature = {"type": "reasoning.text", "signature": f"signed-{answering.id}", "index": 0}
        yield answering.chunk({"reasoning_details": [signature]})


def _run_of_calls(steps: Sequence[JsonObject]) -> list[JsonObject]:
    calls = []
    for step in steps:
        if step["do"] != "tool":
            break
        calls.append(step)
    return calls


def _calls(steps: Sequence[JsonObject], answering: Answering) -> Iterator[JsonObject]:
    """Each call as a head and two fragments; in turns where the shape says so."""
    streams = [list(_call(step, answering)) for step in steps]
    if "interleave" in answering.shapes:
        order = [fragments[place] for place in range(3) for fragments in streams]
    else:
        order = [fragment for fragments in streams for fragment in fragments]
    for fragment in order:
        yield answering.chunk({"tool_calls": [fragment]})


def _call(step: JsonObject, answering: Answering) -> Iterator[JsonObject]:
    index = answering.calls
    answering.calls += 1
    place = {} if "no-index" in answering.shapes else {"index": index}
    id = {} if "no-ids" in answering.shapes else {"id": f"{answering.id}:{index}"}
    head = {"name": step["name"], "arguments": ""}
    yield {**place, **id, "type": "function", "function": head}
    for piece in _halves(step["arguments"]):
        yield {**place, "function": {"arguments": piece}}


def _end(finish: str, usage: JsonObject, answering: Answering) -> Iterator[JsonObject | bytes]:
    total = usage["prompt_tokens"] + usage["completion_tokens"]
    usage = {**usage, "total_tokens": total, "cached_tokens": answering.cached}
    shapes = answering.shapes
    in_choice = not shapes & {"no-usage", "usage-on-top"}
    yield answering.chunk({}, finish, **({"usage": usage} if in_choice else {}))
    if not shapes & {"no-usage", "usage-in-choice"}:
        details = {"prompt_tokens_details": {"cached_tokens": answering.cached}}
        yield answering.usage_chunk({**usage, **details})
    if "no-done" not in shapes:
        yield b"data: [DONE]\n\n"


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]
