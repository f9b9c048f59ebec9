"""The outside of a cluster as a whole."""

from kdns.cluster.external_transfer import transfer
from kdns.wire import names
from tests.kdns.asking import texts
from tests.kdns.cluster.making import namespace, service, slice_of
from tests.kdns.cluster.test_external import HTTP, SOA, WEB, Site, balanced

ZONE = names.parse("example.org.")


def whole(site: Site) -> list[str]:
    """The records between the SOAs."""
    first, *found, last = texts(tuple(transfer(site.zones, ZONE)))
    assert first == last == SOA
    return [line.replace(".default.example.org.", "") for line in found]


def test_tells_of_the_name_server_and_the_ways_into_services() -> None:
    site = Site(namespace("default"), WEB, service("inside", ["10.96.0.3"], HTTP))
    assert whole(site) == [
        "example.org. 7 IN NS ns1.dns.example.org.",
        "ns1.dns.example.org. 7 IN A 10.244.0.53",
        "web 7 IN A 192.0.2.1",
        "web 7 IN AAAA 2001:db8::1",
        "web 30 IN SRV 0 25 80 web",
        "web 30 IN SRV 0 25 443 web",
        "_http._tcp.web 30 IN SRV 0 50 80 web",
        "_https._tcp.web 30 IN SRV 0 50 443 web",
    ]


def test_an_alias_is_told_once() -> None:
    found = whole(Site(namespace("default"), balanced("lb", {"hostname": "lb.example.net"})))
    assert found[2:] == [
        "lb 30 IN CNAME lb.example.net.",
        "lb 30 IN SRV 0 100 80 lb.example.net.",
        "_http._tcp.lb 30 IN SRV 0 100 80 lb.example.net.",
    ]


def test_headless_services_are_told_of_with_their_endpoints_where_they_are_served() -> None:
    db = service("db", ports=HTTP)
    things = namespace("default"), db, slice_of("db", [{"addresses": ["10.244.0.1"], "hostname": "db-0"}], HTTP)
    assert whole(Site(*things, headless=False))[2:] == []
    assert whole(Site(*things))[2:] == [
        "db 7 IN A 10.244.0.1",
        "db 30 IN SRV 0 100 80 db-0.db",
        "_http._tcp.db 30 IN SRV 0 100 80 db-0.db",
        "db-0.db 7 IN A 10.244.0.1",
        "db-0.db 30 IN SRV 0 100 80 db-0.db",
    ]


def test_namespaces_that_are_not_exposed_are_left_out() -> None:
    assert whole(Site(namespace("default"), WEB, exposed=[b"\x05other"]))[2:] == []
