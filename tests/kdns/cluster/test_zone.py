"""The Kubernetes DNS specification 1.1.0, record by record, and CoreDNS's behaviour where it is silent."""

import pytest

from kdns.cluster.entries import Form
from kdns.cluster.names import Grammar
from kdns.cluster.zone import DISABLED, INSECURE, SERIAL, VERIFIED
from kdns.wire import codes, names
from tests.kdns.asking import texts
from tests.kdns.cluster.making import Cluster, external, namespace, pod, service, service_import, slice_of

SVC = "default.svc.cluster.local."
SET = "default.svc.clusterset.local."
WEB = [("http", 80, "TCP"), ("metrics", 9090, "TCP"), ("dns", 53, "UDP")]
HTTP = [("http", 80, "TCP")]
UNREADY = {"ready": False}
EVERYTHING = Grammar(zonal=True, dotted=True)


def cluster(pods: str = INSECURE, **more: object) -> Cluster:
    return Cluster(
        namespace("default"),
        namespace("empty"),
        service("web", ["10.96.0.7"], WEB),
        service("dual", ["10.96.0.8", "2001:db8::8"], HTTP),
        service("bare", ["10.96.0.9"]),
        service("unnamed", ["10.96.0.11"], [("", 80)]),
        service("pending", [""], HTTP),
        slice_of("web", ["10.244.0.7"], WEB),
        service("db", ports=[("sql", 5432, "TCP")]),
        slice_of(
            "db",
            [
                {"addresses": ["10.244.1.1"], "hostname": "db-0"},
                {"addresses": ["10.244.1.2"], "hostname": "DB-1"},
                {"addresses": ["10.244.1.3"], "conditions": UNREADY},
                {"addresses": ["10.244.1.4"], "conditions": {"ready": True}},
            ],
            [("sql", 5432, "TCP")],
        ),
        service("v6"),
        slice_of("v6", ["2001:db8::1:0", "2001:db8::"], HTTP),
        service("down"),
        slice_of("down", [{"addresses": ["10.244.2.1"], "conditions": UNREADY}], HTTP),
        service("portless"),
        slice_of("portless", ["10.244.4.1"]),
        external("alias", "www.example.org"),
        external("byip", "192.0.2.1"),
        external("nameless", ""),
        service("lost", ["10.96.9.9"], HTTP, ns="nowhere"),
        service("zoned"),
        slice_of("zoned", [{"addresses": ["10.244.3.1"], "zone": "EU-1a"}, {"addresses": ["10.244.3.2"]}], HTTP),
        service_import("web", ["10.112.0.7"], HTTP),
        service_import("unready", ["10.112.0.8"]),
        service_import("far"),
        slice_of("far", [{"addresses": ["10.1.0.1"], "hostname": "f-0"}], HTTP, cluster="c1"),
        pod("web-0", "10.244.0.7"),
        form=Form(30, zonal=True),
        grammar=EVERYTHING,
        pods=pods,
        local=[bytes((192, 0, 2, 53))],
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (f"web.{SVC} A", "A 10.96.0.7"),  # 2.3.1
        (f"Web.{SVC} A", "A 10.96.0.7"),  # 2.1: case does not matter, and is kept
        ("web.default.SVC.Cluster.Local. A", "A 10.96.0.7"),
        (f"dual.{SVC} A", "A 10.96.0.8"),
        (f"dual.{SVC} AAAA", "AAAA 2001:db8::8"),
        (f"_http._tcp.web.{SVC} SRV", f"SRV 0 100 80 web.{SVC}"),  # 2.3.2
        (f"http.tcp.web.{SVC} SRV", f"SRV 0 100 80 web.{SVC}"),
        (f"_._udp.web.{SVC} SRV", f"SRV 0 100 53 web.{SVC}"),  # nothing but an underscore stands for any
        (f"_http._tcp.web.{SVC} A", "A 10.96.0.7"),
        (f"_http._tcp.dual.{SVC} SRV", f"SRV 0 50 80 dual.{SVC}"),
        (f"unnamed.{SVC} SRV", f"SRV 0 100 80 unnamed.{SVC}"),
        ("7.0.96.10.in-addr.arpa. PTR", f"PTR web.{SVC}"),  # 2.3.3
        (f"10-244-0-7.web.{SVC} A", "A 10.244.0.7"),
        (f"10-244-0-7.web.{SVC} SRV", f"SRV 0 33 80 10-244-0-7.web.{SVC}"),
        (f"db-0.db.{SVC} A", "A 10.244.1.1"),  # 2.4.1
        (f"db-1.db.{SVC} A", "A 10.244.1.2"),
        (f"10-244-1-4.db.{SVC} A", "A 10.244.1.4"),
        (f"db-0.db.{SVC} SRV", f"SRV 0 100 5432 db-0.db.{SVC}"),
        (f"2001-db8--1-0.v6.{SVC} AAAA", "AAAA 2001:db8::1:0"),
        (f"2001-db8--0.v6.{SVC} AAAA", "AAAA 2001:db8::"),  # a label does not end in a dash
        ("2.1.244.10.in-addr.arpa. PTR", f"PTR db-1.db.{SVC}"),  # 2.4.3
        ("7.0.244.10.in-addr.arpa. PTR", f"PTR 10-244-0-7.web.{SVC}"),
        (f"portless.{SVC} A", "A 10.244.4.1"),
        (f"alias.{SVC} CNAME", "CNAME www.example.org."),  # 2.5
        ("ns.dns.cluster.local. A", "A 192.0.2.53"),
        ("cluster.local. NS", "NS ns.dns.cluster.local."),
        ("Cluster.LOCAL. NS", "NS ns.dns.Cluster.LOCAL."),
        ("cluster.local. SOA", "SOA ns.dns.cluster.local. hostmaster.cluster.local. 0 7200 1800 86400 30"),
        (f"eu-1a.pin._zone.zoned.{SVC} A", "A 10.244.3.1"),
        (f"eu-1a.prefer._zone.zoned.{SVC} A", "A 10.244.3.1"),
        (f"eu-1a.pin._zone.zoned.{SVC} SRV", f"SRV 0 100 80 10-244-3-1.zoned.{SVC}"),
        (f"web.{SET} A", "A 10.112.0.7"),
        (f"_http._tcp.web.{SET} SRV", f"SRV 0 100 80 web.{SET}"),
        (f"f-0.c1.far.{SET} A", "A 10.1.0.1"),
        (f"far.{SET} A", "A 10.1.0.1"),
        (f"_http._tcp.far.{SET} SRV", f"SRV 0 100 80 f-0.c1.far.{SET}"),
    ],
)
def test_a_record_of_the_specification(asked: str, answer: str) -> None:
    owner = asked.split()[0]
    assert texts(cluster().ask(asked).answer)[0] == f"{owner} 30 IN {answer}"


