"""Both ends of a request of the Cursor plugin over HTTP/2."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway_core import GatewayError
from gateway_core.http import Transport
from gateway_cursor.h2 import Duplex, open_h2
from support.h2_peer import H2Listener, H2Peer

__all__ = ["failure", "goaway", "received", "talking"]


@asynccontextmanager
async def talking(
    listener: H2Listener, transport: Transport, path: str = "/run"
) -> AsyncIterator[tuple[Duplex, H2Peer]]:
    """Both ends of a request whose head was sent."""
    duplex = await open_h2(
        listener.url + path, {"Authorization": "Bearer a", "te": "trailers"}, transport
    )
    try:
        peer = await listener.accept()
        yield duplex, peer
        peer.writer.close()
    finally:
        duplex.close()
        await duplex.wait_closed()


async def received(duplex: Duplex, size: int) -> bytes:
    """So much of the answer."""
    data = b""
    while len(data) < size:
        more = await duplex.receive()
        assert more is not None
        data += more
    return data


async def failure(duplex: Duplex) -> GatewayError:
    """How reading ends."""
    with pytest.raises(GatewayError) as caught:
        while await duplex.receive() is not None:
            pass
    return caught.value


def goaway(last: int, code: int = 0) -> bytes:
    """The frame, with a word of explanation."""
    payload = last.to_bytes(4, "big") + int(code).to_bytes(4, "big") + b"why"
    return len(payload).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + payload
