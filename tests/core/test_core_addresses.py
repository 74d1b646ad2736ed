"""Addresses to listen on."""

import ipaddress

import pytest

from gateway_core.addresses import Address, expand_addresses, local_interfaces, parse_address
from support.about import each

INTERFACES = [ipaddress.ip_address(text) for text in ("127.0.0.1", "192.168.1.7", "fd00::7")]


@each(
    "text, host, port",
    [
        ("127.0.0.1:14550", "127.0.0.1", 14550),
        (" localhost:0 ", "localhost", 0),
        ("[::1]:80", "::1", 80),
        ("My-Host.local:80", "my-host.local", 80),
    ],
)
def test_an_address_has_host_and_port(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@each("text", ["", "14550", ":14550", "host", "host:", "host:x", "host:70000", "::1:80", "a b:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_address(text)


def test_a_network_stands_for_the_local_addresses_in_it() -> None:
    wanted = [parse_address(text) for text in ("127.0.0.1:5", "192.168.1.0/24:5", "[fd00::]/8:6")]
    expanded = [str(address) for address in expand_addresses(wanted, lambda: INTERFACES)]
    assert expanded == ["127.0.0.1:5", "192.168.1.7:5", "[fd00::7]:6"]


def test_doubles_are_left_out() -> None:
    wanted = [parse_address(text) for text in ("127.0.0.1:5", "0.0.0.0/0:5", "127.0.0.1:5")]
    hosts = [address.host for address in expand_addresses(wanted, lambda: INTERFACES)]
    assert hosts == ["127.0.0.1", "192.168.1.7"]


def test_a_network_without_a_local_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no local address is in 10\.0\.0\.0/8; this machine has"):
        expand_addresses([parse_address("10.0.0.0/8:5")], lambda: INTERFACES)


def test_this_machine_has_a_loopback_address() -> None:
    assert ipaddress.ip_address("127.0.0.1") in local_interfaces()


@each(
    "text, loopback",
    [
        ("127.0.0.2:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("192.168.1.7:1", False),
        ("example.test:1", False),
        ("127.0.0.0/8:1", True),
        ("0.0.0.0/0:1", False),
    ],
)
def test_only_loopback_is_private(text: str, loopback: bool) -> None:
    assert parse_address(text).loopback is loopback


def test_a_wildcard_address_is_reached_over_loopback() -> None:
    assert Address("0.0.0.0", 5).url == "http://127.0.0.1:5"
    assert Address("::", 5).url == "http://[::1]:5"
