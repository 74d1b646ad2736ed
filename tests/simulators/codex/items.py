"""Output items of an answer: how each kind is added, what happens to it, how it is done."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway_core.json import JsonObject, dumps_text, loads
from support.pictures import GIF_BASE64, PNG_BASE64

if TYPE_CHECKING:
    from simulators.codex.events import Answering

__all__ = ["Built", "build_items"]

_ARGUMENTS: Final = 11
_PICTURE: Final = {
    "size": "1024x1024",
    "quality": "low",
    "background": "opaque",
    "output_format": "png",
}


@dataclass(slots=True)
class Built:
    """One item: its place in the output, its first and last state, the events between."""

    index: int
    added: JsonObject
    done: JsonObject
    middle: list[JsonObject] = field(default_factory=list)


def build_items(steps: list[JsonObject], start: int, answering: "Answering") -> list[Built]:
    """The items of some content steps; `start` is the index of the first in the output."""
    return [_build(step, start + offset, answering) for offset, step in enumerate(steps)]


def _build(step: JsonObject, index: int, answering: "Answering") -> Built:
    match step["do"]:
        case "think":
            return _reasoning(step["text"], index, answering)
        case "text" | "commentary" | "final" as verb:
            phase = {"commentary": "commentary", "final": "final_answer"}.get(verb)
            return _message(step["text"], index, answering, phase, step.get("citations", []))
        case "burst":
            text = " ".join(f"word{number}" for number in range(step["words"]))
            return _message(text, index, answering, None, [])
        case "refusal":
            return _refusal(step["text"], index, answering)
        case "tool":
            return _call(step, index, answering)
        case "search":
            return _search(step["query"], index, answering)
        case "image":
            return _image(step["partials"], index, answering)
        case "compaction":
            return _compaction(index, answering)
        case verb:
            raise ValueError(f"no item for {verb!r}")


def _reasoning(text: str, index: int, answering: "Answering") -> Built:
    id = answering.make_id("rs_", index)
    # Without being asked for it, the backend shows no summary.
    asked = (answering.body.get("reasoning") or {}).get("summary") is not None
    parts = [part.strip() for part in text.split("\n\n")] if asked else []
    item: JsonObject = {"id": id, "type": "reasoning", "summary": []}
    done = {**item, "summary": [{"type": "summary_text", "text": part} for part in parts]}
    if "reasoning.encrypted_content" in answering.body.get("include", ()):
        item["encrypted_content"] = "gAAAAearly"  # not yet sealed, and of no use
        done["encrypted_content"] = answering.seal(id)
    built = Built(index, item, done)
    prefix = "response.reasoning_summary"
    for number, part in enumerate(parts):
        at = {"item_id": id, "output_index": index, "summary_index": number}
        empty, whole = ({"type": "summary_text", "text": value} for value in ("", part))
        built.middle.append({"type": f"{prefix}_part.added", **at, "part": empty})
        built.middle += [
            {"type": f"{prefix}_text.delta", **at, "delta": piece, "obfuscation": "x" * 7}
            for piece in _words(part)
        ]
        built.middle.append({"type": f"{prefix}_text.done", **at, "text": part})
        built.middle.append({"type": f"{prefix}_part.done", **at, "part": whole})
    return built


def _message(
    text: str, index: int, answering: "Answering", phase: str | None, sources: list[str]
) -> Built:
    id = answering.make_id("msg_", index)
    citations = [
        {
            "type": "url_citation",
            "start_index": 0,
            "end_index": len(text),
            "url": url,
            "title": f"About {url}",
        }
        for url in sources
    ]
    empty: JsonObject = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    whole = {**empty, "annotations": citations, "text": text}
    item: JsonObject = {"id": id, "type": "message", "role": "assistant"}
    if phase is not None:
        item["phase"] = phase
    built = Built(
        index,
        {**item, "status": "in_progress", "content": []},
        {**item, "status": "completed", "content": [whole]},
    )
    at = {"item_id": id, "output_index": index, "content_index": 0}
    built.middle.append({"type": "response.content_part.added", **at, "part": empty})
    kind = "response.output_text"
    pieces = [] if "no-deltas" in answering.shapes else _words(text)  # of bursts there are many
    built.middle += [
        {"type": f"{kind}.delta", **at, "delta": piece, "logprobs": [], "obfuscation": "aB3"}
        for piece in pieces
    ]
    built.middle += [
        {"type": f"{kind}.annotation.added", **at, "annotation_index": n, "annotation": citation}
        for n, citation in enumerate(citations)
    ]
    built.middle.append({"type": f"{kind}.done", **at, "text": text, "logprobs": []})
    built.middle.append({"type": "response.content_part.done", **at, "part": whole})
    return built


def _refusal(text: str, index: int, answering: "Answering") -> Built:
    id = answering.make_id("msg_", index)
    item: JsonObject = {"id": id, "type": "message", "role": "assistant"}
    whole = {"type": "refusal", "refusal": text}
    at = {"item_id": id, "output_index": index, "content_index": 0}
    middle: list[JsonObject] = [
        {"type": "response.content_part.added", **at, "part": {"type": "refusal", "refusal": ""}}
    ]
    middle += [{"type": "response.refusal.delta", **at, "delta": piece} for piece in _words(text)]
    middle.append({"type": "response.refusal.done", **at, "refusal": text})
    middle.append({"type": "response.content_part.done", **at, "part": whole})
    return Built(
        index,
        {**item, "status": "in_progress", "content": []},
        {**item, "status": "completed", "content": [whole]},
        middle,
    )


def _call(step: JsonObject, index: int, answering: "Answering") -> Built:
    """A function call, or a custom one when the request has a custom tool of that name."""
    name, arguments = step["name"], step["arguments"]
    custom = any(
        (tool.get("type"), tool.get("name")) == ("custom", name) for tool in _tools(answering.body)
    )
    kind, field_name, event = "function_call", "arguments", "response.function_call_arguments"
    if custom:
        kind, field_name, event = "custom_tool_call", "input", "response.custom_tool_call_input"
    elif arguments.startswith("{"):
        arguments = _compact(arguments)
    id = answering.make_id("ctc_" if custom else "fc_", index)
    item: JsonObject = {"id": id, "type": kind, "name": name}
    item["call_id"] = "call_" + answering.make_id("", 100 + index)[16:40]
    at = {"item_id": id, "output_index": index}
    pieces = [arguments[n : n + _ARGUMENTS] for n in range(0, len(arguments), _ARGUMENTS)]
    return Built(
        index,
        {**item, "status": "in_progress", field_name: ""},
        {**item, "status": "completed", field_name: arguments},
        [
            *({"type": f"{event}.delta", **at, "delta": p, "obfuscation": "zz"} for p in pieces),
            {"type": f"{event}.done", **at, field_name: arguments},
        ],
    )


def _compact(arguments: str) -> str:
    """Models write compact JSON; scripts need not. What is no JSON stays as it is."""
    try:
        return dumps_text(loads(arguments))
    except ValueError:
        return arguments


def _tools(body: JsonObject) -> Iterator[JsonObject]:
    """All tools of a request, in either lane."""
    yield from body.get("tools", [])
    for item in body["input"]:
        if item.get("type") == "additional_tools":
            yield from item["tools"]


def _search(query: str, index: int, answering: "Answering") -> Built:
    id = answering.make_id("ws_", index)
    item: JsonObject = {"id": id, "type": "web_search_call"}
    action: JsonObject = {"type": "search", "query": query, "queries": [query]}
    if "web_search_call.action.sources" in answering.body.get("include", ()):
        action["sources"] = [
            {"type": "url", "url": "https://example.com/found"},
            {"type": "api", "name": "oai-finance"},
        ]
    at = {"item_id": id, "output_index": index}
    return Built(
        index,
        {**item, "status": "in_progress"},
        {**item, "status": "completed", "action": action},
        [
            {"type": f"response.web_search_call.{state}", **at}
            for state in ("in_progress", "searching", "completed")
        ],
    )


def _image(partials: int, index: int, answering: "Answering") -> Built:
    id = answering.make_id("ig_", index)
    item: JsonObject = {"id": id, "type": "image_generation_call"}
    at = {"item_id": id, "output_index": index}
    event = "response.image_generation_call"
    middle: list[JsonObject] = [
        {"type": f"{event}.{state}", **at} for state in ("in_progress", "generating")
    ]
    for number in range(partials):
        last = number == partials - 1 and "duplicate-partial" in answering.shapes
        picture = PNG_BASE64 if last else GIF_BASE64
        partial = {"partial_image_index": number, "partial_image_b64": picture, **_PICTURE}
        middle.append({"type": f"{event}.partial_image", **at, **partial})
    # The status of what is done is not reliable: it often still says `generating`.
    done = {**item, "status": "generating", "result": PNG_BASE64, **_PICTURE}
    done["revised_prompt"] = "A picture, revised"
    return Built(index, {**item, "status": "in_progress"}, done, middle)


def _compaction(index: int, answering: "Answering") -> Built:
    id = answering.make_id("cmp_", index)
    item: JsonObject = {"id": id, "type": "compaction", "encrypted_content": answering.seal(id)}
    return Built(index, item, item)


def _words(text: str) -> list[str]:
    """The text in words, each with the blank after it."""
    words = text.split(" ")
    pieces = [*(word + " " for word in words[:-1]), words[-1]]
    return [piece for piece in pieces if piece]
