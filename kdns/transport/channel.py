"""Messages between two processes of one server, over a socket that both hold one end of.

A message is its length in four octets, a kind of one octet, and octets. What is not taken at once waits in this
process; the other end's going away shows as the end of the messages.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

READY, CHANGE, COUNT, COUNTED, END = b"R", b"c", b"n", b"N", b"e"
"""It answers; something changed that others read; say what you have counted; this; answer what is under way and end."""

MOST_WAITING = 64 << 20  # octets for a process that does not read: it is given up

OnMessage = Callable[[bytes, bytes], None]


class Channel(asyncio.Protocol):
    """One end. `on_message` is called with each kind and its octets, `on_end` when the other end is gone."""

    def __init__(self, on_message: OnMessage, on_end: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._buffer = bytearray()
        self._closed = asyncio.Event()
        self._early = bytearray()  # told before it was open
        self._transport: asyncio.WriteTransport | None = None

    async def open(self, sock: socket.socket) -> None:
        """Begin, with a connected socket of the Unix domain."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=sock)

    def tell(self, kind: bytes, octets: bytes = b"") -> None:
        """Send a message, whenever the other side takes it; to one that is gone nothing is sent."""
        message = len(octets).to_bytes(4, "big") + kind + octets
        if self._transport is None:
            self._early += message
        elif not self._transport.is_closing():
            self._transport.write(message)
            if self._transport.get_write_buffer_size() > MOST_WAITING:
                self._transport.abort()

    async def close(self) -> None:
        """End it, behind what was told so far."""
        if self._transport is not None:
            self._transport.close()
            await self.ended()

    async def ended(self) -> None:
        """Wait until it is closed, and all that came was handed on."""
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol: it is open."""
        self._transport = cast(asyncio.WriteTransport, transport)
        if self._early:
            self._transport.write(bytes(self._early))

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol: octets came, in whatever pieces."""
        self._buffer += data
        while len(self._buffer) >= (end := 5 + int.from_bytes(self._buffer[:4], "big")) and len(self._buffer) >= 5:
            kind, octets = bytes(self._buffer[4:5]), bytes(self._buffer[5:end])
            del self._buffer[:end]
            self._on_message(kind, octets)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol: the other end is gone."""
        self._closed.set()
        self._on_end()
