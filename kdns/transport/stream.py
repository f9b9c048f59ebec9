"""A TCP or TLS connection to one upstream: persistent, pipelined, replies in any order (RFC 7766 section 6.2.1.1).

It opens by itself when it is made; queries wait for that. asyncio's streams put two coroutines between a query and its
octets; a Protocol that cuts messages off a buffer does without.
"""

import asyncio
import ssl
from typing import cast

from kdns.errors import ConnectionEnded, UpstreamError
from kdns.transport.address import Address, join
from kdns.transport.datagram import reason
from kdns.transport.expiry import Expiry
from kdns.transport.pending import Pending
from kdns.wire.proxy import End
from kdns.wire.question import Question

DIAL = 2.0  # seconds that opening a connection may take, TLS handshake included


class Stream(asyncio.Protocol):
    """One connection; `tls` is its context, None for plain TCP. `server_name` is what the certificate must name."""

    proto = "tcp"

    def __init__(
        self,
        address: Address,
        source: str,
        tls: ssl.SSLContext | None,
        loop: asyncio.AbstractEventLoop,
        expiry: Expiry,
    ) -> None:
        self._address = address
        self._loop = loop
        self._pending = Pending(expiry, strict=True)
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._path = f"tcp {address}"
        self.is_closed = False
        self.local: End | None = None
        self._opening = loop.create_task(self._open(source, tls))

    async def exchange(self, question: Question, timeout: float) -> bytes:
        """The reply's octets, within `timeout` seconds once the connection is open.

        UpstreamError if there is none, ConnectionEnded if the upstream closed first, WrongReply if it is another's.
        """
        if not self._opening.done():
            await asyncio.wait({self._opening})
        if (failure := self._opening.result()) is not None:
            raise failure
        return await self._pending.ask(question, self._send, timeout, self._path)

    def close(self) -> None:
        """Close the connection; queries under way fail."""
        self.is_closed = True
        self._opening.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol: it is open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self.local = transport.get_extra_info("sockname")[:2]
        self._path = f"tcp {join(*self.local)}->{self._address}"

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol: octets came, in whatever pieces."""
        self._buffer += data
        while len(self._buffer) >= 2 and len(self._buffer) >= (end := 2 + int.from_bytes(self._buffer[:2], "big")):
            self._pending.deliver(bytes(self._buffer[2:end]))
            del self._buffer[:end]

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol: it is closed, by whom ever."""
        self.is_closed = True
        text = "EOF" if exc is None else f"read: {_fault(exc)}"
        self._pending.fail(ConnectionEnded(f"read {self._path}: {text}"))

    async def _open(self, source: str, tls: ssl.SSLContext | None) -> UpstreamError | None:
        """Connect. The error is given back, not raised: nobody may be waiting for it any more."""
        where = self._address
        try:
            async with asyncio.timeout(DIAL):
                await self._loop.create_connection(
                    lambda: self,
                    where.host,
                    where.port,
                    ssl=tls,
                    server_hostname=(where.server_name or where.host) if tls else None,
                    local_addr=(source, 0) if source else None,
                )
        except TimeoutError:
            text = "i/o timeout"
        except OSError as error:
            text = f"connect: {_fault(error)}"
        else:
            return None
        self.is_closed = True
        return UpstreamError(f"dial tcp {where}: {text}")

    def _send(self, packet: bytes) -> None:
        if self._transport is None or self.is_closed:
            raise ConnectionEnded(f"write {self._path}: use of closed network connection")
        self._transport.write(len(packet).to_bytes(2, "big") + packet)


def _fault(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.reason or error}"
    return reason(error) if isinstance(error, OSError) else str(error)
