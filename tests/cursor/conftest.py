"""Cursor's small services without a socket, and settings that lead to where they are recorded."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway_core.http import Transport, Transports
from gateway_cursor.settings import CursorSettings
from simulators.cursor.installed import CursorServed
from support.cursor_samples import CursorService
from support.served import fixtures_of


@pytest.fixture
def service() -> CursorService:
    """The services, which know nothing yet."""
    return CursorService()


@pytest.fixture
async def http(service: CursorService) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client() as client:
        yield client


@pytest.fixture
def settings() -> CursorSettings:
    return CursorSettings()


class _Timeouts:
    connect = 5.0


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transports = Transports(_Timeouts())
    yield transports.get("cursor")
    await transports.aclose()


running, served = fixtures_of(CursorServed)
