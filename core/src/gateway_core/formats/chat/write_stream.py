"""A canonical answer to a chat client: chunks of a stream, or one whole completion.

Deltas, which are nearly all events, are written from byte templates with only the text escaped.
"""

import time
import uuid
from collections.abc import Sequence

from gateway_core.content import Reasoning, Seal, Text, ToolCall
from gateway_core.errors import GatewayError, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Open,
    StopReason,
    StreamedPart,
    Usage,
    UsageSeen,
    Whole,
    WholePart,
)
from gateway_core.formats.chat.read_options import uses_functions
from gateway_core.formats.chat.usage import FINISH_REASONS, write_usage
from gateway_core.formats.chat.write_body import (
    REASONING_GAP,
    TEXT_GAP,
    annotation,
    answer_message,
    image_of,
    image_url,
    seal_detail,
    tool_call,
)
from gateway_core.formats.openai_errors import error_object
from gateway_core.json import JsonObject, dumps
from gateway_core.parts import Response
from gateway_core.request import Request
from gateway_core.sse import COMMENT_PING

__all__ = ["StreamWriter"]

_DONE = b"data: [DONE]\n\n"
_ANSWERS = ("content", "refusal", "tool_calls", "function_call", "images")
_DELTA_END = b'},"finish_reason":null}]}\n\n'


