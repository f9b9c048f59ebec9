"""Queries read from octets."""

import pytest
from dnslib import RR, DNSRecord
from dnslib.dns import EDNS0
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import codes, names, question, records
from kdns.wire.edns import Edns


def test_reads_the_question_and_keeps_its_case() -> None:
    sent = DNSRecord.question("WwW.example.org", "AAAA")
    found = question.parse(sent.pack())

    assert (found.id, found.qname) == (sent.header.id, names.parse("WwW.example.org."))
    assert (found.key, found.qtype, found.qclass) == (names.parse("www.example.org."), codes.AAAA, codes.IN)
    assert found.edns is None


def test_reads_opt() -> None:
    sent = DNSRecord.question("example.org")
    sent.add_ar(EDNS0(flags="do", udp_len=1400))

    assert question.parse(sent.pack()).edns == Edns(1400, flags=0x8000)


def test_reads_the_authority_section() -> None:
    sent = DNSRecord.question("example.org", "IXFR")
    sent.add_auth(*RR.fromZone("example.org. 30 IN SOA ns.example.org. admin.example.org. 7 1 1 1 1"))
    sent.add_ar(EDNS0(udp_len=1400))
    sent.add_answer(*RR.fromZone("example.org. 30 IN A 192.0.2.1"))

    found = question.parse(sent.pack())

    assert list(map(records.soa_serial, found.authority)) == [7]
    assert found.edns == Edns(1400)


def test_octets_behind_the_message_do_not_matter() -> None:
    packet = DNSRecord.question("example.org").pack()
    assert question.parse(packet + b"\xde\xad\xbe\xef") == question.parse(packet)


@pytest.mark.parametrize(
    "rest",
    [
        b"\0\0\x29\x04\xd0\0\0\0\0\0\x05\0\x0a\0\x08",  # an option longer than the record
        b"\0\0\x29\x04\xd0\0\0\0\0\0\0" * 2,  # OPT twice
        b"\1x\0\0\x29\x04\xd0\0\0\0\0\0\0",  # OPT with an owner
        b"\0\0\x29\x04",  # cut short
    ],
)
def test_refuses_a_broken_opt(rest: bytes) -> None:
    packet = bytearray(DNSRecord.question("example.org").pack() + rest)
    packet[11] = 2 if len(rest) == 22 else 1
    with pytest.raises(WireError):
        question.parse(bytes(packet))


@pytest.mark.parametrize(
    ("header", "rcode"),
    [
        ("0001010000010000 00000000", None),
        ("0001200000010000 00000000", None),  # NOTIFY
        ("0001100000010000 00000000", codes.NOTIMP),  # STATUS
        ("0001280000010000 00000000", codes.NOTIMP),  # UPDATE
        ("0001010000020000 00000000", codes.FORMERR),
        ("0001010000000000 00000000", codes.FORMERR),
        ("0001010000010002 00000000", codes.FORMERR),
        ("0001010000010000 00020000", codes.FORMERR),
        ("0001010000010000 00000003", codes.FORMERR),
    ],
)
def test_the_header_alone_can_be_reason_to_refuse(header: str, rcode: int | None) -> None:
    assert question.refusal(bytes.fromhex(header)) == rcode


@given(st.binary(min_size=12, max_size=120))
def test_any_octets_are_a_question_or_a_wire_error(packet: bytes) -> None:
    try:
        found = question.parse(packet)
    except WireError:
        return
    assert found.key == found.qname.lower()
