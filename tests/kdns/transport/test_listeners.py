"""UDP and TCP listeners on real sockets, in front of a chain of one plugin."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from dnslib import DNSRecord

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Keep, Reply, Request, link, repeatable
from kdns.errors import StartError
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.transport import batches
from kdns.transport.proxied import Mode, Proxying, Sessions
from kdns.transport.sockets import Endpoint, open_tcp, open_udp
from kdns.transport.tcp import TcpListener
from kdns.transport.timeouts import Timeouts
from kdns.transport.udp import UdpListener
from kdns.wire import codes, names, records
from kdns.wire.frame import Frames, framed
from tests.kdns.transport.native import compiled, loaded

ZONE_SIZE = 300_000  # records in the answer to AXFR: more than a socket's buffers hold


class Counting:
    """A plugin that answers every A question with how often it was asked, and waits when told to."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.keep: Keep | None = None
        self.gate: asyncio.Event | None = None
        self.began = asyncio.Event()

    async def __call__(self, request: Request, rest: Any) -> Reply:
        self.asked.append(request)
        self.began.set()
        number = len(self.asked)
        if self.gate is not None:
            await self.gate.wait()
        rr = records.make(request.question.qname, codes.A, 30, number.to_bytes(4, "big"))
        return Reply(answer=(rr,) * (ZONE_SIZE if request.question.qtype == codes.AXFR else 1), keep=self.keep)


class Running:
    """One listener address with UDP and TCP, and the plugin behind it."""

    def __init__(self, address: str, timeouts: Timeouts, native: Any) -> None:
        self.plugin = Counting()
        self.faults: list[object] = []
        block = Block(names.ROOT, link([repeatable(self.plugin)]))
        self.answers = Answers(
            "dns://:53", {names.ROOT: (block,)}, False, Metrics(), lambda *fault: self.faults.append(fault)
        )
        self.memo = Memo(1 << 20)
        udp = open_udp(Endpoint(address, 0))
        self.udp = [UdpListener(s, self.answers, self.memo, time.monotonic, native) for s in udp]
        tcp = open_tcp(Endpoint(address, 0))
        self.tcp = [TcpListener(s, self.answers, Memo(1 << 20), time.monotonic, timeouts) for s in tcp]
        self.udp_port = self.udp[0]._local[1]
        self.tcp_port = tcp[0].getsockname()[1]

    async def start(self) -> None:
        for udp in self.udp:
            await udp.start()
        for tcp in self.tcp:
            await tcp.start()

    def stop(self) -> None:
        for udp in self.udp:
            udp.stop()
            udp.close()
        for tcp in self.tcp:
            tcp.stop()


@pytest.fixture(scope="module")
def drain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return loaded(compiled(tmp_path_factory.mktemp("native"), "-O2")).Drain


@pytest.fixture(params=["C", "ctypes", "Python"])
async def listening(request: pytest.FixtureRequest, drain: Any) -> AsyncIterator[Callable[..., Any]]:
    """A function that starts servers, whose UDP batches C, ctypes or Python takes."""
    running: list[Running] = []
    native = {"C": drain, "ctypes": batches.Drain, "Python": None}[request.param]

    async def make(address: str = "127.0.0.1", timeouts: Timeouts = Timeouts()) -> Running:  # noqa: B008
        running.append(Running(address, timeouts, native))
        await running[-1].start()
        return running[-1]

    yield make
    for each in running:
        each.stop()


async def udp_ask(port: int, packet: bytes, address: str = "127.0.0.1") -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, port))
        await loop.sock_sendall(sock, packet)
        return await asyncio.wait_for(loop.sock_recv(sock, 65535), 5)


