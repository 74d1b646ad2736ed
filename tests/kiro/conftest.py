"""Kiro's services on a socket, scripted by each test, and settings that lead to them."""

import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from gateway_core.http import Transport, Transports
from gateway_kiro.settings import KiroSettings
from simulators.kiro.installed import KiroServed
from support.app_server import serving
from support.kiro_service import KiroService
from support.served import fixtures_of


@dataclass
class _Exchangeable:
    """An application that each test replaces by its own; starting a server takes longer."""

    service: KiroService
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.service(scope, receive, send)


@pytest.fixture(scope="session")
def kiro_server() -> Iterator[_Exchangeable]:
    server = _Exchangeable(KiroService())
    with serving(server) as server.url:
        yield server


@pytest.fixture
def service(kiro_server: _Exchangeable) -> KiroService:
    """The services, which know nothing yet."""
    kiro_server.service = KiroService(kiro_server.url)
    return kiro_server.service


@pytest.fixture
def settings(service: KiroService) -> KiroSettings:
    """Settings for the services; each has a folder, by its name and region."""
    url = service.url
    return KiroSettings(
        portal_url=url,
        auth_url=f"{url}/auth",
        oidc_url=f"{url}/oidc/{{region}}",
        runtime_url=f"{url}/runtime/{{region}}",
        management_url=f"{url}/management/{{region}}",
        legacy_url=f"{url}/q/{{region}}",
        callback_ports=(0,),
    )


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # Trusts nobody, and so need not load the system's certificates.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(trust_env=False, verify=tls) as client:
        yield client


class _Timeouts:
    connect = 5.0


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transports = Transports(_Timeouts())
    yield transports.get("kiro")
    await transports.aclose()


running, served = fixtures_of(KiroServed)
