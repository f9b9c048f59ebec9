"""The index: events in any order give the index that their objects give, and every changed answer is announced."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kdns.cluster.index import Index
from kdns.cluster.publish import VERIFIED, Found, Rules
from kdns.cluster.zone import ClusterZones
from kdns.wire import codes, names
from tests.kdns.cluster.making import namespace, pod, put, service, slice_of

NAMES = st.sampled_from(["a", "b"])
SPACES = st.sampled_from(["n", "m"])
IPS = st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"]), max_size=3, unique=True)
PORTS = st.sampled_from([[], [("http", 80)], [("http", 80, "TCP"), ("x", 1, "UDP")]])

OBJECTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda name, ips, ports, ns: service(name, ips, ports, ns=ns), NAMES, IPS, PORTS, SPACES),
    st.builds(lambda n, ns: service(n, ns=ns, type="ExternalName", externalName="x.example"), NAMES, SPACES),
    st.builds(lambda o, e, p, ns, n: slice_of(o, e, p, ns=ns, name=n), NAMES, IPS, PORTS, SPACES, NAMES),
    st.builds(namespace, SPACES),
    st.builds(lambda n, ip, ns: pod(n, ip, ns=ns), NAMES, st.sampled_from(["10.0.0.1", "10.0.0.2"]), SPACES),
)
EVENTS = st.lists(st.tuples(st.booleans(), OBJECTS), max_size=25)

QUESTIONS = [
    (f"{name}.cluster.local.", kind)
    for ns in ("n", "m")
    for name in (
        f"a.{ns}.svc", f"b.{ns}.svc", f"http.tcp.a.{ns}.svc", f"10-0-0-1.a.{ns}.svc", f"10-0-0-1.{ns}.pod",
        f"10-0-0-2.{ns}.pod", f"{ns}.svc", f"zz.{ns}.svc",
    )
    for kind in (codes.A, codes.SRV, codes.TXT)
] + [("1.0.0.10.in-addr.arpa.", codes.PTR), ("2.0.0.10.in-addr.arpa.", codes.PTR)]  # fmt: skip


def zones(index: Index) -> ClusterZones:
    found = ("cluster.local.", "10.in-addr.arpa.")
    return ClusterZones(tuple(map(names.parse, found)), index, Rules(pods=VERIFIED), lambda: ())


def answers(index: Index) -> dict[tuple[str, int], Found]:
    asked = zones(index)
    replies = {}
    for name, kind in QUESTIONS:
        key = names.parse(name)
        zone = asked.holding(key)
        assert zone is not None
        replies[name, kind] = asked.find(key, zone, kind)
    return replies


def delete(index: Index, obj: Any) -> tuple[bytes, ...]:
    where = obj.metadata.namespace, obj.metadata.name
    kind = type(obj).__name__
    if kind == "Service":
        return index.delete_service(*where)
    if kind == "EndpointSlice":
        return index.delete_slice(*where)
    return index.delete_namespace(where[1]) if kind == "Namespace" else index.delete_pod(*where)


def identity(obj: Any) -> tuple[str, str, str]:
    return type(obj).__name__, obj.metadata.namespace, obj.metadata.name


@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_events_lead_to_the_index_that_the_objects_make(events: list[tuple[bool, Any]]) -> None:
    index = Index()
    alive: dict[tuple[str, str, str], Any] = {}
    for is_put, obj in events:
        before = answers(index)
        known = identity(obj) in alive
        if is_put:
            (changed,) = put(index, obj)
            alive[identity(obj)] = obj
        elif known:
            changed = delete(index, obj)
            del alive[identity(obj)]
        else:
            continue
        after = answers(index)
        for asked, found in before.items():
            if _said(after[asked]) != _said(found):
                assert set(found.keys) & set(changed), asked

    afresh = Index()
    put(afresh, *alive.values())
    assert {k: _said(v) for k, v in answers(afresh).items()} == {k: _said(v) for k, v in answers(index).items()}


def _said(found: Found) -> tuple[Any, ...]:
    return frozenset(found.hosts), found.alias, found.missing


def test_putting_the_same_again_changes_nothing() -> None:
    index = Index()
    things = [service("a", ["10.0.0.1"]), slice_of("a", ["10.1.0.1"]), namespace("default"), pod("p", "10.1.0.1")]
    assert all(put(index, *things))
    assert not any(put(index, *things))


def test_a_change_announces_only_what_it_touches() -> None:
    index = Index()
    put(index, service("a", ["10.0.0.1"]), service("b", ["10.0.0.2"]))
    (changed,) = put(index, service("a", ["10.0.0.3"]))

    assert set(changed) == {b"\x01a\x07default", b"\0\x0a\0\0\x01", b"\0\x0a\0\0\x03"}


def test_a_slice_may_move_to_another_service() -> None:
    index = Index()
    put(index, slice_of("a", ["10.1.0.1"], name="s"))
    (changed,) = put(index, slice_of("b", ["10.1.0.1"], name="s"))

    assert {b"\x01a\x07default", b"\x01b\x07default"} <= set(changed)
    assert index.slices(b"\x01a\x07default") == []
    assert index.endpoints_at(bytes((10, 1, 0, 1))) == (b"\x01b\x07default",)


def test_pods_that_ended_have_no_address() -> None:
    index = Index()
    put(index, pod("p", "10.1.0.1"))
    put(index, pod("p", "10.1.0.1", phase="Succeeded"))
    assert not index.has_pod(b"\x07default", bytes((10, 1, 0, 1)))
