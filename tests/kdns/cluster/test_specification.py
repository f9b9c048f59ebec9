"""The Kubernetes DNS specification 1.1.0, record by record, and CoreDNS's behaviour where it is silent."""

import pytest

from kdns.chain import Reply
from kdns.cluster.index import Index
from kdns.cluster.publish import INSECURE, VERIFIED, Rules
from kdns.cluster.zone import ClusterZones
from kdns.wire import codes, names
from tests.kdns.asking import question, texts
from tests.kdns.cluster.making import namespace, pod, put, service, slice_of

ZONES = ("cluster.local.", "10.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.")
WEB = [("http", 80, "TCP"), ("metrics", 9090, "TCP"), ("dns", 53, "UDP")]


def cluster(**fields: object) -> ClusterZones:
    index = Index(serial=7)
    put(
        index,
        namespace("default"),
        namespace("empty"),
        service("web", ["10.96.0.7"], WEB),
        service("dual", ["10.96.0.8", "2001:db8::8"], [("http", 80)]),
        service("bare", ["10.96.0.9"]),
        service("unnamed", ["10.96.0.11"], [("", 80)]),
        slice_of("web", ["10.244.0.7"], WEB),
        service("db", None, [("sql", 5432, "TCP")]),
        slice_of(
            "db",
            [
                {"addresses": ["10.244.1.1"], "hostname": "db-0"},
                {"addresses": ["10.244.1.2"], "hostname": "DB-1"},
                {"addresses": ["10.244.1.3"], "conditions": {"ready": False}},
                {"addresses": ["10.244.1.4"], "conditions": {"ready": True}},
            ],
            [("sql", 5432, "TCP")],
        ),
        service("v6", None, [("http", 80)]),
        slice_of("v6", ["2001:db8::1:0"], [("http", 80)]),
        service("down", None, [("http", 80)]),
        slice_of("down", [{"addresses": ["10.244.2.1"], "conditions": {"ready": False}}], [("http", 80)]),
        service("alias", type="ExternalName", externalName="www.example.org"),
        service("byip", type="ExternalName", externalName="192.0.2.1"),
        service("lost", ["10.96.9.9"], [("http", 80)], ns="nowhere"),
        service("zoned", None, [("http", 80)]),
        slice_of(
            "zoned", [{"addresses": ["10.244.3.1"], "zone": "eu-1a"}, {"addresses": ["10.244.3.2"]}], [("http", 80)]
        ),
        pod("web-0", "10.244.0.7"),
    )
    rules = Rules(30, **fields)  # type: ignore[arg-type]
    local = (bytes((192, 0, 2, 53)),)
    return ClusterZones(tuple(map(names.parse, ZONES)), index, rules, lambda: local, dotted=True, zonal=True)


def ask(zones: ClusterZones, text: str) -> Reply:
    asked = question(text)
    zone = zones.holding(asked.key)
    assert zone is not None
    found = zones.find(asked.key, zone, asked.qtype)
    if found.missing:
        return Reply(codes.NXDOMAIN)
    answer, additional = zones.records(asked, zone, found)
    return Reply(answer=answer, additional=additional)


