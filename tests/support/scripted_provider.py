"""A provider whose answers are given one after the other: events, or an error of the upstream."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

from gateway_core import (
    CONTRACT,
    Capabilities,
    Event,
    GatewayError,
    Model,
    ProviderInfo,
    Request,
    UpstreamCall,
    hookimpl,
)
from gateway_core.provider import Exchange
from gateway_core.tokens import count_request
from support.providers import LocalStream
from support.replay import ReplayDecoder, ReplayStream

__all__ = ["ScriptedProvider"]


@dataclass(slots=True, eq=False)
class ScriptedProvider:
    """Serves `models` under the provider id `scripted`.

    script: what the next requests are answered with; an error is an HTTP answer with its status.
    requests: those it was asked to translate; counting tokens needs no translation.
    exchanges: those it was told of.
    """

    script: list[Sequence[Event] | GatewayError] = field(default_factory=list)
    capabilities: Capabilities = field(default_factory=Capabilities)
    models: Sequence[Model] = (Model("scripted-1"),)
    requests: list[Request] = field(default_factory=list)
    exchanges: SimpleQueue[Exchange] = field(default_factory=SimpleQueue)

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("scripted", "Scripted", CONTRACT, capabilities=self.capabilities)

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return self.models

    @hookimpl
    def gateway_translate(self, request: Request) -> UpstreamCall:
        self.requests.append(request)
        return UpstreamCall("POST", "scripted:", {}, state=self.script.pop(0))

    @hookimpl
    def gateway_count_tokens(self, request: Request) -> int:
        return count_request(request)

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[ReplayStream | LocalStream]:
        if isinstance(call.state, GatewayError):
            yield LocalStream([], call.state.status)
        else:
            yield ReplayStream(len(call.state))

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall) -> ReplayDecoder:
        return ReplayDecoder([[event] for event in call.state])

    @hookimpl
    def gateway_error(self, call: UpstreamCall) -> GatewayError | None:
        error: GatewayError = call.state
        return error

    @hookimpl
    def gateway_exchange(self, exchange: Exchange) -> None:
        self.exchanges.put(exchange)