def test_the_version_of_the_specification_is_told_for_eight_hours() -> None:  # 2.2
    reply = cluster().ask("dns-version.cluster.local. TXT")
    assert texts(reply.answer) == ['dns-version.cluster.local. 28800 IN TXT "1.1.0"']


def test_a_headless_service_has_every_ready_endpoint() -> None:
    addresses = ["10.244.1.1", "10.244.1.2", "10.244.1.4"]
    assert texts(cluster().ask(f"db.{SVC} A").answer) == [f"db.{SVC} 30 IN A {each}" for each in addresses]


def test_endpoints_come_in_the_order_of_their_slices_names_each_address_once() -> None:
    world = Cluster(namespace("default"), service("many"))
    world.put(
        slice_of("many", ["10.0.0.3", "10.0.0.2"], name="b"), slice_of("many", ["10.0.0.2", "10.0.0.1"], name="a")
    )
    addresses = ["10.0.0.2", "10.0.0.1", "10.0.0.3"]
    assert texts(world.ask(f"many.{SVC} A").answer) == [f"many.{SVC} 30 IN A {each}" for each in addresses]


def test_a_hundred_endpoints_are_a_hundred_records_of_weight_one() -> None:
    addresses = [f"10.1.0.{n}" for n in range(1, 121)]
    world = Cluster(namespace("default"), service("many"), slice_of("many", addresses, HTTP))
    assert len(world.ask(f"many.{SVC} A").answer) == 120
    services = texts(world.ask(f"many.{SVC} SRV").answer)
    assert services[6] == f"many.{SVC} 30 IN SRV 0 1 80 10-1-0-7.many.{SVC}"