SVC = "default.svc.cluster.local."


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (f"web.{SVC} A", [f"web.{SVC} 30 IN A 10.96.0.7"]),  # 2.3.1
        (f"Web.{SVC} A", [f"Web.{SVC} 30 IN A 10.96.0.7"]),  # 2.1: case does not matter, and is kept
        (f"dual.{SVC} AAAA", [f"dual.{SVC} 30 IN AAAA 2001:db8::8"]),
        (f"_http._tcp.web.{SVC} SRV", [f"_http._tcp.web.{SVC} 30 IN SRV 0 100 80 web.{SVC}"]),  # 2.3.2
        (f"http.tcp.web.{SVC} SRV", [f"http.tcp.web.{SVC} 30 IN SRV 0 100 80 web.{SVC}"]),
        (f"_http._tcp.web.{SVC} A", [f"_http._tcp.web.{SVC} 30 IN A 10.96.0.7"]),
        (f"_http._tcp.dual.{SVC} SRV", [f"_http._tcp.dual.{SVC} 30 IN SRV 0 50 80 dual.{SVC}"]),
        (f"unnamed.{SVC} SRV", [f"unnamed.{SVC} 30 IN SRV 0 100 80 unnamed.{SVC}"]),
        ("7.0.96.10.in-addr.arpa. PTR", [f"7.0.96.10.in-addr.arpa. 30 IN PTR web.{SVC}"]),  # 2.3.3
        (f"10-244-0-7.web.{SVC} A", [f"10-244-0-7.web.{SVC} 30 IN A 10.244.0.7"]),
        (f"db-0.db.{SVC} A", [f"db-0.db.{SVC} 30 IN A 10.244.1.1"]),  # 2.4.1
        (f"db-1.db.{SVC} A", [f"db-1.db.{SVC} 30 IN A 10.244.1.2"]),
        (f"10-244-1-4.db.{SVC} A", [f"10-244-1-4.db.{SVC} 30 IN A 10.244.1.4"]),
        (f"2001-db8--1-0.v6.{SVC} AAAA", [f"2001-db8--1-0.v6.{SVC} 30 IN AAAA 2001:db8::1:0"]),
        ("2.1.244.10.in-addr.arpa. PTR", [f"2.1.244.10.in-addr.arpa. 30 IN PTR db-1.db.{SVC}"]),  # 2.4.3
        ("dns-version.cluster.local. TXT", ['dns-version.cluster.local. 28800 IN TXT "1.1.0"']),  # 2.2
        ("ns.dns.cluster.local. A", ["ns.dns.cluster.local. 30 IN A 192.0.2.53"]),
        ("cluster.local. NS", ["cluster.local. 30 IN NS ns.dns.cluster.local."]),
        (
            "cluster.local. SOA",
            ["cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30"],
        ),
        (f"eu-1a.pin._zone.zoned.{SVC} A", [f"eu-1a.pin._zone.zoned.{SVC} 30 IN A 10.244.3.1"]),
    ],
)
def test_a_record_of_the_specification(asked: str, answer: list[str]) -> None:
    assert texts(ask(cluster(), asked).answer) == answer


def test_a_headless_service_has_every_ready_endpoint() -> None:
    addresses = ["10.244.1.1", "10.244.1.2", "10.244.1.4"]
    assert texts(ask(cluster(), f"db.{SVC} A").answer) == [f"db.{SVC} 30 IN A {each}" for each in addresses]


def test_srv_of_a_headless_service_points_at_its_endpoints() -> None:
    reply = ask(cluster(), f"_sql._tcp.db.{SVC} SRV")
    hosts = ["db-0", "db-1", "10-244-1-4"]

    assert texts(reply.answer) == [f"_sql._tcp.db.{SVC} 30 IN SRV 0 33 5432 {host}.db.{SVC}" for host in hosts]
    assert texts(reply.additional) == [
        f"{host}.db.{SVC} 30 IN A {address}"
        for host, address in zip(hosts, ["10.244.1.1", "10.244.1.2", "10.244.1.4"], strict=True)
    ]


def test_srv_of_a_dual_stack_service_has_both_addresses_of_its_target() -> None:
    reply = ask(cluster(), f"dual.{SVC} SRV")
    assert texts(reply.additional) == [f"dual.{SVC} 30 IN A 10.96.0.8", f"dual.{SVC} 30 IN AAAA 2001:db8::8"]


@pytest.mark.parametrize(
    "asked",
    [
        "cluster.local. A",
        "svc.cluster.local. A",
        "pod.cluster.local. A",
        f"{SVC} A",
        "empty.svc.cluster.local. SRV",
        f"web.{SVC} AAAA",
        f"web.{SVC} MX",
        f"web.{SVC} TXT",
        f"bare.{SVC} SRV",
        f"v6.{SVC} A",
        f"web.{SVC} PTR",
        "default.pod.cluster.local. A",
        f"nowhere.pin._zone.zoned.{SVC} A",
        "10.in-addr.arpa. A",
    ],
)
def test_a_name_without_such_records_is_nodata(asked: str) -> None:
    reply = ask(cluster(pods=INSECURE), asked)
    assert (reply.rcode, reply.answer) == (codes.NOERROR, ())


