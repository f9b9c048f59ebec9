"""Pods: their addresses and what a kubelet would report."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from msgspec import structs

from ipamd.errors import Malformed, StatusError
from ipamd.kube.pods import bound
from ipamd.model import Pool
from tests.ipamd.conftest import PODS, PODS_V6
from tests.ipamd.kube.cluster import Cluster

POINT = Pool("point", ("192.0.2.0/31",), purpose="pods")
ASKED = "cni.projectcalico.org/ipAddrs"


async def test_a_pod_gets_an_address_of_every_family_and_is_running_and_ready(cluster: Cluster) -> None:
    pod = await cluster.create("Pod", "web")

    assert pod["status"]["podIP"] == "10.244.0.2"
    assert pod["status"]["podIPs"] == [{"ip": "10.244.0.2"}, {"ip": "fd00:10:244::2"}]
    assert pod["status"]["phase"] == "Running"
    assert {"type": "Ready", "status": "True", "lastTransitionTime": "2023-11-14T22:13:20Z"} in pod["status"][
        "conditions"
    ]
    assert cluster.addresses("pods") == ["10.244.0.2"]


async def test_what_the_status_says_of_a_pod_is_left_as_it_is(cluster: Cluster) -> None:
    conditions = [{"type": "Ready", "status": "False"}]

    pod = await cluster.create("Pod", "web", status={"phase": "Pending", "conditions": conditions})
    other = await cluster.create("Pod", "db", status={"conditions": conditions})

    assert pod["status"]["phase"] == "Pending"
    assert pod["status"]["conditions"] == conditions
    assert other["status"]["conditions"] == conditions


@pytest.mark.parametrize(
    "asking",
    [
        {"status": {"podIP": "10.244.7.7"}},
        {"status": {"podIP": "10.244.7.7", "podIPs": [{"ip": "10.244.7.7"}]}},
        {"metadata": {"annotations": {ASKED: '["10.244.7.7"]'}}},
    ],
)
async def test_a_pod_gets_the_address_that_it_asks_for(cluster: Cluster, asking: dict[str, object]) -> None:
    pod = await cluster.create("Pod", "web", **asking)

    assert pod["status"]["podIPs"] == [{"ip": "10.244.7.7"}]
    assert cluster.addresses("pods") == ["10.244.7.7"]
    assert cluster.addresses("pods-v6") == []


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        ({"podIP": "10.244.0.2"}, "provided IP is already allocated"),
        ({"podIP": "192.0.2.1"}, "is not in the valid range"),
        ({"podIP": "10.244.0.1"}, "is not in the valid range"),
        ({"podIP": "10.244.0"}, "must be a valid IP address"),
        ({"podIP": "10.244.0.3", "podIPs": [{"ip": "10.244.0.4"}]}, "must be equal to `podIP`"),
        ({"podIPs": [{"ip": "10.244.0.3"}, {"ip": "10.244.0.4"}]}, "no more than one IP for each IP family"),
        ({"podIPs": [{"ip": "10.244.0.9"}, {"ip": "fd01::1"}]}, "is not in the valid range"),
        ({"phase": "Dancing"}, 'Unsupported value: "Dancing"'),
    ],
)
async def test_an_address_that_cannot_be_had_is_refused_with_nothing_kept(
    cluster: Cluster, status: dict[str, object], complaint: str
) -> None:
    await cluster.create("Pod", "first")

    with pytest.raises(StatusError, match=complaint) as refused:
        await cluster.create("Pod", "web", status=status)

    assert refused.value.status == 422
    assert cluster.get("Pod", "web") is None
    assert cluster.addresses("pods") == ["10.244.0.2"]


@pytest.mark.parametrize("annotation", ["10.244.0.9", '{"a": 1}', "[1]"])
async def test_an_annotation_that_is_no_list_of_addresses_is_refused(cluster: Cluster, annotation: str) -> None:
    with pytest.raises(Malformed, match="not a JSON list of addresses"):
        await cluster.create("Pod", "web", metadata={"annotations": {ASKED: annotation}})


async def test_a_full_pool_is_told(cluster: Cluster) -> None:
    await cluster.service.delete_pool("pods")
    await cluster.service.delete_pool("pods-v6")
    await cluster.service.delete_pool("tiny")
    await cluster.service.create_pool(POINT)
    await cluster.create("Pod", "a")
    await cluster.create("Pod", "b")

    with pytest.raises(StatusError, match="failed to allocate an address of family IPv4: range is full"):
        await cluster.create("Pod", "c")


async def test_a_pod_on_the_network_of_its_host_has_the_addresses_of_its_node_and_no_lease(cluster: Cluster) -> None:
    addresses = [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "192.168.0.1"}]
    await cluster.create("Node", "n1", status={"addresses": addresses})

    pod = await cluster.create("Pod", "proxy", spec={"hostNetwork": True, "nodeName": "n1"})
    alone = await cluster.create("Pod", "alone", spec={"hostNetwork": True})

    assert pod["status"]["podIPs"] == [{"ip": "192.168.0.1"}]
    assert "podIP" not in alone["status"]
    assert cluster.addresses("pods") == ["10.244.0.0/24"]


async def test_the_address_stays_over_updates_and_goes_with_the_pod(cluster: Cluster) -> None:
    pod = await cluster.create("Pod", "web")

    changed = await cluster.replace("Pod", "web", {"metadata": {"labels": {"a": "b"}}, "status": {"podIP": "1.2.3.4"}})
    assert changed["status"] == pod["status"]
    assert changed["metadata"]["uid"] == pod["metadata"]["uid"]

    await cluster.delete("Pod", "web")
    assert cluster.addresses("pods") == cluster.addresses("pods-v6") == []


async def test_a_status_with_another_address_moves_the_lease(cluster: Cluster) -> None:
    await cluster.create("Pod", "web", status={"podIP": "10.244.0.9"})

    moved = await cluster.patch("Pod", "web", {"status": {"podIP": "10.244.0.8", "podIPs": None}}, path="status")

    assert moved["status"]["podIPs"] == [{"ip": "10.244.0.8"}]
    assert cluster.addresses("pods") == ["10.244.0.8"]


async def test_a_status_without_addresses_keeps_them(cluster: Cluster) -> None:
    pod = await cluster.create("Pod", "web")

    ended = await cluster.replace("Pod", "web", {"status": {"phase": "Succeeded"}}, path="status")

    assert ended["status"]["phase"] == "Succeeded"
    assert ended["status"]["podIPs"] == pod["status"]["podIPs"]


async def test_a_pod_cannot_move_to_the_network_of_its_host(cluster: Cluster) -> None:
    await cluster.create("Pod", "web")

    with pytest.raises(StatusError, match="hostNetwork: Forbidden"):
        await cluster.patch("Pod", "web", {"spec": {"hostNetwork": True}})


def addresses(pod: Any) -> list[str]:
    return [entry["ip"] for entry in pod["status"]["podIPs"]]


async def by_node(cluster: Cluster) -> None:
    """Has the pools for pods give addresses by node, and two nodes."""
    for pool in (PODS, PODS_V6):
        await cluster.service.ensure_pools([structs.replace(pool, per_node=True)])
    for name in ("n1", "n2"):
        await cluster.create("Node", name)


async def test_a_pod_gets_its_addresses_from_the_blocks_of_its_node(cluster: Cluster) -> None:
    await by_node(cluster)

    made = await cluster.create("Pod", "a", spec={"nodeName": "n2"})

    for address, block in zip(addresses(made), cluster.get("Node", "n2")["spec"]["podCIDRs"], strict=True):
        assert ip_address(address) in ip_network(block)
    with pytest.raises(StatusError, match="node 'n3' has no block of it") as refused:
        await cluster.create("Pod", "b", spec={"nodeName": "n3"})
    assert refused.value.status == 422


async def test_a_pod_on_no_node_waits_until_it_is_bound_to_one(cluster: Cluster) -> None:
    await by_node(cluster)
    waiting = await cluster.create("Pod", "a")
    assert waiting["status"] == {"phase": "Pending"}

    labelled = await cluster.patch("Pod", "a", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["status"] == {"phase": "Pending"}
    running = await cluster.patch("Pod", "a", {"spec": {"nodeName": "n1"}})

    assert running["status"]["phase"] == "Running"
    assert len(addresses(running)) == 2
    assert {each["type"] for each in running["status"]["conditions"]} >= {"Ready", "PodScheduled"}
    with pytest.raises(StatusError, match=r"spec\.nodeName: Forbidden: pod updates may not change this field"):
        await cluster.patch("Pod", "a", {"spec": {"nodeName": "n2"}})


async def test_a_node_that_goes_keeps_its_block_from_others_until_its_pods_have_gone(cluster: Cluster) -> None:
    await by_node(cluster)
    await cluster.create("Pod", "a", spec={"nodeName": "n1"})
    block = cluster.get("Node", "n1")["spec"]["podCIDR"]

    await cluster.delete("Node", "n1")
    with pytest.raises(StatusError, match="already allocated"):
        await cluster.create("Node", "n3", spec={"podCIDR": block})
    await cluster.delete("Pod", "a")

    assert (await cluster.create("Node", "n3", spec={"podCIDR": block}))["spec"]["podCIDR"] == block


async def test_addresses_that_a_pod_asks_for_do_not_wait(cluster: Cluster) -> None:
    await by_node(cluster)
    block = ip_network(cluster.get("Node", "n1")["spec"]["podCIDR"])

    made = await cluster.create("Pod", "a", spec={"nodeName": "n1"}, status={"podIP": str(block[9])})

    assert addresses(made) == [str(block[9])]


def test_a_binding_names_a_node_once() -> None:
    pod: Any = {"metadata": {"name": "a"}}

    assert bound("a", {"target": {"name": "n1"}}, pod)["spec"] == {"nodeName": "n1"}
    with pytest.raises(StatusError, match=r"target\.name: Required value"):
        bound("a", {}, pod)
    with pytest.raises(StatusError, match='pod a is already assigned to node "n2"'):
        bound("a", {"target": {"name": "n1"}}, {"spec": {"nodeName": "n2"}})
