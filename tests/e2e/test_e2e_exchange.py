"""What clients see of an upstream that fails, is slow or breaks off, on real sockets."""

import asyncio
from collections.abc import Callable

import pytest

from support.dialects import DIALECTS, Dialect
from support.line_http import LineHttpProvider, credential
from support.turns import Start, ask, begun, read_rest, read_until
from support.upstream import (
    ReceivedRequest,
    ScriptedUpstream,
    chunks,
    hang_up,
    json_answer,
    reset_after,
    running_upstream,
    truncated,
)

HELLO = chunks(b"hello\n", b".\n")
# --- before the first event ------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [hang_up, truncated(), reset_after(), json_answer({}, 503), json_answer({}, 500)],
    ids=["hang up", "no body", "reset", "503", "500"],
)
async def test_a_failure_before_the_first_event_is_tried_again(
    start: Start, upstream: ScriptedUpstream, failure: Callable[[ReceivedRequest], object]
) -> None:
    upstream.script = [failure, HELLO]  # type: ignore[list-item]  # parametrised answers
    response = await ask(start(), DIALECTS[0], stream=True)
    assert response.status_code == 200
    assert DIALECTS[0].success in response.content
    assert len(upstream.requests) == 2


async def test_a_lasting_failure_is_told_after_three_tries(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    upstream.script = [json_answer({"error": "full"}, 503)] * 4
    response = await ask(start(), dialect, stream=True)
    assert response.status_code == dialect.overloaded
    assert dialect.error(response.content)["message"]
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 429])
async def test_a_refusal_is_not_tried_again(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect, status: int
) -> None:
    upstream.script = [json_answer({}, status), HELLO]
    response = await ask(start(), dialect, stream=True)
    assert response.status_code == status
    assert dialect.error(response.content)["message"]
    assert len(upstream.requests) == 1


