"""TCP connections with TLS, which end in another way, and replies of many messages."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Reply, Request, link
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.transport.sockets import Endpoint, open_tcp
from kdns.transport.tcp import TcpConnection, TcpListener
from kdns.transport.timeouts import Timeouts
from kdns.wire import codes, names, records
from kdns.wire.frame import Frames, framed
from kdns.wire.proxy import Ends
from tests.kdns.server import query
from tests.kdns.transport import certificates


async def empty(request: Request, rest: Any) -> Reply:
    return Reply()


async def test_a_client_that_ends_its_tls_connection_leaves_no_trace_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = certificates.make(tmp_path)
    answers = Answers("tls://:853", {names.ROOT: (Block(names.ROOT, link([empty])),)}, False, Metrics(), print)
    (sock,) = open_tcp(Endpoint("127.0.0.1", 0))
    port = sock.getsockname()[1]
    tls = certificates.server_side(file)
    listener = TcpListener(sock, answers, Memo(1 << 20), time.monotonic, Timeouts(), lambda: tls)
    await listener.start()
    with caplog.at_level(logging.DEBUG):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=certificates.client_side(file))
        writer.write(framed(query("example.org. A")))
        size = int.from_bytes(await reader.readexactly(2), "big")
        reply = records.read_message(await reader.readexactly(size))
        writer.close()
        await writer.wait_closed()
        listener.stop()
    assert names.show(reply.question[0]) == "example.org."
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


SOA = records.make(names.parse("example.org."), codes.SOA, 60, bytes(22))
LONG = records.make(names.parse("example.org."), codes.TXT, 60, bytes(60_000))
MESSAGES = 100


async def zone(request: Request, rest: Any) -> Reply:
    """A zone of which each record fills a message, to AXFR."""
    return Reply(answer=(SOA, *(LONG,) * MESSAGES, SOA)) if request.question.qtype == codes.AXFR else Reply()


def serving() -> Answers:
    return Answers("dns://:53", {names.ROOT: (Block(names.ROOT, link([zone])),)}, False, Metrics(), print)


class Taking(asyncio.Transport):
    """A client that takes whatever is sent at once: it never has the writer wait."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.taken.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if self.is_closed:
            raise AttributeError(name)  # as asyncio's TLS transport does
        return default

    def resume_reading(self) -> None:
        pass


def connected() -> tuple[TcpConnection, Taking]:
    """A connection that is open, and its client."""
    taking = Taking()
    ends = Ends(("192.0.2.1", 4000), ("192.0.2.53", 53))
    connection = TcpConnection(serving(), Memo(0), time.monotonic, Timeouts(), ends, lambda gone: None)
    connection.connection_made(taking)
    return connection, taking


async def test_others_have_a_turn_between_two_messages_of_a_transfer() -> None:
    connection, taking = connected()
    connection.data_received(framed(query("example.org. AXFR")) + framed(query("example.org. A", 2)))
    for sent in range(1, 5):
        assert len(taking.taken) == sent
        await asyncio.sleep(0)
    for _ in range(MESSAGES):  # the SOA goes with the first and the last
        await asyncio.sleep(0)
    found = [records.read_message(each[2:]) for each in taking.taken]
    assert [message.id for message in found] == [*[1] * MESSAGES, 2]  # what was asked behind it comes behind it
    assert sum(len(message.answer) for message in found) == MESSAGES + 2
    connection.connection_lost(None)


async def test_a_client_may_end_its_side_when_it_has_asked_nothing() -> None:
    connection, taking = connected()
    assert connection.eof_received()
    assert taking.is_closed
    connection.connection_lost(None)


async def test_a_transfer_ends_with_its_connection() -> None:
    connection, taking = connected()
    connection.data_received(framed(query("example.org. AXFR")))
    taking.close()
    connection.connection_lost(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(taking.taken) == 1


async def test_queries_are_answered_while_a_client_does_not_read_its_transfer() -> None:
    (sock,) = open_tcp(Endpoint("127.0.0.1", 0))
    port = sock.getsockname()[1]
    listener = TcpListener(sock, serving(), Memo(0), time.monotonic, Timeouts())
    await listener.start()
    slow, asking = await asyncio.open_connection("127.0.0.1", port)
    asking.write(framed(query("example.org. AXFR")))
    first = await slow.readexactly(2)  # it has begun; more is not read for now
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(1, 20):
        writer.write(framed(query("example.org. A", number)))
        size = int.from_bytes(await reader.readexactly(2), "big")
        assert records.read_message(await reader.readexactly(size)).id == number
    frames, count = Frames(), 0
    octets = first
    while count < MESSAGES + 2:
        count += sum(len(records.read_message(each).answer) for each in frames.feed(octets))
        octets = await slow.read(1 << 16) if count < MESSAGES + 2 else b""
    for each in (asking, writer):
        each.close()
        await each.wait_closed()
    listener.stop()
