"""kubernetes: its properties, and what it does with what the index has."""

from collections.abc import Awaitable
from typing import Any

import pytest
from msgspec import convert

from kdns.chain import Reply, Request
from kdns.cluster import objects
from kdns.errors import REFUSED, ConfigError, NoAnswer, StartError
from kdns.plugins import kubernetes
from kdns.plugins.kubernetes import Kubernetes
from kdns.wire import codes, names
from kdns.wire.names import Name
from tests.kdns.asking import args, ask, records, texts
from tests.kdns.cluster.making import namespace, put, service, slice_of

ENDPOINT = "endpoint http://127.0.0.1:1"
SVC = "default.svc.cluster.local."


def plugin(properties: str = "", *, synced: bool = True, zones: str = "cluster.local") -> Kubernetes:
    made = kubernetes.setup(args(f"kubernetes {zones} {{\n{ENDPOINT}\n{properties}\n}}"))
    index = made._zones.index
    put(
        index,
        namespace("default"),
        service("web", ["10.96.0.7"], [("http", 80)]),
        service("out", type="ExternalName", externalName="www.example.org"),
        service("in", type="ExternalName", externalName=f"web.{SVC}"),
        service("ring", type="ExternalName", externalName=f"gnir.{SVC}"),
        service("gnir", type="ExternalName", externalName=f"ring.{SVC}"),
        service("lost", type="ExternalName", externalName=f"nope.{SVC}"),
        slice_of("web", [{"addresses": ["10.244.0.7"], "targetRef": {"kind": "Pod", "name": "web-0"}}], [("http", 80)]),
    )
    if synced:
        made._mirror._synced.set()
    return made


def test_answers_are_authoritative_and_name_what_they_depend_on() -> None:
    reply = ask(plugin(), f"web.{SVC} A")

    assert texts(reply.answer) == [f"web.{SVC} 5 IN A 10.96.0.7"]
    assert (reply.flags, reply.by) == (codes.AA, "kubernetes")
    assert reply.keep is not None
    assert set(reply.keep.names) == {b"\x03web\x07default", b"\x07default"}


def test_an_empty_answer_has_the_soa_and_is_kept_for_its_time_only() -> None:
    reply = ask(plugin("ttl 30"), f"nope.{SVC} A", now=100.0)

    assert reply.rcode == codes.NXDOMAIN
    (soa,) = texts(reply.authority)
    assert soa.startswith("cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ")
    assert reply.keep is not None
    assert reply.keep.until == 130.0


def test_other_names_are_left_to_the_next_plugin() -> None:
    assert texts(ask(plugin(), "example.org. A", rest="example.org. 1 IN A 192.0.2.1").answer)


def test_names_that_are_not_there_fall_through_where_that_was_asked_for() -> None:
    rest = Reply(answer=records(f"nope.{SVC} 1 IN A 192.0.2.1"))
    assert ask(plugin("fallthrough"), f"nope.{SVC} A", rest=rest).answer
    assert ask(plugin("fallthrough example.org"), f"nope.{SVC} A", rest=rest).rcode == codes.NXDOMAIN


def test_nothing_is_said_not_to_be_there_before_the_first_lists_are_complete() -> None:
    reply = ask(plugin(synced=False), f"nope.{SVC} A")
    assert (reply.rcode, reply.keep) == (codes.SERVFAIL, None)
    assert not plugin(synced=False).ready()


def test_transfers_are_refused() -> None:
    with pytest.raises(NoAnswer) as refused:
        ask(plugin(), "cluster.local. AXFR")
    assert refused.value.rcode == REFUSED


def answering(answer: str) -> Any:
    async def found(request: Request, name: Name, qtype: int, /) -> Reply:
        return Reply(answer=records(answer), flags=codes.TC)

    def lookup(request: Request, name: Name, qtype: int, /) -> Awaitable[Reply]:
        assert names.show(name) == "www.example.org."
        return found(request, name, qtype)

    return lookup


