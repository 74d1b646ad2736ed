"""A provider that answers with canonical events it was given, in batches of any size.

The model `replay-<name>` answers with the events of that name, by default those of the corpus.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway_core import (
    CONTRACT,
    Capabilities,
    Event,
    Model,
    ProviderInfo,
    Request,
    UpstreamCall,
    hookimpl,
)
from gateway_core.request import EFFORTS
from support.corpus import ANSWERS

__all__ = ["ReplayProvider", "all_at_once", "one_by_one"]

Split = Callable[[list[Event]], Sequence[Sequence[Event]]]

_CAPABILITIES = Capabilities(
    input=frozenset({"text", "image", "document", "audio", "video"}),
    custom_tools=True,
    hosted_tools=frozenset({"web_search", "image_generation"}),
    verbosity=True,
    sampling=frozenset({"max_output_tokens", "temperature", "top_p", "top_k", "stop", "seed"}),
    efforts=EFFORTS,
)


def one_by_one(events: list[Event]) -> Sequence[Sequence[Event]]:
    """Each event comes in an upstream read of its own."""
    return [[event] for event in events]


def all_at_once(events: list[Event]) -> Sequence[Sequence[Event]]:
    """The whole answer comes in one upstream read."""
    return [events]


class ReplayStream:
    """An upstream answer of as many reads as there are batches. before_the_last: waited for, in a
    thread, before the last of them.
    """

    status = 200

    def __init__(self, reads: int, before_the_last: Callable[[], object] | None = None) -> None:
        self.headers: Mapping[str, str] = {}
        self._reads = reads
        self._before_the_last = before_the_last

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(1, self._reads + 1):
            if number == self._reads and self._before_the_last is not None:
                await asyncio.to_thread(self._before_the_last)
            yield b"next"

    async def send(self, data: bytes) -> None:
        raise AssertionError("this upstream takes no bytes")


class ReplayDecoder:
    """One batch for each read."""

    def __init__(self, batches: Sequence[Sequence[Event]]) -> None:
        self._batches = iter(batches)

    def feed(self, data: bytes) -> Sequence[Event]:
        return next(self._batches)

    def end(self) -> Sequence[Event]:
        return []

    def data_to_send(self) -> bytes:
        return b""


@dataclass(slots=True, eq=False)
class ReplayProvider:
    """The plugin. `split` says how an answer is cut into batches; `requests` were asked."""

    answers: Mapping[str, list[Event]] = field(default_factory=lambda: ANSWERS)
    split: Split = one_by_one
    requests: list[Request] = field(default_factory=list)

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("replay", "Replay", CONTRACT, capabilities=_CAPABILITIES)

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [Model(f"replay-{name}") for name in self.answers]

    @hookimpl
    def gateway_translate(self, request: Request) -> UpstreamCall:
        self.requests.append(request)
        events = self.answers[request.model.removeprefix("replay-")]
        return UpstreamCall("POST", "replay:", {}, state=self.split(events))

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[ReplayStream]:
        yield ReplayStream(len(call.state))

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall) -> ReplayDecoder:
        return ReplayDecoder(call.state)