async def tcp_read(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    frames, found = Frames(), list[bytes]()
    while len(found) < count:
        octets = await asyncio.wait_for(reader.read(65536), 5)
        assert octets, f"closed after {len(found)} of {count} replies"
        found += frames.feed(octets)
    return found


def number_in(reply: bytes) -> int:
    (rr,) = records.read_message(reply).answer
    return int.from_bytes(records.rdata(rr), "big")


async def test_udp_answers_and_repeats_come_from_the_memo(listening: Callable[..., Any]) -> None:
    server = await listening()
    server.plugin.keep = Keep(names=(b"web",))
    queries = [DNSRecord.question("www.example.org").pack() for _ in range(4)]

    replies = [await udp_ask(server.udp_port, packet) for packet in queries]

    assert [reply[:2] for reply in replies] == [packet[:2] for packet in queries]
    assert [number_in(reply) for reply in replies] == [1, 1, 1, 1]
    server.memo.forget([b"web"])
    assert number_in(await udp_ask(server.udp_port, queries[0])) == 2


async def test_a_reply_that_is_late_for_its_socket_leaves_by_no_other(listening: Callable[..., Any]) -> None:
    server = await listening()
    server.plugin.gate = asyncio.Event()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.bind(("127.0.0.1", 0))
        client.sendto(DNSRecord.question("www.example.org").pack(), ("127.0.0.1", server.udp_port))
        await server.plugin.began.wait()
        udp = server.udp.pop()
        before = udp._sock.fileno()
        udp.stop()
        udp.close()
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            assert other.fileno() == before  # the descriptor is used again
            server.plugin.gate.set()
            await server.answers.pending.finish()
            await asyncio.sleep(0)
            with pytest.raises(BlockingIOError):
                client.recv(4096)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
async def test_a_wildcard_socket_replies_from_the_address_asked(listening: Callable[..., Any], address: str) -> None:
    server = await listening("")
    port = server.udp[1 if ":" in address else 0]._local[1]

    for _ in range(3):  # a connected socket takes replies from that address only; the third comes from the memo
        server.plugin.keep = Keep()
        assert number_in(await udp_ask(port, DNSRecord.question("a.example").pack(), address)) == 1
    assert server.plugin.asked[0].client.local_address == address


@pytest.mark.parametrize("address", ["127.0.0.2", "::1"])
async def test_behind_a_proxy_replies_go_to_it_and_the_client_is_who_it_names(
    listening: Callable[..., Any], address: str
) -> None:
    server = await listening("")
    udp = server.udp[1 if ":" in address else 0]
    udp.adopt(Timeouts(), Proxying(lambda peer: Mode.USE, print, Sessions(0, 1)))
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c" + bytes((192, 0, 2, 7, 192, 0, 2, 53, 1, 0, 3, 85))
    packet = DNSRecord.question("a.example").pack()

    for octets, client in ((header + packet, "192.0.2.7"), (packet, address.replace(".2", ".1"))):
        reply = await udp_ask(udp._local[1], octets, address)
        assert (reply[:2], number_in(reply)) == (packet[:2], len(server.plugin.asked))
        assert (server.plugin.asked[-1].client.address, server.plugin.asked[-1].client.local_address) == (
            client,
            address,
        )
    udp.adopt(Timeouts(), None)
    assert await udp_ask(udp._local[1], packet, address)
    assert len(server.plugin.asked) == 3


async def test_a_slow_answer_holds_up_no_other_on_udp(listening: Callable[..., Any]) -> None:
    server = await listening()
    server.plugin.gate = asyncio.Event()
    slow = asyncio.create_task(udp_ask(server.udp_port, DNSRecord.question("slow.example").pack()))
    await server.plugin.began.wait()
    gate, server.plugin.gate = server.plugin.gate, None

    assert number_in(await udp_ask(server.udp_port, DNSRecord.question("fast.example").pack())) == 2
    gate.set()
    assert number_in(await slow) == 1


async def test_tcp_answers_pipelined_queries_in_order(listening: Callable[..., Any]) -> None:
    server = await listening()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    queries = [DNSRecord.question(f"n{number}.example").pack() for number in range(500)]

    writer.write(b"".join(map(framed, queries)))
    replies = await tcp_read(reader, 500)

    assert [reply[:2] for reply in replies] == [packet[:2] for packet in queries]
    assert [number_in(reply) for reply in replies] == list(range(1, 501))
    writer.close()


async def test_tcp_answers_what_was_asked_before_the_client_said_it_is_done(listening: Callable[..., Any]) -> None:
    server = await listening()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    writer.write(framed(DNSRecord.question("a.example").pack()) * 3)
    writer.write_eof()

    assert len(await tcp_read(reader, 3)) == 3
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_tcp_goes_on_behind_messages_without_an_answer(listening: Callable[..., Any]) -> None:
    server = await listening()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    query = DNSRecord.question("a.example").pack()

    writer.write(framed(b"") + framed(b"short") + framed(query[:2] + b"\x81" + query[3:]) + framed(query))

    (reply,) = await tcp_read(reader, 1)
    assert reply[:2] == query[:2]
    writer.close()


async def test_tcp_sends_a_zone_as_the_client_takes_it_and_then_goes_on(listening: Callable[..., Any]) -> None:
    server = await listening()
    slow, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port, limit=1)
    queries = [DNSRecord.question("big.example", kind).pack() for kind in ("AXFR", "A")]

    writer.write(b"".join(map(framed, queries)))
    first = await slow.readexactly(2 + 12)  # nothing more is read for now: the rest of the zone waits
    others, other = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    other.write(framed(queries[1]))
    assert number_in((await tcp_read(others, 1))[0]) == 2
    assert len(server.plugin.asked) == 2  # the second query of the slow client waits as well

    rest, counts = first[2:] + await slow.readexactly(int.from_bytes(first[:2], "big") - 12), list[int]()
    while sum(counts) < ZONE_SIZE:
        counts.append(len(records.read_message(rest).answer))
        rest = await slow.readexactly(int.from_bytes(await slow.readexactly(2), "big"))
    assert (sum(counts), number_in(rest)) == (ZONE_SIZE, 3)
    writer.close()
    other.close()


async def test_tcp_closes_an_idle_connection(listening: Callable[..., Any]) -> None:
    server = await listening(timeouts=Timeouts(read=0.05, idle=0.05))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)

    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_tcp_ends_after_as_many_queries_as_allowed(listening: Callable[..., Any]) -> None:
    server = await listening(timeouts=Timeouts(max_queries=2))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    writer.write(framed(DNSRecord.question("a.example").pack()) * 5)

    assert len(await tcp_read(reader, 2)) == 2
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_port_in_use_is_told_as_coredns_tells_it(listening: Callable[..., Any]) -> None:
    server = await listening()
    with pytest.raises(StartError, match=rf"listen tcp 127.0.0.1:{server.tcp_port}: bind: address already in use"):
        open_tcp(Endpoint("127.0.0.1", server.tcp_port))
