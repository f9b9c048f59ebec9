"""The machine's addresses: asked of the running kernel, and the messages that it sends."""

import socket
from struct import pack

import pytest

from kdns.transport import interfaces
from kdns.transport.interfaces import Held


def test_the_loopback_interface_holds_its_address() -> None:
    assert Held("lo", "127.0.0.1") in interfaces.addresses()


def test_a_link_local_address_carries_its_zone() -> None:
    for held in interfaces.addresses():
        assert held.address.endswith(f"%{held.interface}") == held.address.startswith("fe80:")


def attribute(kind: int, data: bytes) -> bytes:
    return pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        (attribute(1, b"\x0a\0\0\1"), [(7, b"\x0a\0\0\1")]),
        (
            attribute(1, b"\x0a\0\0\1") + attribute(2, b"\x0a\0\0\2"),
            [(7, b"\x0a\0\0\2")],
        ),  # point to point: the local one
        (attribute(3, b"eth0\0") + attribute(1, b"\x0a\0\0\1"), [(7, b"\x0a\0\0\1")]),  # padded to four octets
        (attribute(3, b"eth0\0"), []),
        (b"\0\0\0\0" + attribute(1, b"\x0a\0\0\1"), [(7, b"\x0a\0\0\1")]),  # a length below its own does not loop
        (b"", []),
    ],
)
def test_the_local_address_is_read_from_the_attributes(attributes: bytes, found: list[tuple[int, bytes]]) -> None:
    message = pack("=BBBBI", socket.AF_INET, 24, 0, 0, 7) + attributes

    assert list(interfaces.parse(message)) == found
