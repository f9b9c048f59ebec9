"""The index: events in any order give what the objects give, every changed answer is announced, and little is done."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdns.cluster.entries import Form, tail
from kdns.cluster.names import Grammar
from kdns.cluster.zone import VERIFIED, Answer
from kdns.errors import WireError
from kdns.wire import codes
from tests.kdns.cluster.making import (
    Cluster,
    Object,
    external,
    namespace,
    pod,
    service,
    slice_of,
)
from tests.kdns.cluster.strategies import OBJECTS

EVENTS = st.lists(st.tuples(st.booleans(), OBJECTS), max_size=20)

UNDER_A_NAMESPACE = (
    "a.{}.svc", "http.tcp.a.{}.svc", "e.a.{}.svc", "10-0-0-1.a.{}.svc", "eu.pin._zone.a.{}.svc",
    "us.prefer._zone.a.{}.svc", "10-0-0-1.{}.pod", "{}.svc", "none.{}.svc",
)  # fmt: skip
QUESTIONS = [
    *(f"{name.format('n')}.cluster.local. {kind}" for name in UNDER_A_NAMESPACE for kind in ("A", "SRV", "TXT")),
    *(f"{name.format('m')}.cluster.local. AAAA" for name in UNDER_A_NAMESPACE),
    *(f"{name}.n.svc.clusterset.local. {kind}" for name in ("a", "e.c1.a", "http.tcp.a") for kind in ("A", "SRV")),
    "1.0.0.10.in-addr.arpa. PTR",
    "2.0.0.10.in-addr.arpa. PTR",
]


def made(*things: Object, exposed: tuple[bytes, ...] = ()) -> Cluster:
    return Cluster(*things, form=Form(5, zonal=True), grammar=Grammar(zonal=True), exposed=exposed, pods=VERIFIED)


def answers(cluster: Cluster) -> dict[str, Answer]:
    return {asked: cluster.answer(asked) for asked in QUESTIONS}


def said(answer: Answer) -> Answer:
    return answer._replace(keys=())


def identity(thing: Any) -> tuple[str, str | None, str]:
    return type(thing).__name__, thing.metadata.namespace, thing.metadata.name


@settings(deadline=None)
@given(EVENTS, st.sampled_from([(), (b"\x01n",)]))
def test_events_lead_to_what_the_objects_give_and_announce_what_changed(
    events: list[tuple[bool, Object]], exposed: tuple[bytes, ...]
) -> None:
    cluster = made(exposed=exposed)
    alive: dict[tuple[str, str | None, str], Object] = {}
    before = answers(cluster)
    for is_put, thing in events:
        if is_put:
            changed = cluster.put(thing)
            alive[identity(thing)] = thing
        else:
            changed = cluster.delete(alive.pop(identity(thing), thing))
        after = answers(cluster)
        for asked, answer in before.items():
            if said(after[asked]) != said(answer):
                assert answer.keys is not None
                assert changed & set(answer.keys), asked
        before = after

    afresh = made(*alive.values(), exposed=exposed)
    assert answers(afresh) == before


@pytest.mark.parametrize("order", [1, -1])
def test_what_shares_an_address_comes_by_name_whatever_came_first(order: int) -> None:
    addresses = [tail(bytes((10, 0, 0, n)), 30) for n in (1, 2)]
    cluster = Cluster(*[service(name, ["10.0.0.1"]) for name in "ab"][::order])
    cluster.put(*[slice_of(name, ["10.0.0.2"], name=name) for name in "ab"][::order])
    assert cluster.index.services_at(addresses[0]) == [b"\x01a\x07default", b"\x01b\x07default"]
    assert [each.service for each in cluster.index.slices_at(addresses[1])] == [
        b"\x01a\x07default",
        b"\x01b\x07default",
    ]


@pytest.mark.parametrize(
    ("asked", "thing"),
    [
        ("10-0-0-1.n.pod.cluster.local. A", pod("a", "10.0.0.1", ns="n")),
        ("10-0-0-1.n.pod.cluster.local. A", namespace("n")),
        ("1.0.0.10.in-addr.arpa. PTR", namespace("n")),
        ("1.0.0.10.in-addr.arpa. PTR", service("a", ["10.0.0.1"], ns="n")),
        ("a.n.svc.cluster.local. A", service("a", ["10.0.0.1"], ns="n")),
        ("e.a.n.svc.cluster.local. A", slice_of("a", [{"addresses": ["10.0.0.1"], "hostname": "e"}], ns="n")),
    ],
)
def test_a_denial_depends_on_what_would_end_it(asked: str, thing: Object) -> None:
    everything = [namespace("n"), service("a", ["10.0.0.1"], ns="n"), pod("a", "10.0.0.1", ns="n")]
    cluster = made(*(other for other in everything if type(other) is not type(thing)), exposed=(b"\x01n",))
    denial = cluster.answer(asked)
    changed = cluster.put(thing)

    assert (denial.missing, cluster.answer(asked).missing) == (True, False)
    assert changed & set(denial.keys or ())


def test_putting_the_same_again_changes_nothing() -> None:
    things = [
        service("a", ["10.0.0.1"]),
        external("x", "www.example.org"),
        slice_of("a", ["10.1.0.1"]),
        namespace("default"),
        pod("p", "10.1.0.1"),
    ]
    cluster = Cluster()
    assert all(cluster.put(thing) for thing in things)
    assert not cluster.put(*things)


def test_what_dns_does_not_read_is_no_change() -> None:
    cluster = Cluster(service("a", ["10.0.0.1"], [("http", 80)]))
    assert not cluster.put(service("a", ["10.0.0.1"], [("http", 80)], sessionAffinity="ClientIP"))


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (service("a", ["10.0.0.1"]), service("a", ["10.0.0.3"]), {"a", "10.0.0.1", "10.0.0.3"}),
        (service("a", ["10.0.0.1"]), service("a", ["10.0.0.1"], [("http", 80)]), {"a"}),
        (slice_of("a", ["10.1.0.1", "10.1.0.2"]), slice_of("a", ["10.1.0.1"]), {"a", "10.1.0.2"}),
        (slice_of("a", ["10.1.0.1"]), slice_of("a", ["10.1.0.1"], [("http", 80)]), {"a"}),
        (
            slice_of("a", [{"addresses": ["10.1.0.1"], "hostname": "old"}, "10.1.0.2"]),
            slice_of("a", [{"addresses": ["10.1.0.1"], "hostname": "new"}, "10.1.0.2"]),
            {"a", "10.1.0.1"},
        ),
        (slice_of("a", ["10.1.0.1"], name="s"), slice_of("b", ["10.1.0.1"], name="s"), {"a", "b", "10.1.0.1"}),
    ],
)
def test_a_change_announces_no_more_than_it_touches(before: Object, after: Object, changed: set[str]) -> None:
    cluster = Cluster(before)
    keys = {
        tail(bytes(map(int, each.split("."))), 30) if "." in each else b"\x01" + each.encode() + b"\x07default"
        for each in changed
    }
    assert cluster.put(after) == keys


def test_a_slice_may_move_to_another_service() -> None:
    cluster = Cluster(namespace("default"), service("a"), service("b"), slice_of("a", ["10.1.0.1"], name="s"))
    cluster.put(slice_of("b", ["10.1.0.1"], name="s"))

    assert cluster.ask("a.default.svc.cluster.local. A").rcode == codes.NXDOMAIN
    assert cluster.ask("b.default.svc.cluster.local. A").rcode == codes.NOERROR


def test_a_slice_that_loses_its_service_s_label_is_gone() -> None:
    cluster = Cluster(namespace("default"), service("a"), slice_of("a", ["10.1.0.1"], name="s"))
    cluster.put(slice_of("", ["10.1.0.1"], name="s"))
    assert cluster.ask("a.default.svc.cluster.local. A").rcode == codes.NXDOMAIN


def test_what_cannot_be_a_name_is_refused_and_what_was_known_stays() -> None:
    cluster = Cluster(namespace("default"), service("a"), slice_of("a", ["10.1.0.1"]))
    with pytest.raises(WireError):
        cluster.put(slice_of("a", [{"addresses": ["10.1.0.2"], "hostname": "h" * 64}]))
    with pytest.raises(WireError):
        cluster.put(service("a" * 64))
    assert cluster.ask("a.default.svc.cluster.local. A").rcode == codes.NOERROR


def test_a_change_of_one_service_leaves_the_others_ready_made() -> None:
    cluster = Cluster(namespace("default"), *(service(f"s{n}", [f"10.0.0.{n}"]) for n in range(50)))
    asked = [f"s{n}.default.svc.cluster.local. A" for n in range(50)]
    before = [cluster.answer(text) for text in asked]
    published = dict(cluster.index._published)
    cluster.put(slice_of("s7", ["10.1.0.7"]), service("s8", ["10.0.0.8"], [("http", 80)]))

    assert {key for key, made in published.items() if cluster.index._published.get(key) is not made} == {
        b"\x02s7\x07default",
        b"\x02s8\x07default",
    }
    assert [cluster.answer(text) for text in asked] == before


def test_what_is_gone_leaves_nothing_behind() -> None:
    things = [
        service("a", ["10.0.0.1"], [("http", 80)]),
        slice_of("a", ["10.1.0.1", "10.1.0.2"]),
        slice_of("a", ["10.1.0.1"], name="second"),
        namespace("default"),
        pod("p", "10.1.0.1"),
    ]
    cluster = Cluster(*things)
    cluster.ask("a.default.svc.cluster.local. A")
    for thing in things:
        assert cluster.delete(thing)
        assert not cluster.delete(thing)

    kept = {**vars(cluster.index), **vars(cluster.pods), **vars(cluster.namespaces)}
    assert [name for name, held in kept.items() if isinstance(held, dict | set) and held] == []


def test_an_address_is_kept_once_whoever_has_it() -> None:
    cluster = Cluster(service("a"), slice_of("a", [f"10.1.{n // 250}.{n % 250}" for n in range(1000)]))
    (entry,) = cluster.index.slices_at(tail(bytes((10, 1, 0, 7)), 30))

    assert {id(each) for each in entry.tails} == {id(each) for each in cluster.index._slices_at}
    assert len({id(holders) for holders in cluster.index._slices_at.values()}) == 1
