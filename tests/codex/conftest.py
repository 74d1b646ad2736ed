"""A simulated login service on a socket, and settings that lead to it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_codex.settings import CodexSettings
from simulators.codex.auth import LoginScript, auth_routes
from simulators.codex.installed import CodexServed
from simulators.codex.state import Account, BackendState
from support.app_server import serving
from support.codex_logins import ACCOUNT_ID
from support.served import fixtures_of


@dataclass
class _Exchangeable:
    """An application that each test replaces by its own; starting a server takes longer."""

    app: ASGIApp
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def login_server() -> Iterator[_Exchangeable]:
    server = _Exchangeable(Starlette())
    with serving(server) as server.url:
        yield server


@pytest.fixture
def backend() -> BackendState:
    """What the simulated service knows: one account of the plan Plus."""
    state = BackendState()
    until = "2040-12-24T00:00:00+00:00"
    state.add_account(Account(ACCOUNT_ID, email="ann@example.com", subscription_until=until))
    return state


@pytest.fixture
def script() -> LoginScript:
    """What the simulated service does out of the ordinary."""
    return LoginScript()


@pytest.fixture
def settings(
    login_server: _Exchangeable, backend: BackendState, script: LoginScript
) -> CodexSettings:
    """Settings for the simulated service; logins come back to any free port."""
    login_server.app = Starlette(routes=auth_routes(backend, script))
    return CodexSettings(
        auth_url=login_server.url,
        base_url=f"{login_server.url}/backend-api/codex",
        backend_url=f"{login_server.url}/backend-api",
        callback_ports=(0,),
    )


running, served = fixtures_of(CodexServed)
