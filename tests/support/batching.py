"""Message batches: a provider that asks an HTTP upstream, and what tests do with batches.

The provider can be installed into a `gateway` process, so what it was asked is seen by the
upstream, in the test's own process.
"""

from collections.abc import Iterable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from gateway_core import (
    CONTRACT,
    Model,
    ProviderInfo,
    Request,
    Text,
    UpstreamCall,
    hookimpl,
)
from gateway_core.provider import Exchange
from gateway_core.testing.upstream import ReceivedRequest, ThreadedUpstream
from support.providers import LineDecoder

if TYPE_CHECKING:
    import anthropic  # takes two seconds, also in a process that has only the provider

__all__ = ["AskingProvider", "asked", "ended", "params", "reply", "requests", "results"]


class AskingSettings(BaseModel):
    """`[providers.asking]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "http://127.0.0.1:9"


class AskingProvider:
    """Posts what the user said; the answer's lines are text, `.` is the end."""

    def __init__(self, id: str = "asking", model: str = "asking-1") -> None:
        self.exchanges: SimpleQueue[Exchange] = SimpleQueue()
        self.plugin_name = self._id = id
        self._model = model

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo(self._id, self._id.title(), CONTRACT, settings=AskingSettings)

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [Model(self._model)]

    @hookimpl
    def gateway_translate(self, request: Request, settings: AskingSettings) -> UpstreamCall:
        part = request.messages[-1].parts[-1]
        assert type(part) is Text
        return UpstreamCall("POST", settings.url, {}, part.text.encode())

    @hookimpl
    def gateway_decoder(self) -> LineDecoder:
        return LineDecoder()

    @hookimpl
    def gateway_exchange(self, exchange: Exchange) -> None:
        self.exchanges.put(exchange)


async def reply(request: ReceivedRequest) -> None:
    """Answers with what was said."""
    await request.head()
    await request.send(b"re: " + request.body + b"\n.\n")
    await request.finish()


def asked(upstream: ThreadedUpstream) -> list[str]:
    """What the upstream was asked, in order."""
    return [request.body.decode() for request in upstream.requests]


def params(text: str, **more: Any) -> Any:
    """A request to the Messages API."""
    said = [{"role": "user", "content": text}]
    return {"model": "asking-1", "max_tokens": 100, "messages": said, **more}


def requests(texts: Iterable[str]) -> list[Any]:
    """Requests of a batch; the texts are their ids too."""
    return [{"custom_id": text, "params": params(text)} for text in texts]


def ended(client: "anthropic.Anthropic", id: str) -> Any:
    """The batch when it has ended."""
    while True:
        batch = client.messages.batches.retrieve(id)
        if batch.processing_status == "ended":
            return batch


def results(client: "anthropic.Anthropic", id: str) -> dict[str, str]:
    """By custom id: the text of the answer, the type of the error, or how it ended else."""
    found = {}
    for line in client.messages.batches.results(id):
        result: Any = line.result
        told = result.type
        if told == "succeeded":
            told = result.message.content[0].text
        elif told == "errored":
            told = result.error.error.type
        found[line.custom_id] = told
    return found
