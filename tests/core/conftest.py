"""Fixtures of the HTTP tests: scripted upstreams and transports that are closed at the end."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway_core.http import Transport, Transports
from gateway_core.settings import TimeoutSettings
from support.certificates import Authority
from support.raw_upstream import Serve, Start, Upstream, upstreams


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for servers of the tests; see `trusting` for who believes it."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    """The authority of the tests is trusted, and the environment names no proxy."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trust))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


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
