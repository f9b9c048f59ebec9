"""Rows: what is kept of every object, written down and taken in again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import decode, encode

from kdns.cluster import rows
from kdns.cluster.entries import tail
from kdns.cluster.external import Externals
from kdns.cluster.settings import Settings, read
from kdns.cluster.state import State
from kdns.errors import WireError
from kdns.wire import names
from tests.kdns.asking import args
from tests.kdns.cluster.making import Object, namespace, pod, service
from tests.kdns.cluster.strategies import OBJECTS

ZONES = (names.parse("cluster.local."),)
ADDRESSES = [bytes((10, 0, 0, number)) for number in range(1, 5)]


def state() -> State:
    made = State(Settings(ZONES, pods="verified", zonal=True, clustersets=ZONES))
    made.pods.with_labels, made.externals = True, Externals()
    return made


def takers(known: State) -> dict[str, Any]:
    """By kind: what takes an object in, and the table of its rows."""
    return {
        "Service": (known.put_service, rows.services(known)),
        "Namespace": (known.namespaces.put, rows.namespaces(known)),
        "EndpointSlice": (known.index.put_slice, rows.slices(known.index)),
        "Pod": (known.pods.put, rows.pods(known)),
        "ServiceImport": (known.imports.put_import, rows.imports(known.imports)),
    }


def seen(known: State) -> list[object]:
    """What can be asked of a state."""
    assert known.externals is not None
    found: list[object] = [sorted(known.namespaces.exposed)]
    for index in (known.index, known.imports):
        services = index.services()
        found += [[(each, index.entry(each), index.slices_of(each)) for each in services]]
        found += [[known.externals.of(each) for each in services]]
        tails = [tail(address, index.form.ttl) for address in ADDRESSES]
        found += [[(index.services_at(each), index.slices_at(each)) for each in tails]]
    at = [sorted(known.pods.at(f"10.0.0.{number}")) for number in range(1, 5)]
    return [*found, at, [known.pods.labels(where) for place in at for where in place]]


@given(st.lists(OBJECTS, max_size=20))
def test_a_state_that_takes_in_another_s_rows_knows_the_same(things: list[Object]) -> None:
    before, after = state(), state()
    for thing in things:
        takers(before)[type(thing).__name__][0](thing)
    for thing in things:
        kind, meta = type(thing).__name__, thing.metadata
        where = meta.namespace or "", meta.name
        row = takers(before)[kind][1].of(*where)
        if row is not None:
            table = takers(after)[kind][1]
            table.put(*where, decode(encode(row), type=table.row))

    assert seen(after) == seen(before)


def test_what_there_is_to_know_of_an_object_is_in_its_row() -> None:
    before, after = state(), state()
    for known, is_put in ((before, True), (after, False)):
        for thing in (
            namespace("default"),
            service("web", ["10.0.0.1"], externalIPs=["10.0.0.2"]),
            pod("p", "10.0.0.3", labels={"app": "shop"}),
        ):
            put, table = takers(known)[type(thing).__name__]
            where = thing.metadata.namespace or "", thing.metadata.name
            if is_put:
                put(thing)
            else:
                assert table.put(*where, takers(before)[type(thing).__name__][1].of(*where))
    assert seen(after) == seen(before)
    assert before.externals is not None
    assert before.externals.of(b"\x03web\x07default")
    assert before.pods.labels((b"\x07default", "p")) == {"app": "shop"}


@pytest.mark.parametrize("kind", ["Service", "Namespace", "EndpointSlice", "Pod", "ServiceImport"])
def test_of_what_is_not_there_is_no_row(kind: str) -> None:
    assert takers(state())[kind][1].of("default", "nothing") is None


@pytest.mark.parametrize("kind", ["Service", "Namespace", "Pod", "ServiceImport"])
def test_a_name_that_cannot_be_one_is_said_to_be(kind: str) -> None:
    with pytest.raises(WireError):
        takers(state())[kind][1].of("x" * 64, "x" * 64)


def settings(properties: str) -> Settings:
    return read(args(f"kubernetes cluster.local {{\nendpoint http://a\n{properties}\n}}"))


@pytest.mark.parametrize(
    ("properties", "same"),
    [
        ("fallthrough\nstartup_timeout 1s\nsnapshot elsewhere", True),
        ("ttl 9", False),
        ("pods verified", False),
        ("endpoint_pod_names", False),
        ("namespaces a", False),
        ("labels a=b", False),
        ("endpoint http://b", False),
    ],
)
def test_rows_depend_on_what_is_kept_and_on_the_cluster(properties: str, same: bool) -> None:
    one, other = settings(""), settings(properties)
    assert (rows.made_with(one, State(one)) == rows.made_with(other, State(other))) == same


def test_rows_depend_on_who_else_asks() -> None:
    chosen = settings("")
    labelled, outside = State(chosen), State(chosen)
    labelled.pods.with_labels, outside.externals = True, Externals()
    assert len({rows.made_with(chosen, each) for each in (State(chosen), labelled, outside)}) == 3
