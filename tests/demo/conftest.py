"""What the tests of the demo provider share."""

from collections.abc import Awaitable, Callable

import pytest

from gateway_core import Event, Message, Request, Route, Text
from gateway_core.grammar import check_stream
from gateway_demo.plugin import DemoProvider, DemoSettings

Play = Callable[..., Awaitable[list[Event]]]


@pytest.fixture
def provider() -> DemoProvider:
    """The plugin."""
    return DemoProvider()


@pytest.fixture
def route() -> Route:
    """The way to the model `demo`."""
    return Route("demo", "demo", "demo")


@pytest.fixture
def play(provider: DemoProvider, route: Route) -> Play:
    """Plays a prompt or request through all hooks, and gives events that obey the grammar.

    Raises the error of an HTTP answer, as the core does.
    """

    async def play(
        asked: str | Request, settings: DemoSettings | None = None, *, route: Route = route
    ) -> list[Event]:
        request = asked
        if isinstance(request, str):
            request = Request("demo", [Message("user", [Text(request)])])
        call = provider.gateway_translate(request, route, settings or DemoSettings())
        decoder = provider.gateway_decoder()
        events: list[Event] = []
        async with provider.gateway_open(call) as stream:
            if stream.status != 200:
                body = b"".join([data async for data in stream])
                error = provider.gateway_error(stream.status, stream.headers, body)
                assert error is not None
                assert error.status == stream.status
                raise error
            async for data in stream:
                events += decoder.feed(data)
        events += decoder.end()
        check_stream(events)
        return events

    return play
