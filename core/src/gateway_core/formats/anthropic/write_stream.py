"""Canonical events written as an Anthropic Messages stream, and a whole answer as a message.

Clients take nothing but deltas: text, thinking and input in a block's start are ignored, and a
block that is not stopped is lost (observed with Claude Code). So every block starts empty, is
filled by deltas and stopped, except those whole blocks that the format has no deltas for.

A delta costs about a microsecond: the bytes around it are made once per block.
"""

from collections.abc import Sequence
from uuid import uuid4

from gateway_core.content import HostedCall, Reasoning, Text, ToolCall
from gateway_core.errors import GatewayError, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Open,
    StreamedPart,
    Usage,
    UsageSeen,
    Whole,
    WholePart,
)
from gateway_core.formats.anthropic.write_blocks import (
    UniqueIds,
    citation_objects,
    content_blocks,
    is_visible,
    may_be_empty,
    signature,
    stop_reason,
    tool_use_start,
    usage_object,
)
from gateway_core.formats.anthropic.write_error import error_object
from gateway_core.json import JsonObject, dumps, dumps_text, dumps_texts
from gateway_core.parts import Response
from gateway_core.request import Request
from gateway_core.sse import frame

__all__ = ["StreamWriter"]

_PING = frame("ping", b'{"type":"ping"}')
_MESSAGE_STOP = frame("message_stop", b'{"type":"message_stop"}')
_BLOCK_STOP = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'  # index
)
_BLOCK_START = (
    b"event: content_block_start\n"
    b'data: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'  # index, block
)
_DELTA_HEAD = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'  # type, key
)
_DELTA_TAIL = b"}}\n\n"
_TEXT = (b"text_delta", b"text")
_THINKING = (b"thinking_delta", b"thinking")
_SIGNATURE = (b"signature_delta", b"signature")
_INPUT = (b"input_json_delta", b"partial_json")
_CITATION = (b"citations_delta", b"citation")
_EMPTY = "the model returned an empty answer"


