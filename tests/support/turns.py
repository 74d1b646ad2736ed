"""Turns asked of a running gateway, read as bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import httpx

from support.dialects import Dialect
from support.server import Gateway
from support.upstream import ReceivedRequest, ScriptedUpstream

__all__ = ["Start", "ask", "begun", "read_rest", "read_until"]

Start: TypeAlias = Callable[..., Gateway]
"""Starts a gateway; see the fixture `start` of the end-to-end tests."""


async def ask(gateway: Gateway, dialect: Dialect, *, stream: bool) -> httpx.Response:
    """One turn; the whole answer."""
    async with gateway.async_http() as http:
        return await http.post(dialect.path, json=dialect.body("line-1", stream=stream))


@asynccontextmanager
async def begun(
    gateway: Gateway, upstream: ScriptedUpstream, dialect: Dialect
) -> AsyncIterator[tuple[ReceivedRequest, AsyncIterator[bytes]]]:
    """A stream that has said hello: the upstream's side of it, and the client's reads."""
    async with gateway.async_http() as http, AsyncExitStack() as stack:
        asking = http.stream("POST", dialect.path, json=dialect.body("line-1", stream=True))
        response = asyncio.create_task(stack.enter_async_context(asking))
        request = await upstream.next_request()
        await request.head()
        await request.send(b"hello\n")
        reads = (await response).aiter_raw()
        await read_until(reads, b"hello")
        yield request, reads


async def read_until(reads: AsyncIterator[bytes], word: bytes, times: int = 1) -> bytes:
    """Read on until a word has come this many times; what was read."""
    received = b""
    while received.count(word) < times:
        received += await anext(reads)
    return received


async def read_rest(reads: AsyncIterator[bytes]) -> bytes:
    """Read to the end."""
    return b"".join([data async for data in reads])
