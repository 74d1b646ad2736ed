"""Output items of an answer: how each kind is added, what happens to it, how it is done."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway_core.json import JsonObject, dumps_text, loads
from support.pictures import PNG_BASE64

if TYPE_CHECKING:
    from simulators.grok.events import Answering

__all__ = ["HOSTED", "SOURCE", "Built", "build_items"]

HOSTED: Final = frozenset({"search", "open", "x-search", "code", "image"})
"""Steps that xAI's own tools take."""
SOURCE: Final = "https://example.com/found"
_PIECE: Final = 11


@dataclass(slots=True)
class Built:
    """One item: its place in the output, its first and last state, the events between."""

    index: int
    added: JsonObject
    done: JsonObject
    middle: list[JsonObject] = field(default_factory=list)


def build_items(step: JsonObject, start: int, answering: "Answering") -> list[Built]:
    """The items of a content step; `start` is the index of the first in the output."""
    match step["do"]:
        case "think":
            return [_reasoning(step["text"], start, answering)]
        case "text":
            return [_message(step["text"], start, answering, cited=step.get("cited", False))]
        case "burst":
            text = " ".join(f"word{number}" for number in range(step["words"]))
            return [_message(text, start, answering, whole=True)]
        case "refusal":
            return [_refusal(step["text"], start, answering)]
        case "tool":
            return [_call(step, start, answering)]
        case "search" | "open":
            return [_search(step, start, answering)]
        case "x-search":
            return list(_x_search(step["query"], start, answering))
        case "code":
            return [_code(step["code"], start, answering)]
        case "image":
            return [_image(start, answering)]
        case verb:
            raise ValueError(f"no item for {verb!r}")


def _reasoning(text: str, index: int, answering: "Answering") -> Built:
    """With a summary, as raw text, or without a word; sealed where that is asked for."""
    id = answering.new_id("rs", index)
    hidden, raw = ("hidden-reasoning", "raw-reasoning")
    asked = (answering.body.get("reasoning") or {}).get("summary") is not None
    parts = [part.strip() for part in text.split("\n\n")] if asked else []
    if hidden in answering.shapes or raw in answering.shapes:
        parts = []
    item: JsonObject = {"id": id, "type": "reasoning", "summary": []}
    summary = [{"type": "summary_text", "text": part} for part in parts]
    done: JsonObject = {**item, "summary": summary, "status": "completed"}
    if "reasoning.encrypted_content" in answering.body.get("include", ()):
        done["encrypted_content"] = answering.seal(id)
    built = Built(index, {**item, "status": "in_progress"}, done)
    if raw in answering.shapes:
        done["content"] = [{"type": "reasoning_text", "text": text}]
        built.middle += _raw_reasoning(id, index, text)
    for number, part in enumerate(parts):
        at = {"item_id": id, "output_index": index, "summary_index": number}
        empty, whole = ({"type": "summary_text", "text": value} for value in ("", part))
        prefix = "response.reasoning_summary"
        built.middle.append({"type": f"{prefix}_part.added", **at, "part": empty})
        built.middle += [
            {"type": f"{prefix}_text.delta", **at, "delta": piece} for piece in _words(part)
        ]
        built.middle.append({"type": f"{prefix}_text.done", **at, "text": part})
        built.middle.append({"type": f"{prefix}_part.done", **at, "part": whole})
    return built


def _raw_reasoning(id: str, index: int, text: str) -> Iterator[JsonObject]:
    at = {"item_id": id, "output_index": index, "content_index": 0}
    part = {"type": "reasoning_text", "text": ""}
    yield {"type": "response.content_part.added", **at, "part": part}
    for piece in _words(text):
        yield {"type": "response.reasoning_text.delta", **at, "delta": piece}
    yield {"type": "response.reasoning_text.done", **at, "text": text}
    yield {"type": "response.content_part.done", **at, "part": {**part, "text": text}}


def _message(
    text: str, index: int, answering: "Answering", *, cited: bool = False, whole: bool = False
) -> Built:
    """cited: by an annotation, and in the text too if that is wanted. whole: in one delta."""
    id = answering.new_id("msg", index)
    citations: list[JsonObject] = []
    if cited:
        start = len(text)
        if "no_inline_citations" not in answering.body.get("include", ()):
            text += f"[[1]]({SOURCE})"
        citation = {"type": "url_citation", "url": SOURCE, "title": "1"}
        citations = [{**citation, "start_index": start, "end_index": len(text)}]
    empty: JsonObject = {"type": "output_text", "text": "", "annotations": []}
    full = {**empty, "text": text, "annotations": citations}
    pieces = [text] if whole else _words(text)
    item: JsonObject = {"id": id, "type": "message", "role": "assistant"}
    at = {"item_id": id, "output_index": index, "content_index": 0}
    kind = "response.output_text"
    return Built(
        index,
        {**item, "status": "in_progress", "content": []},
        {**item, "status": "completed", "content": [full]},
        [
            {"type": "response.content_part.added", **at, "part": empty},
            *({"type": f"{kind}.delta", **at, "delta": piece} for piece in pieces),
            *(
                {"type": f"{kind}.annotation.added", **at, "annotation_index": n, "annotation": c}
                for n, c in enumerate(citations)
            ),
            {"type": f"{kind}.done", **at, "text": text},
            {"type": "response.content_part.done", **at, "part": full},
        ],
    )


