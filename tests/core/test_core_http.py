"""The seam that streams answers of upstreams, against servers on real sockets."""

import asyncio
import gzip

import pytest

from gateway_core.errors import Internal, UpstreamFailed, UpstreamProtocol, UpstreamTimeout
from gateway_core.http import Transport, Transports, read_body
from gateway_core.provider import UpstreamCall
from gateway_core.settings import TimeoutSettings
from support.raw_upstream import CHUNKED_HEAD, LAST_CHUNK, OK_HEAD, Serve, Start, chunk, read, whole


async def test_each_provider_and_account_has_a_transport_of_its_own(transports: Transports) -> None:
    assert transports.get("codex", "a") is transports.get("codex", "a")
    assert transports.get("codex", "a") is not transports.get("codex", "b")
    assert transports.get("codex", "a") is not transports.get("grok", "a")


async def test_a_call_is_sent_as_it_stands(transport: Transport, serve: Serve) -> None:
    upstream = await serve(whole(b"ok"))
    await read(
        transport,
        upstream.call("/a%20b?c=%2F", b'{"a":1}', authorization="Bearer t", user_agent="mine/1"),
    )
    head = upstream.requests[0].split(b"\r\n")
    assert head[0] == b"post /a%20b?c=%2f http/1.1"
    assert b"authorization: bearer t" in head
    assert b"user-agent: mine/1" in head
    assert b"accept-encoding: identity" in head
    assert upstream.bodies == [b'{"a":1}']


async def test_status_and_headers_are_there_before_the_body(
    transport: Transport, start: Start
) -> None:
    release = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(b"HTTP/1.1 429 Slow\r\nX-Thing: a\r\nX-Thing: b\r\nContent-Length: 4\r\n\r\n")
        await release.wait()
        writer.write(b"wait")

    upstream = await start(answer)
    async with transport.stream(upstream.call()) as stream:
        assert stream.status == 429
        assert stream.headers["x-thing"] == "a, b"
        release.set()
        assert await read_body(stream) == b"wait"


async def test_what_has_arrived_together_leaves_in_one_read(
    transport: Transport, serve: Serve
) -> None:
    events = b"".join(chunk(b"data: %d\n\n" % number) for number in range(50))
    upstream = await serve(CHUNKED_HEAD + events + LAST_CHUNK)
    async with transport.stream(upstream.call()) as stream:
        reads = [data async for data in stream]
    assert reads == [b"".join(b"data: %d\n\n" % number for number in range(50))]


async def test_chunks_are_handed_on_as_they_come(transport: Transport, start: Start) -> None:
    seen = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(CHUNKED_HEAD + chunk(b"one"))
        await seen.wait()
        writer.write(chunk(b"two") + LAST_CHUNK)

    upstream = await start(answer)
    reads = []
    async with transport.stream(upstream.call()) as stream:
        async for data in stream:
            reads.append(data)
            seen.set()
    assert reads == [b"one", b"two"]


@pytest.mark.parametrize("size", [0, 1, 300_000])
async def test_a_body_with_a_length_is_read_whole(
    transport: Transport, serve: Serve, size: int
) -> None:
    upstream = await serve(whole(b"x" * size))
    assert await read(transport, upstream.call()) == b"x" * size


