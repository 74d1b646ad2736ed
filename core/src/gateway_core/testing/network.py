"""Keeps tests off the network: only this machine's loopback can be reached.

What is patched is Python's `socket`, and the loops of uvloop, which does not use it. Programs that
a test starts are not held back.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

__all__ = ["NetworkBlocked", "block_network"]


class NetworkBlocked(OSError):
    """A test tried to reach another machine."""


def block_network(patch: Callable[[object, str, object], None]) -> None:
    """Make connections and name look-ups beyond loopback raise `NetworkBlocked`.

    patch: sets an attribute for as long as the block is wanted (`monkeypatch.setattr`).
    """
    connect, connect_ex, look_up = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_others(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_others(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_others((host,))
        return look_up(host, *args, **kwargs)

    patch(socket.socket, "connect", guarded_connect)
    patch(socket.socket, "connect_ex", guarded_connect_ex)
    patch(socket, "getaddrinfo", guarded_look_up)
    _block_uvloop(patch)


def _block_uvloop(patch: Callable[[object, str, object], None]) -> None:
    """The same for servers and clients that run on uvloop."""
    try:
        import uvloop
    except ImportError:
        return
    loop: Any = uvloop.Loop
    connect, look_up, connection = loop.sock_connect, loop.getaddrinfo, loop.create_connection

    def guarded_connect(self: Any, sock: Any, address: Any) -> Any:
        _refuse_others(address)
        return connect(self, sock, address)

    def guarded_look_up(self: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_others((host,))
        return look_up(self, host, *args, **kwargs)

    def guarded_connection(self: Any, protocol: Any, host: Any = None, *a: Any, **kw: Any) -> Any:
        _refuse_others((host,))
        return connection(self, protocol, host, *a, **kw)

    patch(loop, "sock_connect", guarded_connect)
    patch(loop, "getaddrinfo", guarded_look_up)
    patch(loop, "create_connection", guarded_connection)


def _refuse_others(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host is None or isinstance(address, str | bytes):
        return  # a Unix socket, or the wildcard of a server
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in ("", "localhost"):
        return
    try:
        local = ipaddress.ip_address(name).is_loopback or ipaddress.ip_address(name).is_unspecified
    except ValueError:
        local = False
    if not local:
        raise NetworkBlocked(
            f"the test tried to reach {name}: the conformance kit allows loopback only"
        )
