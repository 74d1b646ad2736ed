"""The provider of the benchmarks: the Responses format and nothing else, at the scripted upstream.

The model's name is the path that is asked for: `bench/burst-200` asks `/burst/200`.
"""

from collections.abc import Mapping, Sequence

from gateway_core.formats import responses
from gateway_core.hookspecs import CONTRACT, hookimpl
from gateway_core.json import dumps
from gateway_core.provider import (
    Capabilities,
    Claim,
    Model,
    ProviderInfo,
    Route,
    StreamDecoder,
    UpstreamCall,
)
from gateway_core.request import Request

__all__ = ["BenchProvider"]


class BenchProvider:
    """A provider without login. `upstream` is the port of the scripted upstream."""

    def __init__(self, upstream: int) -> None:
        self._base = f"http://127.0.0.1:{upstream}"

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Who it is."""
        return ProviderInfo("bench", "Benchmark", CONTRACT, capabilities=Capabilities())

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        """One model, for the list's sake."""
        return [Model("burst-200", efforts=("low", "medium", "high"))]

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        """Every scenario is a model."""
        return Claim(name) if name.startswith(("burst-", "led-", "paced-")) else None

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        """The request in the upstream's format."""
        body = responses.write_request(request, route.model, issuer="bench", scope=None)
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        url = f"{self._base}/{route.model.replace('-', '/')}"
        return UpstreamCall("POST", url, headers, dumps(body))

    @hookimpl
    def gateway_decoder(
        self, call: UpstreamCall, route: Route, headers: Mapping[str, str]
    ) -> StreamDecoder:
        """The format's own reader."""
        return responses.StreamReader(issuer="bench")
