"""Replies as packets: what is sent can be read back, by us and by others, and is never too long."""

import pytest
from dnslib import DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, fit, names, records
from kdns.wire.edns import DO, Edns, pack_options
from kdns.wire.edns import to_record as edns_record
from kdns.wire.question import Question
from tests.kdns.asking import question
from tests.kdns.wire.strategies import sections

WORD = codes.QR | codes.AA


def fitted(asked: Question, parts: tuple[tuple[bytes, ...], ...], limit: int, above: int = 65535) -> bytes:
    answer, authority, additional = parts
    return fit.fit(asked, WORD, (answer, authority, additional), b"", limit, above)


@given(st.tuples(sections, sections, sections), st.sampled_from([0, 65535]))
def test_what_fits_reads_back_as_it_was(parts: tuple[tuple[bytes, ...], ...], above: int) -> None:
    packet = fitted(question("www.example.org. A"), parts, 65535, above)

    found = records.read_message(packet)

    assert (found.answer, found.authority, found.additional) == parts
    assert found.flags == WORD
    assert found.question == (names.parse("www.example.org."), codes.A, codes.IN)


@given(st.tuples(sections, sections, sections), st.integers(60, 900))
def test_what_does_not_fit_keeps_the_first_records_and_says_tc(
    parts: tuple[tuple[bytes, ...], ...], limit: int
) -> None:
    packet = fitted(question("www.example.org. A"), parts, limit)

    found = records.read_message(packet)
    sent = (*found.answer, *found.authority, *found.additional)
    everything = tuple(rr for part in parts for rr in part)

    assert len(packet) <= limit
    assert sent == everything[: len(sent)]
    assert bool(found.flags & codes.TC) == (sent != everything)


def test_a_large_reply_is_smaller_compressed_and_others_can_read_it() -> None:
    asked = question("www.example.org. A")
    many = tuple(records.make(asked.qname, codes.A, 30, bytes((10, 0, n // 256, n % 256))) for n in range(1000))

    packet = fitted(asked, (many, (), ()), 65535, 1480)

    assert len(packet) == 12 + 17 + 4 + 16 * 1000
    assert len(DNSRecord.parse(packet).rr) == 1000


def test_names_far_into_a_message_are_no_targets_of_pointers() -> None:
    asked = question("www.example.org. A")
    many = tuple(records.make(names.parse(f"n{n}.elsewhere."), codes.CNAME, 1, asked.qname) for n in range(3000))

    found = records.read_message(fitted(asked, (many, (), ()), 65535, 0))

    assert found.answer == many


OPTIONS = pack_options([(10, b"12345678"), (65001, b"x"), (8, b"\0\1\x18\0\x0a\0\0")])


@pytest.mark.parametrize(
    ("asked", "given_", "expected"),
    [
        (None, None, None),
        (None, Edns(4096, pack_options([(15, b"\0\x0f")])), Edns(4096, pack_options([(15, b"\0\x0f")]))),
        (Edns(1400), None, Edns(1400)),
        (Edns(1400, flags=DO | 0x4000), None, Edns(1400, flags=DO)),
        (Edns(1232, OPTIONS), None, Edns(1232, pack_options([(10, b"12345678")]))),
        (
            Edns(1232, OPTIONS, DO),
            Edns(4096, pack_options([(15, b"\0\1")])),
            Edns(1232, pack_options([(15, b"\0\1")]), DO),
        ),
    ],
)
def test_opt_is_answered_with_opt(asked: Edns | None, given_: Edns | None, expected: Edns | None) -> None:
    octets = fit.opt(asked, given_, 0, asked.size if asked else 0)

    assert (records.opt_of(octets) if octets else None) == expected


@pytest.mark.parametrize(
    ("proto", "ipv6", "edns", "bound", "expected"),
    [
        ("tcp", False, None, 0, (65535, 65535)),
        ("udp", False, None, 0, (512, 1480)),
        ("udp", True, Edns(4096), 0, (4096, 1220)),
        ("udp", False, Edns(100), 0, (512, 1480)),
        ("udp", False, Edns(4096), 1232, (1232, 1480)),
    ],
)
def test_the_limit_is_the_clients(
    proto: str, ipv6: bool, edns: Edns | None, bound: int, expected: tuple[int, int]
) -> None:
    assert fit.limits(question("a. A", edns=edns), proto, ipv6, bound) == expected


ADDRESS = records.make(names.parse("www.example.org."), codes.A, 30, b"\xc0\0\2\1")  # of 31 octets


@pytest.mark.parametrize(
    ("count", "messages"),
    [(0, [0]), (1, [1]), (2032, [2032]), (2033, [2032, 1]), (5000, [2032, 2032, 936])],
)
def test_a_zone_goes_into_as_many_messages_as_it_takes(count: int, messages: list[int]) -> None:
    opt = edns_record(Edns(1232))

    packets = list(fit.split(question("example.org. AXFR"), WORD, [ADDRESS] * count, opt))

    found = [records.read_message(packet) for packet in packets]
    assert [len(each.answer) for each in found] == messages
    assert {(each.question, each.flags, each.edns) for each in found} == {
        ((names.parse("example.org."), codes.AXFR, codes.IN), WORD, Edns(1232))
    }
    assert max(map(len, packets)) <= fit.MAX_TCP


def test_a_record_that_is_longer_than_a_batch_has_a_message_of_its_own() -> None:
    long = records.make(names.ROOT, codes.TXT, 30, b"\xff" * (fit.BATCH + 1))

    packets = fit.split(question(". AXFR"), WORD, [ADDRESS, long, ADDRESS], b"")

    assert [records.read_message(packet).answer for packet in packets] == [(ADDRESS,), (long,), (ADDRESS,)]


def test_a_record_that_fits_no_message_is_left_out_and_that_is_said() -> None:
    most = 65_535
    qname = names.parse(".".join(["x" * 63] * 3 + ["y" * 61]))
    long = records.make(names.ROOT, codes.TXT, 30, b"\xff" * (most - 20))

    asked = question(". AXFR")._replace(qname=qname, key=qname)
    packets = list(fit.split(asked, WORD, [ADDRESS, long, ADDRESS], b""))

    found = [records.read_message(packet) for packet in packets]
    assert [(each.answer, bool(each.flags & codes.TC)) for each in found] == [
        ((ADDRESS,), False),
        ((), True),
        ((ADDRESS,), False),
    ]
    assert max(map(len, packets)) <= most
