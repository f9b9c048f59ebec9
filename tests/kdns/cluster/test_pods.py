"""Pods by their addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.cluster.pods import Pods, key_of
from kdns.errors import WireError
from tests.kdns.cluster.making import pod

N, M = b"\x01n", b"\x01m"


def test_pods_on_the_host_network_share_its_address() -> None:
    pods = Pods()
    for name in ("a", "b"):
        pods.put(pod(name, "10.0.0.1", ns="n"))
    pods.put(pod("c", "10.0.0.1", ns="m"))
    assert (pods.count(N, "10.0.0.1"), pods.count(M, "10.0.0.1"), pods.count(N, "10.0.0.2")) == (2, 1, 0)


def test_a_pod_that_moves_announces_both_addresses() -> None:
    pods = Pods()
    assert pods.put(pod("a", None)) == ()
    assert pods.put(pod("a", "10.0.0.1")) == (key_of("10.0.0.1"),)
    assert pods.put(pod("a", "10.0.0.1")) == ()
    assert pods.put(pod("a", "10.0.0.2")) == (key_of("10.0.0.1"), key_of("10.0.0.2"))
    assert pods.delete("default", "a") == (key_of("10.0.0.2"),)
    assert pods.delete("default", "a") == ()


def test_a_pod_that_is_being_deleted_stays_until_it_is_gone() -> None:
    pods = Pods()
    pods.put(pod("a", "10.0.0.1", ns="n"))
    assert pods.put(pod("a", "10.0.0.2", ns="n", ending="2026-01-01T00:00:00Z")) == ()
    assert pods.count(N, "10.0.0.1") == 1


def test_labels_are_kept_only_if_they_are_wanted() -> None:
    pods = Pods()
    pods.put(pod("a", "10.0.0.1", ns="n", labels={"app": "a"}))
    assert pods.labels((N, "a")) == {}

    pods.with_labels = True
    pods.put(pod("b", "10.0.0.1", ns="n", labels={"app": "b"}))
    assert (pods.at("10.0.0.1"), pods.labels((N, "b"))) == (((N, "a"), (N, "b")), {"app": "b"})
    pods.delete("n", "b")
    assert (pods.at("10.0.0.1"), pods.labels((N, "b"))) == (((N, "a"),), {})


def test_an_address_counts_as_it_is_written() -> None:
    pods = Pods()
    pods.put(pod("a", "2001:db8::1", ns="n"))
    assert pods.count(N, "2001:0db8::1") == 0


def test_a_namespace_that_cannot_be_a_label_is_refused() -> None:
    with pytest.raises(WireError):
        Pods().put(pod("a", "10.0.0.1", ns="n" * 64))


NAMES, ADDRESSES = st.sampled_from("abc"), st.none() | st.sampled_from(["10.0.0.1", "10.0.0.2"])


@given(st.lists(st.tuples(NAMES, st.sampled_from("nm"), ADDRESSES, st.booleans())))
def test_pods_are_counted_as_a_dict_would(events: list[tuple[str, str, str | None, bool]]) -> None:
    pods, model = Pods(), {}
    for name, space, address, is_put in events:
        if is_put:
            pods.put(pod(name, address, ns=space))
            model[space, name] = address
        else:
            pods.delete(space, name)
            model.pop((space, name), None)
    for space in "nm":
        for address in ("10.0.0.1", "10.0.0.2"):
            expected = sum(where[0] == space and held == address for where, held in model.items())
            assert pods.count(b"\x01" + space.encode(), address) == expected
