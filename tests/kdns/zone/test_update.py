"""Dynamic updates worked out on zones: tables; a model of the RFC's words and any octets, by hypothesis."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import codes, names, records
from kdns.wire.question import parse
from kdns.zone import update
from kdns.zone.change import changed
from kdns.zone.zone import Zone, built
from tests.kdns.zones import shown, updating, zone

ORIGIN = names.parse("example.org.")
ZONE = zone("www A 192.0.2.1\nwww A 192.0.2.2\nwww TXT x\nalias CNAME www\na.b TXT deep\nmail MX 10 Mail")


@pytest.mark.parametrize(
    ("wanted", "rcode"),
    [
        ("www.example.org. ANY ANY", "NOERROR"),
        ("WWW.example.org. ANY ANY", "NOERROR"),
        ("gone.example.org. ANY ANY", "NXDOMAIN"),
        ("b.example.org. ANY ANY", "NXDOMAIN"),  # an empty non-terminal is not in use: section 2.4.4
        ("www.example.org. ANY A", "NOERROR"),
        ("www.example.org. ANY AAAA", "NXRRSET"),
        ("www.example.org. NONE ANY", "YXDOMAIN"),
        ("gone.example.org. NONE ANY", "NOERROR"),
        ("www.example.org. NONE A", "YXRRSET"),
        ("www.example.org. NONE AAAA", "NOERROR"),
        ("example.org. ANY SOA", "NOERROR"),
        ("www.example.org. IN A 192.0.2.1", "NXRRSET"),  # not all of the RRset
        ("mail.example.org. IN MX 10 MAIL.example.org.", "NOERROR"),  # names in any case
        ("www.example.org. 5 ANY A", "FORMERR"),
        ("www.example.org. ANY A 192.0.2.1", "FORMERR"),
        ("www.example.org. NONE A 192.0.2.1", "FORMERR"),
        ("www.example.org. CH TXT x", "FORMERR"),
        ("www.example.org. IN A", "FORMERR"),
        ("www.example.org. ANY AXFR", "FORMERR"),
        ("www.example.com. ANY ANY", "NOTZONE"),
        ("www.example.org. ANY DNSKEY", "NOTIMP"),
    ],
)
def test_a_prerequisite_holds_or_has_its_rcode(wanted: str, rcode: str) -> None:
    assert codes.rcode_name(update.prerequisites(ZONE, [updating(wanted)])) == rcode


def test_an_rrset_with_values_has_to_be_the_whole_rrset_whatever_its_ttl_and_order() -> None:
    wanted = [updating("www.example.org. IN A 192.0.2.2"), updating("www.example.org. IN A 192.0.2.1")]
    assert update.prerequisites(ZONE, wanted) == codes.NOERROR
    assert update.prerequisites(ZONE, [*wanted, updating("www.example.org. IN A 192.0.2.3")]) == update.NXRRSET


@pytest.mark.parametrize(
    ("change", "rcode"),
    [
        ("new.example.org. 60 IN A 192.0.2.9", "NOERROR"),
        ("new.example.org. 60 IN TYPE65280 \\# 1 00", "NOERROR"),
        ("www.example.org. ANY ANY", "NOERROR"),
        ("www.example.org. ANY A", "NOERROR"),
        ("www.example.org. NONE A 192.0.2.1", "NOERROR"),
        ("new.example.com. 60 IN A 192.0.2.9", "NOTZONE"),
        ("new.example.org. 60 IN A", "FORMERR"),
        ("new.example.org. 60 IN CNAME", "FORMERR"),
        ("new.example.org. 60 IN ANY", "FORMERR"),
        ("new.example.org. 60 CH A 192.0.2.9", "FORMERR"),
        ("www.example.org. 5 ANY A", "FORMERR"),
        ("www.example.org. ANY A 192.0.2.1", "FORMERR"),
        ("www.example.org. 5 NONE A 192.0.2.1", "FORMERR"),
        ("www.example.org. NONE ANY", "FORMERR"),
        ("www.example.org. ANY AXFR", "FORMERR"),
        ("www.example.org. 60 IN SOA ns h 9 1 1 1 1", "NOERROR"),
        ("example.org. 60 IN SOA ns h 9 1 1 1 1", "NOERROR"),
        ("www.example.org. ANY RRSIG", "NOTIMP"),
        ("www.example.org. 60 IN DS 1 8 2 00", "NOTIMP"),
    ],
)
def test_the_prescan_lets_through_what_can_be_processed(change: str, rcode: str) -> None:
    assert codes.rcode_name(update.prescan(ORIGIN, [updating(change)])) == rcode


@pytest.mark.parametrize(
    ("kind", "rdata", "whole"),
    [
        (codes.A, b"\xc0\0\2\1", True), (codes.A, b"\xc0\0\2", False),
        (codes.AAAA, bytes(16), True), (codes.AAAA, bytes(4), False),
        (codes.TXT, b"\1x\0", True), (codes.TXT, b"\5x", False), (codes.TXT, b"", False),
        (codes.MX, b"\0\1\0", True), (codes.MX, b"\0\1", False), (codes.MX, b"\0\1\0\0", False),
        (codes.SRV, bytes(7), True), (codes.SOA, bytes(22), True), (codes.SOA, bytes(21), False),
        (codes.NAPTR, bytes(8), True), (codes.NAPTR, b"\0", False), (257, b"\0", True), (257, b"", False),
    ],
)  # fmt: skip
def test_rdata_has_to_have_the_form_of_its_type(kind: int, rdata: bytes, whole: bool) -> None:
    assert update.is_whole(records.make(ORIGIN, kind, 60, rdata)) is whole


def after(*changes: str, before: Zone = ZONE) -> tuple[list[str], list[str], int]:
    """What goes, what comes, and the serial."""
    change = update.worked_out(before, map(updating, changes))
    if change is None:
        return [], [], before.serial
    return shown(change.deleted), shown(change.added), records.soa_serial(change.after)


BOTH = ["www.example.org. A 192.0.2.1", "www.example.org. A 192.0.2.2"]


def test_all_records_of_an_rrset_have_the_ttl_that_came_last() -> None:
    change = update.worked_out(ZONE, [updating("www.example.org. 5 IN A 192.0.2.9")])
    assert change is not None
    assert {records.ttl(rr) for rr in change.added} == {5}
    assert shown(change.added) == [*BOTH, "www.example.org. A 192.0.2.9"]
    assert shown(change.deleted) == BOTH


@pytest.mark.parametrize(("sent", "kept"), [(2**31 - 1, 2**31 - 1), (2**31, 0), (2**32 - 1, 0)])
def test_a_ttl_with_its_top_bit_set_counts_as_zero(sent: int, kept: int) -> None:
    change = update.worked_out(ZONE, [updating(f"new.example.org. {sent} IN A 192.0.2.9")])
    assert change is not None
    assert list(map(records.ttl, change.added)) == [kept]


@pytest.mark.parametrize(
    ("change", "deleted", "added"),
    [
        ("new.example.org. 60 IN A 192.0.2.9", [], ["new.example.org. A 192.0.2.9"]),
        ("www.example.org. 60 IN A 192.0.2.1", [], []),  # is there
        ("www.example.org. 5 IN A 192.0.2.1", BOTH, BOTH),  # an RRset has one TTL
        ("www.example.org. 60 IN CNAME mail.example.org.", [], []),  # an alias stands alone
        ("alias.example.org. 60 IN A 192.0.2.1", [], []),
        ("alias.example.org. 60 IN CNAME ns.example.org.", ["alias.example.org. CNAME www.example.org."],
         ["alias.example.org. CNAME ns.example.org."]),
        ("example.org. 60 IN CNAME ns.example.org.", [], []),
        ("www.example.org. ANY TXT", ['www.example.org. TXT "x"'], []),
        ("www.example.org. NONE A 192.0.2.2", ["www.example.org. A 192.0.2.2"], []),
        ("www.example.org. NONE A 192.0.2.3", [], []),
        ("gone.example.org. ANY ANY", [], []),
        ("example.org. ANY ANY", [], []),  # the apex keeps its SOA and NS
        ("example.org. ANY NS", [], []),
        ("example.org. NONE NS ns.example.org.", [], []),  # the last
        ("example.org. 60 IN SOA ns h 7 1 1 1 1", [], []),  # no newer
        ("www.example.org. 60 IN SOA ns h 99 1 1 1 1", [], []),  # elsewhere: section 3.4.2.2
    ],
)  # fmt: skip
def test_a_change_is_what_goes_and_comes_and_counts_the_serial_on(
    change: str, deleted: list[str], added: list[str]
) -> None:
    assert after(change) == (deleted, added, 8 if deleted or added else 7)


def test_changes_work_on_what_those_before_them_left() -> None:
    assert after("new.example.org. 60 IN A 192.0.2.9", "new.example.org. ANY ANY") == ([], [], 7)
    two = ("example.org. 60 IN NS b.example.org.", "example.org. NONE NS ns.example.org.")
    assert after(*two, "example.org. NONE NS b.example.org.") == (
        *(["example.org. NS ns.example.org."], ["example.org. NS b.example.org."]), 8,
    )  # fmt: skip


def test_a_newer_soa_brings_its_own_serial_and_0_is_passed_over() -> None:
    newer = "example.org. 60 IN SOA ns.example.org. h.example.org. 20 1 1 1 1"
    assert after(newer, "new.example.org. 60 IN A 192.0.2.9")[2] == 20
    last = zone("", apex="$TTL 60\n@ SOA ns h 4294967295 1 1 1 1\n@ NS ns\n")
    assert after("new.example.org. 60 IN A 192.0.2.9", before=last)[2] == 1


def test_a_change_is_read_from_what_was_written_and_from_nothing_else() -> None:
    change = update.worked_out(ZONE, [updating("www.example.org. ANY ANY"), updating("x.example.org. 5 IN TXT y")])
    assert change is not None
    assert update.of_sequence(change.sequence()) == change
    with pytest.raises(WireError):
        update.of_sequence(change.sequence()[1:])


OWNERS = st.sampled_from(["a", "b", "c.b", "d.c.b"])
VALUES = st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"])
CHANGES = st.one_of(
    st.builds("{}.example.org. 60 IN A {}".format, OWNERS, VALUES),
    st.builds("{}.example.org. NONE A {}".format, OWNERS, VALUES),
    st.builds("{}.example.org. ANY A".format, OWNERS),
    st.builds("{}.example.org. ANY ANY".format, OWNERS),
)


@given(st.lists(st.lists(CHANGES, max_size=5), max_size=6))
def test_zones_after_updates_are_as_a_dictionary_would_have_them(updates: list[list[str]]) -> None:
    here, model = zone(""), set[tuple[str, str]]()
    for lines in updates:
        before = set(model)
        for line in lines:
            owner, *_, last = line.split()
            model = _applied(model, owner, last, line)
        change = update.worked_out(here, map(updating, lines))
        assert (change is None) == (model == before)
        if change is not None:
            here = changed(here, change.deleted, (change.after, *change.added))
    found = {tuple(line.split(" A ")) for line in shown(tuple(here.records())) if " A " in line and "ns." not in line}
    assert found == model
    assert {key for key, node in here.nodes.items() if node} - {names.parse("ns.example.org.")} == {
        names.parse(owner) for owner, _ in model
    }


def _applied(model: set[tuple[str, str]], owner: str, last: str, line: str) -> set[tuple[str, str]]:
    if " IN " in line:
        return model | {(owner, last)}
    return model - {(owner, last)} if " NONE " in line else {each for each in model if each[0] != owner}


LABELS = st.sampled_from([b"\xc0\x0c", b"\3www\xc0\x0c", b"\3WWW\xc0\x0c", b"\5alias\xc0\x0c", b"\1*\xc0\x0c", b"\0"])
RDATA = st.one_of(
    st.just(b""),
    st.binary(max_size=30),
    st.builds(bytes.__add__, st.binary(max_size=6), LABELS),
    st.builds(b"\xc0\x0c\xc0\x0c".__add__, st.binary(min_size=20, max_size=20)),
)
TYPES = st.one_of(
    st.sampled_from([1, 2, 5, 6, 12, 15, 16, 17, 18, 26, 28, 33, 35, 36, 39, 41, 255]), st.integers(0, 300)
)


def raw(owner: bytes, kind: int, class_: int, ttl: int, rdata: bytes) -> bytes:
    """A record as it stands in a message."""
    return owner + pack("!HHIH", kind, class_, ttl, len(rdata)) + rdata


RECORDS = st.builds(raw, LABELS, TYPES, st.sampled_from([1, 1, 3, 254, 255]), st.sampled_from([0, 60, 1 << 31]), RDATA)


@given(st.lists(RECORDS, max_size=2), st.lists(RECORDS, max_size=5))
def test_any_octets_have_an_rcode_or_lead_to_a_zone_that_is_read_as_it_was_written(
    wanted: list[bytes], changes: list[bytes]
) -> None:
    header = pack("!6H", 1, codes.UPDATE << 11, 1, len(wanted), len(changes), 0)
    try:
        asked = parse(b"".join((header, ORIGIN, pack("!HH", codes.SOA, codes.IN), *wanted, *changes)))
    except WireError:
        return
    update.prerequisites(ZONE, asked.answer)
    change = None if update.prescan(ORIGIN, asked.authority) else update.worked_out(ZONE, asked.authority)
    if change is None:
        return
    here = changed(ZONE, change.deleted, (change.after, *change.added))
    rrs = tuple(here.records())
    assert [records.read_record(rr, 0) for rr in rrs] == [(rr, len(rr)) for rr in rrs]
    assert sorted(built(ORIGIN, rrs[:-1]).records()) == sorted(rrs)
