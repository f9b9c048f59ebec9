"""Listening sockets: the addresses of a server block opened as CoreDNS opens them, with its words when that fails.

Without an address a port is opened on every address of both families, IPv4 and IPv6 apart (so that a client's address
is never an IPv4-mapped one); a machine without IPv6 gets IPv4 only.
"""

import os
import socket
from typing import NamedTuple

from kdns.errors import StartError

RECEIVE_BUFFER = 4 << 20  # octets: room for a burst while Python looks elsewhere
BACKLOG = 1024
# Linux's numbers; the socket module of CPython 3.11 does not name them.
IP_PKTINFO = 8
IPV6_RECVPKTINFO, IPV6_PKTINFO = 49, 50


class Endpoint(NamedTuple):
    """Where to listen: an IP address, or "" for all, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


class Shares:
    """The sockets of the addresses that several processes serve: each reads its own share, all of them hold all.

    The first process opens them, the others have them by being forked. So what waits on a share whose process died is
    read by the one that takes its place. `mine` is this process's share, 0 the first one's.
    """

    def __init__(self) -> None:
        self.mine = 0
        self._kept: dict[tuple[str, socket.SocketKind], list[list[socket.socket]]] = {}

    @property
    def most(self) -> int:
        """How many processes have a share of something."""
        return max(map(len, self._kept.values()), default=1)

    def take(
        self, place: str, kind: socket.SocketKind, endpoint: Endpoint, count: int, processes: int
    ) -> list[socket.socket]:
        """This process's share of `count` an address; the first process opens them. StartError if one cannot be."""
        kept = self._kept.get((place, kind))
        if self.mine:
            return kept[self.mine] if kept is not None and self.mine < len(kept) else []
        opened = (open_udp if kind == socket.SOCK_DGRAM else open_tcp)(endpoint, count)
        width = len(opened) // count  # addresses
        kept = self._kept[place, kind] = [
            [sock for at in range(share * width, len(opened), processes * width) for sock in opened[at : at + width]]
            for share in range(processes)
        ]
        return kept[0]

    def release(self, place: str) -> None:
        """Close the others' shares of a place, in the first process: one's own is closed by whoever took it."""
        if self.mine:
            return
        for key in [key for key in self._kept if key[0] == place]:
            for sock in [sock for share in self._kept.pop(key)[1:] for sock in share]:
                sock.close()

    def descriptors(self) -> set[int]:
        """The file descriptors of this process's share."""
        shares = [kept[self.mine] for kept in self._kept.values() if self.mine < len(kept)]
        return {sock.fileno() for share in shares for sock in share}


def open_udp(endpoint: Endpoint, count: int = 1) -> list[socket.socket]:
    """Non-blocking UDP sockets, `count` an address between which the kernel spreads the clients (SO_REUSEPORT).

    A wildcard one reports the address that each packet came to (IP_PKTINFO). StartError if one cannot be opened.
    """
    return _open(endpoint, socket.SOCK_DGRAM, "udp", count)


def open_tcp(endpoint: Endpoint, count: int = 1) -> list[socket.socket]:
    """Non-blocking listening TCP sockets, `count` an address. StartError if one cannot be opened."""
    return _open(endpoint, socket.SOCK_STREAM, "tcp", count)


def _open(endpoint: Endpoint, kind: socket.SocketKind, proto: str, count: int) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for family, address in _addresses(endpoint) * count:
            opened.append(_unbound(family, kind, wildcard=not endpoint.address))
            if count > 1:
                opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            opened[-1].bind((address, endpoint.port))
            if kind == socket.SOCK_STREAM:
                opened[-1].listen(BACKLOG)
    except OSError as fault:
        for sock in opened:
            sock.close()
        reason = os.strerror(fault.errno).lower() if fault.errno else str(fault)
        raise StartError(f"listen {proto} {endpoint}: bind: {reason}") from None
    return opened


def _addresses(endpoint: Endpoint) -> list[tuple[socket.AddressFamily, str]]:
    if endpoint.address:
        family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        return [(family, endpoint.address)]
    both = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    return both if _has_ipv6() else both[:1]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _unbound(family: socket.AddressFamily, kind: socket.SocketKind, *, wildcard: bool) -> socket.socket:
    sock = socket.socket(family, kind)
    sock.setblocking(False)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if wildcard:
        _report_destination(sock)
    return sock


def _report_destination(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
