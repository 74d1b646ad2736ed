"""Hooks that take an HTTP client, called without a network or with a vendor that talks nonsense."""

import asyncio
from collections.abc import Sequence

import httpx

from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError
from gateway_core.provider import Model
from gateway_core.relay import Relay
from gateway_core.testing.awake import awake

__all__ = ["Offline", "ask_models", "offline_models", "unreachable"]


def unreachable() -> httpx.AsyncBaseTransport:
    """A transport over which nobody can be reached."""
    return httpx.MockTransport(_refuse)


class Offline:
    """The part of the core's `Transport` that hooks outside a turn use. transport: what answers; by
    default nothing can be reached.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.http = httpx.AsyncClient(transport=transport or unreachable(), trust_env=False)


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("the conformance kit has no network", request=request)


async def ask_models(
    relay: Relay, credential: Credential | None, transport: httpx.AsyncBaseTransport | None = None
) -> Sequence[Model]:
    """What the provider lists for a credential. Raises its `GatewayError`, and `Violation` when the
    hook stops the event loop.
    """
    offline = Offline(transport)
    with awake():
        async with offline.http:
            return await relay.models(credential, offline)


def offline_models(relay: Relay) -> Sequence[Model]:
    """What the provider lists for nobody, without a network; nothing when it refuses."""
    try:
        return asyncio.run(ask_models(relay, None))
    except GatewayError:
        return []
