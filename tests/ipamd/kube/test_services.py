"""Services: their addresses and node ports."""

from typing import Any

import pytest
from msgspec import structs

from ipamd.errors import StatusError
from ipamd.kube.nodeports import FIRST, LAST, STATIC
from ipamd.model import Pool
from tests.ipamd.conftest import SERVICES
from tests.ipamd.kube.cluster import Cluster

HTTP = [{"port": 80}]
SELECTOR = {"app": "web"}


async def make(cluster: Cluster, name: str = "web", **spec: Any) -> Any:
    return await cluster.create("Service", name, spec={"ports": HTTP, "selector": SELECTOR, **spec})


async def test_a_service_gets_an_address_and_the_defaults_of_the_api(cluster: Cluster) -> None:
    made = await make(cluster)

    spec = made["spec"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert cluster.addresses("services") == ["10.96.0.1", spec["clusterIP"]]
    assert (spec["type"], spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("ClusterIP", "SingleStack", ["IPv4"])
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (spec["sessionAffinity"], spec["internalTrafficPolicy"]) == ("None", "Cluster")
    assert made["status"] == {"loadBalancer": {}}


@pytest.mark.parametrize(
    ("asked", "families", "count"),
    [
        ({"ipFamilies": ["IPv6"]}, ["IPv6"], 1),
        ({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], 2),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], 2),
        ({"clusterIP": "fd00:10:96::77"}, ["IPv6"], 1),
        ({"clusterIP": "10.96.0.77", "ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], 2),
        ({"clusterIP": "None"}, ["IPv4"], 0),
        ({"clusterIP": "None", "ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], 0),
        ({"clusterIP": "None", "selector": {}}, ["IPv4", "IPv6"], 0),
    ],
)
async def test_the_families_of_a_service(
    cluster: Cluster, asked: dict[str, Any], families: list[str], count: int
) -> None:
    spec = (await make(cluster, **asked))["spec"]

    assert spec["ipFamilies"] == families
    assert spec["clusterIP"] == asked.get("clusterIP", spec["clusterIP"])
    assert ["IPv6" if ":" in address else "IPv4" for address in spec["clusterIPs"]][:count] == families[:count]
    leased = {*cluster.addresses("services"), *cluster.addresses("services-v6")} - {"10.96.0.1"}
    assert leased == ({*spec["clusterIPs"]} if count else set())


async def test_prefer_dual_stack_is_content_with_one_family_where_there_is_one(cluster: Cluster) -> None:
    await cluster.service.delete_pool("services-v6")

    spec = (await make(cluster, ipFamilyPolicy="PreferDualStack"))["spec"]

    assert spec["ipFamilies"] == ["IPv4"]
    with pytest.raises(StatusError, match="this cluster is not configured for dual-stack services"):
        await make(cluster, "other", ipFamilyPolicy="RequireDualStack")
    with pytest.raises(StatusError, match="not configured on this cluster"):
        await make(cluster, "other", ipFamilies=["IPv6"])


async def test_an_external_name_has_no_address(cluster: Cluster) -> None:
    made = await cluster.create("Service", "ext", spec={"type": "ExternalName", "externalName": "example.com"})

    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & made["spec"].keys()
    assert cluster.addresses("services") == ["10.96.0.1"]


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("10.96.0.1", "failed to allocate IP 10.96.0.1: provided IP is already allocated"),
        ("192.0.2.1", "failed to allocate IP 192.0.2.1: the provided network does not match the current range"),
        (
            "10.96.0.0",
            r"the provided IP \(10.96.0.0\) is not in the valid range. The range of valid IPs is 10.96.0.0/12",
        ),
    ],
)
async def test_an_address_that_cannot_be_had_is_refused(cluster: Cluster, address: str, complaint: str) -> None:
    with pytest.raises(StatusError, match=complaint) as refused:
        await make(cluster, clusterIP=address)

    assert refused.value.status == 422
    assert cluster.get("Service", "web") is None


async def test_the_address_stays_over_updates_and_goes_with_the_service(cluster: Cluster) -> None:
    made = await make(cluster, ipFamilyPolicy="PreferDualStack")

    replaced = await cluster.replace("Service", "web", {"spec": {"ports": [{"port": 81}], "selector": SELECTOR}})
    assert replaced["spec"]["clusterIPs"] == made["spec"]["clusterIPs"]
    assert replaced["metadata"]["generation"] == 2

    await cluster.delete("Service", "web")
    assert cluster.addresses("services") == ["10.96.0.1"]
    assert cluster.addresses("services-v6") == []


async def test_replacing_a_service_by_what_it_was_made_from_changes_nothing(cluster: Cluster) -> None:
    made = await make(cluster, type="NodePort", ipFamilyPolicy="PreferDualStack")

    again = await cluster.replace(
        "Service",
        "web",
        {"spec": {"ports": HTTP, "selector": SELECTOR, "type": "NodePort", "ipFamilyPolicy": "PreferDualStack"}},
    )

    assert again == made


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        ({"clusterIP": "10.96.0.99", "clusterIPs": None}, "may not change once set"),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, "may not change once set"),
        ({"ipFamilies": ["IPv6", "IPv4"]}, "may not change once set|expected an IPv6 value"),
        ({"clusterIPs": ["10.96.0.50"]}, "must be 'SingleStack' to release the secondary cluster IP"),
    ],
)
async def test_what_cannot_change_of_a_service(cluster: Cluster, patch: dict[str, Any], complaint: str) -> None:
    await make(cluster, clusterIP="10.96.0.50", ipFamilyPolicy="PreferDualStack")

    with pytest.raises(StatusError, match=complaint):
        await cluster.patch("Service", "web", {"spec": patch})


