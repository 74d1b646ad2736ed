"""What holds for the connections that answers are streamed over, against servers on sockets."""

import asyncio

import pytest

from gateway_core.errors import Internal, UpstreamFailed
from gateway_core.http import Transport, Transports
from gateway_core.provider import UpstreamCall
from gateway_core.settings import TimeoutSettings
from support.certificates import Authority
from support.proxy import running_proxy
from support.raw_upstream import CHUNKED_HEAD, OK_HEAD, Serve, Start, chunk, read, whole

pytestmark = pytest.mark.usefixtures("trusting")

MEGABYTE = 1 << 20


async def test_nothing_is_read_that_nobody_takes(transport: Transport, start: Start) -> None:
    stuck = asyncio.Event()
    taken = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(OK_HEAD + b"Content-Length: %d\r\n\r\n" % (64 * MEGABYTE))
        for _ in range(64):
            writer.write(bytes(MEGABYTE))
            try:
                async with asyncio.timeout(None if stuck.is_set() else 0.3):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
        taken.set()

    upstream = await start(answer)
    size = 0
    async with transport.stream(upstream.call()) as stream:
        await stuck.wait()
        assert not taken.is_set()
        async for data in stream:
            size += len(data)
    assert size == 64 * MEGABYTE


async def test_an_answer_may_come_before_all_of_the_request_was_sent(
    transport: Transport, start: Start
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\nContent-Length: 5\r\n\r\nlarge")
        await upstream.hung_up.wait()

    upstream = await start(answer)
    for _ in range(2):
        async with transport.stream(upstream.call(body=bytes(48 * MEGABYTE))) as stream:
            assert stream.status == 413
            assert [data async for data in stream] == [b"large"]
    assert upstream.connections == 2
    upstream.hung_up.set()


async def test_a_connection_that_the_upstream_gives_up_is_not_used_again(
    transport: Transport, serve: Serve
) -> None:
    upstream = await serve(whole(b"ok", b"Connection: close"))
    assert await read(transport, upstream.call()) == b"ok"
    assert await read(transport, upstream.call()) == b"ok"
    assert upstream.connections == 2


async def test_what_nobody_asked_for_is_nobodys_answer(transport: Transport, start: Start) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(whole(b"ok"))
        if upstream.connections == 1:
            await release.wait()
            writer.write(whole(b"injected"))
        assert await reader.read() == b""
        upstream.hung_up.set()

    release = asyncio.Event()
    upstream = await start(answer)
    assert await read(transport, upstream.call()) == b"ok"
    release.set()
    await upstream.hung_up.wait()
    assert await read(transport, upstream.call()) == b"ok"
    assert upstream.connections == 2


async def test_a_connection_that_waits_too_long_is_closed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(whole(b"ok"))
        assert await reader.read() == b""
        upstream.hung_up.set()

    monkeypatch.setattr("gateway_core.http.KEEP_ALIVE_SECONDS", 0.05)
    upstream = await start(answer)
    transports = Transports(TimeoutSettings())
    assert await read(transports.get("test"), upstream.call()) == b"ok"
    async with asyncio.timeout(2):
        await upstream.hung_up.wait()
    await transports.aclose()


async def test_an_answer_that_was_left_does_not_go_on_as_another(
    transport: Transport, serve: Serve
) -> None:
    upstream = await serve(whole(b"ok"))
    async with transport.stream(upstream.call()) as left:
        assert await anext(aiter(left)) == b"ok"
    async with transport.stream(upstream.call()) as stream:
        with pytest.raises(UpstreamFailed):
            await anext(aiter(left))
        assert await anext(aiter(stream)) == b"ok"
    assert upstream.connections == 1


async def test_what_came_before_a_malformed_chunk_is_read(
    transport: Transport, serve: Serve
) -> None:
    upstream = await serve(CHUNKED_HEAD + chunk(b"data: 1\n\n") + b"no chunk\r\n")
    async with transport.stream(upstream.call()) as stream:
        reads = aiter(stream)
        assert await anext(reads) == b"data: 1\n\n"
        with pytest.raises(UpstreamFailed, match="broke off in the middle"):
            await anext(reads)


async def test_closing_ends_a_read(transport: Transport, start: Start) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(CHUNKED_HEAD + chunk(b"one"))
        await reader.read()

    upstream = await start(answer)
    with pytest.raises(UpstreamFailed, match="broke off"):
        async with transport.stream(upstream.call()) as stream:
            async for _ in stream:
                await transport.aclose()


async def test_a_header_that_cannot_be_sent_is_our_fault(
    transport: Transport, serve: Serve
) -> None:
    upstream = await serve(whole(b"ok"))
    with pytest.raises(Internal, match="'authorization' cannot be sent") as caught:
        await read(transport, upstream.call(authorization="Bearer secret\r\nx: y"))
    assert "secret" not in repr(caught.value) + repr(caught.value.__cause__)
    assert upstream.requests == []


async def test_the_path_goes_out_as_it_is_written(transport: Transport, serve: Serve) -> None:
    upstream = await serve(whole(b"ok"))
    for path in ("", "?a", "/a/../b//c?d=?&e=%2f", "/a#fragment"):
        await read(transport, upstream.call(path))
    targets = [head.split(b" ")[1] for head in upstream.requests]
    assert targets == [b"/", b"/?a", b"/a/../b//c?d=?&e=%2f", b"/a"]


async def test_a_plain_call_asks_the_proxy_for_the_whole_url(
    transport: Transport, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(whole(b"by proxy"))
    monkeypatch.setenv("HTTP_PROXY", f"http://me:pass@127.0.0.1:{proxy.port}")
    for _ in range(2):
        call = UpstreamCall("POST", "http://model.test/a?b", {}, b"{}")
        assert await read(transport, call) == b"by proxy"
    head = proxy.requests[0].split(b"\r\n")
    assert head[0] == b"post http://model.test/a?b http/1.1"
    assert b"host: model.test" in head
    assert b"proxy-authorization: basic bwu6cgfzcw==" in head
    assert proxy.connections == 1


@pytest.mark.parametrize("by_proxy", [False, True], ids=["directly", "by a proxy"])
async def test_answers_over_tls_are_streamed_on_kept_connections(
    transport: Transport,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    by_proxy: bool,
) -> None:
    connections = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                size = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
                writer.write(whole(await reader.readexactly(size)))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=authority.server())
    port = server.sockets[0].getsockname()[1]
    async with running_proxy(port) as proxy:
        if by_proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        host = "model.test" if by_proxy else f"localhost:{port}"
        for body in (b"small", bytes(3 * MEGABYTE)):
            assert await read(transport, UpstreamCall("POST", f"https://{host}/", {}, body)) == body
        await transport.aclose()
    assert connections == 1
    assert len(proxy.requests) == by_proxy
    server.close()
