"""Denials made on the spot: what their NSEC records say, and that they deny nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, names, records
from kdns.zone import denial
from kdns.zone.signing import bitmap
from kdns.zone.zone import canonical
from tests.kdns.asking import records as rrs

labels = st.lists(st.binary(min_size=1, max_size=63).map(bytes.lower), max_size=6)
wire = labels.map(names.join).filter(lambda name: len(name) <= names.MAX_NAME)


@given(wire)
def test_the_next_name_is_behind_and_nothing_fits_between(name: bytes) -> None:
    after = denial.following(name)
    assert len(after) <= names.MAX_NAME
    assert canonical(after) > canonical(name)
    if len(name) + 2 <= names.MAX_NAME:
        assert after == b"\x01\0" + name


LONGEST = names.join([b"x" * 63] * 3 + [b"x" * 61])


@pytest.mark.parametrize(
    ("name", "after"),
    [
        (names.parse("a.example.org."), names.parse("\\000.a.example.org.")),
        (names.ROOT, b"\x01\0\0"),
        (LONGEST, names.join([b"x" * 62 + b"y", *[b"x" * 63] * 2, b"x" * 61])),
        (
            names.join([b"\xff" * 63, b"a" * 63, b"x" * 63, b"x" * 61]),
            names.join([b"a" * 62 + b"b", b"x" * 63, b"x" * 61]),
        ),
        (names.join([b"a\xff", *[b"x" * 63] * 3, b"x" * 58]), names.join([b"b", *[b"x" * 63] * 3, b"x" * 58])),
    ],
)
def test_the_next_name_of_some(name: bytes, after: bytes) -> None:
    assert denial.following(name) == after


def types(rr: bytes, *kinds: int) -> list[bool]:
    """Whether an NSEC record has each of these types."""
    rdata = records.rdata(rr)
    octets = rdata[names.end_of(rdata, 0) :]
    return [octets[2 + kind // 8] & 0x80 >> kind % 8 != 0 for kind in kinds]


def test_a_denial_lacks_the_type_that_was_asked_for_alone() -> None:
    name = names.parse("A.example.org.")
    rr = denial.of_name(name, codes.AAAA, False, 30)
    assert (records.owner(rr), records.ttl(rr), records.rtype(rr)) == (name, 30, codes.NSEC)
    assert types(rr, codes.A, codes.AAAA, codes.TXT, codes.NS, codes.SOA, codes.NSEC, codes.RRSIG) == [
        True, False, True, False, False, True, True,
    ]  # fmt: skip


def test_an_apex_has_what_an_apex_has() -> None:
    rr = denial.of_name(names.parse("example.org."), codes.MX, True, 30)
    assert types(rr, codes.NS, codes.SOA, codes.DNSKEY, codes.MX) == [True, True, True, False]


def test_a_name_without_ds_may_be_a_delegation() -> None:
    rr = denial.of_name(names.parse("a.example.org."), codes.DS, False, 30)
    assert types(rr, codes.NS, codes.SOA, codes.DS) == [True, False, False]


def test_the_record_itself_is_never_denied() -> None:
    for kind in (codes.NSEC, codes.RRSIG):
        assert types(denial.of_name(names.parse("a."), kind, False, 30), codes.NSEC, codes.RRSIG) == [True, True]


@pytest.mark.parametrize(
    ("owner", "after"),
    [("sub.example.org.", "sub\\000.example.org."), (f"{'x' * 63}.example.org.", f"{'x' * 62}y.example.org.")],
)
def test_a_delegation_without_ds_is_denied_up_to_the_next_name_beside(owner: str, after: str) -> None:
    rr = denial.of_cut(rrs(f"{owner} 60 IN NS ns.example.com."), 60)
    assert (names.show(records.owner(rr)), records.rdata(rr).startswith(names.parse(after))) == (owner, True)
    assert types(rr, codes.NS, codes.DS, codes.SOA) == [True, False, False]


def test_no_types_are_no_bitmap() -> None:
    assert bitmap(()) == b""
