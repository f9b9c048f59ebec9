"""Records added up to a zone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import ZoneError
from kdns.wire import codes, names
from kdns.zone.zone import Builder, built, canonical
from tests.kdns.zones import APEX, rrs, shown, zone


def test_owners_and_most_names_are_lower_cased_and_what_srv_has_is_not() -> None:
    lines = shown(tuple(zone("A.B CNAME C.D\nS.T SRV 1 2 3 Ns\np PTR Q.R\nm MX 1 X").records()))[3:-1]
    assert lines == [
        "a.b.example.org. CNAME c.d.example.org.",
        "S.T.example.org. SRV 1 2 3 Ns.example.org.",
        "p.example.org. PTR Q.R.example.org.",
        "m.example.org. MX 1 x.example.org.",
    ]


def test_the_soa_is_first_and_last_of_the_records() -> None:
    given = zone("www A 192.0.2.1")
    records = list(given.records())
    assert records[0] == records[-1] == given.soa
    assert sorted(records[:-1]) == sorted(rrs(APEX + "www A 192.0.2.1"))


def test_equal_records_count_once() -> None:
    assert len(zone("www A 192.0.2.1\nx A 192.0.2.1\nwww A 192.0.2.1").node(names.parse("www.example.org.")) or ()) == 1


def test_names_above_others_exist_and_are_empty() -> None:
    given = zone("a.b.c A 192.0.2.1")
    assert given.node(names.parse("b.c.example.org.")) == ()
    assert given.node(names.parse("c.example.org.")) == ()
    assert given.node(names.parse("x.c.example.org.")) is None


def test_the_apex_has_its_own_records() -> None:
    given = zone('@ TXT "x"')
    assert len(given.node(given.origin) or ()) == 3
    assert shown(given.rrset(given.origin, codes.SOA))[0].startswith("example.org. SOA ns.example.org.")
    assert given.serial == 7


@pytest.mark.parametrize("line", ["x NSEC3 1 0 0 - 00 A", "@ NSEC3PARAM 1 0 0 -"])
def test_nsec3_is_refused_as_in_coredns(line: str) -> None:
    with pytest.raises(ZoneError, match=r"NSEC3 zone is not supported, dropping RR: .* for zone: example.org."):
        zone(line)


def test_a_zone_without_soa_is_none() -> None:
    with pytest.raises(ZoneError, match=r"no SOA record for origin example\.org"):
        Builder(names.parse("example.org.")).build()


LABELS = st.lists(st.binary(min_size=1, max_size=3).map(bytes.lower), max_size=3)


@given(st.lists(LABELS, min_size=1, max_size=12), LABELS)
def test_the_covering_name_is_the_last_one_before_in_canonical_order(
    owners: list[list[bytes]], asked: list[bytes]
) -> None:
    origin = names.parse("example.org.")
    keys = {names.join(labels, origin) for labels in owners}
    chain = built(origin, [*rrs(APEX), *(key + b"\0\x2f\0\1\0\0\0\0\0\1\0" for key in keys)])
    key = names.join(asked, origin)
    before = [each for each in keys if canonical(each) <= canonical(key)]

    assert chain.cover(key) == (max(before, key=canonical) if before else None)
