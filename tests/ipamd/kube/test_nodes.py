"""Nodes: their podCIDRs."""

import pytest

from ipamd.errors import StatusError
from ipamd.model import Pool
from tests.ipamd.kube.cluster import Cluster


async def test_a_node_gets_a_block_of_every_family_and_is_ready(cluster: Cluster) -> None:
    first, second = await cluster.create("Node", "n1"), await cluster.create("Node", "n2", spec={})

    assert first["spec"] == {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]}
    assert second["spec"]["podCIDR"] == "10.244.1.0/24"
    assert [(c["type"], c["status"]) for c in first["status"]["conditions"]] == [("Ready", "True")]


async def test_blocks_are_given_one_after_the_other_though_earlier_ones_were_given_back(cluster: Cluster) -> None:
    await cluster.service.create_pool(Pool("nodes", ("10.9.0.0/22",), purpose="nodes", block_size=24))
    first = [(await cluster.create("Node", f"n{number}"))["spec"]["podCIDR"] for number in range(2)]
    await cluster.delete("Node", "n0")
    with pytest.raises(StatusError):
        await cluster.create("Node", "wrong", metadata={"labels": {"a b": "c"}})

    second = [(await cluster.create("Node", f"m{number}"))["spec"]["podCIDR"] for number in range(3)]

    assert first + second == [f"10.9.{number}.0/24" for number in (0, 1, 2, 3, 0)]
    with pytest.raises(StatusError, match="there are no remaining CIDRs left to allocate in the accepted range"):
        await cluster.create("Node", "last")
    blocks = next(each for each in cluster.node_cidrs if each.grid.cluster.family == 4)
    assert (blocks.used, blocks.allocations, blocks.releases, blocks.tries) == (4, 5, 1, {0: 5})


async def test_what_is_in_use_is_learnt_from_the_nodes_there_are(cluster: Cluster) -> None:
    await cluster.create("Node", "n1")
    await cluster.create("Node", "n2", spec={"podCIDR": "10.244.8.0/22"})

    again = Cluster(cluster.service)
    await again.create("Node", "n3")

    assert [(str(each.grid.cluster), each.used) for each in again.node_cidrs] == [
        ("10.244.0.0/16", 6),
        ("fd00:10:244::/56", 2),
    ]


async def test_a_node_gets_the_block_that_it_asks_for(cluster: Cluster) -> None:
    node = await cluster.create("Node", "n1", spec={"podCIDR": "10.244.9.0/24"})

    assert node["spec"]["podCIDRs"] == ["10.244.9.0/24"]
    assert cluster.addresses("pods") == ["10.244.9.0/24"]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"podCIDR": "10.244.0.0/24"}, "already allocated"),
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