def _refusal(text: str, index: int, answering: "Answering") -> Built:
    id = answering.new_id("msg", index)
    item: JsonObject = {"id": id, "type": "message", "role": "assistant"}
    whole = {"type": "refusal", "refusal": text}
    at = {"item_id": id, "output_index": index, "content_index": 0}
    return Built(
        index,
        {**item, "status": "in_progress", "content": []},
        {**item, "status": "completed", "content": [whole]},
        [
            {"type": "response.content_part.added", **at, "part": {**whole, "refusal": ""}},
            *({"type": "response.refusal.delta", **at, "delta": piece} for piece in _words(text)),
            {"type": "response.refusal.done", **at, "refusal": text},
            {"type": "response.content_part.done", **at, "part": whole},
        ],
    )


def _call(step: JsonObject, index: int, answering: "Answering") -> Built:
    """Arguments come in one piece, unless the request wants them streamed."""
    id = answering.new_id("fc", index)
    arguments = _arguments(step["name"], step["arguments"], answering.body)
    item: JsonObject = {"id": id, "type": "function_call", "name": step["name"]}
    item["call_id"] = f"call_{id.removeprefix('fc_')}"
    at = {"item_id": id, "output_index": index}
    size = _PIECE if answering.body.get("stream_tool_calls") else max(1, len(arguments))
    pieces = [arguments[n : n + size] for n in range(0, len(arguments), size)]
    if "no-deltas" in answering.shapes:
        pieces = []
    event = "response.function_call_arguments"
    return Built(
        index,
        {**item, "status": "in_progress", "arguments": ""},
        {**item, "status": "completed", "arguments": arguments},
        [
            *({"type": f"{event}.delta", **at, "delta": piece} for piece in pieces),
            {"type": f"{event}.done", **at, "arguments": arguments},
        ],
    )


def _arguments(name: str, written: str, body: JsonObject) -> str:
    """Compact JSON, as models write it. What is no JSON is the only text that the tool takes."""
    try:
        return dumps_text(loads(written))
    except ValueError:
        tools = [tool for tool in body.get("tools", []) if tool.get("name") == name]
        properties = tools[0]["parameters"].get("properties", {}) if tools else {}
        return dumps_text({next(iter(properties)): written}) if len(properties) == 1 else written


def _search(step: JsonObject, index: int, answering: "Answering") -> Built:
    id = answering.new_id("ws", index)
    item: JsonObject = {"id": id, "type": "web_search_call"}
    action: JsonObject = {"type": "open_page", "url": step.get("url")}
    if step["do"] == "search":
        action = {"type": "search", "query": step["query"]}
        if "web_search_call.action.sources" in answering.body.get("include", ()):
            action["sources"] = [{"type": "url", "url": SOURCE}]
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


def _x_search(query: str, index: int, answering: "Answering") -> Iterator[Built]:
    """A search of X, and inside of it a call that xAI has executed already."""
    id = answering.new_id("ctc", index)
    call = {"id": id, "type": "custom_tool_call", "name": "x_keyword_search"}
    call["call_id"] = f"xs_call_{id}"
    said = dumps_text({"query": query, "limit": 10})
    at = {"item_id": id, "output_index": index}
    yield Built(
        index,
        {**call, "status": "in_progress", "input": ""},
        {**call, "status": "completed", "input": said},
        [
            {"type": "response.custom_tool_call_input.delta", **at, "delta": said},
            {"type": "response.custom_tool_call_input.done", **at, "input": said},
        ],
    )
    id = answering.new_id("xs", index + 1)
    item = {"id": id, "type": "x_search_call"}
    at = {"item_id": id, "output_index": index + 1}
    action = {"type": "search", "query": query}
    yield Built(
        index + 1,
        {**item, "status": "in_progress"},
        {**item, "status": "completed", "action": action},
        [
            {"type": f"response.x_search_call.{state}", **at}
            for state in ("in_progress", "searching", "completed")
        ],
    )


def _code(code: str, index: int, answering: "Answering") -> Built:
    id = answering.new_id("ci", index)
    item: JsonObject = {"id": id, "type": "code_interpreter_call", "code": ""}
    at = {"item_id": id, "output_index": index}
    event = "response.code_interpreter_call"
    done = {**item, "status": "completed", "code": code}
    if "code_interpreter_call.outputs" in answering.body.get("include", ()):
        done["outputs"] = [{"type": "logs", "logs": "4\n"}]
    return Built(
        index,
        {**item, "status": "in_progress"},
        done,
        [
            {"type": f"{event}.in_progress", **at},
            {"type": f"{event}_code.delta", **at, "delta": code},
            {"type": f"{event}_code.done", **at, "code": code},
            *({"type": f"{event}.{state}", **at} for state in ("interpreting", "completed")),
        ],
    )


def _image(index: int, answering: "Answering") -> Built:
    id = answering.new_id("ig", index)
    item: JsonObject = {"id": id, "type": "image_generation_call"}
    at = {"item_id": id, "output_index": index}
    return Built(
        index,
        {**item, "status": "in_progress"},
        {**item, "status": "completed", "result": PNG_BASE64},
        [
            {"type": f"response.image_generation_call.{state}", **at}
            for state in ("in_progress", "generating", "completed")
        ],
    )


def _words(text: str) -> list[str]:
    """The text in words, each with the blank after it."""
    words = text.split(" ")
    pieces = [*(word + " " for word in words[:-1]), words[-1]]
    return [piece for piece in pieces if piece]