async def test_a_service_is_made_dual_stack_and_single_again(cluster: Cluster) -> None:
    made = await make(cluster)

    dual = await cluster.patch("Service", "web", {"spec": {"ipFamilyPolicy": "PreferDualStack"}})
    assert dual["spec"]["clusterIPs"][0] == made["spec"]["clusterIP"]
    assert cluster.addresses("services-v6") == dual["spec"]["clusterIPs"][1:]

    single = await cluster.patch("Service", "web", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    assert single["spec"]["clusterIPs"] == made["spec"]["clusterIPs"]
    assert single["spec"]["ipFamilies"] == ["IPv4"]
    assert cluster.addresses("services-v6") == []


async def test_turning_to_an_external_name_gives_the_addresses_back_and_turning_back_gets_new_ones(
    cluster: Cluster,
) -> None:
    await make(cluster, ipFamilyPolicy="PreferDualStack", type="NodePort")

    turned = await cluster.patch(
        "Service", "web", {"spec": {"type": "ExternalName", "externalName": "example.com", "ports": None}}
    )
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & turned["spec"].keys()
    assert cluster.addresses("services") == ["10.96.0.1"]
    assert cluster.all("NodePort") == []

    back = await cluster.patch("Service", "web", {"spec": {"type": "ClusterIP", "externalName": None, "ports": HTTP}})
    assert cluster.addresses("services") == ["10.96.0.1", back["spec"]["clusterIP"]]


async def test_node_ports_are_given_kept_and_given_back(cluster: Cluster) -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 443, "nodePort": 30443}]
    made = await make(cluster, type="NodePort", ports=ports)
    given = made["spec"]["ports"][0]["nodePort"]
    assert FIRST + STATIC <= given <= LAST
    assert made["spec"]["ports"][1]["nodePort"] == 30443

    kept = await cluster.replace(
        "Service", "web", {"spec": {"type": "NodePort", "ports": ports[:1], "selector": SELECTOR}}
    )
    assert kept["spec"]["ports"][0]["nodePort"] == given
    assert [entry["service"] for entry in cluster.all("NodePort")] == ["default/web"]

    await cluster.delete("Service", "web")
    assert cluster.all("NodePort") == []


@pytest.mark.parametrize(
    ("port", "complaint"),
    [
        (30080, "provided port is already allocated"),
        (80, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
    ],
)
async def test_a_node_port_that_cannot_be_had_is_refused(cluster: Cluster, port: int, complaint: str) -> None:
    await make(cluster, "first", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])

    with pytest.raises(StatusError, match=complaint):
        await make(cluster, type="NodePort", ports=[{"port": 80, "nodePort": port}])

    assert len(cluster.all("NodePort")) == 1


async def test_a_port_is_shared_by_two_protocols_of_one_service(cluster: Cluster) -> None:
    ports = [{"name": p, "port": 53, "nodePort": 30053, "protocol": p.upper()} for p in ("tcp", "udp")]

    await make(cluster, type="NodePort", ports=ports)

    assert len(cluster.all("NodePort")) == 1


async def test_a_load_balancer_may_do_without_node_ports_and_may_have_one_for_health_checks(cluster: Cluster) -> None:
    bare = await make(cluster, type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    local = await make(cluster, "local", type="LoadBalancer", externalTrafficPolicy="Local")

    assert "nodePort" not in bare["spec"]["ports"][0]
    assert local["spec"]["healthCheckNodePort"] != local["spec"]["ports"][0]["nodePort"]
    assert len(cluster.all("NodePort")) == 2


async def test_the_status_of_a_load_balancer_is_kept_and_can_be_changed(cluster: Cluster) -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    made = await cluster.create("Service", "lb", spec={"type": "LoadBalancer", "ports": HTTP}, status=status)
    assert made["status"] == status

    changed = await cluster.patch("Service", "lb", {"status": {"loadBalancer": {"ingress": None}}}, path="status")

    assert changed["status"] == {"loadBalancer": {}}
    assert changed["spec"] == made["spec"]
    assert changed["metadata"]["generation"] == 1


async def cooling(cluster: Cluster) -> None:
    """Has what is given back to the pool for services cool for an hour, and the pool nearly full."""
    pool = Pool("services", ("10.96.0.0/30",), purpose="services", strategy="random", cooldown=3600)
    await cluster.delete("Service", "kubernetes")
    await cluster.service.ensure_pools([pool])


async def test_an_address_that_was_given_back_is_kept_for_the_service_that_had_it(cluster: Cluster) -> None:
    await cooling(cluster)
    first = (await make(cluster, "first"))["spec"]["clusterIP"]
    second = (await make(cluster, "second"))["spec"]["clusterIP"]
    await cluster.delete("Service", "first")

    with pytest.raises(StatusError, match=r"failed to allocate a serviceIP: .*none free and 1 cooling"):
        await make(cluster, "third")
    with pytest.raises(StatusError, match=f"failed to allocate IP {first}: .*cool"):
        await make(cluster, "third", clusterIP=first)
    assert (await make(cluster, "first"))["spec"]["clusterIP"] == first
    assert {first, second} == {"10.96.0.1", "10.96.0.2"}


async def test_a_pool_that_is_drained_gives_no_cluster_ip(cluster: Cluster) -> None:
    await cluster.service.ensure_pools([structs.replace(SERVICES, drained=True)])

    with pytest.raises(StatusError, match="failed to allocate a serviceIP: pool services") as refused:
        await make(cluster)
    assert refused.value.status == 500
