"""What is known of a query."""

import pytest

from kdns.cluster.metadata import INVALID, of_client, of_name
from kdns.cluster.names import Grammar, split
from kdns.cluster.pods import Pods
from kdns.wire import names
from tests.kdns.cluster.making import pod


def told(name: str, grammar: Grammar) -> dict[str, str]:
    """The parts that a name has, without those that it has not."""
    labels = split(names.parse(name), names.ROOT)
    assert labels is not None
    found = of_name(labels, grammar)
    assert all(label.startswith("kubernetes/") for label in found)
    return {label.removeprefix("kubernetes/"): value for label, value in found.items() if value}


@pytest.mark.parametrize(
    ("name", "grammar", "parts"),
    [
        (".", Grammar(), {}),
        ("svc", Grammar(), {}),
        ("a.b.c", Grammar(), {"parse-error": INVALID}),
        ("ns.svc", Grammar(), {"kind": "svc", "namespace": "ns"}),
        ("1-2-3-4.ns.pod", Grammar(), {"kind": "pod", "namespace": "ns", "service": "1-2-3-4"}),
        ("e.s.ns.svc", Grammar(), {"kind": "svc", "namespace": "ns", "service": "s", "endpoint": "e"}),
        (
            "_http._tcp.s.ns.svc",
            Grammar(),
            {"kind": "svc", "namespace": "ns", "service": "s", "port-name": "http", "protocol": "tcp"},
        ),
        (
            "e.c.s.ns.svc",
            Grammar(clusterset=True),
            {"kind": "svc", "namespace": "ns", "service": "s", "endpoint": "e", "cluster": "c"},
        ),
        (
            "eu.west.pin._zone.s.ns.svc",
            Grammar(zonal=True),
            {"kind": "svc", "namespace": "ns", "service": "s", "zone": "eu.west"},
        ),
    ],
)
def test_a_name_s_parts(name: str, grammar: Grammar, parts: dict[str, str]) -> None:
    assert told(name, grammar) == parts


def test_clusters_and_zones_are_labels_only_where_names_can_have_them() -> None:
    plain, more = (set(of_name([], grammar)) for grammar in (Grammar(), Grammar(clusterset=True, zonal=True)))
    assert more - plain == {"kubernetes/cluster", "kubernetes/zone"}


def test_the_pod_that_asks_is_known_by_its_address() -> None:
    pods = Pods()
    pods.with_labels = True
    pods.put(pod("b", "10.0.0.1", ns="n"))
    pods.put(pod("a", "10.0.0.1", ns="n", labels={"app": "shop"}))
    assert of_client(pods, "10.0.0.1") == {
        "kubernetes/client-namespace": "n",
        "kubernetes/client-pod-name": "a",
        "kubernetes/client-label/app": "shop",
    }
    assert of_client(pods, "10.0.0.2") == {}
