"""The demo cluster as a new user meets it: lease an address over HTTP, dig its name."""

import json

from tests.system.demo import Demo


def test_the_greeting_names_the_places_and_three_commands_that_work(demo: Demo) -> None:
    assert f"http://127.0.0.1:{demo.http}" in demo.greeting
    commands = [line.strip() for line in demo.greeting.splitlines() if line.startswith("  ")]

    said = [demo.shell(command) for command in commands]

    assert len(said) == 3
    assert json.loads(said[0])["owner"]["name"] == "web-0"
    assert "status: NOERROR" in said[1]
    assert "kube-dns" in said[2]


def test_a_leased_address_has_its_pods_names(demo: Demo) -> None:
    address = demo.lease("named")["address"]
    dashed = address.replace(".", "-")

    assert demo.dig(f"{dashed}.default.pod.cluster.local") == [address]
    assert demo.dig(f"{address}.default.pod.cluster.local") == [address]
    assert demo.dig(f"{address}.default.svc.cluster.local") == [address]
    assert demo.dig("+tcp", f"{dashed}.default.pod.cluster.local") == [address]


def test_asking_again_gives_the_same_address(demo: Demo) -> None:
    assert demo.lease("twice")["address"] == demo.lease("twice")["address"]


def test_the_names_of_the_shop(demo: Demo) -> None:
    assert demo.dig("kubernetes.default.svc.cluster.local") == ["10.96.0.1"]
    assert demo.dig("-x", "10.96.0.10") == ["kube-dns.kube-system.svc.cluster.local."]
    (web,) = demo.dig("web.shop.svc.cluster.local")
    assert demo.dig("-x", web) == ["web.shop.svc.cluster.local."]
    database = demo.dig("db.data.svc.cluster.local")
    members = demo.dig("SRV", "_postgres._tcp.db.data.svc.cluster.local")
    assert len(database) == len(members) > 1
    assert demo.dig("db-0.db.data.svc.cluster.local")[0] in database
    (reverse,) = demo.dig("-x", demo.dig("db-0.db.data.svc.cluster.local")[0])
    assert reverse == "db-0.db.data.svc.cluster.local."
    assert demo.dig("CNAME", "payments.shop.svc.cluster.local") == ["payments.example.com."]


def test_outside_names_come_through_the_upstream(demo: Demo) -> None:
    assert demo.dig("www.example.org") == ["192.0.2.80"]
    assert demo.dig("+tcp", "WWW.example.org") == ["192.0.2.80"]


def test_the_metrics_count_what_was_asked(demo: Demo) -> None:
    demo.dig("web.shop.svc.cluster.local")
    said = demo.shell("curl -s localhost:9153/metrics")
    assert 'coredns_dns_requests_total{family="1",proto="udp"' in said
    assert 'coredns_dns_responses_total{plugin="kubernetes",rcode="NOERROR"' in said


def test_a_deleted_pods_name_is_gone(demo: Demo) -> None:
    lease = demo.lease("brief")
    name = f"{lease['address'].replace('.', '-')}.default.pod.cluster.local"
    assert demo.dig(name) == [lease["address"]]

    demo.shell(f"ipamctl release {lease['id']}")

    assert demo.dig(name) == []
