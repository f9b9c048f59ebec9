"""Messages taken apart, records patched by offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import codes, message, names, records
from tests.kdns.wire.strategies import domain_names, resource_records, ttls


@given(domain_names, st.integers(0, 65535), ttls, st.binary(max_size=50))
def test_a_made_record_gives_back_its_parts(owner: bytes, kind: int, ttl: int, rdata: bytes) -> None:
    rr = records.make(owner, kind, ttl, rdata, codes.CH)

    assert (records.owner(rr), records.rtype(rr), records.rclass(rr)) == (owner, kind, codes.CH)
    assert (records.ttl(rr), records.rdata(rr)) == (ttl, rdata)


@given(resource_records(), ttls, domain_names, st.binary(max_size=30))
def test_patching_changes_one_part_only(rr: bytes, ttl: int, owner: bytes, rdata: bytes) -> None:
    changed = records.with_rdata(records.with_owner(records.with_ttl(rr, ttl), owner), rdata)

    assert changed == records.make(owner, records.rtype(rr), ttl, rdata)


def test_takes_a_compressed_message_apart() -> None:
    packet = bytes.fromhex(
        "1234 8580 0001 0001 0000 0001"
        "03777777 076578616d706c65 036f7267 00 000f 0001"  # www.example.org. MX
        "c00c 000f 0001 0000003c 0009 000a 046d61696c c010"  # MX 10 mail.example.org., both names compressed
        "00 0029 04d0 00008000 0000"  # OPT: 1232 octets, DO
    )

    found = records.read_message(packet)

    assert found.question == (names.parse("www.example.org."), codes.MX, codes.IN)
    assert [message.to_text(rr) for rr in found.answer] == ["www.example.org. 60 IN MX 10 mail.example.org."]
    assert found.additional == ()
    assert found.edns is not None
    assert (found.edns.size, found.edns.do) == (1232, True)


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_a_wire_error(octets: bytes) -> None:
    try:
        found = records.read_message(octets)
    except WireError:
        return
    assert found.id == octets[0] << 8 | octets[1]


def test_a_chain_of_pointers_costs_no_more_than_a_name() -> None:
    chain = b"\x01a\0" + b"".join(b"\xc0" + bytes((12 + 2 * max(0, n - 1) + (3 if n else 0),)) for n in range(60))
    packet = b"\0\1\x80\0\0\0\0\1\0\0\0\0" + chain

    with pytest.raises(WireError):
        records.read_message(packet)


def test_rdata_that_no_length_can_tell_when_its_names_are_whole_is_refused() -> None:
    question = b"".join(bytes((63,)) + letter * 63 for letter in (b"a", b"b", b"c")) + b"\0\0\x06\0\1"
    header = b"\0\1\x84\0\0\1\0\1" + bytes(4)
    room = 65_535 - len(header) - len(question) - 12
    soa = b"\xc0\x0c\xc0\x0c" + bytes(room - 4)
    record = b"\xc0\x0c\0\x06\0\1" + bytes(4) + room.to_bytes(2, "big") + soa

    with pytest.raises(WireError, match="RDATA of 65696 octets"):
        records.read_message(header + question + record)


def test_the_serial_of_an_soa_is_read() -> None:
    soa = message.from_text("a. 5 IN SOA ns.a. admin.a. 4294967295 2 3 4 5")
    assert records.soa_serial(soa) == 0xFFFFFFFF

    with pytest.raises(WireError, match="SOA cut short"):
        records.soa_serial(records.make(names.ROOT, codes.SOA, 5, b"\0\0" + bytes(17)))
