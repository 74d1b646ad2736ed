"""The listener for the redirect of a login, while the event loop is busy with something else."""

import asyncio
import socket
from contextlib import suppress

from gateway_core.credentials.callback import LoopbackCallback
from support.about import each


@each("rounds", range(3, 8))  # before the third, asyncio itself forgets the connection
async def test_leaving_ends_connections_that_are_only_beginning(rounds: int) -> None:
    """However many rounds the event loop has gone with them: a browser opens spare ones."""
    with socket.socket() as browser:
        async with LoopbackCallback(ports=(0,), state="s") as listening:
            browser.connect(("127.0.0.1", listening.port))
            for _ in range(rounds):
                await asyncio.sleep(0)
        browser.setblocking(False)
        with suppress(ConnectionResetError):
            async with asyncio.timeout(5):
                assert await asyncio.get_running_loop().sock_recv(browser, 1) == b""