async def test_a_rate_limit_says_when_to_come_back(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    upstream.script = [json_answer({}, 429, {"retry-after": "17"})]
    response = await ask(start(), dialect, stream=False)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "17"


async def test_an_upstream_that_is_not_there(start: Start, dialect: Dialect) -> None:
    async with running_upstream() as gone:
        pass
    response = await ask(start(LineHttpProvider(gone.url)), dialect, stream=True)
    assert response.status_code == 502
    assert gone.url.removeprefix("http://") in dialect.error(response.content)["message"]


# --- after the first event -------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["cut", "reset"])
async def test_a_broken_stream_ends_in_an_error_event(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect, failure: str
) -> None:
    async with begun(start(), upstream, dialect) as (request, reads):
        await getattr(request, failure)()
        rest = await read_rest(reads)
    assert dialect.failure in rest
    assert dialect.success not in rest
    assert len(upstream.requests) == 1


async def test_garbage_in_mid_stream_ends_the_answer_at_once(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    async with begun(start(), upstream, dialect) as (request, reads):
        await request.garbage()
        rest = await read_rest(reads)
    assert dialect.failure in rest
    assert dialect.success not in rest


async def test_a_broken_answer_is_an_error_when_not_streamed(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    upstream.script = [truncated(b"hello\n")] * 3
    response = await ask(start(), dialect, stream=False)
    assert response.status_code == 502
    assert dialect.error(response.content)["message"]


# --- silence ---------------------------------------------------------------------------------


async def test_pings_come_before_the_first_event(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    gateway = start(server__ping_interval=0.05, server__first_event_wait=0.05)
    async with gateway.async_http() as http:
        body = dialect.body("line-1", stream=True)
        async with http.stream("POST", dialect.path, json=body) as response:
            reads = response.aiter_raw()
            await read_until(reads, dialect.ping, times=2)
            request = await upstream.next_request()
            await HELLO(request)
            assert dialect.success in await read_rest(reads)


async def test_pings_come_in_a_pause_of_the_stream(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    gateway = start(server__ping_interval=0.05)
    async with begun(gateway, upstream, dialect) as (request, reads):
        await read_until(reads, dialect.ping, times=2)
        await request.send(b".\n")
        await request.finish()
        assert dialect.success in await read_rest(reads)


async def test_a_failure_after_pings_is_an_error_event(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    gateway = start(server__ping_interval=0.05, server__first_event_wait=0.05)
    async with gateway.async_http() as http:
        body = dialect.body("line-1", stream=True)
        async with http.stream("POST", dialect.path, json=body) as response:
            reads = response.aiter_raw()
            await read_until(reads, dialect.ping)
            await json_answer({}, 400)(await upstream.next_request())
            rest = await read_rest(reads)
    assert dialect.failure in rest
    assert dialect.success not in rest


async def test_a_silent_upstream_is_an_http_error_as_long_as_nothing_was_sent(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    response = await ask(start(timeouts__idle=0.2), dialect, stream=True)
    assert response.status_code == 504
    assert "[timeouts] idle" in dialect.error(response.content)["message"]
    request = await upstream.next_request()
    await request.left.wait()


async def test_an_upstream_that_falls_silent_ends_the_stream(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    async def half(request: ReceivedRequest) -> None:
        await request.head()
        await request.send(b"hello\n")

    upstream.script = [half]
    response = await ask(start(timeouts__idle=0.2), dialect, stream=True)
    assert response.status_code == 200
    assert dialect.failure in response.content
    assert b"[timeouts] idle" in response.content
    assert dialect.success not in response.content
    await upstream.requests[0].left.wait()


async def test_a_provider_may_ask_for_another_idle_limit(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    gateway = start(LineHttpProvider(upstream.url, idle_timeout=0.2))
    response = await ask(gateway, dialect, stream=False)
    assert response.status_code == 504


async def test_an_endless_answer_ends_at_the_total_limit(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    async def endless(request: ReceivedRequest) -> None:
        await request.head()
        while not request.left.is_set():
            await request.send(b"more\n")
            await asyncio.wait([asyncio.create_task(request.left.wait())], timeout=0.02)

    upstream.script = [endless]
    response = await ask(start(timeouts__total=0.5), dialect, stream=True)
    assert dialect.failure in response.content
    assert b"[timeouts] total" in response.content


# --- the client leaves -----------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("phase", ["before headers", "before first event", "in mid-stream"])
async def test_a_client_that_leaves_takes_the_upstream_along(
    start: Start, upstream: ScriptedUpstream, phase: str, stream: bool
) -> None:
    dialect = DIALECTS[0]
    provider = LineHttpProvider(upstream.url)
    gateway = start(provider)
    async with gateway.async_http() as http:
        body = dialect.body("line-1", stream=stream)
        asking = asyncio.create_task(http.post(dialect.path, json=body))
        request = await upstream.next_request()
        if phase != "before headers":
            await request.head()
        if phase == "in mid-stream":
            await request.send(b"hello\n")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await request.left.wait()
    exchange = await asyncio.to_thread(provider.exchanges.get, timeout=10)
    assert exchange.status == 499


async def test_a_client_that_leaves_a_running_stream_takes_the_upstream_along(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    async with begun(start(), upstream, dialect) as (request, _):
        pass
    await request.left.wait()


async def test_other_clients_stay_when_one_leaves(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    gateway = start()
    leaving = asyncio.create_task(ask(gateway, dialect, stream=True))
    first = await upstream.next_request()
    staying = asyncio.create_task(ask(gateway, dialect, stream=True))
    second = await upstream.next_request()
    leaving.cancel()
    await first.left.wait()
    await second.head()
    await second.send(b"hello\n.\n")
    await second.finish()
    assert dialect.success in (await staying).content


# --- credentials -----------------------------------------------------------------------------


async def _needs_second_token(request: ReceivedRequest) -> None:
    right = request.headers.get("authorization") == "Bearer token-2"
    await (HELLO if right else json_answer({}, 401))(request)


async def test_a_refused_token_is_refreshed_once(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    provider = LineHttpProvider(upstream.url, login="key")
    gateway = start(provider)
    upstream.script = [_needs_second_token] * 2
    response = await ask(gateway, dialect, stream=True)
    assert dialect.success in response.content
    tokens = [request.headers["authorization"] for request in upstream.requests]
    assert tokens == ["Bearer token-1", "Bearer token-2"]
    assert provider.refreshed == 1


async def test_a_refreshed_token_serves_from_then_on(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    provider = LineHttpProvider(upstream.url, login="key")
    gateway = start(provider)
    upstream.script = [_needs_second_token] * 3
    for _ in range(2):
        assert (await ask(gateway, dialect, stream=False)).status_code == 200
    assert provider.refreshed == 1
    stored = gateway.runtime.store.get(credential("").key)
    assert stored is not None and stored.access_token.get_secret_value() == "token-2"


async def test_a_token_refused_twice_is_not_refreshed_again(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    provider = LineHttpProvider(upstream.url, login="key")
    gateway = start(provider)
    upstream.script = [json_answer({"secret": "token-1"}, 401)] * 3
    response = await ask(gateway, dialect, stream=True)
    assert response.status_code == 401
    assert b"token-1" not in response.content
    assert (provider.refreshed, len(upstream.requests)) == (1, 2)


# --- what observers learn --------------------------------------------------------------------


async def test_plugins_learn_of_each_exchange(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    provider = LineHttpProvider(upstream.url)
    gateway = start(provider)
    upstream.script = [HELLO]
    response = await ask(gateway, dialect, stream=True)
    exchange = await asyncio.to_thread(provider.exchanges.get, timeout=10)
    assert exchange.id == response.headers["x-request-id"]
    assert (exchange.format, exchange.provider, exchange.model) == (dialect.name, "lines", "line-1")
    assert (exchange.status, exchange.error, exchange.stream) == (200, None, True)
    assert exchange.first_event is not None and 0 < exchange.first_event <= exchange.duration


async def test_plugins_learn_what_ended_an_exchange(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    provider = LineHttpProvider(upstream.url)
    gateway = start(provider)
    upstream.script = [json_answer({}, 429)]
    await ask(gateway, dialect, stream=True)
    exchange = await asyncio.to_thread(provider.exchanges.get, timeout=10)
    assert (exchange.status, exchange.error) == (429, "rate_limited")