def test_srv_of_a_headless_service_points_at_its_endpoints() -> None:
    reply = cluster().ask(f"_sql._tcp.db.{SVC} SRV")
    hosts = {"db-0": "10.244.1.1", "db-1": "10.244.1.2", "10-244-1-4": "10.244.1.4"}

    assert texts(reply.answer) == [f"_sql._tcp.db.{SVC} 30 IN SRV 0 33 5432 {host}.db.{SVC}" for host in hosts]
    assert texts(reply.additional) == [f"{host}.db.{SVC} 30 IN A {address}" for host, address in hosts.items()]


def test_srv_of_a_service_has_every_port_and_its_addresses_once() -> None:
    reply = cluster().ask(f"web.{SVC} SRV")
    assert texts(reply.answer) == [f"web.{SVC} 30 IN SRV 0 33 {port} web.{SVC}" for port in (80, 9090, 53)]
    assert texts(reply.additional) == [f"web.{SVC} 30 IN A 10.96.0.7"]


def test_srv_of_a_dual_stack_service_has_both_addresses_of_its_target() -> None:
    reply = cluster().ask(f"dual.{SVC} SRV")
    assert texts(reply.answer) == [f"dual.{SVC} 30 IN SRV 0 50 80 dual.{SVC}"]
    assert texts(reply.additional) == [f"dual.{SVC} 30 IN A 10.96.0.8", f"dual.{SVC} 30 IN AAAA 2001:db8::8"]


def test_names_made_for_an_answer_are_in_the_question_s_case_as_far_as_the_zone_goes() -> None:
    reply = cluster().ask("_HTTP._tcp.WEB.Default.svc.CLUSTER.local. SRV")
    assert texts(reply.answer) == [
        "_HTTP._tcp.WEB.Default.svc.CLUSTER.local. 30 IN SRV 0 100 80 web.default.svc.CLUSTER.local."
    ]


@pytest.mark.parametrize(
    "asked",
    [
        "cluster.local. A",
        "svc.cluster.local. A",
        "pod.cluster.local. A",
        f"{SVC} A",
        "empty.svc.cluster.local. SRV",
        "default.pod.cluster.local. A",
        "ns.dns.cluster.local. AAAA",
        "ns.dns.cluster.local. SRV",
        "10.in-addr.arpa. A",
        "svc.10.in-addr.arpa. A",
        f"web.{SVC} AAAA",
        f"web.{SVC} MX",
        f"web.{SVC} NS",
        f"web.{SVC} TXT",
        f"web.{SVC} PTR",
        f"web.{SVC} CNAME",
        f"nope.{SVC} SOA",  # CoreDNS knows an SOA at the apex only, and looks no further
        f"bare.{SVC} SRV",
        f"portless.{SVC} SRV",
        f"pending.{SVC} A",
        f"alias.{SVC} SRV",
        f"alias.{SVC} TXT",
        f"v6.{SVC} A",
        f"nowhere.pin._zone.zoned.{SVC} A",
        f"nowhere.pin._zone.zoned.{SVC} TXT",
        f"nowhere.pin._zone.down.{SVC} A",
        f"unready.{SET} AAAA",
    ],
)
def test_a_name_without_such_records_is_nodata(asked: str) -> None:
    world = cluster()
    world.put(service_import("unready", ["10.112.0.8"], HTTP))
    reply = world.ask(asked)
    assert (reply.rcode, reply.answer, reply.additional) == (codes.NOERROR, (), ())


