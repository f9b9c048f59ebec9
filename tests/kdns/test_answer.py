"""The server's own answers: what never reaches a plugin, what plugins leave unwritten, what goes wrong inside."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from dnslib import DNSRecord
from dnslib.dns import EDNS0

from kdns.answer import MAX_DEPTH, Answers, Sent
from kdns.block import Block
from kdns.chain import Client, Keep, Reply, Request, link, repeatable
from kdns.errors import Dropped, NoAnswer
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.wire import codes, names, records
from tests.kdns.asking import records as rrs

CLIENT = Client("192.0.2.7", 40212, "udp", "192.0.2.53", 53)
ZONE = names.parse("example.org.")

Answering = Callable[[Request], Reply]


class Server:
    """A listener with one plugin in zone example.org."""

    def __init__(self, answer: Answering, *, any_class: bool = False) -> None:
        async def plugin(request: Request, rest: Any) -> Reply:
            return answer(request)

        self.faults: list[str] = []  # where, and what
        self.metrics = Metrics()
        blocks = {ZONE: (Block(ZONE, link([repeatable(plugin)])),)}
        self.answers = Answers("dns://:53", blocks, any_class, self.metrics, self.fault)
        self.memo = Memo(1 << 20)

    def fault(self, label: str, fault: Exception) -> None:
        self.faults.append(f"{label} {fault!r}")

    def ask(self, packet: bytes) -> bytes | None:
        reply = self.respond(packet, CLIENT)
        assert reply is None or isinstance(reply, bytes)
        return reply

    def respond(self, packet: bytes, client: Client) -> Sent:
        sent: list[Sent] = []
        self.answers.respond(bytes(packet), client, 100.0, self.memo, sent.append)
        (reply,) = sent
        return reply


def hello(request: Request) -> Reply:
    return Reply(answer=rrs("a.example.org. 5 IN A 192.0.2.1"), flags=codes.AA)


def header(reply: bytes | None) -> tuple[int, int, int]:
    """(opcode, rcode, octets) of a reply."""
    assert reply is not None
    return (reply[2] & 0x78) >> 3, reply[3] & 0x0F, len(reply)


QUESTION = "076578616d706c65036f72670000010001"


@pytest.mark.parametrize("packet", ["", "00", "0001000000", "000180000001000000000000" + QUESTION])
def test_short_packets_and_responses_get_no_reply(packet: str) -> None:
    assert Server(hello).ask(bytes.fromhex(packet)) is None


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        ("000210000001000000000000" + QUESTION, (2, codes.NOTIMP, 12)),
        ("000328000001000000000000" + QUESTION, (5, codes.NOTIMP, 12)),
        ("000401000002000000000000" + QUESTION * 2, (0, codes.FORMERR, 12)),
        ("000501000000000000000000", (0, codes.FORMERR, 12)),
        ("000c21000000000000000000", (0, codes.FORMERR, 12)),  # a refused NOTIFY is answered as a QUERY
        ("000901000001000000000000" + QUESTION[:-2], (0, codes.FORMERR, 12)),
        ("000901000001000000000001" + QUESTION + "0000", (0, codes.FORMERR, 29)),  # the question was readable
        ("000a01000001000000000000", (0, codes.SERVFAIL, 12)),
    ],
)
def test_what_is_no_question_is_refused_by_the_header(packet: str, expected: tuple[int, int, int]) -> None:
    reply = Server(hello).ask(bytes.fromhex(packet))
    assert header(reply) == expected
    assert reply is not None
    assert reply[:2].hex() == packet[:4]


def test_other_classes_and_other_zones_are_refused_and_counted() -> None:
    server = Server(hello)
    assert header(server.ask(DNSRecord.question("a.example.org", "TXT", "CH").pack()))[1] == codes.REFUSED
    assert header(server.ask(DNSRecord.question("a.example.com").pack()))[1] == codes.REFUSED
    assert header(server.ask(DNSRecord.question("notexample.org").pack()))[1] == codes.REFUSED

    counted = server.metrics.family("dns_requests_total").values
    assert sum(counted.values()) == 3
    assert {labels[1] for labels in counted} == {"dropped"}


def test_other_classes_reach_blocks_that_want_them() -> None:
    reply = Server(hello, any_class=True).ask(DNSRecord.question("a.example.org", "TXT", "CH").pack())
    assert header(reply)[1] == codes.NOERROR


def test_an_unknown_edns_version_is_told_the_version_that_is_known() -> None:
    query = DNSRecord.question("a.example.org")
    query.add_ar(EDNS0(version=1, udp_len=1232, flags="do"))
    reply = Server(hello).ask(query.pack())
    assert reply is not None

    found = records.read_message(reply)
    assert found.rcode == codes.BADVERS
    assert found.edns is not None
    assert (found.edns.size, found.edns.version, found.edns.do) == (0, 0, False)
    assert found.question == (names.parse("a.example.org."), codes.A, codes.IN)


def test_the_question_comes_back_in_its_case_with_rd_and_cd() -> None:
    query = DNSRecord.question("A.eXample.ORG")
    query.header.cd = 1
    reply = Server(hello).ask(query.pack())
    assert reply is not None

    found = records.read_message(reply)
    assert found.question is not None
    assert found.question[0] == names.parse("A.eXample.ORG.")
    assert found.flags == codes.QR | codes.AA | codes.RD | codes.CD


@pytest.mark.parametrize("rcode", [codes.SERVFAIL, codes.REFUSED, codes.FORMERR, codes.NOTIMP])
def test_what_the_chain_leaves_unwritten_is_an_empty_reply(rcode: int) -> None:
    def unwritten(request: Request) -> Reply:
        raise NoAnswer(rcode, "because")

    assert header(Server(unwritten).ask(DNSRecord.question("a.example.org").pack()))[:2] == (0, rcode)


def test_a_dropped_query_gets_no_reply() -> None:
    def drop(request: Request) -> Reply:
        raise Dropped

    assert Server(drop).ask(DNSRecord.question("a.example.org").pack()) is None


def test_a_fault_in_a_plugin_is_a_servfail_that_is_counted_and_told_of() -> None:
    def broken(request: Request) -> Reply:
        raise ZeroDivisionError("oh")

    server = Server(broken)
    assert header(server.ask(DNSRecord.question("a.example.org").pack()))[1] == codes.SERVFAIL
    assert server.metrics.family("panics_total").values == {(): 1}
    assert server.faults == ["dns://:53 ZeroDivisionError('oh')"]


def test_a_reply_that_may_be_kept_is_not_asked_for_twice() -> None:
    asked: list[Request] = []

    def counting(request: Request) -> Reply:
        asked.append(request)
        return hello(request)._replace(keep=Keep(names=(b"a",)))

    server = Server(counting)
    first, second = (DNSRecord.question("a.example.org").pack() for _ in range(2))
    replies = server.ask(first), server.ask(second)

    assert len(asked) == 1
    assert replies[0] is not None
    assert replies[1] == second[:2] + replies[0][2:]
    server.memo.forget([b"a"])
    server.ask(first)
    assert len(asked) == 2


def test_an_answer_begun_before_a_change_is_not_kept() -> None:
    server = Server(hello)

    def changing(request: Request) -> Reply:
        server.memo.forget([b"a"])
        return hello(request)._replace(keep=Keep(names=(b"a",)))

    server.answers.blocks = Server(changing).answers.blocks
    server.ask(DNSRecord.question("a.example.org").pack())
    assert len(server.memo) == 0


def test_internal_lookups_that_go_round_in_a_circle_end() -> None:
    depths: list[int] = []

    async def circling(request: Request, rest: Any) -> Reply:
        depths.append(request.depth)
        return await request.ask(request, request.question.qname, codes.A)

    server = Server(hello)
    server.answers.blocks = {ZONE: (Block(ZONE, link([circling])),)}

    assert header(server.ask(DNSRecord.question("a.example.org").pack()))[1] == codes.SERVFAIL
    assert depths == list(range(MAX_DEPTH + 1))


def test_internal_lookups_outside_the_zones_are_refused() -> None:
    found: list[Awaitable[Reply]] = []

    def outside(request: Request) -> Reply:
        found.append(request.ask(request, names.parse("example.com."), codes.A))
        return Reply()

    Server(outside).ask(DNSRecord.question("a.example.org").pack())
    (lookup,) = found
    assert isinstance(lookup, Coroutine)
    with pytest.raises(StopIteration) as ended:
        lookup.send(None)
    assert ended.value.value.rcode == codes.REFUSED


def zone(request: Request) -> Reply:
    address = "a.example.org. 5 IN A 192.0.2.1\n"
    return Reply(answer=rrs(address * 3) * 1000, flags=codes.AA)


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_a_zone_on_a_stream_is_several_messages(kind: str) -> None:
    reply = Server(zone).respond(DNSRecord.question("example.org", kind).pack(), CLIENT._replace(proto="tcp"))

    assert isinstance(reply, Iterator)
    found = [records.read_message(packet) for packet in reply]
    assert [len(each.answer) for each in found] == [2172, 828]
    assert {each.flags for each in found} == {codes.QR | codes.AA | codes.RD}


@pytest.mark.parametrize(
    ("answer", "rcode"),
    [
        (lambda request: Reply(codes.REFUSED), codes.REFUSED),
        (lambda request: Reply(codes.NXDOMAIN, authority=rrs("example.org. 5 IN SOA a. b. 1 1 1 1 1")), codes.NXDOMAIN),
    ],
)
def test_an_error_in_place_of_a_zone_is_one_message(answer: Answering, rcode: int) -> None:
    reply = Server(answer).respond(DNSRecord.question("example.org", "AXFR").pack(), CLIENT._replace(proto="tcp"))

    assert isinstance(reply, bytes)
    assert header(reply)[1] == rcode


def test_what_else_is_answered_on_a_stream_is_one_message() -> None:
    reply = Server(zone).respond(DNSRecord.question("example.org", "A").pack(), CLIENT._replace(proto="tcp"))
    assert isinstance(reply, bytes)
