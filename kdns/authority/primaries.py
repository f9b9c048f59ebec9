"""Zones fetched from other servers: AXFR and IXFR in, and the SOA asked for before (RFC 5936, 1995, 1034).

Where there is something of a zone already, its differences are asked for first; a primary that refuses these, or sends
something that does not fit, is asked for the whole.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

from kdns.errors import UpstreamError, WireError, ZoneError
from kdns.transport.address import Address
from kdns.transport.datagram import reason
from kdns.transport.expiry import Expiry
from kdns.transport.stream import Stream
from kdns.wire import codes, frame, names, query, records
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import Message
from kdns.zone.incoming import Incoming
from kdns.zone.zone import Zone

PATIENCE = 10.0  # seconds for a connection and for each message
ASKING = 2.0  # seconds for the reply to a question
MOST = 65_535  # records of a message: the count has 16 bits


async def serial_of(origin: Name, primary: Address) -> int:
    """The serial that a primary has, asked for over TCP. UpstreamError if it does not say."""
    question = query.make(origin, codes.SOA)
    with closing(Stream(primary, "", None, asyncio.get_running_loop(), Expiry())) as stream:
        reply = await stream.exchange(question, ASKING)
    try:
        message = records.read_message(reply)
        found = [records.soa_serial(rr) for rr in message.answer if records.rtype(rr) == codes.SOA]
    except WireError as fault:
        raise UpstreamError(f"{primary}: {fault}") from None
    if message.rcode != codes.NOERROR or not found:
        raise UpstreamError(f"{primary} has no SOA of {names.show(origin)}: {codes.rcode_name(message.rcode)}")
    return found[0]


async def fetch(origin: Name, primary: Address, before: Zone | None) -> Zone | None:
    """The zone that a primary has; None if it is no newer than `before`. UpstreamError, ZoneError if there is none."""
    if before is not None:
        with suppress(ZoneError):
            return await _transfer(origin, primary, before)
    return await _transfer(origin, primary, None)


async def _transfer(origin: Name, primary: Address, before: Zone | None) -> Zone | None:
    incoming = Incoming(origin, before)
    kind = codes.AXFR if before is None else codes.IXFR
    question = Question(0, 0, origin, origin, kind, codes.IN)
    try:
        async with _connection(primary) as (reader, writer):
            packet = query.pack(question, 0)
            if before is not None:
                packet = packet[:9] + b"\1" + packet[10:] + before.soa
            writer.write(frame.framed(packet))
            while not (incoming.is_done or incoming.says_nothing_new):
                _take(incoming, await _message(reader, question))
                await asyncio.sleep(0)
    except WireError as fault:
        raise ZoneError(f"transfer of {names.show(origin)} from {primary}: {fault}") from None
    return incoming.zone() if incoming.is_done else None


def _take(incoming: Incoming, message: Message) -> None:
    if message.rcode != codes.NOERROR:
        raise ZoneError(f"bad xfr rcode: {message.rcode}")
    if not message.answer:
        raise ZoneError("a message without records")
    for rr in message.answer:
        incoming.take(rr)


async def _message(reader: asyncio.StreamReader, question: Question) -> Message:
    async with asyncio.timeout(PATIENCE):
        size = int.from_bytes(await reader.readexactly(2), "big")
        packet = await reader.readexactly(size)
    if len(packet) < 12 or packet[:2] != b"\0\0" or not packet[2] & codes.QR >> 8:
        raise ZoneError("bad ID")
    return records.read_message(packet, MOST)


@asynccontextmanager
async def _connection(to: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection, closed behind it; its faults are UpstreamError."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(to.host, to.port)
        yield reader, writer
    except (TimeoutError, asyncio.IncompleteReadError):
        raise UpstreamError(f"read tcp {to}: i/o timeout or EOF") from None
    except OSError as fault:
        raise UpstreamError(f"dial tcp {to}: {reason(fault)}") from None
    finally:
        if writer is not None:
            writer.close()
