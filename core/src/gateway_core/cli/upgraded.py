"""The WebSocket side of a connection: uvicorn's, with an end to what it would leave open.

Imported with the first upgrade, as few clients ask for one and it takes a while.
"""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["UpgradedConnection"]

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class UpgradedConnection(WebSocketsSansIOProtocol):
    """A connection that asked for an upgrade."""

    def data_received(self, data: bytes) -> None:
        """Take what the client sent. A request that cannot be upgraded (one with a body, or too
        large) is refused: uvicorn would wait for more, and fail when the server stops.
        """
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()
