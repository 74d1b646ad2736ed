"""Trouble at the edges: servers that stop, clients that do not read, plugins that misbehave."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway_core import UpstreamCall, hookimpl
from gateway_core.credentials.store import MemoryStore
from gateway_core.json import dumps
from support.dialects import ANTHROPIC, CHAT, Dialect
from support.line_http import LineHttpProvider, credential
from support.providers import LineProvider, LocalStream
from support.server import running_gateway
from support.turns import Start, ask, begun, read_rest
from support.upstream import ScriptedUpstream, chunks, json_answer

HELLO = chunks(b"hello\n", b".\n")


async def test_a_server_that_stops_tells_its_open_streams(
    upstream: ScriptedUpstream, dialect: Dialect, tmp_path: Path
) -> None:
    running = running_gateway(tmp_path, extra_plugins=[LineHttpProvider(upstream.url)], grace=0)
    gateway = running.__enter__()
    async with begun(gateway, upstream, dialect) as (request, reads):
        stopping = asyncio.create_task(asyncio.to_thread(running.__exit__, None, None, None))
        rest = await read_rest(reads)
        await request.left.wait()
    await stopping
    assert dialect.failure in rest
    assert b"the gateway is stopping" in rest
    assert dialect.success not in rest


async def test_a_server_that_stops_answers_who_waits_for_a_whole_answer(
    upstream: ScriptedUpstream, dialect: Dialect, tmp_path: Path
) -> None:
    running = running_gateway(tmp_path, extra_plugins=[LineHttpProvider(upstream.url)], grace=0)
    gateway = running.__enter__()
    asking = asyncio.create_task(ask(gateway, dialect, stream=False))
    await upstream.next_request()
    await asyncio.to_thread(running.__exit__, None, None, None)
    response = await asking
    assert response.status_code == dialect.overloaded
    assert "stopping" in dialect.error(response.content)["message"]


async def test_a_refusal_after_two_failures_still_renews_the_login(
    start: Start, upstream: ScriptedUpstream
) -> None:
    provider = LineHttpProvider(upstream.url, login="key")
    upstream.script = [json_answer({}, 503), json_answer({}, 503), json_answer({}, 401), HELLO]
    response = await ask(start(provider), CHAT, stream=False)
    assert response.status_code == 200
    assert provider.refreshed == 1


async def test_a_renewed_token_that_the_upstream_quotes_is_not_told(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    provider = LineHttpProvider(upstream.url, login="key")
    refusal = json_answer({"error": {"message": "unwelcome: token-2"}}, 400)
    upstream.script = [json_answer({}, 401), refusal]
    with running_gateway(
        tmp_path, extra_plugins=[provider], store=MemoryStore(credential("token-1"))
    ) as gateway:
        response = await ask(gateway, CHAT, stream=False)
    assert response.status_code == 400
    assert "unwelcome" in response.text
    assert "token-2" not in response.text


async def test_a_call_may_have_a_shorter_total_limit(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect
) -> None:
    provider = LineHttpProvider(upstream.url, total_timeout=0.2)
    async with begun(start(provider), upstream, dialect) as (_, reads):
        rest = await read_rest(reads)
    assert dialect.failure in rest
    assert b"0.2 s" in rest


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_may_have_less_patience_with_silence(
    start: Start, upstream: ScriptedUpstream, dialect: Dialect, stream: bool
) -> None:
    """The limit of the settings, 300 s, is not waited for."""
    provider = LineHttpProvider(upstream.url, idle_timeout=0.2)
    gateway = start(provider)
    async with gateway.async_http() as http:
        body = dialect.body("line-1", stream=stream)
        asking = asyncio.create_task(http.post(dialect.path, json=body))
        request = await upstream.next_request()
        await request.head()
        await request.send(b"hello\n")
        async with asyncio.timeout(4):  # pings, which come later, would wake it too
            response = await asking
    assert "sent nothing for 0.2 s" in response.text
    assert response.status_code == (200 if stream else 504)


class CancelsItself(LineProvider):
    """A plugin whose stream lets the cancellation of a task of its own escape."""

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[LocalStream]:
        yield _Cancelled([])


class _Cancelled(LocalStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"hello\n"
        raise asyncio.CancelledError


async def test_a_cancellation_that_a_plugin_lets_escape_is_an_error(
    tmp_path: Path, dialect: Dialect
) -> None:
    with running_gateway(tmp_path, extra_plugins=[CancelsItself()]) as gateway:
        response = await ask(gateway, dialect, stream=True)
    assert dialect.failure in response.content
    assert dialect.success not in response.content


async def test_a_client_that_does_not_read_costs_no_time(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    sleep = asyncio.sleep

    async def counted(delay: float) -> None:
        nonlocal looks
        looks += 1
        await sleep(delay)

    monkeypatch.setattr("gateway_core.endpoint.asyncio.sleep", counted)
    gateway = start(server__ping_interval=0.05)
    address = urlsplit(gateway.url)
    body = dumps(ANTHROPIC.body("line-1", stream=True))
    head = (
        f"POST /v1/messages HTTP/1.1\r\nhost: {address.netloc}\r\nx-api-key: {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(head.encode() + body)
        request = await upstream.next_request()
        await request.head()
        with pytest.raises(TimeoutError):  # the upstream too is held back in the end
            async with asyncio.timeout(1):
                while True:
                    await request.send(b"x" * 9999 + b"\n")
    assert 0 < looks < 500, "a loop that does not wait has tens of thousands"


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models", "/nowhere", "/v1/responses"])
async def test_every_answer_has_a_request_id(start: Start, path: str) -> None:
    async with start().async_http() as http:
        response = await http.get(path)
    assert response.headers["x-request-id"] == response.headers["request-id"]


async def test_a_wrong_method_says_which_is_right(start: Start) -> None:
    async with start().async_http() as http:
        response = await http.get("/v1/responses")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_a_refusal_is_in_the_log_with_its_id(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with start().async_http() as http:
            response = await http.get("/nowhere")
    assert response.headers["x-request-id"] in caplog.text


@pytest.mark.parametrize(
    "host", ["[127.0.0.1]evil.example", "[::1]:80evil.example", "evil.example"]
)
async def test_a_host_that_only_looks_like_ours_is_refused(start: Start, host: str) -> None:
    async with start().async_http() as http:
        response = await http.get("/v1/models", headers={"host": host})
    assert response.status_code in (400, 403)