def test_an_external_name_brings_the_addresses_of_its_target() -> None:
    reply = ask(plugin(), f"out.{SVC} A", ask=answering("www.example.org. 9 IN A 192.0.2.80"))

    assert texts(reply.answer) == [f"out.{SVC} 5 IN CNAME www.example.org.", "www.example.org. 9 IN A 192.0.2.80"]
    assert reply.flags == codes.AA | codes.TC
    assert reply.keep is None


def test_an_external_name_in_the_cluster_is_followed_at_once() -> None:
    reply = ask(plugin(), f"in.{SVC} A")

    assert texts(reply.answer) == [f"in.{SVC} 5 IN CNAME web.{SVC}", f"web.{SVC} 5 IN A 10.96.0.7"]
    assert reply.keep is not None
    assert {b"\x02in\x07default", b"\x03web\x07default"} <= set(reply.keep.names)


@pytest.mark.parametrize("name", ["ring", "lost"])
def test_aliases_that_lead_nowhere_are_an_empty_answer(name: str) -> None:
    reply = ask(plugin(), f"{name}.{SVC} A")
    assert (reply.rcode, reply.answer, len(reply.authority)) == (codes.NOERROR, (), 1)


def test_a_question_for_the_alias_gets_only_that() -> None:
    assert texts(ask(plugin(), f"out.{SVC} CNAME").answer) == [f"out.{SVC} 5 IN CNAME www.example.org."]
    assert ask(plugin(), f"out.{SVC} SRV").answer == ()


def test_endpoints_can_have_the_names_of_their_pods() -> None:
    named = plugin("endpoint_pod_names")
    target = objects.EndpointSlice
    again = {
        "metadata": {"name": "w", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["10.244.0.9"], "targetRef": {"kind": "Pod", "name": "web-9"}}],
    }
    named._zones.index.put_slice(convert(again, target))
    assert texts(ask(named, f"web-9.web.{SVC} A").answer) == [f"web-9.web.{SVC} 5 IN A 10.244.0.9"]


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ("pods sometimes", "wrong value for pods: sometimes, must be one of: disabled, verified, insecure"),
        ("ttl 3601", r"ttl must be in range \[0, 3600\]: 3601"),
        ("ttl -1", r"ttl must be in range \[0, 3600\]: -1"),
        ("ttl x", "ttl must be a number"),
        ("namespaces a\nnamespace_labels a=b", "namespaces and namespace_labels cannot both be set"),
        ("labels a in (b", "unable to parse label selector"),
        ("ignore pods", "unable to parse ignore value: 'pods'"),
        ("zonal\nnoendpoints", "zonal requires the endpoint cache; remove noendpoints"),
        ("startup_timeout soon", "failed to parse startup_timeout: soon, "),
        ("apiserver_qps -1", "apiserver_qps must be >= 0"),
        ("apiserver_burst x", "failed to parse apiserver_burst: x"),
        ("tls a b", "Wrong argument count or unexpected line ending after 'b'"),
        ("kubeconfig", "Wrong argument count"),
        ("noendpoints x", "Wrong argument count"),
        ("upstream", "unknown property 'upstream'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(properties: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        plugin(properties)


def test_needs_a_zone_that_is_not_a_reverse_one() -> None:
    with pytest.raises(ConfigError, match="non-reverse zone name must be used"):
        plugin(zones="10.0.0.0/8")


def test_may_stand_once_in_a_block() -> None:
    with pytest.raises(ConfigError, match="this plugin can only be used once per Server Block"):
        kubernetes.setup(args("kubernetes a.\nkubernetes b."))


async def test_a_start_without_a_cluster_says_so() -> None:
    alone = kubernetes.setup(args("kubernetes cluster.local"))
    with pytest.raises(StartError, match="KUBERNETES_SERVICE_HOST"):
        await alone.start()
