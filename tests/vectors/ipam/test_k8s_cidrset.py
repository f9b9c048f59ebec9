"""The CIDR set of Kubernetes' node IPAM controller."""

from ipaddress import ip_network

import pytest

from ipamd.errors import OutsidePool, StatusError
from ipamd.kube.cidr_set import CidrSet, Grid
from ipamd.model import Pool
from ipamd.ranges import Cidr, read_cidr
from tests.ipamd.kube.cluster import Cluster
from tests.vectors.ipam.conftest import MakeCluster
from tests.vectors.ipam.table import Row, each

# Kubernetes' bitmap is bounded, so a node mask may be 16 bits longer than an IPv6 cluster's; here nothing has a bound.
UNBOUNDED = "the mask difference is too large"


def network(text: str) -> Cidr:
    """A CIDR as Go reads it: with host bits, which are dropped."""
    return read_cidr(str(ip_network(text, strict=False)))


def grid(row: Row) -> Grid:
    return Grid(network(row["cluster"]), row["mask"])


async def next_block(cluster: Cluster, name: str) -> str | None:
    """The block that a new Node gets; None if there is none left."""
    try:
        return str((await cluster.create("Node", name))["spec"]["podCIDR"])
    except StatusError as refused:
        return None if "CIDR allocation failed; there are no remaining CIDRs left" in refused.message else str(refused)


def pool(row: Row) -> Pool:
    return Pool("nodes", (str(network(row["cluster"])),), purpose="nodes", block_size=row["mask"])


@each("k8s_cidrset", "indexToCIDR")
def test_the_block_of_an_index_is_that_of_the_range_allocator(row: Row | None) -> None:
    assert row is None or str(grid(row).block(row["index"])) == row["expect"]


@each("k8s_cidrset", "bitForCIDR")
def test_the_index_of_a_block_is_that_of_the_range_allocator(row: Row | None) -> None:
    if row is not None and row["expect"] is None:
        with pytest.raises(OutsidePool):
            grid(row).indices(read_cidr(row["cidr"]))
    elif row is not None:
        assert grid(row).indices(read_cidr(row["cidr"])) == (row["expect"], row["expect"])


@each("k8s_cidrset", "occupyRange")
def test_a_cidr_occupies_every_block_that_it_touches(row: Row | None) -> None:
    assert row is None or grid(row).indices(network(row["cidr"])) == (row["begin"], row["end"])


@each("k8s_cidrset", "occupyRelease")
def test_what_is_released_is_given_again(row: Row | None) -> None:
    if row is None:
        return
    blocks = CidrSet(grid(row))
    for act, cidr, used in row["steps"]:
        (blocks.occupy if act == "occupy" else blocks.release)(read_cidr(cidr))
        assert blocks.used == used, (act, cidr)
    assert blocks.grid.blocks - blocks.used == row["thenAllocatable"]


@each("k8s_cidrset", "fullyAllocated")
async def test_nodes_get_blocks_until_there_is_none_left(row: Row | None, make_cluster: MakeCluster) -> None:
    if row is None:
        return
    cluster = await make_cluster(pool(row))
    whole = str(network(row["cluster"]))
    expected = row.get("expect", [whole, None])

    assert [await next_block(cluster, f"n{number}") for number in range(len(expected))] == expected
    await cluster.delete("Node", "n0")
    assert await next_block(cluster, "again") == row.get("afterRelease", whole)


@each("k8s_cidrset", "allocate")
async def test_nodes_get_the_blocks_that_the_range_allocator_gives_them(
    row: Row | None, make_cluster: MakeCluster
) -> None:
    if row is None:
        return
    cluster = await make_cluster(pool(row))
    expected = row.get("expect", [f"{network(row['cluster'])}".replace("/32", f"/{row['mask']}")])

    assert [await next_block(cluster, f"n{number}") for number in range(len(expected))] == expected
    assert "expect" in row or UNBOUNDED in row["expectError"]
