"""The scripted upstream over HTTP/2. Without the library `h2` there is nothing to test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest

from gateway_core.testing.upstream import chunks, hang_up, json_answer, reset_after
from gateway_core.testing.upstream_h2 import (
    H2Request,
    H2Upstream,
    running_h2_upstream,
    serve_h2,
)

pytest.importorskip("h2")


class Client:
    """A client of one connection in the clear, as small as the library allows."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        settings = import_module("h2.config").H2Configuration(header_encoding="utf-8")
        self.h2 = import_module("h2.connection").H2Connection(settings)
        self._reader = reader
        self._writer = writer
        self.h2.initiate_connection()

    async def ask(self, body: bytes, *, ends: bool = True) -> int:
        """Send a request; the number of its stream."""
        stream: int = self.h2.get_next_available_stream_id()
        names = {":method": "POST", ":path": "/ask", ":scheme": "http", ":authority": "here"}
        self.h2.send_headers(stream, list(names.items()))
        self.h2.send_data(stream, body, end_stream=ends)
        await self.flush()
        return stream

    async def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())
        await self._writer.drain()

    async def until(self, is_last: Callable[[Any], bool]) -> list[Any]:
        """The events up to the last one that is waited for, or to the end of the connection."""
        seen: list[Any] = []
        while not any(map(is_last, seen)):
            try:
                data = await self._reader.read(65_536)
            except ConnectionError:
                break
            if not data:
                break
            seen += self.h2.receive_data(data)
            for event in seen:
                if kind(event) == "DataReceived" and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    event.flow_controlled_length = 0
            await self.flush()
        return seen


def kind(event: object) -> str:
    return type(event).__name__


def body_of(events: list[Any]) -> bytes:
    return b"".join(event.data for event in events if kind(event) == "DataReceived")


@asynccontextmanager
async def client_of(upstream: H2Upstream) -> AsyncIterator[Client]:
    host, port = upstream.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def test_an_answer_comes_in_full_however_large() -> None:
    large = b"x" * 300_000
    async with (
        running_h2_upstream(chunks(b"first", large)) as upstream,
        client_of(upstream) as client,
    ):
        await client.ask(b"Hello")
        events = await client.until(lambda event: kind(event) == "StreamEnded")
    assert body_of(events) == b"first" + large
    assert (upstream.requests[0].target, upstream.requests[0].body) == ("/ask", b"Hello")


async def test_an_error_has_its_status() -> None:
    async with (
        running_h2_upstream(json_answer({"error": "no"}, 503)) as upstream,
        client_of(upstream) as client,
    ):
        await client.ask(b"Hello")
        events = await client.until(lambda event: kind(event) == "StreamEnded")
    (head,) = (event for event in events if kind(event) == "ResponseReceived")
    assert (":status", "503") in head.headers
    assert body_of(events) == b'{"error": "no"}'


async def test_a_reset_ends_the_stream_and_not_the_connection() -> None:
    async with (
        running_h2_upstream(reset_after(b"half"), chunks(b"whole")) as upstream,
        client_of(upstream) as client,
    ):
        await client.ask(b"1")
        events = await client.until(lambda event: kind(event) == "StreamReset")
        await client.ask(b"2")
        later = await client.until(lambda event: kind(event) == "StreamEnded")
    assert (body_of(events), body_of(later)) == (b"half", b"whole")


async def test_hanging_up_ends_the_connection() -> None:
    async with running_h2_upstream(hang_up) as upstream, client_of(upstream) as client:
        await client.ask(b"Hello")
        assert "ResponseReceived" not in map(kind, await client.until(lambda event: False))


async def test_a_duplex_answer_follows_what_the_client_sends() -> None:
    async def echo(request: H2Request) -> None:
        await request.head()
        await request.send((await request.next_data()).upper())
        await request.send((await request.next_data()).upper())
        await request.finish({"grpc-status": "0"})

    async with running_h2_upstream(echo, duplex=True) as upstream, client_of(upstream) as client:
        stream = await client.ask(b"one ", ends=False)
        first = await client.until(lambda event: kind(event) == "DataReceived")
        client.h2.send_data(stream, b"two", end_stream=True)
        await client.flush()
        rest = await client.until(lambda event: kind(event) == "StreamEnded")
    assert body_of(first) + body_of(rest) == b"ONE TWO"
    assert "TrailersReceived" in map(kind, rest)


async def test_the_end_of_a_body_is_told_and_how_a_client_left() -> None:
    async def listen(request: H2Request) -> None:
        await request.head()
        assert await request.next_data() == b"all"
        assert await request.next_data() == b""
        await request.left.wait()

    async with running_h2_upstream(listen, duplex=True) as upstream, client_of(upstream) as client:
        stream = await client.ask(b"all")
        await client.until(lambda event: kind(event) == "ResponseReceived")
        client.h2.reset_stream(stream, 8)
        await client.flush()
        await upstream.requests[0].left.wait()
        assert upstream.requests[0].reset_code == 8


async def test_a_server_resets_with_any_code_or_goes_away() -> None:
    async def refuse(request: H2Request) -> None:
        await request.reset(7)

    async def leave(request: H2Request) -> None:
        await request.go_away(11)

    async with running_h2_upstream(refuse, leave) as upstream, client_of(upstream) as client:
        await client.ask(b"Hello")
        events = await client.until(lambda event: kind(event) == "StreamReset")
        assert [event.error_code for event in events if kind(event) == "StreamReset"] == [7]
        await client.ask(b"Hello")
        events = await client.until(lambda event: kind(event) == "ConnectionTerminated")
        assert (events[-1].error_code, events[-1].last_stream_id) == (11, 0)


async def test_a_server_that_speaks_something_else_too_hands_over_what_it_read() -> None:
    upstream = H2Upstream(chunks(b"whole"))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_h2(upstream, reader, writer, await reader.readexactly(3))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, client_of(upstream) as client:
        await client.ask(b"Hello")
        events = await client.until(lambda event: kind(event) == "StreamEnded")
        assert body_of(events) == b"whole"
