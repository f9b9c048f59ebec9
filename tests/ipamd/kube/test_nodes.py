"""Nodes: their podCIDRs."""

import pytest

from ipamd.errors import StatusError
from tests.ipamd.kube.cluster import Cluster


async def test_a_node_gets_a_block_of_every_family_and_is_ready(cluster: Cluster) -> None:
    first, second = await cluster.create("Node", "n1"), await cluster.create("Node", "n2", spec={})

    assert first["spec"] == {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:10:244:1::/64"]}
    assert second["spec"]["podCIDR"] == "10.244.2.0/24"
    assert [(c["type"], c["status"]) for c in first["status"]["conditions"]] == [("Ready", "True")]


async def test_a_node_gets_the_block_that_it_asks_for(cluster: Cluster) -> None:
    node = await cluster.create("Node", "n1", spec={"podCIDR": "10.244.9.0/24"})

    assert node["spec"]["podCIDRs"] == ["10.244.9.0/24"]
    assert cluster.addresses("pods") == ["10.244.9.0/24"]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"podCIDR": "10.244.1.0/24"}, "already allocated"),
        ({"podCIDR": "10.0.0.0/24"}, "not in the valid range"),
        ({"podCIDR": "10.244.9.1/24"}, "must be a valid CIDR"),
        ({"podCIDR": "10.244.9.1"}, "must be a valid CIDR"),
        ({"podCIDR": "10.244.9.0/24", "podCIDRs": ["10.244.8.0/24"]}, "must be equal to `podCIDR`"),
    ],
)
async def test_a_block_that_cannot_be_had_is_refused(cluster: Cluster, spec: dict[str, object], complaint: str) -> None:
    await cluster.create("Node", "n1")

    with pytest.raises(StatusError, match=complaint) as refused:
        await cluster.create("Node", "n2", spec=spec)

    assert refused.value.status == 422


async def test_the_blocks_stay_over_updates_cannot_change_and_go_with_the_node(cluster: Cluster) -> None:
    node = await cluster.create("Node", "n1")

    changed = await cluster.replace("Node", "n1", {"spec": {"unschedulable": True}})
    assert changed["spec"] == {"unschedulable": True, **node["spec"]}
    with pytest.raises(StatusError, match="may not change podCIDR"):
        await cluster.patch("Node", "n1", {"spec": {"podCIDR": "10.244.9.0/24", "podCIDRs": ["10.244.9.0/24"]}})

    await cluster.delete("Node", "n1")
    assert cluster.addresses("pods") == cluster.addresses("pods-v6") == []
