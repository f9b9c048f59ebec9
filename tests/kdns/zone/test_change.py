"""A zone changed is the zone that would have been read."""

from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import names
from kdns.zone.change import changed
from kdns.zone.zone import Zone, built
from tests.kdns.zones import APEX, rrs, zone

LINES = [
    "a A 192.0.2.1", "a A 192.0.2.2", 'a TXT "x"', "b.a A 192.0.2.1", "c.b.a A 192.0.2.1", "*.a A 192.0.2.1",
    "d NS ns", "@ MX 10 a", "@ NS ns2", "a NSEC d A", "@ NSEC a SOA", "e.f.g SRV 1 2 3 a",
]  # fmt: skip
SETS = st.sets(st.sampled_from(LINES))


def of(lines: set[str]) -> Zone:
    return built(names.parse("example.org."), rrs(APEX + "\n".join(sorted(lines))))


@given(SETS, SETS, SETS)
def test_a_change_makes_the_same_zone_as_reading_it_anew(before: set[str], gone: set[str], added: set[str]) -> None:
    after = changed(of(before), rrs("$TTL 1\n" + "\n".join(gone)), rrs("$TTL 60\n" + "\n".join(added)))
    fresh = of((before - gone) | added)

    assert {key: set(node) for key, node in after.nodes.items()} == {k: set(node) for k, node in fresh.nodes.items()}
    assert (set(after.ns), after.soa, list(after.chain)) == (set(fresh.ns), fresh.soa, list(fresh.chain))


def test_a_new_soa_takes_the_place_of_the_old() -> None:
    after = changed(zone(""), [], rrs("@ 60 SOA ns h 8 1 1 1 1"))
    assert after.serial == 8


def test_the_soa_cannot_be_taken_away() -> None:
    before = zone("")
    assert changed(before, [before.soa], []).soa == before.soa


def test_the_zone_before_stays_as_it_was() -> None:
    before = zone("a A 192.0.2.1")
    changed(before, rrs("a 1 A 192.0.2.1"), [])
    assert before.node(names.parse("a.example.org."))