async def test_a_body_without_length_ends_with_the_connection(
    transport: Transport, start: Start
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(OK_HEAD + b"\r\nall of it")

    upstream = await start(answer)
    assert await read(transport, upstream.call()) == b"all of it"


async def test_a_compressed_body_is_decoded_even_unasked(
    transport: Transport, serve: Serve
) -> None:
    body = gzip.compress(b"data: hello\n\n" * 100)
    upstream = await serve(whole(body, b"Content-Encoding: gzip"))
    assert await read(transport, upstream.call()) == b"data: hello\n\n" * 100


async def test_a_large_request_body_arrives_whole(transport: Transport, serve: Serve) -> None:
    upstream = await serve(whole(b"ok"))
    body = bytes(range(256)) * 12_000
    await read(transport, upstream.call(body=body))
    assert upstream.bodies == [body]


async def test_a_redirect_is_an_answer_and_is_not_followed(
    transport: Transport, serve: Serve
) -> None:
    elsewhere = await serve(whole(b"stolen"))
    upstream = await serve(
        b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n"
        % elsewhere.port
    )
    async with transport.stream(upstream.call(authorization="Bearer secret")) as stream:
        assert stream.status == 307
    assert elsewhere.requests == []


async def test_cookies_are_not_sent_back(transport: Transport, serve: Serve) -> None:
    upstream = await serve(whole(b"ok", b"Set-Cookie: who=me; Path=/"))
    await read(transport, upstream.call())
    await read(transport, upstream.call())
    await transport.http.get(upstream.call().url)
    await transport.http.get(upstream.call().url)
    assert not [head for head in upstream.requests if b"cookie:" in head]


async def test_connections_are_used_again(transport: Transport, serve: Serve) -> None:
    upstream = await serve(whole(b"ok"))
    for _ in range(5):
        await read(transport, upstream.call())
    assert (upstream.connections, len(upstream.requests)) == (1, 5)


async def test_leaving_before_the_end_marker_keeps_the_connection(
    transport: Transport, start: Start
) -> None:
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(CHUNKED_HEAD + chunk(b"data: last\n\n"))
        await left.wait()
        writer.write(LAST_CHUNK)
        await upstream.request(reader)
        writer.write(whole(b"second"))

    upstream = await start(answer)
    async with transport.stream(upstream.call()) as stream:
        assert await anext(aiter(stream)) == b"data: last\n\n"
        before = asyncio.all_tasks()
    left.set()
    await asyncio.wait(asyncio.all_tasks() - before)
    assert await read(transport, upstream.call()) == b"second"
    assert upstream.connections == 1


async def test_64_answers_stream_at_once(transport: Transport, start: Start) -> None:
    everyone = asyncio.Barrier(64)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(CHUNKED_HEAD + chunk(upstream.bodies[-1]))
        await everyone.wait()
        writer.write(LAST_CHUNK)

    upstream = await start(answer)
    calls = [upstream.call(body=b"%d" % number) for number in range(64)]
    answers = await asyncio.gather(*(read(transport, call) for call in calls))
    assert sorted(answers) == sorted(call.body for call in calls)


async def test_a_dead_connection_from_the_pool_is_replaced(
    transport: Transport, start: Start
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(whole(b"first"))
        if upstream.connections == 1:
            await reader.readuntil(b"\r\n\r\n")  # takes the next request and hangs up on it
            return
        await upstream.request(reader)

    upstream = await start(answer)
    assert await read(transport, upstream.call()) == b"first"
    assert await read(transport, upstream.call()) == b"first"
    assert upstream.connections == 2


async def test_a_fresh_connection_that_hangs_up_is_not_tried_again(
    transport: Transport, start: Start
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)

    upstream = await start(answer)
    with pytest.raises(UpstreamFailed, match="closed the connection without an answer"):
        await read(transport, upstream.call())
    assert upstream.connections == 1


@pytest.mark.parametrize(
    "beginning",
    [
        CHUNKED_HEAD + chunk(b"data: 1\n\n"),
        CHUNKED_HEAD + chunk(b"data: 1\n\n") + b"40\r\nhalf",
        OK_HEAD + b"Content-Length: 100\r\n\r\ndata: 1\n\n",
    ],
    ids=["between chunks", "within a chunk", "short of its length"],
)
@pytest.mark.parametrize("how", ["reset", "closed"])
async def test_an_answer_that_breaks_off_is_a_failure(
    transport: Transport, start: Start, beginning: bytes, how: str
) -> None:
    seen = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(beginning)
        await seen.wait()
        if how == "reset":
            writer.transport.abort()

    upstream = await start(answer)
    with pytest.raises(UpstreamFailed, match="broke off") as caught:
        async with transport.stream(upstream.call("/p?token=secret")) as stream:
            async for data in stream:
                assert data.startswith(b"data: 1\n\n")
                seen.set()
    assert caught.value.retryable
    assert "secret" not in caught.value.message


async def test_what_is_no_http_is_named_so(transport: Transport, serve: Serve) -> None:
    upstream = await serve(b"SSH-2.0-OpenSSH\r\n\r\n")
    with pytest.raises(UpstreamProtocol, match="no valid HTTP"):
        await read(transport, upstream.call())


async def test_a_refused_connection_names_the_host_and_no_secret(
    transport: Transport, closed_port: int
) -> None:
    url = f"http://127.0.0.1:{closed_port}/path?token=secret"
    call = UpstreamCall("POST", url, {"authorization": "Bearer secret"})
    with pytest.raises(UpstreamFailed, match=f"127.0.0.1:{closed_port}") as caught:
        await read(transport, call)
    assert "secret" not in repr(caught.value)


async def test_a_host_that_does_not_speak_tls_is_a_failure(
    transport: Transport, start: Start
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(b"plain"))

    upstream = await start(answer)
    call = UpstreamCall("POST", f"https://127.0.0.1:{upstream.port}/", {})
    with pytest.raises(UpstreamFailed, match="TLS"):
        await read(transport, call)


async def test_an_address_that_is_no_url_is_our_fault(transport: Transport) -> None:
    with pytest.raises(Internal, match="no http or https URL"):
        await read(transport, UpstreamCall("POST", "ftp://127.0.0.1/", {}))


async def test_connecting_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    transports = Transports(TimeoutSettings(connect=0.05))
    with pytest.raises(UpstreamTimeout, match=r"no connection to model\.test within 0\.05 s"):
        await read(transports.get("test"), UpstreamCall("POST", "http://model.test/", {}))
    await transports.aclose()


async def test_a_name_that_cannot_be_found_is_a_failure(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*args: object, **kwargs: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(UpstreamFailed, match=r"cannot find model\.test"):
        await read(transport, UpstreamCall("POST", "http://model.test/", {}))


@pytest.mark.parametrize("phase", ["before the answer", "within the answer"])
async def test_cancelling_closes_the_connection_at_once(
    transport: Transport, start: Start, phase: str
) -> None:
    reached = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        if phase == "within the answer":
            writer.write(CHUNKED_HEAD + chunk(b"data: 1\n\n"))
        else:
            reached.set()
        assert await reader.read() == b""
        upstream.hung_up.set()

    async def consume() -> None:
        async with transport.stream(upstream.call()) as stream:
            async for _ in stream:
                reached.set()

    upstream = await start(answer)
    consumer = asyncio.create_task(consume())
    await reached.wait()
    consumer.cancel()
    async with asyncio.timeout(1):
        await upstream.hung_up.wait()
    with pytest.raises(asyncio.CancelledError):
        await consumer


async def test_closing_all_closes_idle_connections(start: Start) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(whole(b"ok"))
        assert await reader.read() == b""
        upstream.hung_up.set()

    upstream = await start(answer)
    transports = Transports(TimeoutSettings())
    await read(transports.get("test"), upstream.call())
    await transports.aclose()
    async with asyncio.timeout(1):
        await upstream.hung_up.wait()


async def test_an_error_body_is_read_up_to_its_limit(transport: Transport, serve: Serve) -> None:
    upstream = await serve(whole(b"x" * 5000))
    async with transport.stream(upstream.call()) as stream:
        assert await read_body(stream, limit=100) == b"x" * 100


async def test_a_stream_takes_no_bytes_back(transport: Transport, serve: Serve) -> None:
    upstream = await serve(whole(b"ok"))
    async with transport.stream(upstream.call()) as stream:
        with pytest.raises(Internal):
            await stream.send(b"x")
