"""An upstream for tests: a DNS server on loopback, UDP and TCP on one port, that does what a script says.

The script is a function from what was received to the messages to send back, in order: `[]` sends nothing, `CLOSE`
closes the TCP connection. It may be a coroutine function, which may wait for an event before it replies.
"""

import asyncio
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

from kdns.transport.address import Address
from kdns.wire import codes, message, names, query, question
from kdns.wire.question import Question

CLOSE = b"close"


class Received(NamedTuple):
    """One query as it came."""

    packet: bytes
    question: Question
    proto: str
    source: tuple[Any, ...]

    @property
    def text(self) -> str:
        """`NAME TYPE`."""
        return f"{names.show(self.question.qname)} {codes.type_name(self.question.qtype)}"


Script = Callable[[Received], Sequence[bytes] | Awaitable[Sequence[bytes]]]


class Upstream:
    """The running server: where it is, and what it has received so far."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None) -> None:
        self.script = script
        self.tls = tls
        self.received: list[Received] = []
        self.connections: set[asyncio.Transport] = set()
        self.accepted = 0  # TCP connections so far
        self.port = 0
        self._arrived = asyncio.Event()
        self.working: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("tls" if self.tls else "dns", "127.0.0.1", self.port)

    @property
    def to(self) -> str:
        """Where it listens, as a Corefile has it."""
        return f"127.0.0.1:{self.port}"

    async def until_received(self, count: int) -> None:
        """Wait until so many queries came in all."""
        while len(self.received) < count:
            self._arrived.clear()
            await self._arrived.wait()

    def begin(self, packet: bytes, proto: str, source: tuple[Any, ...], send: Callable[[bytes], None]) -> None:
        """Handle one query, in a task of its own, so that a slow reply holds no other up."""
        received = Received(packet, question.parse(packet), proto, source)
        self.received.append(received)
        self._arrived.set()
        task = asyncio.get_running_loop().create_task(self._reply(received, send))
        self.working.add(task)
        task.add_done_callback(self.working.discard)

    async def _reply(self, received: Received, send: Callable[[bytes], None]) -> None:
        replies = self.script(received)
        for octets in await replies if inspect.isawaitable(replies) else replies:
            send(octets)


@asynccontextmanager
async def upstream(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Run a server while the block lasts."""
    server = Upstream(script, tls)
    loop = asyncio.get_running_loop()
    udp, tcp = _same_port()
    server.port = udp.getsockname()[1]
    datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(server), sock=udp)
    streams = await loop.create_server(lambda: _Streams(server), sock=tcp, ssl=tls)
    try:
        yield server
    finally:
        streams.close()
        datagrams.close()
        for transport in [*server.connections]:
            transport.abort()
        for task in [*server.working]:
            task.cancel()
        await streams.wait_closed()


def closed_port() -> Address:
    """An address of loopback where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return Address("dns", "127.0.0.1", free.getsockname()[1])


def reply(
    received: Received, answer: str = "", *, authority: str = "", rcode: int = codes.NOERROR, flags: int = codes.RA
) -> bytes:
    """A reply to a query: records as zone-file text, header flags besides QR and those of the query."""
    asked = received.question
    sections = [[message.from_text(line) for line in text.splitlines() if line.strip()] for text in (answer, authority)]
    head = asked.id.to_bytes(2, "big") + (codes.QR | asked.flags | flags | rcode).to_bytes(2, "big")
    counts = b"".join(n.to_bytes(2, "big") for n in (1, *map(len, sections), 0))
    tail = received.packet[12 : 12 + len(asked.qname) + 4]
    return b"".join((head, counts, tail, *sections[0], *sections[1]))


def address_of_name(received: Received) -> Sequence[bytes]:
    """The script of an honest server: every name has the address 192.0.2.1."""
    return [reply(received, f"{names.show(received.question.qname)} 60 IN A 192.0.2.1")]


def silence(received: Received) -> Sequence[bytes]:
    """The script of a server that never replies."""
    return []


def with_rcode(rcode: int) -> Script:
    """The script of a server that gives the same RCODE to everybody."""
    return lambda received: [reply(received, rcode=rcode)]


def wrong_id(octets: bytes) -> bytes:
    """The same message under another ID."""
    return bytes((octets[0] ^ 0xFF, octets[1])) + octets[2:]


def other_question(received: Received) -> bytes:
    """A reply under the right ID to another question."""
    packet = query.pack(query.make(names.parse("evil.example."), codes.A), received.question.id)
    return reply(received._replace(packet=packet, question=question.parse(packet)), "evil.example. 60 IN A 192.0.2.66")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Upstream) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.server.begin(data, "udp", addr, lambda octets: self.transport.sendto(octets, addr))


class _Streams(asyncio.Protocol):
    def __init__(self, server: Upstream) -> None:
        self.server = server
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.server.accepted += 1
        self.server.connections.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 2 and len(self.buffer) >= (end := 2 + int.from_bytes(self.buffer[:2], "big")):
            packet, self.buffer = self.buffer[2:end], self.buffer[end:]
            self.server.begin(packet, "tcp", self.transport.get_extra_info("peername"), self._send)

    def _send(self, octets: bytes) -> None:
        if octets == CLOSE:
            self.transport.close()
        else:
            self.transport.write(len(octets).to_bytes(2, "big") + octets)


def _same_port() -> tuple[socket.socket, socket.socket]:
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen()
        return udp, tcp
