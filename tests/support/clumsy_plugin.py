"""A provider whose translation always fails, for tests that look on from another process."""

from gateway_core import Request, Route, UpstreamCall, hookimpl
from support.providers import LineProvider

__all__ = ["ClumsyProvider"]


class ClumsyProvider(LineProvider):
    """Serves `line-1` under the provider id `clumsy`, and cannot translate anything."""

    def __init__(self) -> None:
        super().__init__("clumsy")

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        raise ValueError("no colour\nin access_token=canary-1")
