"""The network block of the kit: only loopback can be reached, and only where it was asked for."""

import asyncio
import socket
import subprocess
import sys

import httpx
import pytest

from gateway_core.testing.network import NetworkBlocked
from support.command import WITHOUT_OTHER_PLUGINS

pytest_plugins = ["pytester"]

ELSEWHERE = "192.0.2.1"  # an address of documentation, which nobody has


@pytest.fixture
def sock() -> socket.socket:
    return socket.socket()


def test_a_connection_elsewhere_is_refused(
    gateway_network_blocked: None, sock: socket.socket
) -> None:
    with sock, pytest.raises(NetworkBlocked, match=r"tried to reach 192\.0\.2\.1"):
        sock.connect((ELSEWHERE, 443))
    with sock, pytest.raises(NetworkBlocked):
        sock.connect_ex((ELSEWHERE, 443))


def test_a_name_is_not_looked_up(gateway_network_blocked: None) -> None:
    with pytest.raises(NetworkBlocked, match=r"api\.example\.com"):
        socket.getaddrinfo("api.example.com", 443)


def test_loopback_can_be_reached(gateway_network_blocked: None, sock: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, sock:
        sock.connect(server.getsockname())
        assert socket.getaddrinfo("localhost", server.getsockname()[1])


async def test_clients_of_http_see_a_connection_that_fails(gateway_network_blocked: None) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{ELSEWHERE}/")


def test_uvloop_is_held_back_too(gateway_network_blocked: None, sock: socket.socket) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def reach_out() -> None:
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        with pytest.raises(NetworkBlocked):
            await loop.create_connection(asyncio.Protocol, ELSEWHERE, 443)
        with pytest.raises(NetworkBlocked):
            await loop.sock_connect(sock, (ELSEWHERE, 443))
        with pytest.raises(NetworkBlocked):
            await loop.getaddrinfo("api.example.com", 443)

    with sock, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(reach_out())


@pytest.mark.parametrize(("setting", "blocked"), [("true", True), ("false", False)])
def test_a_whole_suite_is_blocked_where_its_settings_say_so(
    pytester: pytest.Pytester, setting: str, blocked: bool
) -> None:
    pytester.makeini(f"[pytest]\ngateway_block_network = {setting}\n")
    pytester.makepyfile(
        f"""
        import socket

        def test_the_network():
            assert (socket.getaddrinfo.__module__ != "socket") is {blocked}
        """
    )
    # In a process of its own: this one is blocked already.
    run = pytester.runpytest_subprocess(*WITHOUT_OTHER_PLUGINS)
    run.assert_outcomes(passed=1)


def test_importing_the_pytest_plugin_imports_nothing_of_the_core() -> None:
    script = (
        "import sys, gateway_core.testing.pytest_plugin\n"
        "print(*sorted(name for name in sys.modules if name.startswith('gateway')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=15
    )
    assert run.stdout.split() == [
        "gateway_core",
        "gateway_core.testing",
        "gateway_core.testing.pytest_plugin",
    ]