@pytest.mark.parametrize(
    "asked",
    [
        f"nope.{SVC} A",
        f"web-.{SVC} A",
        f"we.{SVC} A",
        f"xweb.{SVC} A",
        f"a.b.c.web.{SVC} A",
        f"_nope._tcp.web.{SVC} SRV",
        f"_http._udp.web.{SVC} SRV",
        f"_http._tcp.bare.{SVC} A",
        f"nope.db.{SVC} A",
        f"10-244-1-3.db.{SVC} A",  # not ready
        f"down.{SVC} A",  # 2.4.1: no ready endpoint
        f"_http._tcp.down.{SVC} SRV",
        f"*.{SVC} A",
        f"any.{SVC} A",
        "web.nowhere.svc.cluster.local. A",
        "lost.nowhere.svc.cluster.local. A",  # the namespace is not there
        "nowhere.svc.cluster.local. A",
        f"byip.{SVC} A",
        f"nameless.{SVC} A",
        f"_http._tcp.alias.{SVC} A",
        f"ep.alias.{SVC} A",
        f"eu-1a.pin._zone.web.{SVC} A",  # zones are of headless services
        f"eu-1a.pin._zone.alias.{SVC} A",
        f"eu-1a.some._zone.zoned.{SVC} A",
        "eu-1a.pin._zone.zoned.default.pod.cluster.local. A",
        f"eu-1a.pin._zone.far.{SET} A",
        "web.default.cluster.local. A",
        "dns-version.cluster.local. A",
        "x.dns-version.cluster.local. TXT",
        "ns.dns.cluster.local. TXT",
        "ns.dns.cluster.local. PTR",
        f"{SVC} TXT",
        "svc.cluster.local. TXT",
        "cluster.local. TXT",
        "9.9.9.10.in-addr.arpa. PTR",
        "96.10.in-addr.arpa. PTR",
        "web.default.svc.10.in-addr.arpa. A",
        "7.0.96.10.in-addr.arpa. A",
        "7.0.96.10.cluster.local. PTR",
        f"f-0.far.{SET} A",  # without its cluster
        f"f-0.c2.far.{SET} A",
        f"unready.{SET} A",  # an import without ports
    ],
)
def test_a_name_that_is_not_there_is_nxdomain(asked: str) -> None:
    assert cluster().ask(asked).rcode == codes.NXDOMAIN


@pytest.mark.parametrize(
    ("mode", "name", "there"),
    [
        (INSECURE, "10-244-0-7.default.pod", True),
        (INSECURE, "203-0-113-9.default.pod", True),
        (INSECURE, "x.10-244-0-7.default.pod", True),  # labels in front of a pod do not matter
        (INSECURE, "a.b.10-244-0-7.default.pod", True),
        (INSECURE, "a.b.c.10-244-0-7.default.pod", False),
        (INSECURE, "10.244.0.7.default.pod", True),
        (INSECURE, "10.244.0.7.default.svc", True),
        (INSECURE, "10.244.0.256.default.pod", False),
        (INSECURE, "10.244.0.007.default.pod", False),
        (INSECURE, "9999999999.9999999999.9999999999.9999999999999999999999999999999999.default.pod", False),
        (INSECURE, "10-244-0-7.nowhere.pod", False),
        (INSECURE, "10-244-0.default.pod", False),
        (INSECURE, "10-244-0-256.default.pod", False),
        (INSECURE, "0-0-0-0-0-ffff-af4-7.default.pod", True),  # an IPv4-mapped address is one of IPv4
        (VERIFIED, "10-244-0-7.default.pod", True),
        (VERIFIED, "10.244.0.7.default.svc", True),
        (VERIFIED, "10-244-0-7.empty.pod", False),
        (VERIFIED, "203-0-113-9.default.pod", False),
        (DISABLED, "10-244-0-7.default.pod", False),
        (DISABLED, "10.244.0.7.default.svc", False),
    ],
)
def test_names_of_pods_follow_the_mode(mode: str, name: str, there: bool) -> None:
    reply = cluster(mode).ask(f"{name}.cluster.local. A")
    assert (reply.rcode == codes.NOERROR, len(reply.answer)) == (there, int(there))


@pytest.mark.parametrize(("mode", "rcode"), [(INSECURE, 0), (VERIFIED, 0), (DISABLED, codes.NXDOMAIN)])
def test_a_namespace_of_pods_is_there_unless_pods_are_disabled(mode: str, rcode: int) -> None:
    assert cluster(mode).ask("default.pod.cluster.local. A").rcode == rcode


def test_dotted_names_are_not_there_unless_asked_for() -> None:
    plain = Cluster(namespace("default"), pods=INSECURE)
    assert plain.ask("10.244.0.7.default.pod.cluster.local. A").rcode == codes.NXDOMAIN


