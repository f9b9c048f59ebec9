"""A UDP socket to one upstream: connected, so that the kernel drops what comes from elsewhere and reports refusals.

asyncio's datagram endpoints cost several times what the exchange itself does; here a non-blocking socket is read when
the loop says that it can be. The kernel draws the source port by chance when the socket is connected.
"""

import asyncio
import errno
import os
import socket
from collections import deque

from kdns.errors import UpstreamError
from kdns.transport.address import Address, join
from kdns.transport.expiry import Expiry
from kdns.transport.pending import Done, Pending
from kdns.wire.proxy import End
from kdns.wire.question import Question

MAX_DATAGRAM = 65_535  # octets
TOLD = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}  # by ICMP messages
DRAIN = 32  # datagrams read at one wake-up: other sockets get their turn


class Datagram:
    """One socket; see the module's head. Raises UpstreamError if it cannot be had (no descriptors, no route)."""

    proto = "udp"

    def __init__(self, address: Address, source: str, loop: asyncio.AbstractEventLoop, expiry: Expiry) -> None:
        self._loop = loop
        self._pending = Pending(expiry, strict=False)
        self._leaving: deque[bytes] = deque()  # queries that are begun and not sent yet
        self.is_closed = False
        try:
            self._socket = _connected(address, source)
        except OSError as error:
            raise UpstreamError(f"dial udp {address}: connect: {reason(error)}") from None
        self.local: End | None = self._socket.getsockname()[:2]
        self._path = f"udp {join(*self.local)}->{address}"
        loop.add_reader(self._socket.fileno(), self._read)

    async def exchange(self, question: Question, timeout: float) -> bytes:
        """The reply's octets. WrongReply if in `timeout` seconds only others came, UpstreamError if none did."""
        try:
            return await self._pending.ask(question, self._socket.send, timeout, self._path)
        except OSError as error:
            self._hear(error)
            raise self._unsent(error) from None

    def begin(self, question: Question, packet: bytes, end: float, done: Done) -> None:
        """The same with the query's octets (`query.pack`) at hand, without waiting: see Pending.begin.

        It leaves in the event loop's next turn, with all others that were begun meanwhile: see `_read`.
        """
        self._pending.begin(question, packet, self._send_soon, end, self._path, done)

    def close(self) -> None:
        """Give the port back; queries under way fail."""
        if not self.is_closed:
            self.is_closed = True
            self._leaving.clear()
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._pending.fail(UpstreamError(f"read {self._path}: use of closed network connection"))

    def _send_soon(self, packet: bytes) -> None:
        if not self._leaving:
            self._loop.call_soon(self._send_all)
        self._leaving.append(packet)

    def _send_all(self) -> None:
        try:
            while self._leaving:
                self._send(self._leaving.popleft())
        finally:  # whoever fails at hearing that one did not leave keeps the others for one turn only
            if self._leaving:
                self._loop.call_soon(self._send_all)

    def _send(self, packet: bytes) -> None:
        try:
            self._socket.send(packet)
        except OSError as error:
            self._pending.drop(packet, self._unsent(error))
            self._hear(error)

    def _unsent(self, error: OSError) -> UpstreamError:
        """Why a query did not leave."""
        return UpstreamError(f"write {self._path}: write: {reason(error)}")

    def _hear(self, error: OSError) -> None:
        """What the kernel heard of the queries before the one that it would not send: it tells that but once."""
        if error.errno in TOLD:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._pending.fail(UpstreamError(f"read {self._path}: read: {reason(error)}"))

    def _read(self) -> None:
        """Take what is there, then deliver it: calls of the system between them would make each of both slower."""
        most = min(max(len(self._pending), 1), DRAIN)  # what else may lie there is read when the loop comes by again
        messages: deque[bytes] = deque()
        failed: OSError | None = None
        try:
            while len(messages) < most:
                messages.append(self._socket.recv(MAX_DATAGRAM))
        except BlockingIOError:
            pass
        except OSError as error:  # a refusal that an ICMP message reported
            failed = error
        self._deliver(messages)
        if failed is not None:
            self._fail(failed)

    def _deliver(self, messages: deque[bytes]) -> None:
        try:
            while messages:
                self._pending.deliver(messages.popleft())
        finally:  # as in `_send_all`
            if messages:
                self._loop.call_soon(self._deliver, messages)


def reason(error: OSError) -> str:
    """What went wrong, as the system's message in lower case: `connection refused`."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)


def _connected(address: Address, source: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if source:
            opened.bind((source, 0))
        opened.connect((address.host, address.port))
    except OSError:
        opened.close()
        raise
    return opened
