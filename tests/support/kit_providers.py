"""Honest providers with other upstreams than the demo's, for tests of the kit's stream cases."""

from collections.abc import Mapping, Sequence
from struct import Struct

from gateway_core import (
    CONTRACT,
    Capabilities,
    JsonObject,
    Model,
    PartWriter,
    ProviderInfo,
    Request,
    Route,
    Seal,
    UpstreamCall,
    UpstreamProtocol,
    Usage,
    hookimpl,
)
from gateway_core.events import Event
from gateway_core.formats import chat
from gateway_core.json import dumps, loads_object
from gateway_core.provider import StreamDecoder
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Expectation, Transcript
from support.chat_wire import DONE, call, chunk, sse

__all__ = ["UNKNOWN_FRAME", "FrameDecoder", "chat_subject", "framed_subject", "frames"]

_HEAD = Struct(">BI")
_MAGIC = 0x47


class Provider:
    """Everything but the decoder."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("other", "Other", CONTRACT, capabilities=Capabilities())

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [Model("other-1")]

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        return UpstreamCall("POST", "https://other.example/", {}, dumps({"model": route.model}))


class FrameDecoder:
    """Frames of a magic byte, a length and a JSON object."""

    def __init__(self) -> None:
        self.writer = PartWriter()
        self.pending = b""
        self.started = False

    def feed(self, data: bytes) -> Sequence[Event]:
        self.pending += data
        while not self.writer.ended and len(self.pending) >= _HEAD.size:
            magic, size = _HEAD.unpack_from(self.pending)
            if magic != _MAGIC:
                self.writer.fail(UpstreamProtocol("no frame starts so"))
            if len(self.pending) < _HEAD.size + size:
                break
            frame = self.pending[_HEAD.size : _HEAD.size + size]
            self.pending = self.pending[_HEAD.size + size :]
            self._read(frame)
        return self.writer.take()

    def end(self) -> Sequence[Event]:
        self.writer.fail(UpstreamProtocol("cut off"))
        return self.writer.take()

    def data_to_send(self) -> bytes:
        return b""

    def _read(self, frame: bytes) -> None:
        self.started = True
        writer = self.writer
        try:
            match loads_object(frame):
                case {"say": str(text)}:
                    writer.text(0, text)
                case {"think": str(text)}:
                    writer.reasoning(1, text)
                    writer.close(1, Seal("other", "sealed"))
                case {"call": str(name), "with": str(arguments)} as event:
                    writer.tool(name, id=str(event["id"]), name=name)
                    writer.arguments(name, arguments)
                    writer.close(name)
                case {"fail": _}:
                    writer.fail(UpstreamProtocol("it says so"))
                case {"bye": int(output)}:
                    writer.end("stop", Usage(output=output))
        except ValueError:
            writer.fail(UpstreamProtocol("a frame is no JSON"))


def frames(*events: JsonObject) -> bytes:
    """An answer of that upstream."""
    payloads = [dumps(event) for event in events]
    return b"".join(_HEAD.pack(_MAGIC, len(payload)) + payload for payload in payloads)


UNKNOWN_FRAME = frames({"unheard": "of"})


def framed_subject(
    unknown_event: bytes | None = UNKNOWN_FRAME, decoder: type[FrameDecoder] = FrameDecoder
) -> Subject:
    """A provider whose upstream has a framing that the kit does not know."""

    class Framed(Provider):
        @hookimpl
        def gateway_decoder(self) -> StreamDecoder:
            return decoder()

    thoughts: JsonObject = {"think": "Hm."}
    calls = [
        {"call": "look", "with": "{}", "id": "call_1"},
        {"call": "go", "with": '{"to":"Köln"}', "id": "call_2"},
    ]
    answers = {
        "text": frames(thoughts, {"say": "Grüße"}, {"say": " und mehr"}, {"bye": 5}),
        "calls": frames(*calls, {"bye": 9}),
        "error": frames({"say": "half"}, {"fail": True}),
    }
    expected = {"error": Expectation(error="upstream_protocol", text="half")}
    return Subject(
        make=Framed,
        transcripts=[
            Transcript(name, data, "bin", expect=expected.get(name, Expectation()))
            for name, data in answers.items()
        ],
        unknown_event=unknown_event,
    )


def chat_subject() -> Subject:
    """A provider that speaks the chat format upstream, as many do."""

    class Chat(Provider):
        @hookimpl
        def gateway_decoder(self) -> StreamDecoder:
            return chat.StreamReader("other")

    usage = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
    named = call(index=0, id="call_1", name="look", arguments="")
    answers: Mapping[str, bytes] = {
        "text": sse(
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Grüße"}),
            chunk({"content": ", world"}),
            chunk({}, "stop"),
            {**chunk(), "choices": [], "usage": usage},
        ),
        "without-done": sse(chunk({"content": "Enough"}), chunk({}, "stop"), done=False),
        "thinking": sse(
            chunk({"reasoning_content": "Hm, "}),
            chunk({"reasoning_content": "well."}),
            chunk({"content": "Yes"}),
            chunk({}, "stop"),
        ),
        "calls": sse(
            chunk(named),
            chunk(call(index=0, arguments='{"at":')),
            chunk(call(index=0, arguments='"Köln"}')),
            chunk(call(index=1, id="call_2", name="look", arguments="{}")),
            chunk({}, "tool_calls"),
        ),
        "comments": b": keep-alive\n\n" + sse(chunk({"content": "Late"}, "stop")),
        "length": sse(chunk({"content": "Cut o"}), chunk({}, "length")),
        "error": sse(chunk({"content": "half"})).removesuffix(DONE)
        + b'data: {"error":{"message":"too busy","code":429}}\n\n',
    }
    expected = {"error": Expectation(error="rate_limited", text="half")}
    return Subject(
        make=Chat,
        transcripts=[
            Transcript(name, data, "sse", expect=expected.get(name, Expectation()))
            for name, data in answers.items()
        ],
    )
