"""A login service with discovery on a socket, and settings that lead to it."""

import ssl
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from gateway_grok.login import CLIENT_ID
from gateway_grok.settings import GrokSettings
from simulators.grok.installed import GrokServed
from support.identity_provider import IdentityProvider
from support.served import fixtures_of


@pytest.fixture(scope="session")
def login_service() -> Iterator[IdentityProvider]:
    with IdentityProvider(CLIENT_ID) as service:
        yield service


@pytest.fixture
def service(login_service: IdentityProvider) -> IdentityProvider:
    """A login service that nobody has used yet; polls for a device may come at once."""
    login_service.reset()
    login_service.device_interval = 0.01
    return login_service


@pytest.fixture
def settings(service: IdentityProvider) -> GrokSettings:
    """Settings for the simulated service; logins come back to any free port. Nobody answers where
    models and profiles are asked.
    """
    return GrokSettings(
        auth_url=service.url,
        api_url="http://127.0.0.1:9/v1",
        proxy_url="http://127.0.0.1:9/proxy/v1",
        callback_ports=(0,),
    )


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # Trusts nobody, and so need not load the system's certificates.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(trust_env=False, verify=tls) as client:
        yield client


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    monkeypatch.setattr("gateway_grok.discovery.PAUSES", (0.0, 0.0))
    monkeypatch.setattr("gateway_grok.login.PAUSES", (0.0, 0.0))


running, served = fixtures_of(GrokServed)