@pytest.mark.parametrize(
    "asked",
    [
        f"nope.{SVC} A",
        f"a.b.c.web.{SVC} A",
        f"_nope._tcp.web.{SVC} SRV",
        f"_http._udp.web.{SVC} SRV",
        f"nope.db.{SVC} A",
        f"down.{SVC} A",  # 2.4.1: no ready endpoint
        f"*.{SVC} A",
        f"any.{SVC} A",
        "web.nowhere.svc.cluster.local. A",  # the namespace is not there
        "lost.nowhere.svc.cluster.local. A",
        f"byip.{SVC} A",
        f"_http._tcp.alias.{SVC} A",
        "web.default.cluster.local. A",
        "dns-version.cluster.local. A",
        f"{SVC} TXT",
        "cluster.local. TXT",
        "9.9.9.10.in-addr.arpa. PTR",
        "10-244-0-7.default.pod.cluster.local. A",  # pods disabled
    ],
)
def test_a_name_that_is_not_there_is_nxdomain(asked: str) -> None:
    assert ask(cluster(), asked).rcode == codes.NXDOMAIN


@pytest.mark.parametrize(
    ("mode", "name", "there"),
    [
        (INSECURE, "10-244-0-7.default.pod", True),
        (INSECURE, "203-0-113-9.default.pod", True),
        (INSECURE, "10.244.0.7.default.pod", True),
        (INSECURE, "10.244.0.7.default.svc", True),
        (INSECURE, "10-244-0-7.nowhere.pod", False),
        (INSECURE, "10-244-0.default.pod", False),
        (INSECURE, "10-244-0-256.default.pod", False),
        (VERIFIED, "10-244-0-7.default.pod", True),
        (VERIFIED, "10.244.0.7.default.svc", True),
        (VERIFIED, "10-244-0-7.empty.pod", False),
        (VERIFIED, "203-0-113-9.default.pod", False),
    ],
)
def test_names_of_pods_follow_the_mode(mode: str, name: str, there: bool) -> None:
    reply = ask(cluster(pods=mode), f"{name}.cluster.local. A")
    assert (reply.rcode == codes.NOERROR, len(reply.answer)) == (there, int(there))


def test_ipv6_names_of_pods_have_single_dashes_for_colons() -> None:
    reply = ask(cluster(pods=INSECURE), "2001-db8--1.default.pod.cluster.local. AAAA")
    assert texts(reply.answer) == ["2001-db8--1.default.pod.cluster.local. 30 IN AAAA 2001:db8::1"]


def test_reverse_names_of_ipv6_addresses() -> None:
    name = ".".join(reversed("20010db8000000000000000000000008")) + ".ip6.arpa."
    assert texts(ask(cluster(), f"{name} PTR").answer) == [f"{name} 30 IN PTR dual.{SVC}"]


def test_only_the_chosen_namespaces_are_published() -> None:
    zones = cluster(namespaces=frozenset({b"\x05empty"}))
    assert ask(zones, f"web.{SVC} A").rcode == codes.NXDOMAIN
    assert ask(zones, "7.0.96.10.in-addr.arpa. PTR").rcode == codes.NXDOMAIN
    assert ask(zones, "empty.svc.cluster.local. A").rcode == codes.NOERROR


def test_services_without_ready_endpoints_can_be_left_out() -> None:
    zones = cluster(ignore_empty=True)
    assert ask(zones, f"dual.{SVC} A").rcode == codes.NXDOMAIN
    assert ask(zones, f"web.{SVC} A").rcode == codes.NOERROR


def test_the_apex_names_the_service_in_front_of_this_server() -> None:
    zones = cluster()
    put(zones.index, service("kube-dns", ["10.96.0.10"]), slice_of("kube-dns", ["192.0.2.53"]))
    reply = ask(zones, "cluster.local. NS")

    assert texts(reply.answer) == [f"cluster.local. 30 IN NS kube-dns.{SVC}"]
    assert texts(reply.additional) == [f"kube-dns.{SVC} 30 IN A 10.96.0.10"]