def test_ipv6_names_of_pods_have_single_dashes_for_colons() -> None:
    reply = cluster().ask("2001-db8--1.default.pod.cluster.local. AAAA")
    assert texts(reply.answer) == ["2001-db8--1.default.pod.cluster.local. 30 IN AAAA 2001:db8::1"]


def test_a_pod_has_a_service_record_without_a_port_by_its_dashed_name() -> None:
    world = cluster(VERIFIED)
    world.put(pod("second-on-the-host-network", "10.244.0.7"))
    reply = world.ask("10.244.0.7.default.pod.cluster.local. SRV")
    dashed = "10-244-0-7.default.pod.cluster.local."

    assert texts(reply.answer) == [f"10.244.0.7.default.pod.cluster.local. 30 IN SRV 0 50 0 {dashed}"]
    assert texts(reply.additional) == [f"{dashed} 30 IN A 10.244.0.7"]


def test_a_preferred_zone_without_endpoints_gives_all_of_them() -> None:
    reply = cluster().ask(f"us.prefer._zone.zoned.{SVC} A")
    assert [text.split()[-1] for text in texts(reply.answer)] == ["10.244.3.1", "10.244.3.2"]


def test_reverse_names_of_ipv6_addresses() -> None:
    name = ".".join(reversed("20010db8000000000000000000000008")) + ".ip6.arpa."
    assert texts(cluster().ask(f"{name} PTR").answer) == [f"{name} 30 IN PTR dual.{SVC}"]


def test_an_endpoint_of_several_services_has_a_pointer_to_each_and_a_service_goes_first() -> None:
    world = cluster()
    world.put(slice_of("other", ["10.244.0.7", "10.244.0.7"], ns="empty"))  # no service need be there
    reply = world.ask("7.0.244.10.in-addr.arpa. PTR")
    assert [text.split()[-1] for text in texts(reply.answer)] == [
        f"10-244-0-7.web.{SVC}",
        "10-244-0-7.other.empty.svc.cluster.local.",
    ]

    world.put(service("front", ["10.244.0.7"]), service("behind", ["10.244.0.7"], ns="empty"))
    reply = world.ask("7.0.244.10.in-addr.arpa. PTR")
    assert [text.split()[-1] for text in texts(reply.answer)] == [f"front.{SVC}"]


def test_only_the_chosen_namespaces_are_published() -> None:
    world = cluster(exposed=(b"\x05empty",))
    assert world.ask(f"web.{SVC} A").rcode == codes.NXDOMAIN
    assert world.ask("7.0.96.10.in-addr.arpa. PTR").rcode == codes.NXDOMAIN
    assert world.ask("7.0.244.10.in-addr.arpa. PTR").rcode == codes.NXDOMAIN
    assert world.ask("empty.svc.cluster.local. A").rcode == codes.NOERROR


def test_reverse_names_ignore_whether_a_namespace_is_there_unless_some_were_chosen() -> None:
    reply = cluster().ask("9.9.96.10.in-addr.arpa. PTR")
    assert texts(reply.answer) == ["9.9.96.10.in-addr.arpa. 30 IN PTR lost.nowhere.svc.cluster.local."]


def test_services_without_ready_endpoints_can_be_left_out() -> None:
    world = cluster(ignore_empty=True)
    assert world.ask(f"dual.{SVC} A").rcode == codes.NXDOMAIN
    assert world.ask(f"_http._tcp.dual.{SVC} SRV").rcode == codes.NXDOMAIN
    assert world.ask(f"web.{SVC} A").rcode == codes.NOERROR
    assert world.answer(f"alias.{SVC} A").elsewhere == names.parse("www.example.org")


