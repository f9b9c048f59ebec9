"""k8s_external: its properties, the cluster that it meets, and the replies that it makes of answers."""

from typing import Any

import pytest
from msgspec import convert

from kdns.chain import Keep, Reply, Request
from kdns.cluster import objects
from kdns.errors import ConfigError, StartError
from kdns.plugins import k8s_external, kubernetes
from kdns.transport.mirror import Intake, Keys
from kdns.wire import codes, names
from kdns.wire.names import Name
from tests.kdns.asking import args, ask, records, request, texts
from tests.kdns.cluster.making import Object, namespace, service

HTTP = [("http", 80, "TCP")]
WEB = service("web", ["10.96.0.7"], HTTP, externalIPs=["192.0.2.1"])
KEYS = (b"\x03web\x07default", b"\x07default")


def balanced(hostname: str) -> objects.Service:
    """The service lb, behind a load balancer with a host name."""
    made = service("lb", ["10.96.0.8"], HTTP)
    made.status = convert({"loadBalancer": {"ingress": [{"hostname": hostname}]}}, objects.ServiceStatus)
    return made


def block(properties: str = "", *things: Object) -> tuple[Any, Any]:
    """The plugin for example.org with these properties, and the cluster plugin that it met, with things in it."""
    made = k8s_external.setup(args(f"k8s_external example.org {{\n{properties}\n}}"))
    cluster: Any = kubernetes.setup(args("kubernetes cluster.local {\nendpoint http://127.0.0.1:1\n}"))
    made.meet({"kubernetes": cluster})
    for thing in (namespace("default"), WEB, *things):
        intake(cluster, thing).put(thing)
    return made, cluster


def intake(cluster: Any, thing: Object) -> Any:
    """Where the watch of a thing's kind puts it."""
    (watch,) = [watch for watch in cluster._mirror._watches if watch.resource.kind is type(thing)]
    return Intake(watch, lambda: None, print)


def plugin(properties: str = "", *things: Object) -> Any:
    """The plugin alone."""
    return block(properties, *things)[0]


def test_answers_are_authoritative_and_kept_until_the_service_changes() -> None:
    reply = ask(plugin(), "web.default.example.org. A")
    assert texts(reply.answer) == ["web.default.example.org. 5 IN A 192.0.2.1"]
    assert (reply.flags, reply.by, reply.keep) == (codes.AA, "k8s_external", Keep(KEYS))


def test_an_empty_answer_has_the_soa_and_is_kept_for_its_time_only() -> None:
    reply = ask(plugin("ttl 30\napex names"), "nope.default.example.org. A", now=100.0)
    (soa,) = texts(reply.authority)
    assert soa.startswith("example.org. 30 IN SOA ns1.names.example.org. hostmaster.names.example.org. ")
    assert (reply.rcode, reply.flags) == (codes.NXDOMAIN, codes.AA)
    assert reply.keep == Keep((b"\x04nope\x07default", b"\x07default"), 130.0)


def test_a_change_of_the_outside_alone_is_told_with_its_keys() -> None:
    made, cluster = block()
    told: list[Keys] = []
    cluster.follow(told.append)
    moved = service("web", ["10.96.0.7"], HTTP, externalIPs=["192.0.2.2"])
    intake(cluster, moved).put(moved)

    assert KEYS[0] in told[0]
    assert texts(ask(made, "web.default.example.org. A").answer) == ["web.default.example.org. 5 IN A 192.0.2.2"]
    intake(cluster, moved).delete("default", "web")
    assert KEYS[0] in told[1]
    assert ask(made, "web.default.example.org. A").rcode == codes.NXDOMAIN


@pytest.mark.parametrize(
    ("kind", "section", "looked_up"),
    [("A", "answer", ["A"]), ("AAAA", "answer", ["AAAA"]), ("SRV", "additional", ["A", "AAAA"])],
)
def test_where_a_load_balancer_s_name_leads_is_looked_up(kind: str, section: str, looked_up: list[str]) -> None:
    asked: list[tuple[str, str]] = []

    async def lookup(_: Request, name: Name, qtype: int, /) -> Reply:
        asked.append((names.show(name), codes.type_name(qtype)))
        return Reply(answer=records("lb.example.net. 60 IN A 198.51.100.1"), flags=codes.TC)

    made = plugin("", balanced("lb.example.net"))
    reply = ask(made, request(f"lb.default.example.org. {kind}", ask=lookup))

    assert asked == [("lb.example.net.", each) for each in looked_up]
    assert texts(getattr(reply, section))[-1] == "lb.example.net. 60 IN A 198.51.100.1"
    assert bool(reply.flags & codes.TC) == (kind != "SRV")
    assert reply.keep is None


def test_other_names_are_left_to_the_next_plugin() -> None:
    assert ask(plugin("fallthrough"), "example.net. A", rest="example.net. 1 IN A 192.0.2.1").by == "canned"


@pytest.mark.parametrize(
    ("properties", "asked", "by"),
    [
        ("", "nope.default.example.org. A", "k8s_external"),
        ("fallthrough", "nope.default.example.org. A", "canned"),
        ("fallthrough example.net", "nope.default.example.org. A", "k8s_external"),
        ("fallthrough", "default.example.org. A", "k8s_external"),
        ("fallthrough", "x.dns.example.org. A", "k8s_external"),
    ],
)
def test_names_that_are_not_there_fall_through_where_that_was_asked_for(properties: str, asked: str, by: str) -> None:
    assert ask(plugin(properties), asked, rest="x.example.org. 1 IN A 192.0.2.9").by == by


def test_a_reply_from_below_is_kept_only_as_long_as_the_name_is_missing_here() -> None:
    made = plugin("fallthrough")
    kept = ask(made, "nope.default.example.org. A", rest=Reply(keep=Keep((b"below",)), by="canned"))
    assert kept.keep == Keep((b"below", b"\x04nope\x07default", b"\x07default"))
    assert ask(made, "nope.default.example.org. A", rest=Reply(by="canned")).keep is None


async def test_without_a_cluster_it_does_not_start() -> None:
    made = k8s_external.setup(args("k8s_external example.org"))
    made.meet({})
    with pytest.raises(StartError, match=r"^plugin/k8s_external: kubernetes plugin not loaded$"):
        await made.start()
    met = plugin()
    assert await met.start() is None


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ("ttl", "Wrong argument count or unexpected line ending after 'ttl'"),
        ("ttl x", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("ttl 3601", r"ttl must be in range \[0, 3600\]: 3601"),
        ("apex", "Wrong argument count or unexpected line ending after 'apex'"),
        (f"apex {'x' * 64}", "not a label: "),
        ("headless yes", "Wrong argument count or unexpected line ending after 'yes'"),
        ("upstream", "unknown property 'upstream'"),
    ],
)
def test_properties_that_are_wrong_are_refused(properties: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        k8s_external.setup(args(f"k8s_external {{\n{properties}\n}}"))


def test_gives_its_zones_whole_and_only_by_their_names() -> None:
    made = plugin()
    whole = made.transfer(names.parse("example.org."), None)
    assert (len(whole), whole[0]) == (6, whole[-1])
    assert made.transfer(names.parse("example.org."), 4_000_000_000) == (whole[0],)
    assert made.transfer(names.parse("web.default.example.org."), None) is None
