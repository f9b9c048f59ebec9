"""The short way to an answer says what the long one says, or nothing."""

from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, names
from kdns.zone.change import changed
from kdns.zone.direct import direct
from kdns.zone.lookup import Outcome, lookup
from kdns.zone.zone import Zone
from tests.kdns.zones import rrs, zone

LABELS = st.lists(st.sampled_from(["a", "b", "c", "*", "sub"]), min_size=0, max_size=3)
RDATA = [
    "A 192.0.2.1",
    "A 192.0.2.2",
    "TXT x",
    "NS ns.a",
    "DNAME a",
    "CNAME b",
    "MX 1 a",
    "SRV 0 0 1 a",
    f"DS 1 8 1 {'ab' * 20}",
]
RDATA += ["NSEC c A", "RRSIG A 8 3 60 20300101000000 20200101000000 1 example.org. AAAA"]
LINES = st.lists(
    st.builds(lambda labels, rdata: f"{'.'.join(labels) or '@'} {rdata}", LABELS, st.sampled_from(RDATA)), max_size=8
)
NAMES = st.builds(lambda labels: names.parse(".".join([*labels, "example.org."])), LABELS)
TYPES = st.sampled_from(
    [codes.A, codes.AAAA, codes.TXT, codes.NS, codes.SOA, codes.CNAME, codes.MX, codes.DS, codes.ANY, codes.NSEC]
)


def agrees(served: Zone, key: bytes, qtype: int, do: bool) -> bool:
    """Whether the short way says what the long one says, if it says something."""
    short = direct(served, key, qtype, do)
    if short is None:
        return True
    found = lookup(served, key, qtype, do)
    outcome = Outcome.ANSWER if short.answer else Outcome.NODATA if short.exists else Outcome.EMPTY
    authority = (served.ns, served.ns_signatures) if short.answer else ((served.soa,), served.soa_signatures)
    assert found.outcome is (Outcome.NXDOMAIN if short.is_absent else outcome)
    assert found.answer == short.answer
    assert found.authority == (authority[0] + authority[1] if do else authority[0])
    assert (found.additional, found.target, found.wildcard) == ((), None, None)
    return False


@given(LINES, NAMES, TYPES, st.booleans())
def test_the_short_way_says_what_the_long_one_says(lines: list[str], key: bytes, qtype: int, do: bool) -> None:
    agrees(zone("\n".join(lines)), key, qtype, do)


@given(LINES, LINES, LINES, NAMES, TYPES)
def test_so_it_does_after_changes(lines: list[str], gone: list[str], more: list[str], key: bytes, qtype: int) -> None:
    before = zone("\n".join([*lines, *gone]))
    agrees(changed(before, rrs("$TTL 60\n" + "\n".join(gone)), rrs("$TTL 60\n" + "\n".join(more))), key, qtype, False)


def test_it_is_taken_for_names_that_are_there_and_for_those_that_are_not() -> None:
    served = zone("www A 192.0.2.1\n*.wild A 192.0.2.2\nsub NS ns.sub\na.ent A 192.0.2.3")
    for name in ("www", "gone", "a.www", "ent", "b.ent"):
        assert not agrees(served, names.parse(f"{name}.example.org."), codes.A, False), name
    for name in ("x.wild", "sub", "x.sub"):
        assert agrees(served, names.parse(f"{name}.example.org."), codes.A, False), name


def test_names_outside_of_the_zone_are_not_its_own() -> None:
    served = zone("www A 192.0.2.1\nwww.example.net. A 192.0.2.2")
    for key in (names.parse("www.example.net."), b"\x0bx\x07example\x03org\0", names.parse("example.org.")):
        assert direct(served, key, codes.A, False) is None
