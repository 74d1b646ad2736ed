"""Addresses to listen on: parsing, and selectors that expand to this machine's own addresses.

`HOST:PORT` with a name, an IPv4 address or a bracketed IPv6 address; `NETWORK/BITS:PORT` stands for
every local interface address inside the network. Opens no socket that sends anything.
"""

import ctypes
import ctypes.util
import ipaddress
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Address", "expand_addresses", "local_interfaces", "parse_address"]

_Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True, frozen=True)
class Address:
    """Where to listen. `network` is set for a selector, which `expand_addresses` replaces."""

    host: str
    port: int
    network: _Network | None = None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.network is not None:
            return self.network.is_loopback
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def url(self) -> str:
        """The root URL to reach it; a wildcard address is reached over loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read one address. Raises `ValueError` saying how to write it."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text.strip()!r} is no address; write HOST:PORT, like 127.0.0.1:14550")
    if host.startswith("[") and (host.endswith("]") or "]/" in host):
        host = host[1:].replace("]", "", 1)
    elif ":" in host:
        raise ValueError(f"{text.strip()!r}: write an IPv6 address in brackets, like [::1]:14550")
    if "/" in host:
        try:
            network = ipaddress.ip_network(host, strict=False)
        except ValueError as error:
            raise ValueError(f"{host!r} is no network; write 192.168.1.0/24") from error
        return Address(host, int(port), network)
    if not host or any(character in host for character in " @?#[]"):
        raise ValueError(f"{text.strip()!r} lacks a host; write 127.0.0.1:{port}")
    return Address(host.lower(), int(port))


def expand_addresses(
    addresses: Iterable[Address],
    interfaces: Callable[[], Sequence[_Ip]] | None = None,
) -> list[Address]:
    """The addresses with every selector replaced, without doubles, in order.

    Raises `ValueError` when a selector fits none of this machine's addresses.
    """
    expanded: dict[Address, None] = {}
    for address in addresses:
        if address.network is None:
            expanded[address] = None
            continue
        found = (interfaces or local_interfaces)()
        fitting = [ip for ip in found if ip in address.network]
        if not fitting:
            have = ", ".join(str(ip) for ip in found) or "none"
            raise ValueError(f"no local address is in {address.network}; this machine has {have}")
        expanded.update(dict.fromkeys(Address(str(ip), address.port) for ip in fitting))
    return list(expanded)


def local_interfaces() -> list[_Ip]:
    """The addresses of this machine's interfaces, without IPv6 link-local ones."""
    found = _getifaddrs() if sys.platform != "win32" else _resolved_addresses()
    unique = dict.fromkeys(ip for ip in found if not (ip.version == 6 and ip.is_link_local))
    return list(unique)


def _resolved_addresses() -> list[_Ip]:
    """What the host's own name resolves to, plus loopback: all that Windows tells cheaply."""
    found: list[_Ip] = [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")]
    try:
        resolved = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return found
    return found + [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in resolved]


class _InterfaceAddress(ctypes.Structure):
    pass


_InterfaceAddress._fields_ = [
    ("next", ctypes.POINTER(_InterfaceAddress)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
    ("netmask", ctypes.c_void_p),
    ("other", ctypes.c_void_p),
    ("data", ctypes.c_void_p),
]


def _getifaddrs() -> list[_Ip]:
    """getifaddrs(3); the head of the structures is the same on Linux, macOS and the BSDs."""
    library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    first = ctypes.POINTER(_InterfaceAddress)()
    if library.getifaddrs(ctypes.byref(first)) != 0:
        return _resolved_addresses()
    found: list[_Ip] = []
    try:
        entry = first
        while entry:
            if ip := _socket_address(entry.contents.address):
                found.append(ip)
            entry = entry.contents.next
    finally:
        library.freeifaddrs(first)
    return found


def _socket_address(pointer: int | None) -> _Ip | None:
    if not pointer:
        return None
    head = ctypes.string_at(pointer, 2)
    # The BSDs put a length byte before a one-byte family; Linux has a two-byte family.
    linux = sys.platform.startswith("linux")
    family = int.from_bytes(head, sys.byteorder) if linux else head[1]
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(ctypes.string_at(pointer + 4, 4))
    if family == socket.AF_INET6:
        return ipaddress.IPv6Address(ctypes.string_at(pointer + 8, 16))
    return None
