"""Queries of vectors: made as they say, sent over UDP or TCP, the reply waited for."""

import asyncio
import time
from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple

import dns.rdataclass
import dns.rdatatype
import dns.tsig
from dns.rdtypes.ANY import TSIG

from kdns.wire import codes, edns, message, names, records
from kdns.wire.frame import framed
from tests.vectors.comparing import FLAGS, Came

Json = Mapping[str, Any]

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds for a reply, unless the vector says otherwise
SILENCE = 1.0  # seconds after which a reply that should not come has not come
SIZE = 4096  # octets, of an OPT record that says no size

FAR = 100_000  # seconds by which a signature of a wrong time is wrong

_ids = count(1)


class Exchange(NamedTuple):
    """What came back, and the port that it was asked from. `second` is the reply to the query's `then`."""

    came: Came
    client_port: int
    second: Came | None = None


async def ask(query: Json, port: int, *, silent: bool = False, whole: bool = True) -> Exchange:
    """Ask a server of this machine; `silent` if no reply is expected.

    A `whole` reply is asked for again over TCP when it comes cut over UDP, as every resolver does (RFC 7766 section 5).
    """
    patience = SILENCE if silent else query.get("timeout_ms", PATIENCE * 1000) / 1000
    if query.get("ixfr_serial") == "current":
        query = {**query, "ixfr_serial": await _serial(query["name"], port, patience)}
    if query.get("proto", "udp") == "tcp":
        return await _over_tcp(query, port, patience)
    assert query.get("proto", "udp") == "udp", f"no client for {query['proto']}"
    exchange = await _over_udp(packet(query), port, patience)
    is_cut = exchange.came.packet is not None and exchange.came.packet[2] & codes.TC >> 8
    return await _over_tcp(query, port, patience) if whole and is_cut else exchange


def packet(query: Json) -> bytes:
    """The octets of a query, signed if it says so."""
    if "raw_hex" in query:
        return bytes.fromhex(query["raw_hex"])
    return _signed(_unsigned(query), query["tsig"]) if "tsig" in query else _unsigned(query)


def _signed(octets: bytes, by: Json) -> bytes:
    """A query with the signature of a key; `bad` is what is wrong with it."""
    bad = by.get("bad")
    name = f"other-{by['name']}" if bad == "key" else by["name"]
    key = dns.tsig.Key(name, by["secret"], by["algorithm"])
    number = int.from_bytes(octets[:2], "big")
    blank = TSIG.TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, key.algorithm, 0, 300, b"", number, 0, b"")
    rdata, _ = dns.tsig.sign(octets, key, blank, int(time.time()) + (FAR if bad == "time" else 0))
    if bad == "sig":
        rdata = rdata.replace(mac=rdata.mac[::-1])
    record = records.make(names.parse(name), codes.TSIG, 0, rdata.to_wire(), codes.ANY_CLASS)
    return octets[:11] + bytes((octets[11] + 1,)) + octets[12:] + record


def _unsigned(query: Json) -> bytes:
    flags = sum(bit for name, bit in FLAGS.items() if query.get(name))
    opt = _opt(query)
    known = _known(query)
    counts = b"\0\1\0\0" + len(known[:1]).to_bytes(2, "big") + len(opt[:1]).to_bytes(2, "big")
    head = (next(_ids) & 0xFFFF).to_bytes(2, "big") + flags.to_bytes(2, "big") + counts
    kind, rclass = codes.type_number(query["type"]), codes.class_number(query.get("class", "IN"))
    return head + names.parse(query["name"]) + kind.to_bytes(2, "big") + rclass.to_bytes(2, "big") + known + opt


def _known(query: Json) -> bytes:
    """The SOA that the client of an IXFR says it has."""
    if "ixfr_serial" not in query:
        return b""
    rdata = f"ns.test. admin.test. {query['ixfr_serial']} 1 1 1 1"
    return message.from_text(f"{query['name']} 0 IN SOA {rdata}")


def _opt(query: Json) -> bytes:
    if not {"bufsize", "do", "edns_options", "edns_version"} & query.keys():
        return b""
    options = ((each["code"], bytes.fromhex(each["hex"])) for each in query.get("edns_options", ()))
    flags = edns.DO if query.get("do") else 0
    size, version = query.get("bufsize", SIZE), query.get("edns_version", 0)
    return edns.to_record(edns.Edns(size, edns.pack_options(options), flags, version))


class _Waiting(asyncio.DatagramProtocol):
    """Takes the first datagram that comes."""

    def __init__(self) -> None:
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if not self.came.done():
            self.came.set_result(data)


async def _over_udp(octets: bytes, port: int, patience: float) -> Exchange:
    loop = asyncio.get_running_loop()
    transport, waiting = await loop.create_datagram_endpoint(_Waiting, remote_addr=(HOST, port))
    client_port = transport.get_extra_info("sockname")[1]
    transport.sendto(octets)
    try:
        return Exchange(Came(await asyncio.wait_for(waiting.came, patience)), client_port)
    except TimeoutError:
        return Exchange(Came(None), client_port)
    finally:
        transport.close()


async def _over_tcp(query: Json, port: int, patience: float) -> Exchange:
    """All queries at once, then the replies, which may come in any order; of a zone transfer all messages."""
    reader, writer = await asyncio.open_connection(HOST, port)
    packets = [packet(each) for each in (query, query.get("then")) if each]
    writer.write(b"".join(map(framed, packets)))
    try:
        async with asyncio.timeout(patience):
            replies = {
                reply.packet[:2]: reply for reply in [await _reply(reader, query) for _ in packets] if reply.packet
            }
    except (TimeoutError, asyncio.IncompleteReadError):
        replies = {}
    client_port = writer.get_extra_info("sockname")[1]
    writer.close()
    await writer.wait_closed()
    first, *rest = (replies.get(each[:2], Came(None)) for each in packets)
    return Exchange(first, client_port, rest[0] if rest else None)


async def _reply(reader: asyncio.StreamReader, query: Json) -> Came:
    came = Came(await _frame(reader))
    if query.get("type") in ("AXFR", "IXFR"):
        while not _is_whole(came, query):
            came = came._replace(rest=(*came.rest, await _frame(reader)))
    return came


def _is_whole(came: Came, query: Json) -> bool:
    """Whether a transfer has come to its end: it begins and ends with the SOA, which may be all of an IXFR."""
    answer = came.message.answer
    alone = len(answer) == 1 and query["type"] == "IXFR"
    return not answer or alone or (len(answer) > 1 and answer[0] == answer[-1])


async def _serial(zone: str, port: int, patience: float) -> int:
    """The serial that a zone has now."""
    exchange = await _over_udp(packet({"name": zone, "type": "SOA"}), port, patience)
    return records.soa_serial(exchange.came.message.answer[0])


async def _frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
