"""The IP addresses of the machine's network interfaces, asked of the kernel over rtnetlink (rtnetlink(7)).

One dump request, one pass over the replies. Linux only: elsewhere asking raises OSError, as it does where a sandbox
forbids the socket.
"""

import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, ip_address
from struct import Struct
from typing import NamedTuple

_MESSAGE = Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ADDRESS = Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, interface index
_ATTRIBUTE = Struct("=HH")  # rtattr: length, type

_GETADDR, _DUMP, _DONE, _ERROR = 22, 0x301, 3, 2
_PEER, _LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL: they differ on a point-to-point link, where the second is ours
_READ = 1 << 16  # octets; the kernel fills at most 32 KiB at once


class Held(NamedTuple):
    """An address and the interface that holds it. A link-local IPv6 address carries its zone, `fe80::1%eth0`."""

    interface: str
    address: str


def addresses() -> list[Held]:
    """Every address of every interface, in the kernel's order. OSError if it cannot be asked."""
    names = dict(socket.if_nameindex())
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(_MESSAGE.pack(_MESSAGE.size + _ADDRESS.size, _GETADDR, _DUMP, 1, 0) + bytes(_ADDRESS.size))
        return [_held(names, index, packed) for index, packed in _replies(kernel)]


def outward(texts: Sequence[str] = ()) -> tuple[bytes, ...]:
    """The packed addresses of these texts, or without any of every interface; no loopback. OSError: see `addresses`."""
    given = texts or [held.address for held in addresses()]
    found = (ip_address(text.partition("%")[0]) for text in given)
    plain = ((isinstance(each, IPv6Address) and each.ipv4_mapped) or each for each in found)
    return tuple(address.packed for address in plain if not address.is_loopback)


def _held(names: dict[int, str], index: int, packed: bytes) -> Held:
    interface = names.get(index, str(index))
    address = ip_address(packed)
    zone = f"%{interface}" if isinstance(address, IPv6Address) and address.is_link_local else ""
    return Held(interface, f"{address}{zone}")


def _replies(kernel: socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        octets = kernel.recv(_READ)
        at = 0
        while at < len(octets):
            length, kind, *_ = _MESSAGE.unpack_from(octets, at)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError("the kernel refused to list addresses")
            yield from parse(octets[at + _MESSAGE.size : at + length])
            at += _aligned(length)


def parse(message: bytes) -> Iterator[tuple[int, bytes]]:
    """(interface index, packed address) of an RTM_NEWADDR message's body: one at most."""
    *_, index = _ADDRESS.unpack_from(message)
    attributes: dict[int, bytes] = {}
    at = _ADDRESS.size
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        attributes[kind] = message[at + _ATTRIBUTE.size : at + length]
        at += _aligned(max(length, _ATTRIBUTE.size))
    packed = attributes.get(_LOCAL) or attributes.get(_PEER)
    if packed:
        yield index, packed


def _aligned(length: int) -> int:
    return length + 3 & ~3