class StreamWriter:
    """One answer for an Anthropic client; see `formats.base.StreamWriter`.

    The format needs nothing from the request. An answer that ends well but shows nothing (no text,
    tool call or image) is turned into an error, because clients would take it for a success with a
    hiccup and ask again; see `may_be_empty` for the ends that excuse it. The seal of a tool call is
    carried only when it is known as the call opens.
    """

    __slots__ = (
        "_calls",
        "_finished",
        "_free_text",
        "_head",
        "_ids",
        "_index",
        "_message_id",
        "_model",
        "_part",
        "_plain",
        "_searches",
        "_started",
        "_usage",
        "_visible",
    )

    def __init__(self, request: Request, model: str, *, message_id: str | None = None) -> None:
        self._model = model
        self._message_id = message_id or f"msg_{uuid4().hex}"
        self._started = self._finished = self._visible = self._calls = False
        self._usage: Usage | None = None
        self._searches = 0
        self._ids = UniqueIds()
        self._index = -1  # of the block last started
        self._part: StreamedPart | None = None
        self._head = b""  # all of the open part's delta events up to their text
        self._plain = False  # whether deltas of the open part need nothing but head and tail
        self._free_text: list[str] = []  # of an open custom call, wrapped when it closes

    def feed(self, events: Sequence[Event]) -> bytes:
        """The server-sent events of a batch; empty after the end."""
        if self._finished:
            return b""
        chunks: list[bytes] = []
        texts: list[str] = []  # of plain deltas that follow each other
        for event in events:
            if type(event) is Delta:
                if self._plain:
                    texts.append(event.text)
                else:
                    self._write_delta(event.text, chunks)
                continue
            if texts:
                chunks.append(self._plain_deltas(texts))
                texts = []
            if type(event) is Open:
                self._open(event.part, chunks)
            elif type(event) is Close:
                self._close(event, chunks)
            elif type(event) is Whole:
                self._write_whole(event.part, chunks)
            elif type(event) is UsageSeen:
                self._usage = event.usage
            elif type(event) is Begin:
                self._start(chunks)
            elif type(event) is End:
                self._end(event, chunks)
                break
            elif type(event) is Fail:
                self._fail(event.error, chunks)
                break
        if texts:
            chunks.append(self._plain_deltas(texts))
        return b"".join(chunks)

    def ping(self) -> bytes:
        """The format's own keep-alive event; fine at any time, also before the first event."""
        return _PING

    def body(self, response: Response) -> JsonObject:
        """The whole message. Raises `UpstreamProtocol` when it would be an empty success."""
        ids = UniqueIds()
        content: list[JsonObject] = []
        visible = has_calls = False
        searches = 0
        for part in response.parts:
            blocks = content_blocks(part, ids)
            content.extend(blocks)
            visible = visible or is_visible(part, blocks)
            has_calls = has_calls or type(part) is ToolCall
            searches += _is_search(part)
        if not visible and not may_be_empty(response.stop):
            raise UpstreamProtocol(_EMPTY)
        message = self._message(usage_object(response.usage, searches))
        message["content"] = content
        message["stop_reason"] = stop_reason(response.stop, has_calls=has_calls)
        message["stop_sequence"] = response.stop_sequence
        return message

    def _message(self, usage: JsonObject) -> JsonObject:
        return {
            "id": self._message_id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }

    def _start(self, chunks: list[bytes]) -> None:
        if not self._started:
            self._started = True
            message = self._message(usage_object(self._usage))
            chunks.append(
                frame("message_start", dumps({"type": "message_start", "message": message}))
            )

    def _start_block(self, block: JsonObject, chunks: list[bytes]) -> None:
        self._start(chunks)
        self._index += 1
        chunks.append(_BLOCK_START % (self._index, dumps(block)))

    def _delta(self, kind: tuple[bytes, bytes], value: str | JsonObject) -> bytes:
        return _DELTA_HEAD % (self._index, *kind) + dumps(value) + _DELTA_TAIL

    def _plain_deltas(self, texts: list[str]) -> bytes:
        return self._head + dumps_texts(texts, _DELTA_TAIL + self._head) + _DELTA_TAIL

    def _open(self, part: StreamedPart, chunks: list[bytes]) -> None:
        self._start(chunks)
        self._part = part
        if type(part) is Text:
            self._start_block({"type": "text", "text": ""}, chunks)
            self._head = _DELTA_HEAD % (self._index, *_TEXT)
            self._plain = self._visible
        elif type(part) is ToolCall:
            self._start_block(tool_use_start(part, self._ids), chunks)
            self._head = _DELTA_HEAD % (self._index, *_INPUT)
            self._plain = not part.custom
            self._free_text = []
            self._visible = self._calls = True
        elif type(part) is Reasoning:
            self._plain = not part.redacted
            if self._plain:
                self._start_block({"type": "thinking", "thinking": "", "signature": ""}, chunks)
                self._head = _DELTA_HEAD % (self._index, *_THINKING)

    def _write_delta(self, text: str, chunks: list[bytes]) -> None:
        """A delta that is not plain: the first text, or free text. Redacted thinking has none."""
        if type(self._part) is Text:
            self._visible = self._plain = not text.isspace()
            chunks.append(self._head + dumps(text) + _DELTA_TAIL)
        elif type(self._part) is ToolCall:
            self._free_text.append(text)

    def _close(self, event: Close, chunks: list[bytes]) -> None:
        part, self._part = self._part, None
        if type(part) is Text:
            citations = event.citations or part.citations
            if citations:
                chunks.extend(self._delta(_CITATION, item) for item in citation_objects(citations))
        elif type(part) is ToolCall:
            if part.custom:
                arguments = dumps_text({"input": "".join(self._free_text)})
                chunks.append(self._delta(_INPUT, arguments))
        elif type(part) is Reasoning:
            seal = event.seal or part.seal
            if part.redacted:
                self._write_whole(Reasoning("", seal, redacted=True), chunks)
                return
            if seal is not None:
                chunks.append(self._delta(_SIGNATURE, signature(seal)))
        chunks.append(_BLOCK_STOP % self._index)

    def _write_whole(self, part: WholePart, chunks: list[bytes]) -> None:
        blocks = content_blocks(part, self._ids)
        self._visible = self._visible or is_visible(part, blocks)
        self._searches += _is_search(part)
        for block in blocks:
            self._write_block(block, chunks)

    def _write_block(self, block: JsonObject, chunks: list[bytes]) -> None:
        """A complete block, in deltas where the format has them."""
        if block["type"] == "thinking":
            self._start_block({"type": "thinking", "thinking": "", "signature": ""}, chunks)
            if block["thinking"]:
                chunks.append(self._delta(_THINKING, block["thinking"]))
            if block["signature"]:
                chunks.append(self._delta(_SIGNATURE, block["signature"]))
        elif block["type"] == "server_tool_use":
            self._start_block({**block, "input": {}}, chunks)
            if block["input"]:
                chunks.append(self._delta(_INPUT, dumps_text(block["input"])))
        else:
            self._start_block(block, chunks)
        chunks.append(_BLOCK_STOP % self._index)

    def _end(self, event: End, chunks: list[bytes]) -> None:
        if not self._visible and not may_be_empty(event.reason):
            self._fail(UpstreamProtocol(_EMPTY), chunks)
            return
        self._start(chunks)
        delta = {
            "type": "message_delta",
            "delta": {
                "stop_reason": stop_reason(event.reason, has_calls=self._calls),
                "stop_sequence": event.stop_sequence,
            },
            "usage": usage_object(event.usage or self._usage, self._searches),
        }
        chunks.append(frame("message_delta", dumps(delta)))
        chunks.append(_MESSAGE_STOP)
        self._finished = True

    def _fail(self, error: GatewayError, chunks: list[bytes]) -> None:
        """The error event. An open call stays open, so that no client runs half of it."""
        part, self._part = self._part, None
        if type(part) is Text or (type(part) is Reasoning and not part.redacted):
            chunks.append(_BLOCK_STOP % self._index)
        chunks.append(frame("error", dumps(error_object(error))))
        self._finished = True


def _is_search(part: object) -> bool:
    return type(part) is HostedCall and part.name == "web_search"
