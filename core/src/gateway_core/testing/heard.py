"""What a client of each format hears in a stream of bytes, read more strictly than clients do.

Raises `Violation` where the bytes are not well-formed in the dialect: framing, JSON, the order of
events, numbers that must count up, and exactly one ending, which is success or failure.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.formats.anthropic.schema import UNPARSED_INPUT
from gateway_core.json import JsonObject, loads
from gateway_core.testing.case import Violation

__all__ = ["HEARERS", "Heard", "said_by"]


@dataclass(slots=True)
class Heard:
    """text: all text of the answer. calls: name and arguments of each. stop: the format's reason.

    failed: whether the stream ended in the format's error.
    """

    text: str = ""
    calls: list[tuple[str, object]] = field(default_factory=list)
    stop: str | None = None
    failed: bool = False


def hear_anthropic(data: bytes) -> Heard:
    """`message_start`, blocks one after the other, `message_delta`, `message_stop`; or `error`."""
    heard = Heard()
    block: JsonObject | None = None
    pieces: list[str] = []
    count = 0
    order: list[str] = []
    for event in _named_events(data):
        kind = event["type"]
        _require(not order or order[-1] not in ("message_stop", "error"), f"{kind} after the end")
        match kind:
            case "ping":
                continue
            case "message_start":
                _require(not order, "message_start comes first and once")
            case "content_block_start":
                _require(block is None and event["index"] == count, "blocks are opened in turn")
                block, pieces = event["content_block"], []
            case "content_block_delta":
                _require(block is not None and event["index"] == count, "a delta has its block")
                pieces += _delta_text(event["delta"])
            case "content_block_stop":
                _require(block is not None and event["index"] == count, "a stop has its block")
                _finish_block(block or {}, "".join(pieces), heard)
                block, count = None, count + 1
            case "message_delta":
                _require(block is None, "message_delta comes after the blocks")
                heard.stop = event["delta"]["stop_reason"]
            case "message_stop":
                _require(heard.stop is not None, "message_stop comes after message_delta")
            case "error":
                _require(bool(event["error"]["type"] and event["error"]["message"]), "an error")
                heard.failed = True
            case _:
                raise Violation(f"there is no event {kind!r} in the dialect")
        if kind not in ("message_start", "error"):
            _require("message_start" in order, f"{kind} comes after message_start")
        order.append(kind)
    _require(bool(order) and order[-1] in ("message_stop", "error"), "the stream has an end")
    return heard


def _delta_text(delta: JsonObject) -> list[str]:
    keys = {"text_delta": "text", "input_json_delta": "partial_json"}
    key = keys.get(delta["type"])
    return [] if key is None else [delta[key]]


def _finish_block(block: JsonObject, text: str, heard: Heard) -> None:
    if block["type"] == "text":
        heard.text += text
    elif block["type"] == "tool_use":
        heard.calls.append((block["name"], _tool_input(text)))


def _tool_input(text: str) -> object:
    """The input of a tool as clients read it, or its text: a model may be cut off in the middle."""
    try:
        value = loads(text or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else text


def hear_chat(data: bytes) -> Heard:
    """Chunks of one id, one `finish_reason`, `[DONE]`; or an error and nothing after it."""
    heard = Heard()
    ids: set[str] = set()
    calls: list[list[str]] = []
    done = False
    for line in _lines(data):
        _require(not done and not heard.failed, "nothing comes after the end")
        if line == "[DONE]":
            _require(heard.stop is not None, "[DONE] comes after a finish_reason")
            done = True
            continue
        chunk = _parsed(line, "a chunk")
        if error := chunk.get("error"):
            _require(bool(error["message"]), "an error has a message")
            heard.failed = True
            continue
        _require(chunk["object"] == "chat.completion.chunk", "chunks say what they are")
        ids.add(chunk["id"])
        for choice in chunk["choices"]:
            _require(heard.stop is None, "nothing is said after the finish_reason")
            delta = choice["delta"]
            heard.text += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                _add_fragment(calls, call)
            heard.stop = choice["finish_reason"]
    _require(done or heard.failed, "the stream ends in [DONE] or an error")
    _require(len(ids) <= 1, "all chunks have the same id")
    if done:
        heard.calls = [(name, text) for name, text in calls]
    return heard


def _add_fragment(calls: list[list[str]], fragment: JsonObject) -> None:
    index = fragment["index"]
    inner = fragment.get("function") or fragment.get("custom") or {}
    if index == len(calls):
        _require(bool(fragment.get("id") and inner.get("name")), "a call starts with id and name")
        calls.append([inner["name"], ""])
    _require(index == len(calls) - 1, "calls are told one after the other")
    calls[index][1] += inner.get("arguments") or inner.get("input") or ""


def hear_responses(data: bytes) -> Heard:
    """Numbered events from `response.created` to `completed`, `incomplete` or `failed`."""
    heard = Heard()
    open_items: dict[int, str] = {}
    texts: dict[int, str] = {}
    last = ""
    for number, event in enumerate(_named_events(data)):
        kind = event["type"]
        _require(last not in _RESPONSE_ENDS, f"{kind} after the end")
        _require(event["sequence_number"] == number, f"the sequence number is {number}")
        _require((kind == "response.created") == (number == 0), "response.created comes first")
        index: Any = event.get("output_index")
        if kind == "response.output_item.added":
            _require(index == len(texts), "output indexes count up")
            open_items[index], texts[index] = event["item"]["id"], ""
        elif kind == "response.output_item.done":
            _require(open_items.pop(index, None) == event["item"]["id"], "an item is done once")
            _finish_item(event["item"], texts[index], heard)
        elif index is not None:
            _require(open_items.get(index) == event["item_id"], f"{kind} belongs to an open item")
            if kind in _RESPONSE_TEXTS:
                texts[index] += event["delta"]
        if kind in _RESPONSE_ENDS:
            response = event["response"]
            _require(f"response.{response['status']}" == kind, f"the status fits {kind}")
            heard.failed = kind == "response.failed"
            heard.stop = _response_stop(response)
            if not heard.failed:
                _require(not open_items, "all items are done at the end")
        last = kind
    _require(last in _RESPONSE_ENDS, "the stream has an end")
    return heard


_RESPONSE_ENDS: Final = ("response.completed", "response.incomplete", "response.failed")
_RESPONSE_TEXTS: Final = (
    "response.output_text.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
)


def _finish_item(item: JsonObject, text: str, heard: Heard) -> None:
    one = _items_said([item])
    whole = one.text or "".join(str(arguments) for _, arguments in one.calls)
    _require(text == whole or item["type"] == "image_generation_call", "deltas say the whole item")
    heard.text += one.text
    heard.calls += one.calls


def _items_said(items: list[Any]) -> Heard:
    heard = Heard()
    for item in items:
        if item["type"] == "message":
            heard.text += "".join(
                content["text"] for content in item["content"] if content["type"] == "output_text"
            )
        elif item["type"] in ("function_call", "custom_tool_call"):
            text = item["arguments"] if item["type"] == "function_call" else item["input"]
            heard.calls.append((item["name"], text))
    return heard


def _response_stop(response: JsonObject) -> str:
    details = response.get("incomplete_details") or {}
    return " ".join(filter(None, (response["status"], details.get("reason"))))


def said_by(format: str, body: JsonObject) -> Heard:
    """What the whole body of an answer says, in the same terms as its stream."""
    if format == "anthropic":
        blocks = body["content"]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        uses = (block for block in blocks if block["type"] == "tool_use")
        calls = [(use["name"], _unwrapped(use["input"])) for use in uses]
        return Heard(text, calls, body["stop_reason"])
    if format == "chat":
        choice = body["choices"][0]
        message = choice["message"]
        inner = [call.get("function") or call["custom"] for call in message.get("tool_calls", ())]
        told = [(call["name"], call.get("arguments", call.get("input"))) for call in inner]
        return Heard(message["content"] or "", told, choice["finish_reason"])
    heard = _items_said(body["output"])
    heard.stop = _response_stop(body)
    return heard


def _unwrapped(value: JsonObject) -> object:
    """The input of a tool; text that is no object comes in a wrapper."""
    wrapper = value.get(UNPARSED_INPUT)
    return value if wrapper is None else wrapper["raw"]


HEARERS: Final[Mapping[str, Callable[[bytes], Heard]]] = {
    "anthropic": hear_anthropic,
    "chat": hear_chat,
    "responses": hear_responses,
}
"""By the name of the format."""


def _blocks(data: bytes) -> Iterator[list[str]]:
    """The lines of each server-sent event; comments are left out."""
    _require(not data or data.endswith(b"\n\n"), "every event ends in a blank line")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Violation("the stream is not UTF-8") from error
    for block in text.split("\n\n")[:-1]:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if lines:
            yield lines


def _named_events(data: bytes) -> Iterator[JsonObject]:
    for lines in _blocks(data):
        fits = len(lines) == 2 and lines[0].startswith("event: ") and lines[1].startswith("data: ")
        _require(fits, "an event has a name and one line of data")
        event = _parsed(lines[1].removeprefix("data: "), "an event")
        _require(event["type"] == lines[0].removeprefix("event: "), "name and type are the same")
        yield event


def _lines(data: bytes) -> Iterator[str]:
    for lines in _blocks(data):
        fits = len(lines) == 1 and lines[0].startswith("data: ")
        _require(fits, "an event is one line of data")
        yield lines[0].removeprefix("data: ")


def _parsed(text: str, what: str) -> JsonObject:
    try:
        value = loads(text)
    except ValueError as error:
        raise Violation(f"{what} is no JSON: {text[:80]!r}") from error
    if not isinstance(value, dict):
        raise Violation(f"{what} is no object: {text[:80]!r}")
    return value


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise Violation(f"not so: {rule}")
