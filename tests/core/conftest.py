"""Fixtures of the HTTP tests: scripted upstreams and transports that are closed at the end."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway_core.http import Transport, Transports
from gateway_core.settings import TimeoutSettings
from support.raw_upstream import Serve, Start, Upstream, upstreams


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts an upstream around a function that answers one connection."""
    async with upstreams() as start:
        yield start


@pytest.fixture
async def serve(start: Start) -> Serve:
    """Starts an upstream that answers each request with the same bytes and keeps connections."""

    async def serve(answer_bytes: bytes) -> Upstream:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await upstream.request(reader)
                writer.write(answer_bytes)

        upstream = await start(answer)
        return upstream

    return serve


@pytest.fixture
async def transports() -> AsyncIterator[Transports]:
    transports = Transports(TimeoutSettings())
    yield transports
    await transports.aclose()


@pytest.fixture
def transport(transports: Transports) -> Transport:
    return transports.get("test", "someone")


@pytest.fixture
def closed_port() -> int:

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
