"""What is behind a proxy that speaks the PROXY protocol: whom to believe, and its headers taken off what comes.

Of a connection the header is read with MSG_PEEK before anything else reads it, so that not one octet too many is taken
and TLS can follow. Of datagrams each may have one; some proxies send it alone and first, and the client's datagrams
without: for these a session remembers the client by the proxy's address and port.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Any

from kdns.errors import WireError
from kdns.wire import proxy
from kdns.wire.proxy import End, Ends, Header

QUIET = 1.0  # seconds between two warnings: whoever sends what is dropped must not fill the log


class Mode(Enum):
    """What a peer's headers are: believed, taken off and not believed, forbidden, or no headers at all but data."""

    USE = "use"
    IGNORE = "ignore"
    REJECT = "reject"
    SKIP = "skip"


class Sessions:
    """The clients behind a proxy's ports: each is forgotten `ttl` seconds after it was last seen, or as the `most`+1st.

    A `ttl` that is not positive: none is remembered.
    """

    def __init__(self, ttl: float, most: int) -> None:
        self._ttl = ttl
        self._most = most
        self._found: OrderedDict[Any, tuple[End, float]] = OrderedDict()  # the one seen longest ago comes first

    def __bool__(self) -> bool:
        return self._ttl > 0

    def put(self, peer: Any, source: End, now: float) -> None:
        """Remember who is behind a proxy's address and port, at a monotonic time in seconds."""
        self._found[peer] = source, now + self._ttl
        self._found.move_to_end(peer)
        if len(self._found) > self._most:
            self._found.popitem(last=False)

    def find(self, peer: Any, now: float) -> End | None:
        """Who is behind it, which makes it seen again; None if nobody is known."""
        source, until = self._found.pop(peer, (None, 0.0))
        if source is None or until <= now:
            return None
        self.put(peer, source, now)
        return source


class Proxying:
    """The proxies in front of a socket. `mode` tells how to take a peer; `warn` is told what is dropped."""

    def __init__(self, mode: Callable[[str], Mode], warn: Callable[[str], None], sessions: Sessions) -> None:
        self._mode = mode
        self._warn = warn
        self._sessions = sessions
        self._unsaid = 0  # datagrams dropped since the last warning
        self._quiet_until = 0.0

    def datagram(self, packet: bytes, peer: Any, now: float) -> tuple[bytes, End] | None:
        """The payload of a datagram and who sent it; None for one to drop. `peer` is its source as recvfrom has it."""
        try:
            return self._datagram(packet, peer, now)
        except WireError as fault:
            self._tell(f"dropping invalid Proxy Protocol packet from {peer[0]}:{peer[1]}: {fault}", now)
            return None

    def _tell(self, dropped: str, now: float) -> None:
        if now < self._quiet_until:
            self._unsaid += 1
            return
        self._warn(f"{dropped} (and {self._unsaid} others before)" if self._unsaid else dropped)
        self._unsaid, self._quiet_until = 0, now + QUIET

    def _datagram(self, packet: bytes, peer: Any, now: float) -> tuple[bytes, End] | None:
        sender = (peer[0], peer[1])
        mode = self._mode(peer[0])
        if mode is Mode.SKIP:
            return packet, sender
        header = _of_datagram(packet)
        if header is None:
            known = self._sessions.find(peer, now) if mode is Mode.USE and self._sessions else None
            return packet, known or sender
        _admit(mode)
        payload = packet[header.size :]
        if header.ends is None or mode is not Mode.USE:
            return payload, sender
        if self._sessions:
            self._sessions.put(peer, header.ends.source, now)
        return (payload, header.ends.source) if payload else None

    async def connection(self, sock: socket.socket, peer: str, patience: float) -> Ends | None:
        """Take the header off a connection that was just accepted from `peer`: whose it is; None: its own two ends.

        WireError for a header that is broken, forbidden, or not there within `patience` seconds; OSError.
        """
        mode = self._mode(peer)
        if mode is Mode.SKIP:
            return None
        try:
            async with asyncio.timeout(patience):
                header = await _awaited(sock)
        except TimeoutError:
            raise WireError("nothing came in time") from None
        if header is None:
            return None
        _admit(mode)
        sock.recv(header.size)
        return header.ends if mode is Mode.USE else None


def _admit(mode: Mode) -> None:
    if mode is Mode.REJECT:
        raise WireError("connection rejected by Proxy Protocol connection policy")


def _of_datagram(packet: bytes) -> Header | None:
    """The header that a datagram starts with, or None; WireError for one that is not about UDP, too."""
    if not proxy.begins(packet):
        return None
    header = proxy.read(packet)
    if header is None:
        raise WireError("a PROXY header that is cut short")
    if header.version != 2:
        raise WireError("unsupported Proxy Protocol version 1 (only v2 supported for UDP)")
    if not header.is_datagram and not header.is_local:
        raise WireError("PROXY Protocol header is not UDP type")
    return header


async def _awaited(sock: socket.socket) -> Header | None:
    """The header that a connection starts with, left where it is; None if it starts with something else."""
    seen = -1
    try:
        while True:
            await _readable(sock)
            octets = sock.recv(proxy.LONGEST, socket.MSG_PEEK)
            if not proxy.may_begin(octets):
                return None
            header = proxy.read(octets) if proxy.begins(octets) else None
            if header is not None:
                return header
            if len(octets) == seen or not octets:  # readable, and nothing more: no more will come
                _check_whole(octets)
                return None
            seen = len(octets)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)  # what was seen alone wakes nobody
    finally:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def _check_whole(octets: bytes) -> None:
    if proxy.begins(octets):
        raise WireError("a PROXY header that is cut short")


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(sock, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(sock)