@pytest.mark.parametrize(
    ("front", "name", "glue"),
    [
        (service("kube-dns", ["10.96.0.10"]), f"kube-dns.{SVC}", ["10.96.0.10"]),
        (service("kube-dns"), f"192-0-2-53.kube-dns.{SVC}", ["192.0.2.53"]),
    ],
)
def test_the_apex_names_the_service_in_front_of_this_server(front: object, name: str, glue: list[str]) -> None:
    world = cluster()
    world.put(front, slice_of("kube-dns", ["192.0.2.53"]))  # type: ignore[arg-type]
    reply = world.ask("cluster.local. NS")

    assert texts(reply.answer) == [f"cluster.local. 30 IN NS {name}"]
    assert texts(reply.additional) == [f"{name} 30 IN A {address}" for address in glue]
    assert [text.split()[-1] for text in texts(world.ask("ns.dns.cluster.local. A").answer)] == glue


def test_an_endpoint_of_no_service_leaves_the_apex_without_a_name_server() -> None:
    world = cluster()
    world.put(slice_of("gone", ["192.0.2.53"]))
    assert world.ask("cluster.local. NS").answer == ()


def test_aliases_in_the_zone_are_followed_to_their_addresses() -> None:
    world = cluster()
    world.put(external("one", f"two.{SVC}"), external("two", f"Web.{SVC}"))
    assert texts(world.ask(f"one.{SVC} A").answer) == [
        f"one.{SVC} 30 IN CNAME two.{SVC}",
        f"two.{SVC} 30 IN CNAME Web.{SVC}",
        f"Web.{SVC} 30 IN A 10.96.0.7",
    ]
    assert set(world.answer(f"one.{SVC} A").keys or ()) == {
        b"\x03one\x07default", b"\x03two\x07default", b"\x03web\x07default", b"\x07default",
    }  # fmt: skip


def test_aliases_that_leave_the_zone_say_where_to() -> None:
    world = cluster()
    world.put(external("one", f"alias.{SVC}"))
    found = world.answer(f"one.{SVC} AAAA")
    assert texts(found.answer) == [f"one.{SVC} 30 IN CNAME alias.{SVC}", f"alias.{SVC} 30 IN CNAME www.example.org."]
    assert found.elsewhere == names.parse("www.example.org")


@pytest.mark.parametrize(("aliases", "records"), [(11, 12), (12, 0)])
def test_aliases_are_followed_only_so_far(aliases: int, records: int) -> None:
    world = cluster()
    world.put(*(external(f"c{n}", f"c{n - 1}.{SVC}") for n in range(aliases)), external("c0", f"web.{SVC}"))
    assert len(world.answer(f"c{aliases - 1}.{SVC} A").answer) == records


@pytest.mark.parametrize(
    "target", [f"nope.{SVC}", f"v6.{SVC}", f"self.{SVC}", f"below.self.{SVC}", f"ring.{SVC}", "cluster.local."]
)
def test_an_alias_that_leads_nowhere_in_the_zone_is_nodata(target: str) -> None:
    world = cluster()
    world.put(external("self", target), external("ring", f"self.{SVC}"))
    found = world.answer(f"self.{SVC} A")
    assert (found.answer, found.elsewhere, found.missing) == ((), None, False)


@pytest.mark.parametrize(
    ("name", "zone", "labels"),
    [
        ("x.cluster.local", "cluster.local.", [b"\x01x"]),
        ("x.y.inner.cluster.local", "inner.cluster.local.", [b"\x01x", b"\x01y"]),
        ("cluster.local", "cluster.local.", []),
        ("xcluster.local", None, None),
        ("x\\007cluster.local", None, None),  # its octets end like the zone, in the middle of a label
        ("local", None, None),
    ],
)
def test_the_longest_zone_that_has_a_name_answers(name: str, zone: str | None, labels: list[bytes] | None) -> None:
    world = cluster().zones
    for order in (1, -1):
        inner = world.zones[0]._replace(name=names.parse("inner.cluster.local"))
        place = world._replace(zones=(world.zones[0], inner)[::order]).holding(names.parse(name))
        assert place == (None if zone is None else (place and place[0], labels))
        assert (place and names.show(place[0].name)) == zone


def test_the_serial_is_what_an_soa_depends_on() -> None:
    assert cluster().answer("cluster.local. SOA").keys == (SERIAL,)


@pytest.mark.parametrize("asked", ["cluster.local. NS", "ns.dns.cluster.local. A"])
def test_what_depends_on_this_server_s_addresses_is_not_to_be_kept(asked: str) -> None:
    assert cluster().answer(asked).keys is None
