"""Endpoints with turns behind one JSON answer: what happens when the client or upstream goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.dialects import RESPONSES
from support.line_http import LineHttpProvider
from support.server import Gateway, running_gateway
from support.upstream import ScriptedUpstream, chunks, json_answer, running_upstream

COMPACT = "/v1/responses/compact"
BODY = RESPONSES.body("line-1")


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with running_upstream() as upstream:
        yield upstream


@pytest.fixture
def provider(upstream: ScriptedUpstream) -> LineHttpProvider:
    return LineHttpProvider(upstream.url)


@pytest.fixture
async def gateway(provider: LineHttpProvider, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        running = running_gateway(
            tmp_path, extra_plugins=[provider], settings={"timeouts.idle": 0.5}
        )
        gateway = running.__enter__()
        # Stopping waits for connections, of which this loop holds the other end.
        stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        yield gateway


async def test_a_client_that_leaves_takes_the_upstream_along(
    gateway: Gateway, upstream: ScriptedUpstream, provider: LineHttpProvider
) -> None:
    async with gateway.async_http() as http:
        asking = asyncio.create_task(http.post(COMPACT, json=BODY))
        request = await upstream.next_request()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await request.left.wait()
    exchange = await asyncio.to_thread(provider.exchanges.get, timeout=10)
    assert exchange.status == 499


async def test_an_upstream_that_falls_silent_is_given_up(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    async with gateway.async_http() as http:
        answer = await http.post(COMPACT, json=BODY)
    assert answer.status_code == 504
    assert "[timeouts] idle" in RESPONSES.error(answer.content)["message"]
    request = await upstream.next_request()
    await request.left.wait()


async def test_a_failure_of_the_upstream_is_tried_again(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.script = [json_answer({}, 503), chunks(b"We fixed it.\n.\n")]
    async with gateway.async_http() as http:
        answer = await http.post(COMPACT, json=BODY)
    assert answer.status_code == 200
    assert len(upstream.requests) == 2


async def test_a_final_failure_is_told_to_client_and_observers(
    gateway: Gateway, upstream: ScriptedUpstream, provider: LineHttpProvider
) -> None:
    upstream.script = [json_answer({"error": "no"}, 403)]
    async with gateway.async_http() as http:
        answer = await http.post(COMPACT, json=BODY)
    assert answer.status_code == 403
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-gateway-provider"] == "lines"
    exchange = await asyncio.to_thread(provider.exchanges.get, timeout=10)
    assert (exchange.status, exchange.error) == (403, "forbidden")