class StreamWriter:
    """Events to the bytes of one streamed chat completion, or a `Response` to a whole one.

    Every chunk carries the same id and time. Reasoning goes out as `reasoning_content`, its seals
    as `reasoning_details`, pictures as `images`, citations as `annotations` when their text is
    complete. A usage chunk comes only when the client asked with `stream_options.include_usage`.
    An answer that ends well but holds nothing is an error: clients would take it for silence.
    """

    def __init__(
        self,
        request: Request,
        model: str,
        completion_id: str | None = None,
        created: int | None = None,
    ) -> None:
        """
        model: the name to tell the client.
        completion_id, created: given by tests; otherwise made up and taken from the clock (Unix
        seconds).
        """
        options = request.source.body.get("stream_options")
        self._include_usage = isinstance(options, dict) and options.get("include_usage") is True
        self._legacy = uses_functions(request.source.body)
        self._id = completion_id or f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time()) if created is None else created
        self._model = model
        envelope = dumps(self._envelope("chat.completion.chunk"))
        self._chunk = b"data: %b," % envelope[:-1]
        self._delta = self._chunk + b'"choices":[{"index":0,"delta":{'
        self._role_sent = False
        self._ended = False
        self._usage: Usage | None = None
        # The open part: its templates, how to complete it, and how much of it came.
        self._head = self._tail = b""
        self._part: Text | Reasoning | ToolCall = Text("")
        self._length = 0
        # The message so far.
        self._content_length = 0
        self._last_text = -1
        self._answered = False
        self._reasoned = False
        self._calls = self._details = self._images = self._annotations = 0

    def feed(self, events: Sequence[Event]) -> bytes:
        """The chunks for a batch of events; nothing after the answer has ended or failed."""
        if self._ended:
            return b""
        out: list[bytes] = []
        for event in events:
            if type(event) is Delta:
                if not self._length:
                    self._first_text(event.index, out)
                self._length += len(event.text)
                if self._head:
                    out += (self._head, dumps(event.text), self._tail)
            elif type(event) is Open:
                self._open(event.part, out)
            elif type(event) is Close:
                self._close(event, out)
            elif type(event) is Whole:
                self._whole(event.part, out)
            elif type(event) is Begin:
                self._send_role(out)
            elif type(event) is UsageSeen:
                self._usage = event.usage
            elif type(event) is End:
                self._end(event, out)
                break
            elif type(event) is Fail:
                self._fail(event.error, out)
                break
        return b"".join(out)

    def ping(self) -> bytes:
        """An SSE comment."""
        return COMMENT_PING

    def body(self, response: Response) -> JsonObject:
        """The whole `chat.completion`. Raises `UpstreamProtocol` when there is nothing in it."""
        message = answer_message(response.parts, legacy=self._legacy)
        if response.stop == "stop" and not any(message.get(key) for key in _ANSWERS):
            raise _empty_answer()
        body = self._envelope("chat.completion")
        body["choices"] = [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": self._finish(response.stop),
            }
        ]
        body["usage"] = write_usage(response.usage)
        return body

    def _envelope(self, object_: str) -> JsonObject:
        return {
            "id": self._id,
            "object": object_,
            "created": self._created,
            "model": self._model,
        }

    def _finish(self, reason: StopReason) -> str:
        finish = FINISH_REASONS[reason]
        return "function_call" if self._legacy and finish == "tool_calls" else finish

    def _send(self, delta: JsonObject, out: list[bytes]) -> None:
        self._send_role(out)
        out += (self._delta, dumps(delta)[1:-1], _DELTA_END)

    def _send_role(self, out: list[bytes]) -> None:
        if not self._role_sent:
            self._role_sent = True
            out += (self._delta, b'"role":"assistant"', _DELTA_END)

    def _open(self, part: StreamedPart, out: list[bytes]) -> None:
        self._send_role(out)
        self._part = part
        self._length = 0
        self._tail = _DELTA_END
        if isinstance(part, Text):
            self._head = self._delta + (b'"refusal":' if part.refusal else b'"content":')
        elif isinstance(part, Reasoning):
            self._head = self._delta + b'"reasoning_content":'
        else:
            self._open_call(part, out)

    def _open_call(self, call: ToolCall, out: list[bytes]) -> None:
        index = self._calls
        self._calls += 1
        self._answered = True
        if self._legacy:
            # The older form has room for one call; more would be glued to it by the client.
            self._head = b""
            if index == 0:
                self._send({"function_call": {"name": call.name, "arguments": ""}}, out)
                self._head = self._delta + b'"function_call":{"arguments":'
                self._tail = b"}" + _DELTA_END
            return
        self._send({"tool_calls": [{"index": index, **tool_call(call, "")}]}, out)
        field = b'"custom":{"input":' if call.custom else b'"function":{"arguments":'
        self._head = self._delta + b'"tool_calls":[{"index":%d,%b' % (index, field)
        self._tail = b"}}]" + _DELTA_END

    def _first_text(self, index: int, out: list[bytes]) -> None:
        """What goes before the first text of a part, so that parts stay apart in one string."""
        part = self._part
        if isinstance(part, Text):
            self._answered = True
            if self._content_length and not part.refusal and self._last_text != index - 1:
                self._content_length += len(TEXT_GAP)
                self._send({"content": TEXT_GAP}, out)
        elif isinstance(part, Reasoning):
            if self._reasoned:
                self._send({"reasoning_content": REASONING_GAP}, out)
            self._reasoned = True

    def _close(self, close: Close, out: list[bytes]) -> None:
        part = self._part
        if isinstance(part, Text):
            self._close_text(part, close, out)
        elif isinstance(part, Reasoning):
            self._send_seal(close.seal or part.seal, out)
        elif not self._length and not part.custom and self._head:
            out += (self._head, b'"{}"', self._tail)

    def _close_text(self, part: Text, close: Close, out: list[bytes]) -> None:
        if part.refusal:
            return
        entries = []
        for citation in close.citations or part.citations or ():
            entry = annotation(citation, self._content_length, self._length)
            entries.append({"index": self._annotations, **entry})
            self._annotations += 1
        if entries:
            self._send({"annotations": entries}, out)
        self._content_length += self._length
        self._last_text = close.index

    def _whole(self, part: WholePart, out: list[bytes]) -> None:
        if isinstance(part, Reasoning):
            if part.text:
                gap = REASONING_GAP if self._reasoned else ""
                self._reasoned = True
                self._send({"reasoning_content": gap + part.text}, out)
            self._send_seal(part.seal, out)
        elif (picture := image_of(part)) is not None:
            self._answered = True
            self._send({"images": [{"index": self._images, **image_url(picture)}]}, out)
            self._images += 1

    def _send_seal(self, seal: Seal | None, out: list[bytes]) -> None:
        if seal is not None:
            self._send({"reasoning_details": [seal_detail(seal, self._details)]}, out)
            self._details += 1

    def _end(self, end: End, out: list[bytes]) -> None:
        if end.reason == "stop" and not self._answered:
            self._fail(_empty_answer(), out)
            return
        self._ended = True
        self._send_role(out)
        finish = dumps(self._finish(end.reason))
        out += (
            self._chunk,
            b'"choices":[{"index":0,"delta":{},"finish_reason":',
            finish,
            b"}]}\n\n",
        )
        if self._include_usage:
            usage = dumps(write_usage(end.usage or self._usage))
            out += (self._chunk, b'"choices":[],"usage":', usage, b"}\n\n")
        out.append(_DONE)

    def _fail(self, error: GatewayError, out: list[bytes]) -> None:
        self._ended = True
        out += (b"data: ", dumps({"error": error_object(error)}), b"\n\n")


def _empty_answer() -> UpstreamProtocol:
    return UpstreamProtocol("the model returned an empty answer")
