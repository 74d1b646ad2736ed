"""Ways to change what the demo provider does, for rows of the mutation table."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway_core import Event, JsonObject, Request, Route, UpstreamCall, hookimpl
from gateway_core.content import Message, Part
from gateway_core.json import dumps, loads_object
from gateway_core.provider import StreamDecoder
from gateway_demo.plugin import DemoProvider, DemoSettings
from gateway_demo.stream import DemoDecoder

__all__ = [
    "ChangedEvents",
    "asked_with",
    "changed_parts",
    "decoding",
    "sending",
    "sending_body",
]

Plugin = type[DemoProvider]


def sending(change: Callable[[UpstreamCall, Request], None]) -> Plugin:
    """The demo provider with something done to each of its calls."""

    class Sending(DemoProvider):
        @hookimpl
        def gateway_translate(
            self, request: Request, route: Route, settings: DemoSettings
        ) -> UpstreamCall:
            call = super().gateway_translate(request, route, settings)
            change(call, request)
            return call

    return Sending


def sending_body(change: Callable[[JsonObject], None]) -> Plugin:
    """The demo provider with something done to what it sends."""

    def change_call(call: UpstreamCall, request: Request) -> None:
        body = loads_object(call.body)
        change(body)
        call.body = dumps(body)

    return sending(change_call)


def asked_with(change: Callable[[Request], Request]) -> Plugin:
    """The demo provider that takes each request for another one."""

    class Asked(DemoProvider):
        @hookimpl
        def gateway_translate(
            self, request: Request, route: Route, settings: DemoSettings
        ) -> UpstreamCall:
            return super().gateway_translate(change(request), route, settings)

    return Asked


def changed_parts(change: Callable[[Part], Part | None]) -> Callable[[Request], Request]:
    """A request with each part of its messages changed; None drops a part."""

    def change_message(message: Message) -> Message:
        parts = [new for part in message.parts if (new := change(part)) is not None]
        return replace(message, parts=parts)

    def change_request(request: Request) -> Request:
        return replace(request, messages=[change_message(message) for message in request.messages])

    return change_request


def decoding(make: Callable[[], StreamDecoder]) -> Plugin:
    """The demo provider with another decoder."""

    class Decoding(DemoProvider):
        @hookimpl
        def gateway_decoder(self) -> StreamDecoder:  # type: ignore[override]
            return make()

    return Decoding


class ChangedEvents:
    """A decoder with something done to its events."""

    def __init__(self, change: Callable[[list[Event]], Sequence[Event]]) -> None:
        self._decoder = DemoDecoder()
        self._change = change

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._change(self._decoder.feed(data))

    def end(self) -> Sequence[Event]:
        return self._change(self._decoder.end())

    def data_to_send(self) -> bytes:
        return b""
