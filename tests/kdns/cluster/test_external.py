"""The outside of a cluster: which services are told of there, under which names, and what a change changes."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import convert

from kdns.cluster import objects
from kdns.cluster.address import packed
from kdns.cluster.external import Answer, Externals, ExternalZones, Outside, key_at
from kdns.cluster.zone import SERIAL
from kdns.wire import codes, names
from tests.kdns.asking import question, texts
from tests.kdns.cluster.making import Cluster, Object, namespace, service, slice_of

HTTP = [("http", 80, "TCP")]
BOTH = [("http", 80, "TCP"), ("https", 443, "TCP")]
SOA = "example.org. 7 IN SOA ns1.dns.example.org. hostmaster.dns.example.org. 0 7200 1800 86400 7"
MINE = packed("10.244.0.53") or b""


def balanced(name: str, *ingress: dict[str, str], ports: Any = HTTP, **spec: Any) -> objects.Service:
    """A Service behind a load balancer that has these ways in."""
    made = service(name, ["10.96.0.9"], ports, **spec)
    made.status = convert({"loadBalancer": {"ingress": list(ingress)}}, objects.ServiceStatus)
    return made


WEB = service("web", ["10.96.0.1"], BOTH, externalIPs=["192.0.2.1", "2001:db8::1"])
THINGS: Sequence[Object] = (
    namespace("default"),
    WEB,
    balanced("lb", {"ip": "192.0.2.2"}, {"hostname": "lb.example.net"}, externalIPs=["192.0.2.3"]),
    service("bare", ["10.96.0.2"], externalIPs=["192.0.2.4"]),
    service("inside", ["10.96.0.3"], HTTP),
    service("db", ports=HTTP),
    slice_of("db", [{"addresses": ["10.244.0.1"], "hostname": "db-0"}, "10.244.0.2"], HTTP),
    slice_of("inside", [{"addresses": ["10.244.0.3"], "hostname": "in-0"}], HTTP),
)


class Site:
    """The zones example.org and 2.0.192.in-addr.arpa of a cluster with these things, TTL 7 outside and 30 within."""

    def __init__(self, *things: Object, headless: bool = True, exposed: Sequence[bytes] = ()) -> None:
        self.cluster = Cluster(*things, exposed=exposed)
        self.externals = Externals()
        for each in things:
            if isinstance(each, objects.Service):
                self.externals.put(each)
        outside = Outside(self.cluster.index, self.cluster.namespaces, self.externals, lambda: (MINE,))
        origins = names.parse("example.org."), names.parse("2.0.192.in-addr.arpa.")
        self.zones = ExternalZones(outside, origins, ttl=7, headless=headless)

    def ask(self, text: str) -> Answer:
        """What `NAME TYPE` is answered."""
        asked = question(text)
        place = self.zones.holding(asked.key)
        assert place is not None
        return self.zones.answer(asked, *place)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("web.default.example.org. A", ["web.default.example.org. 7 IN A 192.0.2.1"]),
        ("WEB.default.Example.org. A", ["WEB.default.Example.org. 7 IN A 192.0.2.1"]),
        ("web.default.example.org. AAAA", ["web.default.example.org. 7 IN AAAA 2001:db8::1"]),
        ("_http._tcp.web.default.example.org. A", ["_http._tcp.web.default.example.org. 7 IN A 192.0.2.1"]),
        ("any.web.default.example.org. A", ["any.web.default.example.org. 7 IN A 192.0.2.1"]),
        ("bare.default.example.org. A", ["bare.default.example.org. 7 IN A 192.0.2.4"]),
        ("bare.default.example.org. SRV", []),
        ("web.default.example.org. TXT", []),
        ("web.default.example.org. PTR", []),
        ("default.example.org. A", []),
        ("db-0.db.default.example.org. A", ["db-0.db.default.example.org. 7 IN A 10.244.0.1"]),
        ("in-0.inside.default.example.org. A", ["in-0.inside.default.example.org. 7 IN A 10.244.0.3"]),
        (
            "db.default.example.org. A",
            ["db.default.example.org. 7 IN A 10.244.0.1", "db.default.example.org. 7 IN A 10.244.0.2"],
        ),
        ("1.2.0.192.in-addr.arpa. PTR", ["1.2.0.192.in-addr.arpa. 7 IN PTR web.default.example.org."]),
    ],
)
def test_names_that_are_there(asked: str, answer: list[str]) -> None:
    found = Site(*THINGS).ask(asked)
    assert (texts(found.answer), found.missing) == (answer, False)


@pytest.mark.parametrize(
    "asked",
    [
        "inside.default.example.org. A",
        "nope.default.example.org. A",
        "web.elsewhere.example.org. A",
        "_http._udp.web.default.example.org. SRV",
        "x._http._tcp.web.default.example.org. A",
        "nope.db.default.example.org. A",
        "9.2.0.192.in-addr.arpa. PTR",
        "9.2.0.192.in-addr.arpa. A",
        "x.dns.example.org. A",
        "x.ns1.dns.example.org. A",
    ],
)
def test_names_that_are_missing(asked: str) -> None:
    assert Site(*THINGS).ask(asked).missing


def test_endpoints_are_told_of_only_where_headless_services_are() -> None:
    assert Site(*THINGS, headless=False).ask("db.default.example.org. A").missing


def test_a_service_has_one_srv_for_each_port_and_all_its_addresses_as_glue() -> None:
    found = Site(*THINGS).ask("web.default.example.org. SRV")
    assert texts(found.answer) == [
        "web.default.example.org. 30 IN SRV 0 25 80 web.default.example.org.",
        "web.default.example.org. 30 IN SRV 0 25 443 web.default.example.org.",
    ]
    assert texts(found.additional) == [
        "web.default.example.org. 7 IN A 192.0.2.1",
        "web.default.example.org. 7 IN AAAA 2001:db8::1",
    ]


def test_an_endpoint_s_srv_leads_to_its_own_name() -> None:
    found = Site(*THINGS).ask("db-0.db.default.example.org. SRV")
    assert texts(found.answer) == [
        "db-0.db.default.example.org. 30 IN SRV 0 100 80 db-0.db.default.example.org.",
    ]
    assert texts(found.additional) == ["db-0.db.default.example.org. 7 IN A 10.244.0.1"]


def test_a_load_balancer_s_host_name_is_an_alias_to_look_up() -> None:
    found = Site(*THINGS).ask("lb.default.example.org. A")
    assert texts(found.answer) == [
        "lb.default.example.org. 7 IN A 192.0.2.3",
        "lb.default.example.org. 7 IN A 192.0.2.2",
        "lb.default.example.org. 30 IN CNAME lb.example.net.",
    ]
    assert found.lookups == ((names.parse("lb.example.net."), codes.A),)


def test_a_load_balancer_s_host_name_is_the_target_of_srv() -> None:
    found = Site(*THINGS).ask("lb.default.example.org. SRV")
    assert texts(found.answer)[1] == "lb.default.example.org. 30 IN SRV 0 33 80 lb.example.net."
    target = names.parse("lb.example.net.")
    assert found.lookups == ((target, codes.A), (target, codes.AAAA))


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("example.org. SOA", [SOA]),
        ("example.org. NS", ["example.org. 7 IN NS ns1.dns.example.org."]),
        ("example.org. A", []),
        ("dns.example.org. A", []),
        ("ns1.dns.example.org. A", ["ns1.dns.example.org. 7 IN A 10.244.0.53"]),
        ("ns1.dns.example.org. AAAA", []),
        ("ns1.dns.example.org. TXT", []),
    ],
)
def test_the_zone_s_own_names(asked: str, answer: list[str]) -> None:
    found = Site(*THINGS).ask(asked)
    assert (texts(found.answer), found.missing, found.own) == (answer, False, True)


@pytest.mark.parametrize(
    ("fronting", "headless", "addresses"),
    [
        (service("kdns", ["10.96.0.10"], externalIPs=["192.0.2.53"]), True, ["192.0.2.53"]),
        (balanced("kdns", {"hostname": "dns.example.net"}), True, []),
        (service("kdns", ["10.96.0.10"]), True, []),
        (service("kdns"), True, ["10.244.0.53", "10.244.0.54"]),
        (service("kdns"), False, []),
    ],
)
def test_the_name_server_has_the_outer_addresses_of_the_service_that_fronts_it(
    fronting: objects.Service, headless: bool, addresses: list[str]
) -> None:
    site = Site(fronting, slice_of("kdns", ["10.244.0.53", "10.244.0.54"]), headless=headless)
    glue = texts(site.ask("example.org. NS").additional)
    assert glue == [f"ns1.dns.example.org. 7 IN A {address}" for address in addresses]


def test_reverse_names_do_not_tell_of_services_in_namespaces_that_are_not_exposed() -> None:
    assert Site(*THINGS, exposed=[b"\x05other"]).ask("1.2.0.192.in-addr.arpa. PTR").missing


def test_a_name_in_two_zones_is_in_the_longer_one() -> None:
    zones = Site().zones._replace(zones=(names.parse("org."), names.parse("example.org.")))
    assert zones.holding(names.parse("a.example.org.")) == (names.parse("example.org."), [b"\x01a"])
    assert zones.holding(names.parse("example.net.")) is None


def test_answers_name_the_keys_that_a_change_reports() -> None:
    site, key = Site(*THINGS), b"\x03web\x07default"
    assert site.ask("web.default.example.org. A").keys == (key, b"\x07default")
    assert site.ask("1.2.0.192.in-addr.arpa. PTR").keys == (key_at(b"\xc0\0\2\1"),)
    assert site.ask("example.org. SOA").keys == (SERIAL,)

    assert site.externals.put(WEB) == ()
    moved = service("web", ["10.96.0.1"], BOTH, externalIPs=["192.0.2.9", "2001:db8::1"])
    assert set(site.externals.put(moved)) == {key, key_at(b"\xc0\0\2\1"), key_at(b"\xc0\0\2\x09")}
    assert site.ask("1.2.0.192.in-addr.arpa. PTR").missing
    assert texts(site.ask("web.default.example.org. A").answer) == ["web.default.example.org. 7 IN A 192.0.2.9"]
    assert key in site.externals.delete("default", "web")
    assert site.ask("web.default.example.org. A").missing


def test_services_that_share_an_address_are_told_of_by_name_until_they_go() -> None:
    externals = Externals()
    for name in ("b", "a"):
        externals.put(service(name, externalIPs=["192.0.2.1"]))
    assert externals.at(b"\xc0\0\2\1") == [b"\x01a\x07default", b"\x01b\x07default"]
    externals.delete("default", "a")
    assert externals.at(b"\xc0\0\2\1") == [b"\x01b\x07default"]


def test_what_is_neither_an_address_nor_a_name_is_left_out() -> None:
    externals = Externals()
    assert externals.put(balanced("lb", {}, {"hostname": "x" * 64}, {"ip": "192.0.2.3"}))
    assert [way.address for way in externals.of(b"\x02lb\x07default")] == [packed("192.0.2.3")]
    assert externals.put(objects.Service(objects.Metadata("none", "default"))) == ()
