"""The search path of a pod, and the two ways to its namespace."""

import pytest

from kdns.cluster import search
from kdns.cluster.names import split
from kdns.cluster.namespaces import Namespaces
from kdns.cluster.pods import Pods
from kdns.wire import names
from tests.kdns.cluster.making import namespace, pod

ZONE = names.parse("cluster.local.")


@pytest.mark.parametrize(
    ("zone", "path"),
    [
        ("cluster.local.", ["shop.svc.cluster.local.", "svc.cluster.local.", "cluster.local."]),
        (".", ["shop.svc.", "svc.", "."]),
    ],
)
def test_a_pod_looks_in_its_namespace_first(zone: str, path: list[str]) -> None:
    assert [names.show(name) for name in search.below(b"\x04shop", names.parse(zone))] == path


def test_a_client_is_in_the_namespace_of_its_pod() -> None:
    pods = Pods()
    for each in (pod("web", "10.1.0.1", ns="shop"), pod("b", "10.0.0.1", ns="beta"), pod("a", "10.0.0.1", ns="alfa")):
        pods.put(each)

    assert search.of_client(pods, "10.1.0.1") == b"\x04shop"
    assert search.of_client(pods, "10.0.0.1") == b"\x04alfa"
    assert search.of_client(pods, "10.9.9.9") is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("www.example.org.shop.svc.cluster.local.", b"\x04shop"),
        ("web.shop.svc.cluster.local.", b"\x04shop"),
        ("shop.svc.cluster.local.", None),
        ("www.example.org.other.svc.cluster.local.", b"\x05other"),
        ("10-0-0-1.shop.pod.cluster.local.", None),
        ("www.example.org.svc.cluster.local.", b"\x03org"),
        ("cluster.local.", None),
    ],
)
def test_a_name_below_the_services_of_a_namespace_tells_it(name: str, found: bytes | None) -> None:
    labels = split(names.parse(name), ZONE)
    assert labels is not None
    assert search.of_name(labels) == found


SHOP = ["shop.svc.cluster.local.", "svc.cluster.local.", "cluster.local."]


@pytest.mark.parametrize(
    ("client", "by_name", "asked", "path", "keys"),
    [
        (None, False, "www.shop.svc.cluster.local.", [], ()),
        (None, True, "www.shop.svc.cluster.local.", SHOP, (b"\x04shop",)),
        (None, True, "www.other.svc.cluster.local.", [], (b"\x05other",)),  # there may be such a namespace later
        (None, True, "www.cluster.local.", [], ()),
        ("10.1.0.1", False, "www.other.svc.cluster.local.", SHOP, None),
        ("10.9.9.9", True, "www.shop.svc.cluster.local.", SHOP, None),
        ("10.9.9.9", False, "www.shop.svc.cluster.local.", [], None),
    ],
)
def test_a_path_is_every_client_s_unless_pods_are_watched(
    client: str | None, by_name: bool, asked: str, path: list[str], keys: tuple[bytes, ...] | None
) -> None:
    pods, namespaces = Pods(), Namespaces()
    pods.put(pod("web", "10.1.0.1", ns="shop"))
    namespaces.put(namespace("shop"))
    labels = split(names.parse(asked), ZONE)
    assert labels is not None

    found = search.path(ZONE, labels, pods, client, namespaces if by_name else None)

    assert ([names.show(name) for name in found[0]], found[1]) == (path, keys)
