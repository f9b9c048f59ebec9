"""The grammar of cluster names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.cluster.names import APEX, POD, SVC, Asked, Grammar, read, split
from kdns.wire import names
from tests.kdns.wire.strategies import domain_names, related_names

ZONE = names.parse("cluster.local")
NS, A = b"\x02ns", b"\x01a"


def parsed(name: str, grammar: Grammar) -> Asked | None:
    labels = split(names.parse(f"{name}.cluster.local") if name else ZONE, ZONE)
    assert labels is not None
    return read(labels, grammar)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("", APEX),
        ("svc", APEX),
        ("pod", APEX),
        ("ns.svc", Asked(SVC, NS)),
        ("a.ns.svc", Asked(SVC, NS, A)),
        ("e.a.ns.svc", Asked(SVC, NS, A, b"\x01e")),
        ("_p._tcp.a.ns.svc", Asked(SVC, NS, A, port=b"\x01p", protocol=b"\x03tcp")),
        ("p.tcp.a.ns.svc", Asked(SVC, NS, A, port=b"\x01p", protocol=b"\x03tcp")),
        ("_._.a.ns.svc", Asked(SVC, NS, A)),
        ("1-2-3-4.ns.pod", Asked(POD, NS, b"\x071-2-3-4")),
        ("z.pin._zone.a.ns.svc", None),
        ("1.2.3.4.ns.pod", None),
        ("svcs", None),
        ("a.ns", None),
        ("x.y.z.a.ns.svc", None),
    ],
)
def test_a_name_of_every_cluster(name: str, asked: Asked | None) -> None:
    assert parsed(name, Grammar()) == asked


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("z.pin._zone.a.ns.svc", Asked(SVC, NS, A, topology=b"z", pin=True)),
        ("z.prefer._zone.a.ns.svc", Asked(SVC, NS, A, topology=b"z")),
        ("x.y.z.pin._zone.a.ns.svc", Asked(SVC, NS, A, topology=b"x.y.z", pin=True)),
        ("z.pin._zone.a.ns.pod", None),
        ("z.florp._zone.a.ns.svc", None),
        ("pin._zone.a.ns.svc", Asked(SVC, NS, A, port=b"\x03pin", protocol=b"\x04zone")),
    ],
)
def test_a_name_of_a_topology_zone(name: str, asked: Asked | None) -> None:
    assert parsed(name, Grammar(zonal=True)) == asked
    assert parsed(name, Grammar(zonal=True, clusterset=True)) == (
        asked if "_zone.a" in name and name[0] == "p" else None
    )


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("e.c.a.ns.svc", Asked(SVC, NS, A, b"\x01e\x01c")),
        ("_p.tcp.a.ns.svc", Asked(SVC, NS, A, port=b"\x01p", protocol=b"\x03tcp")),
        ("p._tcp.a.ns.svc", Asked(SVC, NS, A, port=b"\x01p", protocol=b"\x03tcp")),
    ],
)
def test_a_name_of_a_clusterset(name: str, asked: Asked) -> None:
    assert parsed(name, Grammar(clusterset=True)) == asked


@pytest.mark.parametrize("branch", ["pod", "svc"])
def test_a_dotted_name_is_a_pod_s_in_both_branches(branch: str) -> None:
    assert parsed(f"1.2.3.4.ns.{branch}", Grammar(dotted=True)) == Asked(POD, NS, b"\x071-2-3-4")
    assert parsed(f"1.2.3.x.ns.{branch}", Grammar(dotted=True)) is None
    assert parsed(f"1.2.3.4444444444444.ns.{branch}", Grammar(dotted=True)) is None


@given(related_names, related_names)
def test_a_key_is_split_where_it_ends_in_the_zone_on_a_label_boundary(key: bytes, zone: bytes) -> None:
    key, zone = key.lower(), zone.lower()
    labels = split(key, zone)
    assert (labels is not None) == names.is_below(key, zone)
    if labels is not None:
        assert b"".join(labels) + zone == key


@given(domain_names, st.builds(Grammar, st.booleans(), st.booleans(), st.booleans()))
def test_any_name_is_read_or_outside_the_grammar(front: bytes, grammar: Grammar) -> None:
    labels = split(front.lower(), names.ROOT)
    assert labels is not None
    for branch in ([], [SVC], [POD]):
        read([*labels, *branch], grammar)
