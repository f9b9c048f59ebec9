"""A cluster's zone as a whole."""

from collections.abc import Sequence

import pytest

from kdns.cluster.address import packed
from kdns.cluster.transfer import transfer
from kdns.wire import codes, names, records
from tests.kdns.asking import texts
from tests.kdns.cluster.making import Cluster, Object, external, namespace, service, service_import, slice_of

HTTP = [("http", 80, "TCP")]
SOA = "30 IN SOA ns.dns.{0} hostmaster.{0} 0 7200 1800 86400 30"
DEFAULT = namespace("default")


def zone_of(*things: Object, zone: str = "cluster.local.", exposed: Sequence[bytes] = ()) -> list[str]:
    """The records of a zone between its two SOAs, as text."""
    cluster = Cluster(DEFAULT, *things, exposed=exposed)
    place = cluster.zones.holding(names.parse(zone))
    assert place is not None
    first, *found, last = texts(tuple(transfer(cluster.zones, place[0])))
    assert first == last == f"{zone} {SOA.format(zone)}"
    return found


@pytest.mark.parametrize(
    ("things", "found"),
    [
        ([], []),
        (
            [service("web", ["10.96.0.7"], HTTP)],
            [
                "web.default.svc.cluster.local. 30 IN A 10.96.0.7",
                "web.default.svc.cluster.local. 30 IN SRV 0 100 80 web.default.svc.cluster.local.",
                "_http._tcp.web.default.svc.cluster.local. 30 IN SRV 0 100 80 web.default.svc.cluster.local.",
            ],
        ),
        (  # dual stack, and a port without a name
            [service("web", ["10.96.0.7", "2001:db8::7"], [("", 80, "TCP")])],
            [
                "web.default.svc.cluster.local. 30 IN A 10.96.0.7",
                "web.default.svc.cluster.local. 30 IN AAAA 2001:db8::7",
                "web.default.svc.cluster.local. 30 IN SRV 0 100 80 web.default.svc.cluster.local.",
            ],
        ),
        ([service("web", ["10.96.0.7"])], ["web.default.svc.cluster.local. 30 IN A 10.96.0.7"]),
        (
            [external("out", "www.example.org")],
            ["out.default.svc.cluster.local. 30 IN CNAME www.example.org."],
        ),
        ([external("out", "192.0.2.1")], []),  # an address is no alias
        (  # endpoints behind a cluster IP are not told of
            [service("web", ["10.96.0.7"]), slice_of("web", ["10.244.0.7"], HTTP)],
            ["web.default.svc.cluster.local. 30 IN A 10.96.0.7"],
        ),
        (  # headless: each address under both names, the weight by slice
            [service("db"), slice_of("db", [{"addresses": ["10.244.0.7"], "hostname": "db-0"}, "10.244.0.8"], HTTP)],
            [
                "db.default.svc.cluster.local. 30 IN A 10.244.0.7",
                "db-0.db.default.svc.cluster.local. 30 IN A 10.244.0.7",
                "_http._tcp.db.default.svc.cluster.local. 30 IN SRV 0 50 80 db-0.db.default.svc.cluster.local.",
                "db.default.svc.cluster.local. 30 IN A 10.244.0.8",
                "10-244-0-8.db.default.svc.cluster.local. 30 IN A 10.244.0.8",
                "_http._tcp.db.default.svc.cluster.local. 30 IN SRV 0 50 80 10-244-0-8.db.default.svc.cluster.local.",
            ],
        ),
        ([service("db"), slice_of("db", [], HTTP)], []),
        ([slice_of("lost", ["10.244.0.7"], HTTP)], []),  # a slice of no service
        ([service("web", ["10.96.0.7"], ns="gone")], []),  # in a namespace that is not there
    ],
)
def test_a_zone_has_what_its_services_have(things: list[Object], found: list[str]) -> None:
    assert zone_of(*things) == found


def test_services_come_by_name_then_by_namespace() -> None:
    things = [service(name, ["10.96.0.7"], ns=ns) for name, ns in (("b", "default"), ("a", "other"), ("a", "default"))]
    assert [line.split(".svc")[0] for line in zone_of(namespace("other"), *things)] == [
        "a.default",
        "a.other",
        "b.default",
    ]


def test_only_exposed_namespaces_are_told_of() -> None:
    things = [namespace("other"), *(service("web", ["10.96.0.7"], ns=ns) for ns in ("default", "other"))]
    assert [line.split()[0] for line in zone_of(*things, exposed=[b"\x05other"])] == ["web.other.svc.cluster.local."]


def test_a_clusterset_tells_of_its_own_services_without_their_clusters() -> None:
    things = [
        service("web", ["10.96.0.7"]),
        service_import("db"),
        slice_of("db", ["10.244.0.7"], HTTP, cluster="east"),
    ]
    assert zone_of(*things, zone="clusterset.local.") == [
        "db.default.svc.clusterset.local. 30 IN A 10.244.0.7",
        "10-244-0-7.db.default.svc.clusterset.local. 30 IN A 10.244.0.7",
        "_http._tcp.db.default.svc.clusterset.local. 30 IN SRV 0 100 80 10-244-0-7.db.default.svc.clusterset.local.",
    ]


@pytest.mark.parametrize(
    ("things", "names_", "glue"),
    [
        ([], ["ns.dns.cluster.local."], ["ns.dns.cluster.local. 0 IN A 192.0.2.53"]),
        (
            [service("dns", ["10.96.0.10"]), slice_of("dns", ["192.0.2.53"])],
            ["dns.default.svc.cluster.local."],
            ["dns.default.svc.cluster.local. 0 IN A 10.96.0.10"],
        ),
    ],
)
def test_the_name_servers_come_first_with_their_addresses(
    things: list[Object], names_: list[str], glue: list[str]
) -> None:
    address = packed("192.0.2.53")
    assert address is not None
    cluster = Cluster(DEFAULT, *things, local=[address])
    place = cluster.zones.holding(names.parse("cluster.local."))
    assert place is not None

    found = list(transfer(cluster.zones, place[0]))

    servers = [rr for rr in found if records.rtype(rr) == codes.NS]
    assert found[1 : 1 + len(servers)] == servers
    assert texts(tuple(servers)) == [f"cluster.local. 30 IN NS {name}" for name in names_]
    at = 1 + len(servers)
    assert texts(tuple(found[at : at + len(glue)])) == glue
