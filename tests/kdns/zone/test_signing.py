"""Signatures: what they cover, and that another library holds them for good."""

from pathlib import Path

import dns.dnssec
import dns.rdata
import dns.rdtypes.ANY.NSEC
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, names, records
from kdns.wire.records import RR
from kdns.zone import signing
from kdns.zone.keys import Key
from kdns.zone.signing import Period
from tests.kdns.asking import records as rrs
from tests.kdns.zone.signed import ALGORITHMS, check, key

ZONE = names.parse("example.org.")
NOW = 1_900_000_000
PERIOD = Period(NOW - 10, NOW + 10)
SETS = [
    "www.example.org. 60 IN A 192.0.2.2\nwww.example.org. 60 IN A 192.0.2.1",
    "WWW.Example.org. 60 IN A 192.0.2.2",
    "*.example.org. 60 IN A 192.0.2.2",
    "example.org. 60 IN NS NS2.Example.org.\nexample.org. 60 IN NS ns10.Example.org.",
    "example.org. 60 IN SOA NS.Example.org. Admin.Example.org. 1 2 3 4 5",
    "example.org. 60 IN MX 10 Mail.Example.org.\nexample.org. 60 IN MX 5 mail2.example.org.",
    "_sip._tcp.example.org. 60 IN SRV 1 2 3 Host.Example.org.",
    'example.org. 60 IN NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:x@Y!" Target.Example.org.',
    'example.org. 60 IN TXT "One" "Two"',
    "a.example.org. 60 IN CNAME B.Example.org.",
    "a.example.org. 60 IN TYPE39 \\# 15 0142074578616d706c65036f726700",
    'a.example.org. 60 IN CAA 0 issue "CA.example"',
    "a.example.org. 60 IN TYPE65280 \\# 3 414243",
]


def signed(rrset: tuple[RR, ...], by: Key, ttl: int = 3600, period: Period = PERIOD) -> RR:
    rdata = signing.signature(rrset, signing.canonical(rrset, ttl), by, ZONE, period, ttl)
    return records.make(records.owner(rrset[0]), codes.RRSIG, records.ttl(rrset[0]), rdata)


@pytest.fixture(scope="module")
def ecdsa(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return key(tmp_path_factory.mktemp("keys"))


@pytest.mark.parametrize("text", SETS)
def test_sets_of_every_kind_are_signed_as_others_verify_them(ecdsa: Key, text: str) -> None:
    check(rrs(text), signed(rrs(text), ecdsa), ecdsa, ZONE, NOW)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_signs(tmp_path: Path, algorithm: str) -> None:
    by = key(tmp_path, algorithm)
    check(rrs(SETS[0]), signed(rrs(SETS[0]), by), by, ZONE, NOW)


@pytest.mark.parametrize("now", [NOW - 11, NOW + 11])
def test_a_signature_holds_for_its_time(ecdsa: Key, now: int) -> None:
    with pytest.raises(dns.dnssec.ValidationFailure):
        check(rrs(SETS[0]), signed(rrs(SETS[0]), ecdsa), ecdsa, ZONE, now)


def test_a_signature_is_of_its_set(ecdsa: Key) -> None:
    with pytest.raises(dns.dnssec.ValidationFailure):
        check(rrs(SETS[1]), signed(rrs(SETS[0]), ecdsa), ecdsa, ZONE, NOW)


def test_order_and_case_and_doubles_do_not_matter() -> None:
    one = rrs("a.example.org. 60 IN NS b.example.org.\na.example.org. 60 IN NS c.example.org.")
    other = rrs("A.example.org. 5 IN NS C.example.org.\nA.example.org. 5 IN NS b.example.org.")
    assert signing.canonical(one, 30) == signing.canonical((*other, other[0]), 30)


def test_records_are_put_together_by_owner_and_type() -> None:
    text = (
        "a.example.org. 60 IN A 192.0.2.1\nb.example.org. 60 IN A 192.0.2.1\na.example.org. 60 IN AAAA ::1\n"
        "a.example.org. 60 IN A 192.0.2.2"
    )
    a, b, aaaa, second = rrs(text)
    opt = records.make(names.ROOT, codes.OPT, 0, b"")
    rrsig = records.make(ZONE, codes.RRSIG, 0, b"")
    assert signing.rrsets([a, b, opt, aaaa, rrsig, second]) == [(a, second), (b,), (aaaa,)]


@given(st.sets(st.integers(0, 65535), max_size=40))
def test_bitmaps_are_those_of_another_library(types: set[int]) -> None:
    rdata = names.ROOT + signing.bitmap(types)
    found = dns.rdata.from_wire("IN", "NSEC", rdata, 0, len(rdata))
    assert isinstance(found, dns.rdtypes.ANY.NSEC.NSEC)
    told = {
        window * 256 + at * 8 + bit
        for window, octets in found.windows
        for at, octet in enumerate(octets)
        for bit in range(8)
        if octet & 0x80 >> bit
    }
    assert told == types
    assert all(1 <= len(octets) <= 32 and octets[-1] for _, octets in found.windows)
