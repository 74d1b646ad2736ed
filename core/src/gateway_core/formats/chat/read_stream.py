"""An upstream's chat completion stream to canonical events.

Reads leniently what vendors make of the format; sans-IO. Text that only an upstream's own page
documents (think tags and the like) is left as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway_core.content import Citation, Reasoning
from gateway_core.errors import GatewayError, UpstreamProtocol
from gateway_core.events import Event
from gateway_core.formats.chat.read_calls import CallReader
from gateway_core.formats.chat.read_content import read_image
from gateway_core.formats.chat.read_details import DetailReader, shown_text
from gateway_core.formats.chat.usage import read_usage, stop_reason
from gateway_core.formats.openai_errors import bare_error, error_from_object
from gateway_core.json import DocumentStream, JsonObject
from gateway_core.parts import PartWriter
from gateway_core.sse import SSEReader

__all__ = ["StreamReader"]


class StreamReader:
    """A `StreamDecoder` for `chat.completion.chunk` streams.

    Text, reasoning (`reasoning_details`, `reasoning` or `reasoning_content`: the first that is
    there, never two), refusals, calls, pictures, citations. Usage is taken wherever it stands, and
    the last one counts. The answer ends at `[DONE]` or with the stream, so that usage after the
    finish reason is kept; a stream that breaks off before its finish reason is a `Fail`, and so is
    one that stops without a word, which clients would take for silence. Comments are life signs: a
    read that held nothing else gives a `Tick`, once the answer has begun.

    issuer: the provider that reasoning seals go back to. read_error: what a chunk with an `error`
    means. show_reasoning: False drops the thoughts, for clients that switched thinking off where
    the model thinks all the same; they then are life signs, too. tool_names: what
    `ToolAliases.restore` of the request says.
    """

    def __init__(
        self,
        issuer: str,
        *,
        read_error: Callable[[JsonObject], GatewayError] = error_from_object,
        show_reasoning: bool = True,
        tool_names: Mapping[str, str] | None = None,
    ) -> None:
        self._read_error = read_error
        self._show_reasoning = show_reasoning
        self._sse = SSEReader()
        self._parts = PartWriter()
        self._calls = CallReader(self._parts, tool_names or {})
        self._details = DetailReader(issuer)
        self._loads = DocumentStream().loads
        self._begun = False
        self._mode = ""
        self._section = 0  # counts parts, as key: a closed part is never opened again
        self._key: tuple[str, int] = ("", 0)
        self._finish: str | None = None
        self._refused = False
        self._usage: JsonObject | None = None
        self._length = 0  # of all text so far: citations count from the start of the answer
        self._text_start = 0
        self._citations: list[Citation] = []

    def feed(self, data: bytes) -> Sequence[Event]:
        """Events completed by these bytes; none after the answer has ended or failed."""
        if self._parts.ended:
            return []
        try:
            events = self._sse.feed(data)
        except UpstreamProtocol as error:
            self._fail(error)
            return self._parts.take()
        for event in events:
            self._read(event.data)
        found = self._parts.take()
        if not found and self._begun and self._sse.saw_comment and not self._parts.ended:
            self._parts.tick()
            return self._parts.take()
        return found

    def end(self) -> Sequence[Event]:
        """The stream is over: `End` when a finish reason was seen, else `Fail`."""
        for event in self._sse.end():
            self._read(event.data)
        if not self._parts.ended:
            if self._finish is None:
                told = bare_error(self._sse.unframed)
                message = "the upstream broke off its answer before the end"
                self._fail(UpstreamProtocol(message) if told is None else self._read_error(told))
            else:
                self._complete()
        return self._parts.take()

    def data_to_send(self) -> bytes:
        """Nothing: the protocol does not answer back."""
        return b""

    def _read(self, data: bytes) -> None:
        if self._parts.ended:
            return
        if data == b"[DONE]":
            if self._finish is None and not self._mode:
                self._fail(
                    UpstreamProtocol("the upstream ended its answer without saying anything")
                )
            else:
                self._complete()
            return
        try:
            chunk = self._loads(data)
        except ValueError:
            self._fail(UpstreamProtocol("the upstream sent a chunk that is not JSON"))
            return
        if not isinstance(chunk, dict):
            self._fail(UpstreamProtocol("the upstream sent a chunk that is not an object"))
            return
        self._read_chunk(chunk)

    def _read_chunk(self, chunk: JsonObject) -> None:
        if chunk.get("error"):
            self._fail(self._read_error(chunk))
            return
        if not self._begun:
            self._begin(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        usage = chunk.get("usage")
        if isinstance(choice, dict):
            if choice.get("error"):
                self._fail(self._read_error(choice))
                return
            delta = choice.get("delta")
            if isinstance(delta, dict):
                self._read_delta(delta)
            finish = choice.get("finish_reason")
            if isinstance(finish, str) and finish:
                self._finish = finish
            usage = usage or choice.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        if self._finish == "error":
            self._fail(error_from_object({"message": "the upstream broke off with an error"}))

    def _begin(self, chunk: JsonObject) -> None:
        self._begun = True
        id_, model = chunk.get("id"), chunk.get("model")
        id_ = id_ if isinstance(id_, str) and id_ else None
        self._calls.answer_id = id_ or ""
        self._parts.begin(id_, model if isinstance(model, str) and model else None)

    def _read_delta(self, delta: JsonObject) -> None:
        content = delta.get("content")
        if len(delta) == 1 and content and type(content) is str:  # nearly all chunks
            self._add_text(content)
            return
        details = delta.get("reasoning_details")
        reasoning = shown_text(details)
        for key in ("reasoning", "reasoning_content"):
            if not reasoning and isinstance(value := delta.get(key), str):
                reasoning = value
        if not self._show_reasoning:
            details = None
            if reasoning:
                self._parts.tick()
                reasoning = ""
        if reasoning:
            self._enter("reasoning")
        self._details.read(details)
        if reasoning:
            self._parts.reasoning(self._key, reasoning)
        if content:
            self._add_text(content if isinstance(content, str) else _text_of(content))
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            self._refused = True
            self._enter("refusal")
            self._parts.text(self._key, refusal, refusal=True)
        if isinstance(annotations := delta.get("annotations"), list):
            self._read_annotations(annotations)
        if isinstance(images := delta.get("images"), list):
            self._read_images(images)
        if calls := delta.get("tool_calls"):
            self._enter("tool")
            self._calls.read(calls)
        legacy = delta.get("function_call")
        if isinstance(legacy, dict) and legacy:
            self._enter("tool")
            self._calls.read_legacy(legacy)

    def _add_text(self, text: str) -> None:
        if text:
            if self._mode != "text":
                self._enter("text")
                self._text_start = self._length
            self._length += len(text)
            self._parts.text(self._key, text)

    def _enter(self, mode: str) -> None:
        """Be in a part of this kind; what was written before another kind is complete now."""
        if mode != self._mode:
            self._start(mode)

    def _start(self, mode: str) -> None:
        self._leave()
        self._mode = mode
        self._section += 1
        self._key = (mode, self._section)

    def _leave(self) -> None:
        if self._mode == "tool":
            self._calls.settle()
        elif self._mode == "text":
            citations, self._citations = self._citations, []
            self._parts.close(self._key, citations=citations or None)
        seal = self._details.take_seal()
        if self._parts.is_open(self._key) and self._mode == "reasoning":
            self._parts.close(self._key, seal)
        elif seal is not None:
            self._parts.whole(("seal", self._section), Reasoning("", seal))

    def _read_images(self, images: list[Any]) -> None:
        for image in images:
            try:
                media = read_image(image, "images") if isinstance(image, dict) else None
            except GatewayError:
                continue  # a picture without a URL shows nothing
            if media is not None:
                self._start("image")
                media.extras = None
                self._parts.whole(self._key, media)

    def _read_annotations(self, annotations: list[Any]) -> None:
        for annotation in annotations:
            found = annotation.get("url_citation") if isinstance(annotation, dict) else None
            if isinstance(found, dict) and isinstance(url := found.get("url"), str):
                title = found.get("title")
                self._citations.append(
                    Citation(
                        url,
                        title if isinstance(title, str) else None,
                        self._offset(found.get("start_index")),
                        self._offset(found.get("end_index")),
                    )
                )

    def _offset(self, value: Any) -> int | None:
        return max(0, value - self._text_start) if type(value) is int else None

    def _complete(self) -> None:
        self._leave()
        reason = stop_reason(self._finish)
        if self._refused and reason == "stop":
            reason = "refusal"
        if reason == "stop" and not self._section:
            # Free and overloaded models do that; as a failure it is asked again.
            self._fail(UpstreamProtocol("the model returned an empty answer"))
            return
        usage = None if self._usage is None else read_usage(self._usage)
        self._parts.end(reason, usage, raw_reason=self._finish)

    def _fail(self, error: GatewayError) -> None:
        if self._usage is not None:
            self._parts.usage(read_usage(self._usage))
        self._parts.fail(error)


def _text_of(content: Any) -> str:
    """Content as a list of parts, which few upstreams send."""
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))
